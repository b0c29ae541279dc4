# SPDX-License-Identifier: Apache-2.0
"""While a model of `shoal run` runs, what it loads comes from the run's plan, not from the branch, which may move meanwhile."""
from __future__ import annotations

import contextlib
import os
from typing import Any, Iterator, Protocol

from . import _calls, _codecs, _decorated, _frames, _lake, _tables
from ._kept import Kept, error
from ._shoal import Error, read_arrow


class Plan(Protocol):
    trusted: bool  # whether the lake's writers are
    process: int  # that may ask
    refused: Exception | None  # a name that is no dataset's: the model may have caught it

    def answer(self, dataset: str, called: bool = False) -> dict[str, Any]: ...


class Later(BaseException):
    """Ends a model that loads, under a name its code does not tell, what it must be planned with: it is run again then."""


@contextlib.contextmanager
def from_plan(plan: Plan) -> Iterator[None]:
    _tables.planned = lambda name: _planned(plan, name)
    _tables.planned_call = lambda kept, args, kwargs: _called(plan, kept, args, kwargs)
    try:
        yield
    finally:
        _tables.planned = _tables.planned_call = None


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


class PlannedObject:
    """Any other value of the plan's."""

    def __init__(self, name: str, told: dict[str, Any], trusted: bool) -> None:
        self._name, self._told, self._trusted = name, told, trusted

    def value(self) -> Any:
        with open(self._told["object"], "rb") as f:
            return _codecs.unpack(self._told["codec"], self._told.get("type") or "", f.read(), lambda: self._trusted, self._name)


def _planned(plan: Plan, dataset: str) -> Planned | PlannedObject:
    told = plan.answer(dataset)
    if "object" in told:
        return PlannedObject(dataset, told, plan.trusted)
    if told.get("later"):
        raise Later(dataset)
    if "table" not in told:
        plan.refused = error("not_found", f"there is no dataset {dataset}", "shoal ls shows the names there are; what else a model reads is no input of its")
        raise plan.refused
    return Planned(dataset, told)


def _called(plan: Plan, kept: Kept, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Planned | PlannedObject | None:
    """The plan's result of another model, if it is of this very call. None: then it is a part of the model that calls it, whose
    key covers its code either way."""
    f, dataset = kept.function, kept.dataset
    assert dataset
    try:
        arguments, code = _calls.arguments_key(f, args, kwargs), (kept.decorated or _decorated.NOTHING).code(_calls.code_of(f).key)
        if os.getpid() != plan.process or arguments != _calls.arguments_key(f, (), {}):
            return None
    except (Error, TypeError):  # what has no key, or can't be called so
        return None
    told = plan.answer(dataset, called=True)
    made = told.get("provenance", {})
    if made.get("code") != code or made.get("arguments") != arguments:
        return None
    return PlannedObject(dataset, told, plan.trusted) if "object" in told else Planned(dataset, told)


def _write(source: Any, path: str) -> None:
    """By pyarrow, which made the table: it writes slices of arrays, too."""
    import pyarrow

    reader = pyarrow.RecordBatchReader.from_stream(source)
    with pyarrow.ipc.new_stream(path, reader.schema) as out:
        for batch in reader:
            out.write_batch(batch)


def put(value: Any, dataset: str, folder: str, trusted: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Leaves what a model returned in a file. What is to be told of it, and what it takes to make it again."""
    path = os.path.join(folder, "result")
    try:
        rows = _frames.rows_of(value, dataset)
    except _frames.NotFaithful as e:
        if not trusted:
            raise _lake.not_a_table(value, dataset, e) from e
        rows = None
    if rows:
        _write(rows.source, path)
        return {"table": path, "type": rows.type}, {"value": rows.meta}
    packed = _codecs.pack(value, lambda: trusted, dataset)
    with open(path, "wb") as f:
        f.write(packed.payload)
    return {"object": path, "type": packed.type, "codec": packed.codec}, {}
