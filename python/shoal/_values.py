# SPDX-License-Identifier: Apache-2.0
"""What values are made of, type by type: (tag, payload, shared), which `_shoal.encode` goes on with. `shared` says that the
value can change, so that it counts whether two names are bound to one. Libraries are looked at only if they are loaded."""
from __future__ import annotations

import collections
import copyreg
import datetime
import decimal
import enum
import fractions
import functools
import logging
import operator
import os
import pathlib
import re
import struct
import sys
import types
import uuid
import weakref
import zoneinfo
from typing import Any, Callable

from ._owners import is_a, root
from ._shoal import pieces as digest_pieces

Made = tuple[str, Any, bool]


def _path(v: pathlib.PurePath) -> Made:
    return "Path", (type(v).__name__, relative(str(v))), False


def relative(path: str) -> Any:
    """A path below the project, as it is in everyone's clone."""
    top = root()
    if path == top or path.startswith(top + os.sep):
        return ("project", os.path.relpath(path, top))
    return path


def _cached(v: Any) -> Made:
    more = {k: x for k, x in vars(v).items() if k not in functools.WRAPPER_ASSIGNMENTS}
    return "lru_cache", (v.cache_parameters(), more), True


def _datetime(v: datetime.datetime) -> Made:
    return "datetime", (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold, v.tzinfo), False


def _dict(tag: str) -> Callable[[Any], Made]:
    return lambda v: (tag, list(v.items()), True)


# By exact type: a subclass is an instance like any other.
BY_TYPE: dict[type, Callable[[Any], Made]] = {
    range: lambda v: ("range", (v.start, v.stop, v.step), False),
    slice: lambda v: ("slice", (v.start, v.stop, v.step), False),
    type(NotImplemented): lambda v: ("NotImplemented", None, False),
    types.MappingProxyType: lambda v: ("mappingproxy", dict(v), False),
    types.SimpleNamespace: lambda v: ("SimpleNamespace", vars(v), True),
    types.MethodType: lambda v: ("method", (v.__func__, v.__self__), False),
    types.CellType: lambda v: ("cell", [v.cell_contents], True),
    types.GenericAlias: lambda v: ("alias", (v.__origin__, v.__args__), False),
    types.UnionType: lambda v: ("union", v.__args__, False),
    property: lambda v: ("property", (v.fget, v.fset, v.fdel, v.__doc__), False),
    classmethod: lambda v: ("classmethod", v.__func__, False),
    staticmethod: lambda v: ("staticmethod", v.__func__, False),
    functools.partial: lambda v: ("partial", (v.func, v.args, v.keywords, vars(v)), True),
    functools.cached_property: lambda v: ("cached_property", (v.func, v.attrname), False),
    type(functools.lru_cache(len)): _cached,
    weakref.ref: lambda v: ("weakref", v(), False),
    collections.OrderedDict: _dict("OrderedDict"),
    collections.Counter: _dict("Counter"),
    collections.defaultdict: lambda v: ("defaultdict", (v.default_factory, list(v.items())), True),
    collections.deque: lambda v: ("deque", (v.maxlen, list(v)), True),
    datetime.datetime: _datetime,
    datetime.date: lambda v: ("date", (v.year, v.month, v.day), False),
    datetime.time: lambda v: ("time", (v.hour, v.minute, v.second, v.microsecond, v.fold, v.tzinfo), False),
    datetime.timedelta: lambda v: ("timedelta", (v.days, v.seconds, v.microseconds), False),
    datetime.timezone: lambda v: ("timezone", (v.utcoffset(None), v.tzname(None)), False),
    decimal.Decimal: lambda v: ("Decimal", tuple(v.as_tuple()), False),
    fractions.Fraction: lambda v: ("Fraction", (v.numerator, v.denominator), False),
    uuid.UUID: lambda v: ("UUID", v.int, False),
    struct.Struct: lambda v: ("Struct", v.format, False),
    re.Pattern: lambda v: ("Pattern", (v.pattern, v.flags), False),
    type(os.environ): lambda v: ("environ", v is os.environ or dict(v), True),
    types.MemberDescriptorType: lambda v: ("slot", (v.__objclass__, v.__name__), False),
    types.GetSetDescriptorType: lambda v: ("getset", (v.__objclass__, v.__name__), False),
    types.MethodDescriptorType: lambda v: ("descriptor", (v.__objclass__, v.__name__), False),
    types.WrapperDescriptorType: lambda v: ("descriptor", (v.__objclass__, v.__name__), False),
    types.ClassMethodDescriptorType: lambda v: ("descriptor", (v.__objclass__, v.__name__), False),
    types.MethodWrapperType: lambda v: ("bound", (v.__self__, v.__name__), False),
    operator.itemgetter: lambda v: ("itemgetter", v.__reduce__()[1], False),
    operator.attrgetter: lambda v: ("attrgetter", v.__reduce__()[1], False),
}


def _zone(v: zoneinfo.ZoneInfo) -> Made | None:
    return ("ZoneInfo", v.key, False) if v.key else None


