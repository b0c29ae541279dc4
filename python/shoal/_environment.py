# SPDX-License-Identifier: Apache-2.0
"""Environment variables that functions read. A variable whose name is written in the code counts by its value, or by its absence; a
name that isn't is seen when it is read: from then on `os.environ` tells who asks. Values may be secrets: they leave here as digests.

What the project's code reads counts. What libraries read for themselves doesn't; their versions do."""
from __future__ import annotations

import ast
import os
import posixpath
import re
import sys
import types
from typing import Any, Callable, NamedTuple

from . import _owners
from ._kept import error
from ._names import UNKNOWN, Names, what_runs
from ._shoal import encode
from ._source import Facts, Source

_READ = frozenset(("get", "setdefault", "pop", "__getitem__", "__contains__", "__delitem__"))
_WRITE = frozenset(("update", "clear", "__setitem__"))
_FUNCTIONS = (os.getenv, getattr(os, "getenvb", os.getenv))
# A name of the code that may lead to the environment, whatever the module it is taken from is called.
_WORDS = frozenset(("environ", "environb", "getenv", "getenvb", "expandvars"))
_IN_TEXT = re.compile(r"\$(\w+|\{[^}]*\})", re.ASCII)  # as expandvars finds them


def _is_environment(value: Any) -> bool:
    return value is os.environ or value is getattr(os, "environb", None)


def _is_reader(value: Any) -> bool:
    """A callable whose first argument is a variable's name."""
    if any(value is f for f in _FUNCTIONS):
        return True
    return type(value) is types.MethodType and _is_environment(value.__self__) and value.__name__ in _READ


def leads_there(value: Any) -> bool:
    return _is_environment(value) or _is_reader(value) or value is posixpath.expandvars


# ---- values ----


def value(name: str) -> bytes | None:
    """None: it is not set. Asked like this, nobody is told."""
    environment = os.environ
    if type(environment) is _Observed:
        found = environment._data.get(os.fsencode(name))
        return bytes(found) if found is not None else None
    text = environment.get(name)
    return os.fsencode(text) if text is not None else None


def parts(name: str) -> tuple[object, ...]:
    """What the variable counts by."""
    return "environment", os.fsencode(name), value(name)


def key(name: str) -> str | None:
    return encode(parts(name), None, None, "shoal/1/python/environment")[0].hex() if value(name) is not None else None


# ---- what the code says ----


class Uses(NamedTuple):
    names: dict[str, int]  # of variables, and the line where each is read
    open: int  # the line of a use that tells no name; 0: there is none


class _Reading(Names):
    """A function's tree. Whether something leads to the environment is decided too broadly rather than too narrowly; what a
    variable's name is, the other way round."""

    def __init__(self, f: types.FunctionType, facts: Facts, tree: Any) -> None:
        super().__init__(f, facts, tree)
        self.names: dict[str, int] = {}
        self.open = 0
        for part in what_runs(tree):
            self._visit(part)

    def value(self, node: Any) -> Any:
        found = super().value(node)
        if found is UNKNOWN and isinstance(node, ast.Attribute) and node.attr in _READ:
            base = self.value(node.value)
            return getattr(base, node.attr) if _is_environment(base) else UNKNOWN
        return found

    def _read(self, node: Any, at: Any) -> None:
        name = self.text(node)
        if name is None:
            self._unseen(at)
        else:
            self.names.setdefault(name, at.lineno)

    def _unseen(self, at: Any) -> None:
        self.open = self.open or at.lineno

    def _visit(self, node: Any) -> None:
        left = self._expression(node)
        for child in ast.iter_child_nodes(node) if left is None else left:
            self._visit(child)

    def _expression(self, node: Any) -> list[Any] | None:
        """The parts that are still to be visited; None: all of them."""
        if isinstance(node, ast.Subscript) and _is_environment(self.value(node.value)):
            if not isinstance(node.ctx, ast.Store):
                self._read(node.slice, node)
            return [node.slice]
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)) \
                and _is_environment(self.value(node.comparators[0])):
            self._read(node.left, node)
            return [node.left]
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript) and _is_environment(self.value(node.target.value)):
            self._read(node.target.slice, node)
            return [node.target.slice, node.value]
        if isinstance(node, (ast.Name, ast.Attribute)) and not isinstance(node.ctx, ast.Store):
            value = self.value(node)
            if leads_there(value) or value is os:
                self._unseen(node)
                return []
            of_module = isinstance(node, ast.Attribute) and _owners.is_a(self.value(node.value), types.ModuleType)
            return [] if of_module else None
        return None

    def _call(self, node: ast.Call) -> list[Any] | None:
        f = node.func
        arguments = [*node.args, *(k.value for k in node.keywords)]
        called = self.value(f)
        if _is_reader(called):
            named = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "key"), node)
            self._read(named, node)
            return arguments
        if called is posixpath.expandvars:
            text = self.text(node.args[0]) if node.args else None
            if text is None:
                self._unseen(node)
            else:
                for name in _IN_TEXT.findall(text):
                    self.names.setdefault(name.strip("{}"), node.lineno)
            return arguments
        if isinstance(f, ast.Attribute) and f.attr in _WRITE and _is_environment(self.value(f.value)):
            return arguments
        if isinstance(f, ast.Name) and f.id in ("getattr", "hasattr") and len(arguments) > 1 and self.value(arguments[0]) is os:
            name = self.text(arguments[1])
            return arguments[1:] if name is not None and name not in _WORDS else None
        return None


