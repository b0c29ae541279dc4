# SPDX-License-Identifier: Apache-2.0
"""What the decorators leave on a function, and the names of datasets."""
from __future__ import annotations

import os
import weakref
from typing import Any, Callable

from . import _cells
from ._shoal import Error, dataset as _dataset


makers: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()  # of this process, by dataset: the last decorated


class Kept:
    """What the wrapper of a kept function has as ``__shoal__``."""

    __slots__ = ("dataset", "function", "decorated")

    def __init__(self, dataset: str | None, function: Callable[..., Any], decorated: Any = None) -> None:
        self.dataset, self.function, self.decorated = dataset, function, decorated  # a _decorated.Decorated, for who has one


def dataset(path: str | os.PathLike[str]) -> str:
    """The name of the dataset that a path stands for: ``/silver/clean`` is silver.clean."""
    return _dataset(os.fspath(path))


def undecorated(f: Callable[..., Any]) -> Callable[..., Any]:
    kept = getattr(f, "__shoal__", None)
    return kept.function if isinstance(kept, Kept) else f


def error(status: str, message: str, hint: str, path: str | None = None, line: int = 0) -> Error:
    """An error as the C half raises them."""
    place = _cells.place(path) if path else ""
    where = (f"{place}:{line}: " if line else f"{place}: ") if path else ""
    e = Error(f"{where}{message}\n  {hint}")
    e.status, e.hint, e.context, e.path, e.line, e.column = status, hint, "", path or "", line, 0
    return e
