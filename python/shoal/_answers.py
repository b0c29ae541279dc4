# SPDX-License-Identifier: Apache-2.0
"""While a model of `shoal run` runs, what it loads comes from the run's plan, not from the branch, which may move meanwhile."""
from __future__ import annotations

import contextlib
from typing import Any, Iterator, Protocol

from . import _frames, _tables
from ._kept import error
from ._shoal import read_arrow


class Plan(Protocol):
    def table(self, dataset: str) -> dict[str, Any]: ...


@contextlib.contextmanager
def from_plan(plan: Plan) -> Iterator[None]:
    _tables.planned = lambda name: _planned(plan, name)
    try:
        yield
    finally:
        _tables.planned = None


class Planned(_tables.Table):
    """A table of the plan, in a file."""

    def __init__(self, name: str, told: dict[str, Any]) -> None:
        self._name, self._path = name, told["table"]
        self._type, self._meta = told.get("type"), told.get("provenance", {}).get("value")

    def value(self) -> Any:
        """As the type it was."""
        return _frames.value_of(self._type, self, self._meta) if self._type and self._meta else self.df()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return read_arrow(self._path)

    def __repr__(self) -> str:
        return f"shoal.Table({self._name!r})"


def _planned(plan: Plan, dataset: str) -> Planned:
    told = plan.table(dataset)
    if "table" not in told:
        raise error("invalid", f"{dataset} is loaded under a name that planning did not see", f"write it in the code: shoal.table({dataset!r})")
    return Planned(dataset, told)


def rows_of(value: Any, dataset: str) -> _frames.Rows:
    try:
        rows = _frames.rows_of(value, f"the function for {dataset}")
    except _frames.NotFaithful as e:
        raise error("invalid", f"the function for {dataset} returns a {type(value).__name__} that no table can hold as it is: {e}", "change what is named") from e
    if rows is None:
        raise error("invalid", f"the function for {dataset} returns a {type(value).__name__}, which is no table", "return a pandas, polars or Arrow table")
    return rows
