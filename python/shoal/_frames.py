# SPDX-License-Identifier: Apache-2.0
"""Tables of every library as Arrow streams and back, faithfully: what Delta has no type for is stored as one it has, and the
Arrow schema, which knows, lies beside it. What would lose something is not stored as a table."""
from __future__ import annotations

import base64
import collections.abc
import itertools
import sys
import tempfile
from typing import Any, Callable, NamedTuple

from ._codecs import type_name
from ._kept import error


class Rows(NamedTuple):
    """A table to be stored: something with an Arrow stream, and what it takes to make it again."""

    type: str
    source: Any
    meta: dict[str, Any]


class NotFaithful(Exception):
    """It is a table, but not one that Delta could hold."""


_BATCH = 122_880  # rows: the engine's row group, and the share of one thread at a time
_IN_MEMORY = 64 << 20  # bytes of an iterator's tables that are held in memory


def rows_of(value: Any, label: str) -> Rows | None:
    """None: it is no table."""
    module = type(value).__module__.partition(".")[0]
    if module == "pyspark":
        raise error("unsupported", f"the result of {label} is a Spark {type(value).__name__}, which can't be kept yet",
                    "return its rows: frame.toArrow() or frame.toPandas()")
    kind = type_name(value)
    known = _BY_TYPE.get(kind)
    if known:
        return known(value, kind)
    if module in ("duckdb", "_duckdb") and type(value).__name__ == "DuckDBPyRelation":
        return _arrow_rows(value.fetch_arrow_table(), "duckdb.DuckDBPyRelation")
    if isinstance(value, collections.abc.Iterator):
        value = gather(value, label)
    if isinstance(value, Batches):
        return _batch_rows(value)
    return _arrow_rows(_read(value), kind) if hasattr(value, "__arrow_c_stream__") else None


def value_of(kind: str, stream: Any, meta: dict[str, Any]) -> Any:
    """A stored table as the type it was; `stream` has the Arrow stream of its rows."""
    table = _restore(_read(stream), meta)
    if kind == "batches":
        return iter([_ITEMS[meta["items"]](b) for b in table.to_batches()])
    return _BACK.get(kind, lambda t, m: t)(table, meta)


# ---- Arrow ----


def _read(stream: Any) -> Any:
    import pyarrow

    return pyarrow.RecordBatchReader.from_stream(stream).read_all()


def _arrow_rows(table: Any, kind: str, **meta: Any) -> Rows:
    import pyarrow

    meta["schema"] = base64.b64encode(table.schema.serialize().to_pybytes()).decode()
    try:
        columns = [_storable(table.column(i), pyarrow) for i in range(table.num_columns)]
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as e:
        raise NotFaithful(str(e)) from e
    whole = pyarrow.Table.from_arrays(columns, names=_names(table.schema.names))
    return Rows(kind, whole.to_reader(_BATCH), meta)


def _names(names: list[str]) -> list[str]:
    """Delta's names differ in more than case, and hold no blanks."""
    plain = all(n and not set(n) & set(" ,;{}()\n\t=") for n in names) and len({n.lower() for n in names}) == len(names)
    return names if plain else [f"c{i}" for i in range(len(names))]


def _storable(column: Any, pa: Any) -> Any:
    t, types = column.type, pa.types
    if types.is_null(t):
        return column.cast(pa.string())
    if types.is_timestamp(t) and t.unit == "ns":
        return column.cast(pa.timestamp("us", t.tz))  # raises where something would be lost
    if types.is_duration(t) or types.is_time64(t):
        return column.cast(pa.int64())
    if types.is_time32(t):
        return column.cast(pa.int32())
    if types.is_date64(t):
        return column.cast(pa.date32())
    if types.is_float16(t):
        return column.cast(pa.float32())
    if types.is_dictionary(t):
        return _storable(column.cast(t.value_type), pa)
    if isinstance(t, pa.BaseExtensionType):
        return _storable(pa.chunked_array([c.storage for c in column.chunks], t.storage_type), pa)
    return column


