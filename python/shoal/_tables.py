# SPDX-License-Identifier: Apache-2.0
"""Tables and queries. Rows cross as Arrow streams by the PyCapsule interface, so that pyarrow, polars, pandas and DuckDB
read them without a copy of ours; each of those is imported when its method is called."""
from __future__ import annotations

import contextlib
import contextvars
import os
import threading
from typing import TYPE_CHECKING, Callable, Iterator, NamedTuple

from ._shoal import Session

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

_lock = threading.Lock()
_sessions: dict[tuple[str, str | None, str | None], Session] = {}
_store: str | None = None
planned: Callable[[str], Table] | None = None  # while a model of `shoal run` runs: the run's own result of a dataset
_branch: contextvars.ContextVar[str | None] = contextvars.ContextVar("shoal.branch", default=None)


def set_store(lake: str | os.PathLike[str] | None) -> None:
    """Calls from here on use this lake, whatever project the current folder is in; None: the project's again."""
    global _store
    _store = None if lake is None else os.fspath(lake)


@contextlib.contextmanager
def branch(name: str) -> Iterator[None]:
    """Calls inside the block, in this thread or task, use the branch ``name``."""
    token = _branch.set(name)
    try:
        yield
    finally:
        _branch.reset(token)


def _session() -> Session:
    """One for each folder, lake and branch: a change of the current folder is another project, perhaps."""
    key = (os.getcwd(), _store, _branch.get())
    with _lock:
        session = _sessions.get(key)
        if session is None:
            session = _sessions[key] = Session(*key)
        return session


class Dataset(NamedTuple):
    """What there is of a dataset at a revision."""

    name: str
    rows: int
    bytes: int
    publication: int
    pinned: bool


class Table:
    """Rows of a query, not read yet: each way of reading them runs the query anew."""

    def __init__(self, query: str, at: str) -> None:
        self._query, self._at, self._session = query, at, _session()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._session.stream(self._query, self._at)

    def arrow(self) -> pyarrow.Table:
        """All rows, as a pyarrow.Table."""
        return self.batches().read_all()

    def batches(self) -> pyarrow.RecordBatchReader:
        """Batches as they come, as a pyarrow.RecordBatchReader."""
        import pyarrow

        return pyarrow.RecordBatchReader.from_stream(self)

    def df(self) -> pandas.DataFrame:
        """All rows, as a pandas.DataFrame."""
        return self.arrow().to_pandas()

    def polars(self) -> polars.DataFrame:
        """All rows, as a polars.DataFrame."""
        import polars

        return polars.DataFrame(self)

    def __repr__(self) -> str:
        return f"shoal.Table({self._query!r}" + (f", at={self._at!r})" if self._at else ")")


def sql(query: str, *, at: str = "") -> Table:
    """A query over datasets and sources by name, at a revision: ``main~1``, ``main@{2h}``, ``#42``; else the head."""
    return Table(query, at)


def table(name: str, *, at: str = "") -> Table:
    """A dataset or source, whole."""
    if planned is not None and not at:
        return planned(name)
    return Table("from " + ".".join('"' + part.replace('"', '""') + '"' for part in name.split(".")), at)


def datasets(*, at: str = "") -> list[Dataset]:
    """The datasets at a revision."""
    return [Dataset(*fields) for fields in _session().datasets(at)]
