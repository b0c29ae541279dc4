# SPDX-License-Identifier: Apache-2.0
"""What a model of `shoal run` is seen to do that its key can't cover: files it opens, machines it connects to, programs it starts. The
interpreter tells of these (audit events); what native code does by itself it doesn't see. Hooks can't be removed and are asked
for each import and open, so only worker processes have them."""
from __future__ import annotations

import os
import sys
import sysconfig
import threading
from typing import Any, Callable, Iterable, NamedTuple

_MOST = 50  # of one model
_SYSTEM = ("/usr/", "/lib/", "/lib64/", "/proc/", "/sys/", "/dev/", "/etc/localtime", "/etc/timezone")
_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Seen(NamedTuple):
    what: str  # "reads data/x.csv"
    path: str  # where in the project's code; "" if there is none on the way
    line: int

    def text(self) -> str:
        where = f" ({self.path}:{self.line})" if self.path else ""
        return f"{self.what}{where}, which is not in its key"


class Observer:
    """One model at a time, with all threads it starts."""

    def __init__(self, root: str, relative: Callable[[str], str]) -> None:
        self._root, self._relative = root + os.sep, relative
        self._on = False
        self._seen: dict[tuple[str, str, int], Seen] = {}
        self._written: set[str] = set()
        self._busy = threading.local()
        self._events: dict[str, Callable[[tuple[Any, ...]], str | None]] = {
            "open": self._open, "socket.connect": self._connect, "subprocess.Popen": _program, "os.system": _command, "os.posix_spawn": _program, "os.exec": _program}

    def begin(self, declared: Iterable[str]) -> None:
        """`declared` are files and folders whose content counts. What packages are made of is asked for now: the path may have grown."""
        self._declared = tuple(declared)
        installed = {os.path.realpath(p) + os.sep for p in (*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, sys.exec_prefix)}
        on_path = {os.path.realpath(p) + os.sep for p in sys.path if p}
        own = {p for p in on_path if p.startswith(self._root) and os.path.basename(p[:-1]) not in ("site-packages", "dist-packages")}
        self._libraries = tuple(installed | on_path - own)
        self._seen.clear()
        self._written.clear()
        self._on = True

    def end(self) -> list[Seen]:
        self._on = False
        return sorted(self._seen.values())

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on or event not in self._events or getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            what = self._events[event](args)
            if what is not None and len(self._seen) < _MOST:
                self._note(what)
        finally:
            self._busy.now = False

    def _note(self, what: str) -> None:
        frame: Any = sys._getframe(2)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(_OWN):
                if frame.f_code.co_name != "run":  # which calls the model; the rest is what we do for it
                    return
                break
            if self._is_projects(name):
                one = Seen(what, self._relative(name), frame.f_lineno)
                self._seen[one] = one
                return
            if frame.f_code.co_name == "<module>":
                return  # a library that is being imported
            frame = frame.f_back
        one = Seen(what, "", 0)
        self._seen[one] = one

    def _is_projects(self, name: str) -> bool:
        return name.startswith(self._root) and not self._is_librarys(name)

    def _is_librarys(self, path: str) -> bool:
        inside = path.startswith(self._root)
        return any(path.startswith(f) and not (inside and self._root.startswith(f)) for f in self._libraries)

    # ---- events ----

    def _open(self, args: tuple[Any, ...]) -> str | None:
        name, _, flags = args
        if not isinstance(name, (str, bytes)):
            return None  # a descriptor
        path = os.path.realpath(os.fsdecode(name))
        if flags & (os.O_WRONLY | os.O_TRUNC | os.O_CREAT):
            self._written.add(path)
            return None
        if path in self._written or path.startswith(_SYSTEM) and not path.startswith(self._root) or self._is_librarys(path) or not os.path.isfile(path):
            return None
        if any(path == d or path.startswith(d + os.sep) for d in self._declared):
            return None
        shown = self._relative(path)
        if not os.path.isabs(shown) and (shown.startswith(".shoal" + os.sep) or shown.endswith((".py", ".pyc"))):
            return None  # code counts by what is reached of it
        return f"reads {shown}"

    def _connect(self, args: tuple[Any, ...]) -> str | None:
        address = args[1]
        if isinstance(address, tuple) and len(address) > 1:
            return f"connects to {address[0]}:{address[1]}"
        return f"connects to {os.fsdecode(address) if isinstance(address, (str, bytes)) else address}"


def _program(args: tuple[Any, ...]) -> str | None:
    return f"runs {os.fsdecode(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else args[0]}"


def _command(args: tuple[Any, ...]) -> str | None:
    return f"runs {os.fsdecode(args[0])}"
