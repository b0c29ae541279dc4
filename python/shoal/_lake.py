# SPDX-License-Identifier: Apache-2.0
"""A call's result in the lake: stored with where it came from, and read again as the value it was."""
from __future__ import annotations

import json
from typing import Any, Callable

from . import _codecs, _frames
from ._codecs import codec as codec
from ._decorated import NOTHING, Broken, Decorated
from ._frames import gather as gather
from ._kept import error
from ._shoal import Error, Result, Session

_ONCE = ("batches", "pyarrow.RecordBatchReader")  # who has read it can't read it again


class Origin:
    """What a result came from: its provenance, but for what the value itself adds."""

    __slots__ = ("label", "told", "us", "decorated", "broken")

    def __init__(self, label: str, told: dict[str, Any], us: int, decorated: Decorated = NOTHING) -> None:
        self.label, self.told, self.us, self.decorated = label, told, us, decorated
        self.broken: Broken | None = None  # of what the decorator expects; None: nobody has asked

    def json(self, value: dict[str, Any]) -> str:
        return json.dumps({**self.told, "value": value})


def store(session: Session, lease: object, dataset: str | None, value: Any, origin: Origin) -> tuple[Result, Any]:
    """The result in the lake, and the value: the same, unless storing it has used it up."""
    try:
        rows = _frames.rows_of(value, origin.label)
        if rows:
            result, origin.broken = session.put_table(lease, dataset, rows.type, rows.source.__arrow_c_stream__(), origin.json(rows.meta), origin.us, *origin.decorated.place)
            return result, load(session, result, origin.label) if rows.type in _ONCE or origin.decorated.layout else value
    except (_frames.NotFaithful, Error) as e:
        if isinstance(e, Error) and (e.status != "engine" or origin.decorated.text) or not session.trusted():
            raise not_a_table(value, origin.label, e) from e
    if origin.decorated.text:
        raise error("invalid", f"the result of {origin.label} ({_codecs.type_name(value)}) is no table, so what its decorator says of one means nothing",
                    "return a table, or take partition_by, cluster_by and expect out", origin.decorated.path, origin.decorated.line)
    packed = _codecs.pack(value, session.trusted, origin.label)
    return session.put_object(lease, dataset, packed.type, packed.codec, packed.payload, origin.json({}), origin.us), value


def not_a_table(value: Any, label: str, e: Exception) -> Exception:
    if isinstance(e, Error):
        return e
    return error("unsupported", f"the result of {label} is a {_codecs.type_name(value)} that no table can hold as it is: {e}",
                 "change what is named; or, if you trust all who write to the lake, shoal.set_store(trust=True): then it is pickled")


_SMALL = 1 << 16
_UNCHANGING = ("bool", "int", "float", "str", "bytes", "NoneType")


def reader(session: Session, result: Result, value: Any, label: str) -> Callable[[], Any]:
    """Gives the value again, each time its own: without the lake, if it is small."""
    if result.type in _UNCHANGING:
        return lambda: value
    if result.codec is None or result.codec == "pickle" or result.bytes > _SMALL:  # a lake's trust may be looked at anew
        return lambda: load(session, result, label)
    payload, codec, kind = session.payload(result), result.codec, result.type or ""
    return lambda: _codecs.unpack(codec, kind, payload, session.trusted, label)


def value_of(session: Session, result: Result, payload: bytes, label: str) -> Any:
    """Of an object's bytes."""
    kind = result.type or ""
    return int(payload) if kind == "int" and result.codec == "json" else _codecs.unpack(result.codec or "", kind, payload, session.trusted, label)


def load(session: Session, result: Result, label: str) -> Any:
    """The value. Tables that no Python function has made come as pandas or Arrow do by default."""
    if result.codec is not None:
        return value_of(session, result, session.payload(result), label)
    meta = json.loads(session.provenance(result)).get("value")
    stream = _Stream(session.rows(result))
    if result.type is None or not meta:
        return _plain_table(stream)
    return _frames.value_of(result.type, stream, meta)


class _Stream:
    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._capsule


def _plain_table(stream: _Stream) -> Any:
    import pyarrow

    table = pyarrow.RecordBatchReader.from_stream(stream).read_all()
    try:
        return table.to_pandas()
    except ImportError:
        return table
