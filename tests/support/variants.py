# SPDX-License-Identifier: Apache-2.0
"""Variants as bytes, and Parquet files that mark groups as such, which pyarrow reads and does not write: by Apache Parquet's
VariantEncoding.md and parquet.thrift."""
import datetime as dt
import decimal
import struct


def encode(value):
    """{'metadata', 'value'} of a value of Python's."""
    names = sorted(names_of(value))
    texts = [n.encode() for n in names]
    offsets = [sum(map(len, texts[:i])) for i in range(len(texts) + 1)]
    return {"metadata": bytes([0x51]) + little(len(names), 2) + b"".join(little(o, 2) for o in offsets) + b"".join(texts), "value": bytes_of(value, names)}


def names_of(value):
    if isinstance(value, dict):
        return set(value).union(*(names_of(v) for v in value.values()))
    return set().union(*(names_of(v) for v in value)) if isinstance(value, list) else set()


def little(n, width):
    return n.to_bytes(width, "little", signed=n < 0)


def bytes_of(v, names):
    if isinstance(v, (dict, list)):
        keys = sorted(v) if isinstance(v, dict) else range(len(v))
        items = [bytes_of(v[k], names) for k in keys]
        offsets = [sum(map(len, items[:i])) for i in range(len(items) + 1)]
        wide = len(items) > 255
        head = 2 | (3 | 3 << 2 | wide << 4) << 2 if isinstance(v, dict) else 3 | (3 | wide << 2) << 2
        ids = b"".join(little(names.index(k), 4) for k in keys) if isinstance(v, dict) else b""
        return bytes([head]) + little(len(items), 4 if wide else 1) + ids + b"".join(little(o, 4) for o in offsets) + b"".join(items)
    if v is None or isinstance(v, bool):
        return bytes([(0 if v is None else 1 if v else 2) << 2])
    if isinstance(v, int):
        return bytes([6 << 2]) + struct.pack("<q", v)
    if isinstance(v, float):
        return bytes([7 << 2]) + struct.pack("<d", v)
    if isinstance(v, decimal.Decimal):
        sign, digits, exponent = v.as_tuple()
        return bytes([10 << 2, -exponent]) + (int("".join(map(str, digits))) * (-1) ** sign).to_bytes(16, "little", signed=True)
    if isinstance(v, dt.datetime):
        since = v.replace(tzinfo=dt.timezone.utc) - dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
        return bytes([(12 if v.tzinfo else 13) << 2]) + struct.pack("<q", since // dt.timedelta(microseconds=1))
    if isinstance(v, dt.date):
        return bytes([11 << 2]) + struct.pack("<i", (v - dt.date(1970, 1, 1)).days)
    if isinstance(v, str) and len(v.encode()) < 64:
        return bytes([1 | len(v.encode()) << 2]) + v.encode()
    data = v.encode() if isinstance(v, str) else v
    return bytes([(16 if isinstance(v, str) else 15) << 2]) + struct.pack("<I", len(data)) + data


def decode(v):
    """What encode was given, or anybody else: a value of Python's, by its type. ... is no value."""
    if v is None:
        return ...
    metadata, value = v["metadata"], v["value"]
    wide = (metadata[0] >> 6) + 1
    offset = lambda i: int.from_bytes(metadata[1 + wide * (i + 1):1 + wide * (i + 2)], "little")  # noqa: E731
    n = int.from_bytes(metadata[1:1 + wide], "little")
    start = 1 + wide * (n + 2)
    return value_of(value, [metadata[start + offset(i):start + offset(i + 1)].decode() for i in range(n)])


def value_of(b, names):
    basic, info = b[0] & 3, b[0] >> 2
    if basic == 1:
        return b[1:1 + info].decode()
    if basic >= 2:
        large, ids, wide = (info >> 4 & 1, (info >> 2 & 3) + 1, (info & 3) + 1) if basic == 2 else (info >> 2 & 1, 0, (info & 3) + 1)
        n = int.from_bytes(b[1:5 if large else 2], "little")
        at = 5 if large else 2
        keys = [names[int.from_bytes(b[at + ids * i:at + ids * (i + 1)], "little")] for i in range(n)] if basic == 2 else None
        at += ids * n
        starts = [int.from_bytes(b[at + wide * i:at + wide * (i + 1)], "little") for i in range(n)]
        items = [value_of(b[at + wide * (n + 1) + start:], names) for start in starts]
        return dict(zip(keys, items, strict=True)) if basic == 2 else items
    if info <= 2:
        return (None, True, False)[info]
    if info <= 6:
        return int.from_bytes(b[1:1 + (1 << info - 3)], "little", signed=True)
    if info in (7, 14):
        return struct.unpack("<d" if info == 7 else "<f", b[1:9 if info == 7 else 5])[0]
    if info <= 10:
        return decimal.Decimal(int.from_bytes(b[2:2 + (4 << info - 8)], "little", signed=True)).scaleb(-b[1])
    if info == 11:
        return dt.date(1970, 1, 1) + dt.timedelta(days=struct.unpack("<i", b[1:5])[0])
    if info in (12, 13):
        return dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc if info == 12 else None) + dt.timedelta(microseconds=struct.unpack("<q", b[1:9])[0])
    data = b[5:5 + int.from_bytes(b[1:5], "little")]
    return data.decode() if info == 16 else data


# ---- Thrift's compact protocol, as far as footers have it ----

def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self):
        n = shift = 0
        while True:
            b = self.take(1)[0]
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n

    def value(self, kind):
        if kind in (1, 2):
            return None
        if kind in (3, 7):
            return self.take(1 if kind == 3 else 8)
        if kind in (4, 5, 6):
            return self.varint()
        if kind == 8:
            return self.take(self.varint())
        if kind in (9, 10):
            head = self.take(1)[0]
            n = self.varint() if head >> 4 == 15 else head >> 4
            return head & 15, [self.take(1) if head & 15 in (1, 2) else self.value(head & 15) for _ in range(n)]
        return self.struct()

    def struct(self):
        out, field = {}, 0
        while head := self.take(1)[0]:
            delta = head >> 4
            if not delta:
                zigzag = self.varint()
                field = (zigzag >> 1) ^ -(zigzag & 1)
            field += delta
            out[field] = (head & 15, self.value(head & 15))
        return out


def write(kind, v):
    if kind in (1, 2):
        return b""
    if kind in (3, 7):
        return v
    if kind in (4, 5, 6):
        return varint(v)
    if kind == 8:
        return varint(len(v)) + v
    if kind in (9, 10):
        of, items = v
        head = bytes([len(items) << 4 | of]) if len(items) < 15 else bytes([0xF0 | of]) + varint(len(items))
        return head + b"".join(x if of in (1, 2) else write(of, x) for x in items)
    out, before = b"", 0
    for field, (of, x) in sorted(v.items()):
        out += (bytes([(field - before) << 4 | of]) if field - before < 16 else bytes([of]) + varint(field << 1)) + write(of, x)
        before = field
    return out + b"\0"


def mark(path):
    """Gives every group that has metadata and value the logical type VARIANT."""
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = Reader(data[-8 - size:-8]).struct()
    elements = footer[2][1][1]
    for i, e in enumerate(elements):
        if e.get(5, (0, 0))[1] and {elements[i + 1][4][1], elements[i + 2][4][1]} == {b"metadata", b"value"}:
            e[10] = (12, {16: (12, {1: (3, b"\1")})})
    footer = write(12, footer)
    with open(path, "wb") as f:
        f.write(data[:-8 - size] + footer + struct.pack("<I", len(footer)) + b"PAR1")
