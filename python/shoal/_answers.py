# SPDX-License-Identifier: Apache-2.0
"""While a model of `shoal run` runs, what it loads comes from the run's plan, not from the branch, which may move meanwhile."""
from __future__ import annotations

import contextlib
from typing import Any, Iterator, Protocol

from . import _tables
from ._kept import error
from ._shoal import read_arrow


class Plan(Protocol):
    def table(self, dataset: str) -> str | None: ...


@contextlib.contextmanager
def from_plan(plan: Plan) -> Iterator[None]:
    _tables.planned = lambda name: _planned(plan, name)
    try:
        yield
    finally:
        _tables.planned = None


class Planned(_tables.Table):
    """A table of the plan, in a file."""

    def __init__(self, name: str, path: str) -> None:
        self._name, self._path = name, path

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return read_arrow(self._path)

    def __repr__(self) -> str:
        return f"shoal.Table({self._name!r})"


def _planned(plan: Plan, dataset: str) -> Planned:
    path = plan.table(dataset)
    if path is None:
        raise error("invalid", f"{dataset} is loaded under a name that planning did not see", f"write it in the code: shoal.table({dataset!r})")
    return Planned(dataset, path)


def stream_of(value: Any, dataset: str) -> object:
    if not hasattr(value, "__arrow_c_stream__"):
        raise error("invalid", f"the function for {dataset} returns a {type(value).__name__}, which is no table", "return a pandas, polars or Arrow table")
    return value.__arrow_c_stream__()