def mentions(facts: Facts) -> bool:
    """Whether the code may lead to the environment, going by the words in it."""
    if not (_WORDS.isdisjoint(facts.attributes) and _WORDS.isdisjoint(facts.strings)):
        return True
    return any(not _WORDS.isdisjoint(one.names) for one in facts.imports)


def uses(f: types.FunctionType, facts: Facts, source: Source | None) -> Uses:
    if source is None:
        return Uses({}, f.__code__.co_firstlineno)
    found = _Reading(f, facts, source.node)
    return Uses(found.names, found.open)


# ---- what is read while a function runs ----

_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
ALL = "*"  # as a name: every variable there is
_Seen = Callable[[str], None]
_seen: list[_Seen] = []
_written: list[_Seen] = []


def observe(seen: _Seen, written: _Seen, reader: Any) -> None:
    """From now on `seen` is called for each variable that is read, `ALL` for the whole environment, before it is; `written` for
    each that is set."""
    if type(os.environ) not in (os._Environ, _Observed):
        raise refusal(reader)
    if seen not in _seen:
        _seen.append(seen)
        _written.append(written)
    for environment in (os.environ, getattr(os, "environb", None)):
        if type(environment) is os._Environ:
            environment.__class__ = _Observed


def refusal(reader: Any, name: str = ALL) -> Exception:
    """`reader` is who, with path and line."""
    what = "the whole environment" if name == ALL else f"the environment variable {name}, whose name is not written in it"
    return error("unsupported", f"{reader.label} reads {what}, so what its result depends on is not known",
                 'name the variables where they are read, os.environ["X"] or os.environ.get("X"), or pass their values as arguments',
                 reader.path, reader.line)


def _text_of(name: Any) -> str:
    return os.fsdecode(name) if isinstance(name, (str, bytes)) else str(name)


def _tell(whom: list[_Seen], name: str) -> None:
    if not _is_librarys_own():
        for seen in whom:
            seen(name)


class _Observed(os._Environ):  # type: ignore[type-arg]
    """What `os.environ` becomes."""

    def __getitem__(self, name: Any) -> Any:
        _tell(_seen, _text_of(name))
        return super().__getitem__(name)

    def __iter__(self) -> Any:
        _tell(_seen, ALL)
        return super().__iter__()

    def __repr__(self) -> str:
        _tell(_seen, ALL)
        return super().__repr__()

    def __setitem__(self, name: Any, value: Any) -> None:
        _tell(_written, _text_of(name))
        super().__setitem__(name, value)

    def __delitem__(self, name: Any) -> None:
        _tell(_seen, _text_of(name))  # it fails where there is none
        _tell(_written, _text_of(name))
        super().__delitem__(name)


def _is_librarys_own() -> bool:
    """A library that is being imported, or a search for a program: neither is the project's doing."""
    frame: Any = sys._getframe(3)
    while frame is not None and not frame.f_code.co_filename.startswith(_FOLDER):  # where what is observed was called
        if frame.f_code is os.get_exec_path.__code__:
            return True
        if frame.f_code.co_name == "<module>":
            file = frame.f_code.co_filename
            return _owners.owner(frame.f_globals.get("__name__"), file if os.path.isabs(file) else None) is not None
        frame = frame.f_back
    return False
