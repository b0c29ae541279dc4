# SPDX-License-Identifier: Apache-2.0
"""Functions whose results are kept."""
from __future__ import annotations

import functools
import os
from typing import Any, Callable, ParamSpec, TypeVar

from ._kept import Kept, dataset

P = ParamSpec("P")
R = TypeVar("R")


def data_function(path: str | os.PathLike[str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The function makes the dataset that the path names."""
    name = dataset(path)

    def decorate(f: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(f)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return f(*args, **kwargs)

        call.__shoal__ = Kept(name, f)  # type: ignore[attr-defined]
        return call

    return decorate
