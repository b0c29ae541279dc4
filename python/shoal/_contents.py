# SPDX-License-Identifier: Apache-2.0
"""Files whose content counts: those that code names with `shoal.file`. A name written in the code is part of the function's
form; a `File` counts wherever a form reaches it; another name is told to who computes as it is asked for.

A file's content is hashed once as long as the file system says that it is the same one (`_shoal.look`)."""
from __future__ import annotations

import ast
import os
import pathlib
import types
from typing import Any, Callable, Iterator, NamedTuple

from . import _owners
from ._kept import error
from ._names import UNKNOWN, Names, what_runs
from ._shoal import encode, hash_file, look
from ._source import Facts, Source

_DEEPEST = 32
_MOST = 100_000  # hashes of files that are remembered


class File(type(pathlib.Path())):  # type: ignore[misc]
    """A path whose content counts, as what is made of it does: `shoal.file("data") / "x.csv"`."""

    __slots__ = ()


# ---- names ----


def name_of(path: str | os.PathLike[str], root: str | None = None) -> str:
    """What a file is called in keys: below the project, or beside it, relative to it; else as it is written."""
    top = root or _owners.root()
    text = os.fsdecode(path)
    full = os.path.normpath(os.path.join(top, text))
    if os.path.isabs(text) and not _below(full, top):
        full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full)) if _below(os.path.realpath(full), top) else full
    name = full if os.path.isabs(text) and not _below(full, top) else os.path.relpath(full, top)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise error("unsupported", f"the file {name!r} has a name that is no text", "rename it") from None
    if name == ".":
        raise error("unsupported", "the project's own folder has too much in it to count", "name a folder in it")
    return name


def _below(path: str, top: str) -> bool:
    return path.startswith(top.rstrip(os.sep) + os.sep)


def is_below_project(name: str) -> bool:
    return not os.path.isabs(name) and name.partition(os.sep)[0] != os.pardir


def full(name: str, root: str | None = None) -> str:
    return os.path.normpath(os.path.join(root or _owners.root(), name))


# ---- contents ----


class State(NamedTuple):
    """What stands at a path. `key` is its content's, of a folder that of all files below by their names; None: nothing does."""

    path: str
    key: str | None
    stamp: tuple[Any, ...]
    racy: bool


class _Entry(NamedTuple):
    name: bytes  # below the folder asked about
    path: str
    kind: str | None
    stamp: Any
    racy: bool


_hashes: dict[str, tuple[Any, bytes]] = {}


def _entries(path: str, name: bytes = b"", above: tuple[Any, ...] = ()) -> Iterator[_Entry]:
    found = look(path)
    kind, stamp, racy = found if found is not None else (None, None, False)
    yield _Entry(name, path, kind, stamp, racy)
    if found is None or kind != "folder":
        return
    if stamp[:2] in above or len(above) > _DEEPEST:
        raise error("unsupported", f"{path} leads back to a folder above it", "name a folder without such a link")
    for one in sorted(os.listdir(path)):
        yield from _entries(os.path.join(path, one), name + b"/" + os.fsencode(one), (*above, stamp[:2]))


def _content(e: _Entry) -> bytes | None:
    if e.kind == "other":
        raise error("unsupported", f"{e.path} is no regular file", "name files and folders")
    if e.kind != "file":
        return None
    known = _hashes.get(e.path)
    if known is not None and known[0] == e.stamp:
        return known[1]
    digest = hash_file(e.path)
    if not e.racy:
        if len(_hashes) >= _MOST:
            _hashes.clear()
        _hashes[e.path] = e.stamp, digest
    return digest


def _looked(path: str) -> tuple[list[_Entry], tuple[Any, ...], bool]:
    found = list(_entries(path))
    return found, tuple((e.name, e.kind, e.stamp) for e in found), any(e.racy for e in found)


def _key(entries: list[_Entry]) -> str | None:
    if entries[0].kind is None:
        return None
    return encode([(e.name, e.kind, _content(e)) for e in entries], None, None, "shoal/1/python/contents")[0].hex()


def state(path: str) -> State:
    """Of an absolute path. What can't be read raises what opening it would."""
    entries, stamp, racy = _looked(path)
    return State(path, _key(entries), stamp, racy)


def key(name: str, root: str | None = None) -> str | None:
    return state(full(name, root)).key


def stands(was: State) -> bool:
    """Whether nothing was written there since, not even the same again."""
    try:
        entries, stamp, _ = _looked(was.path)
        return stamp == was.stamp and (not was.racy or _key(entries) == was.key)
    except OSError:
        return False


def paths(was: State) -> list[str]:
    """All files and folders that it is made of; a path where nothing is, itself."""
    return [was.path + os.fsdecode(name) for name, _, _ in was.stamp]


def covers(names: Any, name: str) -> bool:
    """Whether a file, or a folder that it is in, is among these."""
    while name and name not in names:
        above = os.path.dirname(name)
        name = above if above != name else ""
    return bool(name)


# ---- what users call ----

_told: list[Callable[[str], None]] = []


def observe(told: Callable[[str], None]) -> None:
    """From now on `told` is called with each absolute path that `shoal.file` is asked for, before it answers."""
    _told.append(told)


def file(path: str | os.PathLike[str]) -> pathlib.Path:
    """The path of a file, or of a folder with all that is in it, whose content counts for the functions that name it. Relative
    paths are the project's. It need not be there: that counts, too."""
    at = full(name_of(path))
    for told in _told:
        told(at)
    return File(at)


# ---- what the code says ----


class Uses(NamedTuple):
    names: dict[str, int]  # of files, and the line where each is named
    open: int  # the line of a use that tells no name; 0: there is none


class _Reading(Names):
    def __init__(self, f: types.FunctionType, facts: Facts, tree: Any) -> None:
        super().__init__(f, facts, tree)
        self.names: dict[str, int] = {}
        self.open = 0
        for part in what_runs(tree):
            self._visit(part)

    def _visit(self, node: Any) -> None:
        rest = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Call) and is_file(self, node.func):
            named = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "path"), node)
            text = self.text(named)
            if text is None:
                self.open = self.open or node.lineno
            else:
                self.names.setdefault(text, node.lineno)
            rest = [*node.args, *node.keywords]
        elif is_file(self, node):
            self.open = self.open or node.lineno
        for child in rest:
            self._visit(child)


def is_file(names: Names, node: Any) -> bool:
    """Whether an expression is `shoal.file`, which the module may not have loaded yet."""
    if isinstance(node, ast.Attribute) and node.attr == "file":
        base = names.value(node.value)
        return _owners.is_a(base, types.ModuleType) and base.__name__ == "shoal"
    return isinstance(node, ast.Name) and names.value(node) is file


def mentions(f: types.FunctionType, facts: Facts) -> bool:
    """Whether the code may name files, going by the words in it."""
    if "file" in facts.attributes or any(one.module.partition(".")[0] == "shoal" or "file" in one.names for one in facts.imports):
        return True
    return any(f.__globals__.get(name, UNKNOWN) is file for name in facts.globals) or any(_holds_file(cell) for cell in f.__closure__ or ())


def _holds_file(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is file
    except ValueError:
        return False


def uses(f: types.FunctionType, facts: Facts, source: Source | None) -> Uses:
    if source is None:
        return Uses({}, f.__code__.co_firstlineno)
    found = _Reading(f, facts, source.node)
    return Uses(found.names, found.open)
