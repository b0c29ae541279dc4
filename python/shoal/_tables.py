# SPDX-License-Identifier: Apache-2.0
"""Tables and queries. Rows cross as Arrow streams by the PyCapsule interface, so that pyarrow, polars, pandas and DuckDB
read them without a copy of ours; each of those is imported when its method is called."""
from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterator, NamedTuple

from ._kept import error
from ._shoal import Session, stamp

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from ._answers import Planned, PlannedObject
    from ._kept import Kept

_lock = threading.Lock()
_sessions: dict[_Key, Session] = {}
_store: str | None = None
planned: Callable[[str], Planned | PlannedObject] | None = None  # while a model of `shoal run` runs: the run's own result of a dataset
planned_call: Callable[[Kept, tuple[Any, ...], dict[str, Any]], Planned | PlannedObject | None] | None = None  # likewise, of a call
_branch: contextvars.ContextVar[str | None] = contextvars.ContextVar("shoal.branch", default=None)


def set_store(lake: str | os.PathLike[str] | None = None, *, trust: bool = False) -> None:
    """Calls from here on use this lake, whatever project the current folder is in; None: the project's again. `trust` marks the
    lake, for all and for good: whoever writes to it is trusted so far that pickled values are written and read."""
    global _store
    _store = None if lake is None else os.fspath(lake)
    if trust:
        session(True).trust()


@contextlib.contextmanager
def branch(name: str) -> Iterator[None]:
    """Calls inside the block, in this thread or task, use the branch ``name``."""
    token = _branch.set(name)
    try:
        yield
    finally:
        _branch.reset(token)


def chosen() -> tuple[str | None, str | None]:
    """The lake and the branch that `set_store` and `branch` have chosen."""
    return _store, _branch.get()


def branch_name() -> str:
    """Of the block we are in, "": the project's."""
    return _branch.get() or ""


def session(keeps: bool = False, current: str | None = None) -> Session:
    """One for each folder, lake and branch: a change of the current folder is another project, perhaps. A forked child has its
    own. Without a project it is on the user's own lake, which is made for who keeps something. `current` is the folder, for who has just asked."""
    if planned is not None:  # what is read otherwise than by name no plan knows
        raise error("invalid", "a model of `shoal run` loads datasets by their names; it makes no queries and reads no other revisions",
                    "write the query as a SQL model, and load that")
    folder, on = current or os.getcwd(), _branch.get()
    key = (os.getpid(), folder, _store, on, _head(folder) if on is None else None)
    found = _sessions.get(key)
    return found or _open(key, keeps)


@functools.lru_cache(maxsize=64)
def _head_file(folder: str) -> str | None:
    at = os.path.realpath(folder)
    while not os.path.exists(os.path.join(at, ".git")):
        if os.path.dirname(at) == at:
            return None
        at = os.path.dirname(at)
    git = os.path.join(at, ".git")
    if os.path.isfile(git):  # a work tree of another repository
        with open(git, encoding="utf-8") as f:
            git = os.path.join(at, f.read().removeprefix("gitdir:").strip())
    return os.path.join(git, "HEAD")


def _head(folder: str) -> tuple[int, int] | None:
    """Changes when git goes to another branch."""
    file = _head_file(folder)
    return stamp(file) if file else None


_Key = tuple[int, str, str | None, str | None, tuple[int, int] | None]


def _open(key: _Key, keeps: bool) -> Session:
    _, folder, lake, on, _ = key
    with _lock:
        if key in _sessions:
            return _sessions[key]
        own = None if lake or _in_project(folder) else _own_lake()
        if own and not keeps and not os.path.exists(own):
            own = None
        opened = Session(folder, lake or own, on)
        if own and not os.path.exists(os.path.join(own, "_shoal")):
            print(f"shoal: there is no project here, so results are kept in {own}", file=sys.stderr)
            opened.trust()  # nobody else writes to it
        for old in [k for k in _sessions if k[:4] == key[:4]]:
            del _sessions[old]  # of the branch that was checked out before
        _sessions[key] = opened
        return opened


def _in_project(folder: str) -> bool:
    at = os.path.realpath(folder)
    while not os.path.exists(os.path.join(at, "shoal.yaml")):
        if os.path.dirname(at) == at:
            return False
        at = os.path.dirname(at)
    return True


def _own_lake() -> str:
    home = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(home, "shoal", "lake")


def who() -> str:
    import getpass

    return f"{getpass.getuser()}@{os.uname().nodename}"


class Dataset(NamedTuple):
    """What there is of a dataset at a revision."""

    name: str
    rows: int
    bytes: int
    publication: int
    pinned: bool
    type: str | None = None  # of an object; None: it is a table


class Datasets(list[Dataset]):
    """Shown as a table where it is looked at."""

    def __repr__(self) -> str:
        from . import _show

        return _show.datasets_text(self)

    def _repr_html_(self) -> str:
        from . import _show

        return _show.datasets_html(self)


class Table:
    """Rows of a query, not read yet: each way of reading them runs the query anew."""

    def __init__(self, query: str, at: str, whole: str | None = None) -> None:
        self._query, self._at, self._whole, self._session = query, at, whole, session()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        keep = sys.modules.get("shoal._keep")  # not loaded: no function is being computed
        made, begun = keep.observe(self._session, self._query, self._at, self._whole) if keep else (None, lambda: None)
        stream = self._session.rows(made) if made else self._session.stream(self._query, self._at)
        begun()
        return stream

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
        return f"shoal.Table({(self._whole or self._query)!r}" + (f", at={self._at!r})" if self._at else ")")

    def _repr_html_(self) -> str:
        from . import _show

        return _show.table_html(self, self._session, self._query, self._at, self._whole)


def sql(query: str, *, at: str = "") -> Table:
    """A query over datasets and sources by name, at a revision: ``main~1``, ``main@{2h}``, ``#42``; else the head."""
    return Table(query, at)


def table(name: str, *, at: str = "") -> Table:
    """A dataset or source, whole."""
    if planned is not None and not at:
        found = planned(name if "." in name else "main." + name)
        if isinstance(found, Table):
            return found
        raise error("invalid", f"{name} is an object, not a table", f"shoal.load({name!r})")
    return Table("from " + ".".join('"' + part.replace('"', '""') + '"' for part in name.split(".")), at, name)


def datasets(*, at: str = "") -> Datasets:
    """The datasets at a revision."""
    return Datasets(Dataset(*fields) for fields in session().datasets(at))