def _restore(table: Any, meta: dict[str, Any]) -> Any:
    import pyarrow as pa

    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(meta["schema"])))
    columns = [_restored(table.column(i), schema.field(i).type, pa) for i in range(table.num_columns)]
    return pa.Table.from_arrays(columns, schema=schema)


def _restored(column: Any, t: Any, pa: Any) -> Any:
    if column.type == t:
        return column
    if pa.types.is_null(t):
        return pa.chunked_array([pa.nulls(len(column))])
    if isinstance(t, pa.BaseExtensionType):
        inner = _restored(column, t.storage_type, pa)
        return pa.chunked_array([t.wrap_array(c) for c in inner.chunks], t)
    if pa.types.is_dictionary(t):
        return _restored(column, t.value_type, pa).dictionary_encode().cast(t)
    return column.cast(t)


# ---- pandas, polars, batches ----


def _categories(frame: Any) -> dict[str, Any]:
    """Which categories there are, used or not: Arrow's dictionaries come back with those used."""
    found = {}
    for i, dtype in enumerate(frame.dtypes):
        if type(dtype).__name__ == "CategoricalDtype":
            values = dtype.categories.tolist()
            if not all(type(v) in (str, int, bool) for v in values):
                raise NotFaithful(f"the categories of column {i} are neither text nor integers")
            found[str(i)] = values
    return found


def _pandas_frame(value: Any, kind: str) -> Rows:
    import pyarrow

    if value.attrs or not value.flags.allows_duplicate_labels or not value.columns.is_unique:
        raise NotFaithful("it has attributes, or columns of one name")
    if any(type(level).__name__ == "CategoricalIndex" for level in (value.index, value.columns)):
        raise NotFaithful("its index has categories")
    try:
        table = pyarrow.Table.from_pandas(value)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError) as e:
        raise NotFaithful(str(e)) from e
    return _arrow_rows(table, kind, categories=_categories(value))


def _pandas_back(table: Any, meta: dict[str, Any]) -> Any:
    frame = table.to_pandas()
    for i, categories in meta["categories"].items():
        name = frame.columns[int(i)]
        frame[name] = frame[name].cat.set_categories(categories)
    return frame


def _series(value: Any, kind: str) -> Rows:
    if value.name is not None and not isinstance(value.name, str):
        raise NotFaithful("its name is no text")
    rows = _pandas_frame(value.to_frame("value"), kind)
    return rows._replace(meta={**rows.meta, "name": value.name})


def _series_back(table: Any, meta: dict[str, Any]) -> Any:
    return _pandas_back(table, meta)["value"].rename(meta["name"])


def _polars_frame(value: Any, kind: str) -> Rows:
    if any(type(t).__name__ == "Object" or str(t) != repr(t) and type(t).__name__ == "Enum" for t in value.dtypes):
        raise NotFaithful("it has columns of objects or enums")
    return _arrow_rows(value.to_arrow(), kind)


def _polars_back(table: Any, meta: dict[str, Any]) -> Any:
    import polars

    return polars.from_arrow(table)


def _duckdb_back(table: Any, meta: dict[str, Any]) -> Any:
    import duckdb

    return duckdb.from_arrow(table)


