# SPDX-License-Identifier: Apache-2.0
"""What the provenance of a result tells of its code, so that `shoal why` finds what of it is another now."""
from __future__ import annotations

import ast
import os
from typing import Any

from . import _cells, _owners, _source
from ._calls import Code

_MAX_TEXT = 65536  # of one function


def reached(code: Code) -> dict[str, Any]:
    """What a function is made of, for people: what of it differs from another time's is found by name."""
    functions = []
    for node in _leaves_first(code.nodes):
        if node.path and node.kind not in ("environment", "file"):
            functions.append({"name": node.label, "kind": node.kind, "path": relative(node.path), "line": node.line, "key": node.key, "text": _text_of(node)})
    return {
        "functions": functions,
        "packages": [{"name": name, "version": version} for name, version in code.packages],
        "env": [{"name": node.label, "key": node.key} for node in code.nodes if node.kind == "environment"],
        "data_files": [{"name": name, **({"key": state.key} if state.key else {})} for name, state in sorted(code.names.files.items())],
    }


def relative(path: str) -> str:
    real, root = os.path.realpath(path), _owners.root()
    return os.path.relpath(real, root) if real.startswith(root + os.sep) else _cells.place(path)


def _leaves_first(nodes: list[Any]) -> list[Any]:
    order: dict[int, Any] = {}
    seen, todo = {0}, [(0, 0)]
    while todo:
        at, edge = todo.pop()
        if edge == len(nodes[at].edges):
            order[at] = nodes[at]
            continue
        todo.append((at, edge + 1))
        target = nodes[at].edges[edge].target
        if target not in seen:
            seen.add(target)
            todo.append((target, 0))
    return list(order.values())


def _text_of(node: Any) -> str:
    source = _source.file_of(node.path)
    if source is None or source.tree is None:
        return ""
    name = node.label.rpartition(".")[2]
    for statement in ast.walk(source.tree):
        if isinstance(statement, ast.stmt) and getattr(statement, "name", name) == name and min(d.lineno for d in [*getattr(statement, "decorator_list", []), statement]) == node.line:
            return "".join(source.lines[node.line - 1:statement.end_lineno])[:_MAX_TEXT]
    return ""
