# SPDX-License-Identifier: Apache-2.0
"""The project's files that a canonical form rests on: as long as none of them changes, neither does the form. A value may
come from a module that nothing refers to any more (``from helpers import LIMIT``), so the files are those that importing the
code reads: what is imported by each of them, followed through the text."""
from __future__ import annotations

import ast
import os
import sys
from typing import Any, Iterable, Iterator

from . import _owners
from ._source import DYNAMIC_IMPORTS, File, file_of


def below(paths: Iterable[str | None]) -> list[str]:
    """These files, and what importing them reads, sorted; the project's only."""
    modules = _project_modules()
    by_file = {file: name for name, file in modules.items()}
    found: set[str] = set()
    todo = [os.path.realpath(p) for p in paths if p and os.path.exists(p)]
    while todo:
        path = todo.pop()
        if path in found or _owners.owner(by_file.get(path), path) is not None:
            continue
        found.add(path)
        todo += _imported(path, by_file.get(path), modules)
    return sorted(found)


_looked_at: dict[str, tuple[Any, str | None]] = {}  # module and file, None: it is not the project's


def _project_modules() -> dict[str, str]:
    """The file of each module of the project that is loaded."""
    found = {}
    for name, module in list(sys.modules.items()):
        known, file = _looked_at.get(name, (None, None))
        if known is not module:
            file = getattr(module, "__file__", None)
            ours = isinstance(file, str) and os.path.exists(file) and _owners.owner(name) is None
            file = os.path.realpath(file) if ours and file else None
            _looked_at[name] = (module, file)
        if file:
            found[name] = file
    return found


def _imported(path: str, name: str | None, modules: dict[str, str]) -> Iterator[str]:
    source = file_of(path) if path.endswith(".py") else None
    if source is None or source.tree is None:
        return
    if _is_dynamic(source):
        yield from modules.values()
        return
    for node in ast.walk(source.tree):
        for wanted in _names(node, name, path):
            parts = wanted.split(".")
            for i in range(len(parts)):  # a package's own file is read first
                file = modules.get(".".join(parts[:i + 1]))
                if file:
                    yield file


def _is_dynamic(source: File) -> bool:
    return any(word in line for line in source.lines for word in DYNAMIC_IMPORTS)


def _names(node: Any, name: str | None, path: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (a.name for a in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = (name or "").split(".")
            up = node.level - (os.path.basename(path) == "__init__.py")
            base = ".".join(package[:len(package) - up] + ([node.module] if node.module else []))
        yield base
        yield from (f"{base}.{a.name}" for a in node.names)