_BY_TYPE: dict[str, Callable[[Any, str], Rows]] = {
    "pandas.DataFrame": _pandas_frame,
    "pandas.Series": _series,
    "polars.DataFrame": _polars_frame,
    "polars.LazyFrame": lambda v, kind: _polars_frame(v.collect(), kind),
    "pyarrow.Table": _arrow_rows,
    "pyarrow.RecordBatch": lambda v, kind: _arrow_rows(sys.modules["pyarrow"].Table.from_batches([v]), kind),
    "pyarrow.RecordBatchReader": lambda v, kind: _batch_rows(gather(v, kind)),
}
_BACK: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "pandas.DataFrame": _pandas_back,
    "pandas.Series": _series_back,
    "polars.DataFrame": _polars_back,
    "polars.LazyFrame": lambda t, m: _polars_back(t, m).lazy(),
    "pyarrow.RecordBatch": lambda t, m: t.combine_chunks().to_batches()[0] if t.num_rows else sys.modules["pyarrow"].RecordBatch.from_pylist([], t.schema),
    "pyarrow.RecordBatchReader": lambda t, m: t.to_reader(),
    "duckdb.DuckDBPyRelation": _duckdb_back,
}
_ITEMS: dict[str, Callable[[Any], Any]] = {
    "pyarrow.RecordBatch": lambda b: b,
    "pyarrow.Table": lambda b: sys.modules["pyarrow"].Table.from_batches([b]),
    "pandas.DataFrame": lambda b: b.to_pandas(),
    "polars.DataFrame": lambda b: _polars_back(sys.modules["pyarrow"].Table.from_batches([b]), {}),
}


# ---- iterators ----


class Batches(NamedTuple):
    """The tables that an iterator gave, in a file from a certain size on: rows that only the disk can hold pass through."""

    items: str
    table: Any
    reader: bool


def gather(value: collections.abc.Iterator[Any], label: str) -> Batches:
    """Runs the iterator, in the frame of the function that made it: what it reads counts."""
    import pyarrow

    if isinstance(value, pyarrow.RecordBatchReader):
        empty = value.schema.empty_table().to_batches() or [pyarrow.RecordBatch.from_pylist([], value.schema)]
        return gather(itertools.chain(empty, value), label)._replace(reader=True)
    kinds: dict[str, None] = {}
    held: list[Any] = []
    size, spill = 0, None
    for item in value:
        kinds[type_name(item)] = None
        if len(kinds) > 1 or not kinds.keys() <= _ITEMS.keys():
            break
        table = _table_of(item, pyarrow)
        if spill is None:
            held.append(table)
            size += table.nbytes
            if size > _IN_MEMORY:
                spill = _Spill(table.schema, pyarrow)
                for one in held:
                    spill.writer.write_table(one)
                held = []
        else:
            spill.writer.write_table(_unified(table, spill.schema))
    if len(kinds) != 1 or not kinds.keys() <= _ITEMS.keys():
        raise error("unsupported", f"{label} gives an iterator of {', '.join(sorted(kinds)) or 'nothing'}, which can't be kept",
                    "yield tables of one kind (pyarrow, pandas, polars), or return a list")
    return Batches(next(iter(kinds)), spill.table() if spill else pyarrow.concat_tables(held), False)


def _unified(table: Any, schema: Any) -> Any:
    return table if table.schema.equals(schema) else table.cast(schema)


def _table_of(item: Any, pa: Any) -> Any:
    kind = type_name(item)
    if kind == "pandas.DataFrame":
        return pa.Table.from_pandas(item)
    return item.to_arrow() if kind == "polars.DataFrame" else pa.Table.from_batches([item]) if isinstance(item, pa.RecordBatch) else item


class _Spill:
    """An Arrow stream in a file without a name, mapped into memory to be read: gone with whoever holds it."""

    def __init__(self, schema: Any, pa: Any) -> None:
        self.pa, self.schema = pa, schema
        self.file = tempfile.TemporaryFile(prefix="shoal-")
        self.sink = pa.PythonFile(self.file, "w")
        self.writer = pa.ipc.new_stream(self.sink, schema)

    def table(self) -> Any:
        self.writer.close()
        self.file.flush()
        return self.pa.ipc.open_stream(self.pa.memory_map(f"/proc/self/fd/{self.file.fileno()}")).read_all()


def _batch_rows(value: Batches) -> Rows:
    return _arrow_rows(value.table, "pyarrow.RecordBatchReader") if value.reader else _arrow_rows(value.table, "batches", items=value.items)
