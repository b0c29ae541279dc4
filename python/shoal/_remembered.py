# SPDX-License-Identifier: Apache-2.0
"""What was found out about code objects and source files, for other processes: a file of the user's cache folder for each
source file. All of it follows from what it is filed under: facts from the whole code object, what a file says of a code
object from both. So nothing in here can be out of date, only missing."""
from __future__ import annotations

import atexit
import hashlib
import marshal
import os
import sys
import tempfile
from types import CodeType
from typing import Any

from ._shoal import code_key as _code_key

_FORM = 1  # raised when what is remembered is taken otherwise from code
FOLDER = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "shoal", "python")
WORLD = repr((_FORM, sys.version, sys.implementation.cache_tag, sys.flags.optimize)).encode()
_SIZE = 32


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_SIZE, key=WORLD[:64], person=hashlib.blake2b(WORLD, digest_size=16).digest()).digest()


def code_key(code: CodeType) -> bytes:
    """Of all that a code object is, lines and name of its file included."""
    return _hash(marshal.dumps(code, 2))  # later versions tell how often an object is referred to


def text_key(lines: list[str]) -> bytes:
    return _hash("".join(lines).encode("utf-8", "surrogatepass"))


def read(path: str) -> Any:
    """None: there is nothing that could be believed."""
    try:
        with open(path, "rb") as f:
            data = f.read()
    except OSError:
        return None
    return marshal.loads(data[_SIZE:]) if data[:_SIZE] == _hash(data[_SIZE:]) else None  # marshal believes what it reads


def write(path: str, what: Any) -> None:
    data = marshal.dumps(what)
    os.makedirs(FOLDER, 0o700, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=FOLDER)
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(_hash(data) + data)
        os.replace(beside, path)
    except OSError:
        os.unlink(beside)
        raise


class Store:
    """Of one source file."""

    __slots__ = ("path", "facts", "files", "_used", "changed")

    def __init__(self, name: str) -> None:
        self.path = os.path.join(FOLDER, _hash(os.fsencode(name)).hex())
        self.facts: dict[bytes, tuple[Any, ...]]
        self.files: dict[bytes, dict[Any, Any]]  # by the file's content
        self._used: set[bytes] = set()
        self.changed = False
        self.facts, self.files = read(self.path) or ({}, {})

    def file(self, content: bytes) -> dict[Any, Any]:
        self._used.add(content)
        return self.files.setdefault(content, {})

    def save(self) -> None:
        self.changed = False
        if len(self.facts) > _MOST_FACTS:
            self.facts.clear()
        write(self.path, (self.facts, {content: self.files[content] for content in self._used}))


class Plain:
    """Of the functions of one source file that are plain (shoal/_forms.py), by what their code objects are."""

    __slots__ = ("path", "files", "_used", "changed")

    def __init__(self, name: str) -> None:
        self.path = os.path.join(FOLDER, _hash(os.fsencode(name)).hex() + "-plain")
        self.files: dict[bytes, dict[bytes, tuple[Any, ...]]] = read(self.path) or {}  # by the file's content
        self._used: set[bytes] = set()
        self.changed = False

    def file(self, content: bytes) -> dict[bytes, tuple[Any, ...]]:
        self._used.add(content)
        return self.files.setdefault(content, {})

    def save(self) -> None:
        self.changed = False
        write(self.path, {content: self.files[content] for content in self._used})


def plain_key(code: CodeType) -> bytes:
    return _code_key(marshal.dumps, code, WORLD)


_MOST_FACTS = 20_000  # of one file, of all its versions
_MOST_FILES = 4_000
_stores: dict[str, Store] = {}
_plain: dict[str, Plain] = {}


def store(name: str) -> Store | None:
    """None: code without a file says what it is in this process only."""
    found = _stores.get(name)
    if found is None and os.path.isabs(name):
        found = _stores[name] = Store(name)
    return found


def plain(name: str) -> Plain | None:
    found = _plain.get(name)
    if found is None and os.path.isabs(name):
        found = _plain[name] = Plain(name)
    return found


def _forget_old() -> None:
    files = [(e.stat().st_mtime_ns, e.path) for e in os.scandir(FOLDER)]
    for _, path in sorted(files)[:len(files) // 2 if len(files) > _MOST_FILES else 0]:
        os.unlink(path)


@atexit.register
def save() -> None:
    saved = False
    for one in (*_stores.values(), *_plain.values()):
        if one.changed:
            try:
                one.save()
                saved = True
            except OSError:  # it would have been quicker with it
                return
    try:
        if saved:
            _forget_old()
    except OSError:  # another process forgets, too
        pass
