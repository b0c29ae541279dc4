# SPDX-License-Identifier: Apache-2.0
"""One line that moves while something is computed for longer than a second, and one that says what was done: for people, so
only where standard error is a terminal or a notebook. Programs see nothing of it."""
from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import Iterator

from . import _cells, _words

AFTER, TICK = 1.0, 0.25  # seconds


class _View:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.running: dict[object, tuple[str, float]] = {}
        self.started = 0.0
        self.computed: list[str] = []
        self.width = 0  # of what stands in the line now

    def begin(self, token: object, label: str) -> None:
        with self.lock:
            if not self.running:
                self.started, self.computed, self.width = time.monotonic(), [], 0
                self.ended = threading.Event()
                threading.Thread(target=self._watch, args=(self.ended, sys.stderr), name="shoal progress", daemon=True).start()
            self.running[token] = label, time.monotonic()

    def end(self, token: object, computed: bool) -> None:
        with self.lock:
            label, _ = self.running.pop(token)
            if computed:
                self.computed.append(label)
            if not self.running:
                self.ended.set()
                self._sum()

    def _watch(self, ended: threading.Event, out: object) -> None:
        wait = AFTER
        while not ended.wait(wait):
            wait = TICK
            with self.lock:
                if self.running and not ended.is_set() and sys.stderr is out:
                    label, since = list(self.running.values())[-1]
                    done = f"  ({len(self.computed)} computed)" if self.computed else ""
                    self._write(f"{label} …  {time.monotonic() - since:.1f} s{done}")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # it was closed
            sys.stderr.write("\r" + text.ljust(self.width) + ("" if text else "\r"))
            sys.stderr.flush()
        self.width = len(text)

    def _sum(self) -> None:
        took = time.monotonic() - self.started
        if self.width:
            self._write("")
        if self.width or took >= AFTER:
            self.width = 0
            what = self.computed[0] if len(self.computed) == 1 else f"{len(self.computed)} results" if self.computed else ""
            self._write(f"{what} computed in {_words.span(int(took * 1e6))}\n" if what else "")


_view = _View()


def is_watched() -> bool:
    """Whether somebody looks."""
    try:
        return _cells.in_kernel() or sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


class Task:
    """What is being computed in a block; it says so itself when it has been."""

    computed = False


@contextlib.contextmanager
def shown(label: str) -> Iterator[Task]:
    global _view
    task = Task()
    if not is_watched():
        yield task
        return
    if _view.pid != os.getpid():  # a forked child has no such thread
        _view = _View()
    view = _view
    view.begin(task, label)
    try:
        yield task
    finally:
        view.end(task, task.computed)
