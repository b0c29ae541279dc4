# SPDX-License-Identifier: Apache-2.0
"""Values as bytes and back. What a codec writes, it reads as the type it was: JSON for plain values, text, bytes, numpy's
format for arrays, one's own for one's own types; pickle for all else, in lakes that are marked as trusted only, since reading
a pickled value runs what its writer put into it. The bytes were checked against the claim's hash before they come here."""
from __future__ import annotations

import io
import json
import math
import pickle
import sys
from typing import Any, Callable, NamedTuple

from ._kept import error


class Packed(NamedTuple):
    type: str
    codec: str
    payload: bytes


class _Own(NamedTuple):
    type: type
    dumps: Callable[[Any], bytes]
    loads: Callable[[bytes], Any]


_own: dict[str, _Own] = {}
_BUILT_IN = ("json", "text", "bytes", "numpy", "pickle")


def codec(name: str, type: type, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]) -> None:
    """Values of exactly this type are kept as ``dumps(value)`` and come back by ``loads``, under a name that must not change."""
    if name in _BUILT_IN:
        raise error("invalid", f"{name} is a codec that is there already", "give it another name")
    _own[name] = _Own(type, dumps, loads)


def type_name(value: Any) -> str:
    cls = type(value)
    module = cls.__module__.partition(".")[0] if cls.__module__.partition(".")[0] in ("numpy", "pandas", "polars", "pyarrow") else cls.__module__
    return f"{module}.{cls.__qualname__}".removeprefix("builtins.")


# ---- plain values as JSON ----

_TAG = "$"


def _plain(v: Any) -> Any:
    """The value as JSON has it, tuples tagged. Raises TypeError for any other."""
    cls = type(v)
    if v is None or cls in (bool, int):
        return v
    if cls is float and math.isfinite(v):
        return v
    if cls is float:
        return {_TAG: "float", "of": repr(v)}
    if cls is str:
        v.encode()  # lone surrogates are a ValueError
        return v
    if cls is list:
        return [_plain(x) for x in v]
    if cls is tuple:
        return {_TAG: "tuple", "of": [_plain(x) for x in v]}
    if cls is dict and all(type(k) is str for k in v) and _TAG not in v:
        return {k: _plain(x) for k, x in v.items()}
    raise TypeError(type_name(v))


def _unplain(v: dict[str, Any]) -> Any:
    tag = v.get(_TAG)
    if tag == "tuple":
        return tuple(v["of"])
    return float(v["of"]) if tag == "float" else v


_JSON = json.JSONDecoder(object_hook=_unplain)


# ---- all ----


def pack(value: Any, trusted: Callable[[], bool], label: str) -> Packed:
    kind = type_name(value)
    for name, own in _own.items():
        if type(value) is own.type:
            return Packed(kind, name, own.dumps(value))
    if type(value) is bytes:
        return Packed(kind, "bytes", value)
    if type(value) is str:
        return Packed(kind, "text", value.encode("utf-8", "surrogatepass"))
    np = sys.modules.get("numpy")
    if np and (type(value) is np.ndarray or isinstance(value, np.generic)) and not value.dtype.hasobject and value.dtype.kind != "T":
        return Packed(kind, "numpy", _save_array(np, value))
    try:
        return Packed(kind, "json", json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")).encode())
    except (TypeError, ValueError, RecursionError):
        pass
    return Packed(kind, "pickle", _pickle(value, trusted, label))


def _save_array(np: Any, value: Any) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(value), allow_pickle=False)
    return out.getvalue()


def _pickle(value: Any, trusted: Callable[[], bool], label: str) -> bytes:
    if not trusted():
        raise error("unsupported", f"the result of {label} is a {type_name(value)}, which only pickle could keep, and the lake is not marked as trusted",
                    "return a table, numbers, text or arrays; give its type a codec with shoal.codec(); or, if you trust all who write to the lake, "
                    "shoal.set_store(trust=True)")
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as e:
        raise error("unsupported", f"the result of {label} is a {type_name(value)}, which can't be pickled: {e}",
                    "return what it is made of, or give its type a codec with shoal.codec()") from e


def unpack(codec: str, kind: str, payload: bytes, trusted: Callable[[], bool], label: str) -> Any:
    if codec == "json":
        return _JSON.decode(payload.decode())
    if codec == "text":
        return payload.decode("utf-8", "surrogatepass")
    if codec == "bytes":
        return payload
    if codec == "numpy":
        import numpy

        array = numpy.lib.format.read_array(io.BytesIO(payload), allow_pickle=False)
        return array if kind == "numpy.ndarray" else array[()]
    if codec == "pickle":
        if not trusted():
            raise error("unsupported", f"{label} is a pickled {kind}, and the lake is not marked as trusted",
                        "if you trust all who write to the lake: shoal.set_store(trust=True)")
        return pickle.loads(payload)
    own = _own.get(codec)
    if own is None:
        raise error("unsupported", f"{label} was kept with the codec {codec!r}, which this program doesn't have",
                    f"register it first: shoal.codec({codec!r}, …)")
    return own.loads(payload)
