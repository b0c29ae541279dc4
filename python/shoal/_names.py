# SPDX-License-Identifier: Apache-2.0
"""What names in a function's tree lead to: modules, classes, functions and values, as far as that is known without running it."""
from __future__ import annotations

import ast
import importlib.util
import os
import sys
import types
from typing import Any, Iterator

from ._owners import is_a
from ._source import Facts, nested

UNKNOWN = object()
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Names:
    """Of one function. A name may be a variable of the function's own besides (``within``): then what is said of it may be wrong."""

    def __init__(self, f: types.FunctionType, facts: Facts, tree: Any) -> None:
        self._function, self._facts = f, facts
        self.within = _set_within(f.__code__, tree)
        self._cells = dict(zip(f.__code__.co_freevars, f.__closure__ or ()))
        self._imported = dict(_imports(tree, f.__globals__))

    def value(self, node: Any) -> Any:
        """Of a name, or of an attribute of a module; UNKNOWN: anything."""
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.Attribute):
            base = self.value(node.value)
            return vars(base).get(node.attr, UNKNOWN) if is_a(base, types.ModuleType) else UNKNOWN
        return UNKNOWN

    def _named(self, name: str) -> Any:
        if name in self._imported:
            return self._imported[name]
        if name in self._cells:
            try:
                return self._cells[name].cell_contents
            except ValueError:
                return UNKNOWN
        return self._function.__globals__.get(name, UNKNOWN) if name in self._facts.globals else UNKNOWN

    def is_outer(self, node: Any) -> bool:
        """Whether a name, or what attributes are taken of, is never a variable of the function's own."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id not in self.within

    def text(self, node: Any) -> str | None:
        """The text that an expression is, if that is sure."""
        value = UNKNOWN
        if isinstance(node, ast.Constant):
            value = node.value
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.text(node.left), self.text(node.right)
            return left + right if left is not None and right is not None else None
        elif self.is_outer(node):
            value = self.value(node)
        if isinstance(value, bytes):
            return os.fsdecode(value)
        return str(value) if type(value) is str else None


def what_runs(tree: Any) -> list[Any]:
    """What of a function runs when it is called: neither decorators nor defaults nor annotations."""
    if isinstance(tree, ast.Lambda):
        return [tree.body]
    return list(tree.body) if isinstance(tree, _FUNCTION) else [tree]


def _set_within(code: types.CodeType, tree: Any) -> set[str]:
    """Names that the function itself, or one within, gives values to."""
    found: set[str] = set()
    for part in nested(code):
        found.update(part.co_varnames + part.co_cellvars)
        if not part.co_flags & 1:  # a class's body
            found.update(part.co_names)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            found.update(node.names)
    return found


def _imports(tree: Any, own: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The names that imports inside the function make."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                module = sys.modules.get(a.name if a.asname else a.name.partition(".")[0], UNKNOWN)
                yield a.asname or a.name.partition(".")[0], module
        elif isinstance(node, ast.ImportFrom):
            package = own.get("__package__") or str(own.get("__name__", "")).rpartition(".")[0]
            try:
                name = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue
            for a in node.names:
                found = getattr(sys.modules.get(name), a.name, UNKNOWN)
                yield a.asname or a.name, sys.modules.get(f"{name}.{a.name}", found) if found is UNKNOWN else found