def _proxy(v: Any) -> Made:
    """wrapt's: what it wraps, and how. Asked for an attribute it gives the wrapped object's, but for these."""
    own = [getattr(v, name, None) for name in ("_self_wrapper", "_self_instance", "_self_binding", "_self_enabled", "_self_parent", "_self_adapter", "__self_dict__")]
    return "proxy", (sys.modules["wrapt"], type(v), v.__wrapped__, own), True


def _typing(v: Any) -> Made:
    """Aliases, variables and forms of the module typing."""
    name = type(v).__name__
    if name == "ForwardRef":
        return "typing", (name, v.__forward_arg__), False
    if hasattr(v, "__bound__") or hasattr(v, "__constraints__"):
        return "typing", (name, v.__name__, v.__bound__, getattr(v, "__constraints__", ())), False
    if hasattr(v, "__origin__"):
        return "typing", (name, v.__origin__, getattr(v, "__args__", ()), getattr(v, "__metadata__", ())), False
    return "typing", (name, repr(v)), False


def made_of(v: Any) -> Made | None:
    """None: an instance by its state."""
    cls = type(v)
    handler = BY_TYPE.get(cls)
    if handler:
        return handler(v)
    if any(v is s for s in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
        return "stream", None, False  # what is printed is no part of a result
    if is_a(v, (property, classmethod, staticmethod)):
        parts = (v.fget, v.fset, v.fdel, v.__doc__) if is_a(v, property) else v.__func__
        return "descriptor", (cls, parts, {k: x for k, x in getattr(v, "__dict__", {}).items() if k not in functools.WRAPPER_ASSIGNMENTS}), False
    if "wrapt" in sys.modules and any(c.__name__ == "ObjectProxy" for c in cls.__mro__):
        return _proxy(v)
    if is_a(v, enum.Enum):
        return "enum", (cls, v._name_, v._value_), False
    if cls.__module__ == "pathlib" or cls.__module__.startswith("pathlib."):
        return _path(v) if is_a(v, pathlib.PurePath) else None
    if cls is zoneinfo.ZoneInfo:
        return _zone(v)
    if cls.__module__ == "typing":
        return _typing(v)
    if isinstance(v, logging.Logger) and cls in (logging.Logger, logging.RootLogger):
        return "Logger", None, False  # what is logged is no part of a result
    return _tables(v, cls)


def state_of(v: Any) -> Made:
    """As pickle takes it apart. Raises what pickle would."""
    cls = type(v)
    reduce = copyreg.dispatch_table.get(cls)
    made = reduce(v) if reduce else v.__reduce_ex__(4)
    if isinstance(made, str):  # a thing that its module has by this name
        return "named", (getattr(v, "__module__", None) or cls.__module__, made), False
    made = tuple(made) + (None,) * (6 - len(made))
    function, arguments, state, items, pairs, setter = made
    return "object", (function, arguments, state, items and list(items), pairs and list(pairs), setter), True


# ---- arrays and tables, by content ----


def _tables(v: Any, cls: type) -> Made | None:
    module = cls.__module__.partition(".")[0]
    if module in ("numpy", "pandas", "polars", "pyarrow"):
        handler = {"numpy": _numpy, "pandas": _pandas, "polars": _polars, "pyarrow": _arrow}[module]
        return handler(v, sys.modules[module])
    return None


def _bytes_of(a: Any, np: Any) -> memoryview:
    flat = np.ascontiguousarray(a.T if a.flags.f_contiguous and not a.flags.c_contiguous else a)
    return memoryview(flat.reshape(-1).view(np.uint8)) if flat.nbytes else memoryview(b"")


def _numpy(v: Any, np: Any) -> Made | None:
    if type(v) is np.ndarray:
        layout = "F" if v.flags.f_contiguous and not v.flags.c_contiguous else "C"
        if v.dtype.hasobject or v.dtype.kind == "T":
            return "numpy.ndarray", (v.dtype, v.shape, v.reshape(-1).tolist()), True
        return "numpy.ndarray", (v.dtype, v.shape, layout, _bytes_of(v, np)), True
    if isinstance(v, np.dtype):
        return "numpy.dtype", (v.str, v.descr if v.fields else None, v.itemsize, v.subdtype and (v.subdtype[0], v.subdtype[1])), False
    if isinstance(v, np.generic) and not v.dtype.hasobject:
        return "numpy.generic", (v.dtype, v.tobytes()), False
    return None


def _pandas_array(a: Any) -> Any:
    pandas = sys.modules["pandas"]
    kind = type(a).__name__
    if hasattr(a, "_pa_array"):
        return (kind, str(a.dtype), a._pa_array)
    if isinstance(a, pandas.Categorical):
        return (kind, a.ordered, a.categories, a.codes)
    if kind in ("DatetimeArray", "TimedeltaArray"):
        return (kind, str(a.dtype), a.asi8)
    if kind == "PeriodArray":
        return (kind, str(a.dtype), a.asi8)
    if kind == "NumpyExtensionArray":
        return (kind, a.to_numpy())
    if hasattr(a, "_mask") and hasattr(a, "_data"):
        return (kind, str(a.dtype), a._data, a._mask)
    return a


def _pandas(v: Any, pd: Any) -> Made | None:
    if type(v) is pd.DataFrame:
        columns = [_pandas_array(v.iloc[:, i].array) for i in range(v.shape[1])]
        return "pandas.DataFrame", (v.columns, v.index, columns, v.attrs, v.flags.allows_duplicate_labels), True
    if type(v) is pd.Series:
        return "pandas.Series", (v.name, v.index, _pandas_array(v.array), v.attrs), True
    if type(v) is pd.RangeIndex:
        return "pandas.RangeIndex", (v.start, v.stop, v.step, v.name), False
    if isinstance(v, pd.MultiIndex):
        return "pandas.MultiIndex", (list(v.levels), list(v.codes), list(v.names)), False
    if isinstance(v, pd.Index):
        return "pandas.Index", (type(v).__name__, v.name, str(getattr(v, "freq", None)), _pandas_array(v.array)), False
    if isinstance(v, pd.api.extensions.ExtensionArray):
        made = _pandas_array(v)
        return None if made is v else ("pandas.array", made, True)
    return None


def _polars(v: Any, pl: Any) -> Made | None:
    if type(v) is pl.Series:
        return "polars.Series", (v.name, v.to_frame("")), True
    if type(v) is pl.DataFrame:
        return "polars.DataFrame", ([repr(t) for t in v.dtypes], v.to_arrow()), True
    return None


def _arrow(v: Any, pa: Any) -> Made | None:
    if isinstance(v, (pa.ChunkedArray, pa.Array)):
        kind = "pyarrow.ChunkedArray" if isinstance(v, pa.ChunkedArray) else "pyarrow.Array"
        return kind, _arrow_content(pa.table({"": v}), pa), False
    if isinstance(v, pa.RecordBatch):
        return "pyarrow.RecordBatch", _arrow_content(pa.Table.from_batches([v]), pa), False
    if type(v) is pa.Table:
        return "pyarrow.Table", _arrow_content(v, pa), False
    if isinstance(v, (pa.Schema, pa.DataType, pa.Field)):
        field = v if isinstance(v, pa.Schema) else pa.schema([v if isinstance(v, pa.Field) else ("", v)])
        return "pyarrow." + type(v).__name__, memoryview(field.serialize()), False
    return None


def _arrow_content(table: Any, pa: Any) -> tuple[Any, ...]:
    """By columns, so that chunks and offsets don't count, and what lies in memory as it is hashed is not copied."""
    columns = []
    for column in table.columns:
        known = _arrow_column(column, pa)
        columns.append(_arrow_stream(pa.table({"": column}), pa) if known is None else known)
    return memoryview(table.schema.serialize()), table.num_rows, columns


def _arrow_column(column: Any, pa: Any) -> tuple[Any, ...] | None:
    """Which values there are, and their bytes one after the other; None: it has another layout."""
    t, types = column.type, pa.types
    text = types.is_string(t) or types.is_binary(t) or types.is_large_string(t) or types.is_large_binary(t)
    if not text and (not types.is_primitive(t) or t.bit_width not in (8, 16, 32, 64)):
        return None
    valid = None
    if column.null_count:  # what lies in a null's place is anything
        import pyarrow.compute

        valid = _arrow_stream(pa.table({"": column.is_valid()}), pa)
        zero = "" if text else 0
        chunks = column.chunks if text else [c.view(f"int{t.bit_width}") for c in column.chunks]
        column = pa.chunked_array([c.fill_null(zero) for c in chunks])
    chunks = [c for c in column.chunks if len(c)]
    if text:
        lengths, pieces = zip(*[_texts_of(c, pa) for c in chunks]) if chunks else ((), ())
        return valid, digest_pieces(list(lengths)), digest_pieces(list(pieces))
    width = t.bit_width // 8
    return valid, digest_pieces([memoryview(c.buffers()[1])[c.offset * width:(c.offset + len(c)) * width] for c in chunks])


def _texts_of(chunk: Any, pa: Any) -> tuple[Any, Any]:
    """The texts' lengths, and the texts themselves."""
    import pyarrow.compute

    _, offsets, content = chunk.buffers()
    kind = pa.int64() if pa.types.is_large_string(chunk.type) or pa.types.is_large_binary(chunk.type) else pa.int32()
    first, last = (pa.Array.from_buffers(kind, len(chunk), [None, offsets], offset=chunk.offset + i) for i in (0, 1))
    lengths = pyarrow.compute.subtract(last, first)
    return memoryview(lengths.buffers()[1])[:lengths.nbytes], memoryview(content or b"")[first[0].as_py():last[-1].as_py()]


def _arrow_stream(table: Any, pa: Any) -> memoryview:
    """As one batch; the stream holds no more of the buffers than the table does."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return memoryview(sink.getvalue())
