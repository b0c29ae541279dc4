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

_FORM = 1  # raised when what is remembered is taken otherwise from code
FOLDER = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "shoal", "python")
_WORLD = repr((_FORM, sys.version, sys.implementation.cache_tag, sys.flags.optimize)).encode()
_SIZE = 32


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_SIZE, key=_WORLD[:64], person=hashlib.blake2b(_WORLD, digest_size=16).digest()).digest()


def code_key(code: CodeType) -> bytes:
    """Of all that a code object is, lines and name of its file included."""
    return _hash(marshal.dumps(code, 2))  # later versions tell how often an object is referred to


def text_key(lines: list[str]) -> bytes:
    return _hash("".join(lines).encode("utf-8", "surrogatepass"))


class Store:
    """Of one source file."""

    __slots__ = ("path", "facts", "files", "_used", "changed")

    def __init__(self, name: str) -> None:
        self.path = os.path.join(FOLDER, _hash(os.fsencode(name)).hex())
        self.facts: dict[bytes, tuple[Any, ...]] = {}
        self.files: dict[bytes, dict[Any, Any]] = {}  # by the file's content
        self._used: set[bytes] = set()
        self.changed = False
        try:
            with open(self.path, "rb") as f:
                data = f.read()
        except OSError:
            return
        if data[:_SIZE] == _hash(data[_SIZE:]):  # marshal believes what it reads
            self.facts, self.files = marshal.loads(data[_SIZE:])

    def file(self, content: bytes) -> dict[Any, Any]:
        self._used.add(content)
        return self.files.setdefault(content, {})

    def save(self) -> None:
        self.changed = False
        data = marshal.dumps((self.facts, {content: self.files[content] for content in self._used}))
        os.makedirs(FOLDER, 0o700, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=FOLDER)
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(_hash(data) + data)
            os.replace(beside, self.path)
        except OSError:
            os.unlink(beside)
            raise


_MOST_FACTS = 20_000  # of one file, of all its versions
_MOST_FILES = 4_000
_stores: dict[str, Store] = {}


def store(name: str) -> Store | None:
    """None: code without a file says what it is in this process only."""
    found = _stores.get(name)
    if found is None and os.path.isabs(name):
        found = _stores[name] = Store(name)
    return found


def _forget_old() -> None:
    files = [(e.stat().st_mtime_ns, e.path) for e in os.scandir(FOLDER)]
    for _, path in sorted(files)[:len(files) // 2 if len(files) > _MOST_FILES else 0]:
        os.unlink(path)


@atexit.register
def save() -> None:
    saved = False
    for one in list(_stores.values()):
        if one.changed:
            if len(one.facts) > _MOST_FACTS:
                one.facts.clear()
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
