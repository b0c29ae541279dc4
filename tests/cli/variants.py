# SPDX-License-Identifier: Apache-2.0
"""Variants in tables of others, whose files are made here byte by byte: marked as variants and not, shredded and not, in one table. What
Spark makes of the same is in tests/spark/variant.py."""
import datetime as dt
import decimal
import json
import os
import random
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import pyarrow as pa
import pyarrow.parquet as pq
from harness import case, has, main, same
from tables import with_lake
from variants import encode, mark

D = decimal.Decimal
WHOLE = pa.struct([("value", pa.binary()), ("metadata", pa.binary())])
TEXTS = pa.struct([("value", pa.binary()), ("typed_value", pa.string())])
NUMBERS = pa.struct([("value", pa.binary()), ("typed_value", pa.int64())])
PARTS = {"whole": WHOLE, "number": pa.struct([("metadata", pa.binary()), ("value", pa.binary()), ("typed_value", pa.int64())]),
         "object": pa.struct([("metadata", pa.binary()), ("value", pa.binary()), ("typed_value", pa.struct([("a", TEXTS), ("n", NUMBERS)]))]),
         "list": pa.struct([("metadata", pa.binary()), ("value", pa.binary()), ("typed_value", pa.list_(NUMBERS))])}


def part(v, is_typed):
    return {"value": None, "typed_value": v} if is_typed else {"value": encode(v)["value"], "typed_value": None}


def shred(v, how):
    """The group of a value: what has the type stands apart."""
    if v is ...:
        return None
    group = {**encode(v), "typed_value": None}
    whole = lambda x: isinstance(x, int) and not isinstance(x, bool)  # noqa: E731
    if how == "number" and whole(v):
        group.update(value=None, typed_value=v)
    elif how == "list" and isinstance(v, list) and not any(isinstance(x, (dict, list)) for x in v):
        group.update(value=None, typed_value=[part(x, whole(x)) for x in v])
    elif how == "object" and isinstance(v, dict):
        if "a" in v and isinstance(v["a"], (dict, list)) or "n" in v and isinstance(v["n"], (dict, list)):
            return shred({"other": 1}, how)
        names, rest = encode(v)["metadata"], {k: x for k, x in v.items() if k not in ("a", "n")}
        typed = {"a": part(v["a"], isinstance(v["a"], str)) if "a" in v else {"value": None, "typed_value": None}, "n": part(v["n"], whole(v["n"])) if "n" in v else {"value": None, "typed_value": None}}
        left = with_names(rest, v)
        group = {"metadata": names, "value": left if rest else None, "typed_value": typed}
    return group if how != "whole" else {k: group[k] for k in ("value", "metadata")}


def with_names(v, whole):
    """The bytes of a value whose names are those of another."""
    from variants import bytes_of, names_of
    return bytes_of(v, sorted(names_of(whole)))


def text(v):
    """As Spark writes it."""
    if isinstance(v, dict):
        return "{" + ",".join(json.dumps(k, ensure_ascii=False) + ":" + text(v[k]) for k in sorted(v)) + "}"
    if isinstance(v, list):
        return "[" + ",".join(map(text, v)) + "]"
    if isinstance(v, D):
        return f"{v.normalize():f}"
    if isinstance(v, dt.datetime):
        return '"' + v.replace(tzinfo=None).isoformat(" ").rstrip("0" if v.microsecond else "") + ("+00:00" if v.tzinfo else "") + '"'
    if isinstance(v, dt.date):
        return f'"{v}"'
    if isinstance(v, bytes):
        import base64
        return f'"{base64.b64encode(v).decode()}"'
    return json.dumps(v, ensure_ascii=False)


def shown(v):
    return None if v is ... or v is None else text(v)


VALUES = [..., None, True, False, 0, -1, 2**62, 1.5, 0.001, D("12.340"), D("-0.00005"), "", "ä\"\\\n", "x" * 100, b"\x00\xff", dt.date(1, 1, 1), dt.datetime(2024, 2, 29, 1, 2, 3, 40000), dt.datetime(1969, 12, 31, 23, 59, 59, 999999, dt.timezone.utc),
          [], {}, [1, 2, None, 3], [1, "x", [2]], {"a": "t", "n": 5}, {"a": 7, "n": "x", "more": [None]}, {"n": None}, {"a": "only"}, {"z": {"y": {"x": D("1.5")}}, "b": True}, {f"k{i:03}": i for i in range(300)}]


def random_value(r, depth=0):
    if depth < 3 and r.random() < 0.4:
        return [random_value(r, depth + 1) for _ in range(r.randint(0, 4))] if r.random() < 0.4 else {r.choice(["a", "n", "b", "ä", "metadata", "value"]): random_value(r, depth + 1) for _ in range(r.randint(0, 4))}
    return r.choice(VALUES[1:18])


def flat(v):
    """Of objects, those whose shredded fields can be."""
    return {k: ("" if k in ("a", "n") and isinstance(x, (dict, list)) else x) for k, x in v.items()} if isinstance(v, dict) else v


def table(p, name, files, features=("variantType",), extra=None):
    """files: (rows, how, marked); rows are (id, v, s)."""
    os.makedirs(f"{p.dir}/{name}/_delta_log")
    variant = lambda n: {"name": n, "type": "variant", "nullable": True, "metadata": {}}  # noqa: E731
    inside = {"type": "struct", "fields": [variant("x"), {"name": "l", "type": {"type": "array", "elementType": "variant", "containsNull": True}, "nullable": True, "metadata": {}}]}
    fields = [{"name": "id", "type": "long", "nullable": True, "metadata": {}}, variant("v"), {"name": "s", "type": inside, "nullable": True, "metadata": {}},
              {"name": "m", "type": {"type": "map", "keyType": "string", "valueType": "variant", "valueContainsNull": True}, "nullable": True, "metadata": {}}]
    actions = [{"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors", *features], "writerFeatures": ["deletionVectors", *features]}},
               {"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": [], "configuration": extra or {}, "createdTime": 0}}]
    for i, (rows, how, marked) in enumerate(files):
        kind = PARTS[how]
        columns = {"id": pa.array([r[0] for r in rows], pa.int64()), "v": pa.array([shred(r[1], how) for r in rows], kind)}
        if i % 3 != 2:  # else columns came later
            columns["s"] = pa.array([None if r[2] is None else {"x": shred(r[2][0], how), "l": [shred(x, how) for x in r[2][1]]} for r in rows], pa.struct([("x", kind), ("l", pa.list_(kind))]))
            columns["m"] = pa.array([None if r[2] is None else [("k", shred(r[2][0], how))] for r in rows], pa.map_(pa.string(), kind))
        path = f"{p.dir}/{name}/part-{i}.parquet"
        pq.write_table(pa.table(columns), path)
        if marked:
            mark(path)
        nulls = {"id": 0, "v": sum(r[1] is ... for r in rows)}
        actions.append({"add": {"path": f"part-{i}.parquet", "partitionValues": {}, "size": os.path.getsize(path), "modificationTime": 0, "dataChange": True,
                                "stats": json.dumps({"numRecords": len(rows), "minValues": {"id": rows[0][0]}, "maxValues": {"id": rows[-1][0]}, "nullCount": nulls})}})
    with open(f"{p.dir}/{name}/_delta_log/{0:020}.json", "w") as f:
        f.write("".join(json.dumps(a) + "\n" for a in actions))


def seen(p, name, what="id, v, s.x, s.l, m['k']", where="true"):
    p.shoal("sql", f"SELECT {what} FROM './{name}' WHERE {where}", "-o", "out.parquet")
    return sorted(tuple(r.values()) for r in pq.ParquetFile(p.dir + "/out.parquet").read().to_pylist())


def expected(files):
    out = []
    for i, (rows, _, _) in enumerate(files):
        for at, v, s in rows:
            s = None if i % 3 == 2 else s
            out.append((at, shown(v), shown(s[0]) if s else None, [shown(x) for x in s[1]] if s else None, shown(s[0]) if s else None))
    return sorted(out)


LAYOUTS = [(how, marked) for how in PARTS for marked in (True, False)]


@case
def variants_are_read_however_they_lie():
    seed = int(os.environ.get("SHOAL_SEED", random.randrange(10**6)))
    print(f"    SHOAL_SEED={seed}")
    r, p, files, at = random.Random(seed), with_lake(), [], 0
    for how, marked in LAYOUTS + LAYOUTS[:3]:
        rows = []
        for v in VALUES + [random_value(r) for _ in range(30)]:
            rows.append((at, flat(v), None if at % 7 == 0 else (flat(random_value(r)), [flat(random_value(r)), ..., None])))
            at += 1
        files.append((rows, how, marked))
    table(p, "t", files, ("variantType", "variantShredding"))
    want = expected(files)
    for got, right in zip(seen(p, "t"), want):
        same(got, right)
    same(len(seen(p, "t")), len(want))
    null = [(row[0],) for row in want if row[1] is None]
    same((seen(p, "t", "id", "v IS NULL"), seen(p, "t", "id", "v IS NOT NULL")), (null, [(row[0],) for row in want if row[1] is not None]))
    same(seen(p, "t", "count(*), count(v)"), [(len(want), len(want) - len(null))])
    same(seen(p, "t", "id, v", "(v->>'$.a') = 'only'"), [row[:2] for row in want if row[1] and row[1].startswith("{") and json.loads(row[1]).get("a") == "only"])
    same(seen(p, "t", "id, v", "id = 100"), [row[:2] for row in want if row[0] == 100])
    same(json.loads(p.shoal("sql", "SELECT v FROM './t' WHERE id = 21", "--format", "json").stdout)["v"], '[1,"x",[2]]')
    has(p.shoal("sql", "SELECT v FROM './t' WHERE id = 21", "--format", "csv").stdout, '"[1,""x"",[2]]"')
    p.remove()


@case
def tables_with_variants_keep_their_rows():
    p = with_lake({"new.ndjson": '{"id": 1, "v": {"a": 1}}\n'})
    rows = lambda start: [(start + i, v, None) for i, v in enumerate(VALUES)]  # noqa: E731
    files = [(rows(0), "whole", True), (rows(100), "object", False)]
    for features in (("variantType",), ("variantType-preview",), ("variantType-preview", "variantShredding-preview")):
        table(p, features[-1], files, features, {"delta.enableDeletionVectors": "true"})
        for verb in (["append", "./" + features[-1], "new.ndjson"], ["update", "./" + features[-1], "--set", "id = 5", "--where", "id = 1"], ["overwrite", "./" + features[-1], "new.ndjson", "--all"], ["optimize", "./" + features[-1]]):
            has(p.shoal("table", *verb, code=1).stderr, "a column of type variant")
        p.shoal("table", "delete", "./" + features[-1], "--where", "id % 100 < 5 OR (v->>'$.a') = 'only'")
        want = [row for row in expected(files) if row[0] % 100 >= 5 and row[1] != '{"a":"only"}']
        same(seen(p, features[-1]), want)
        p.shoal("table", "delete", "./" + features[-1], "--where", "id < 100")
        p.shoal("table", "checkpoint", "./" + features[-1])
        same(seen(p, features[-1]), [row for row in want if row[0] >= 100])
        p.shoal("table", "restore", "./" + features[-1], "--version", "0")
        same(seen(p, features[-1]), expected(files))
        p.shoal("table", "delete", "./" + features[-1], "--all")
        same(seen(p, features[-1]), [])
    for extra in ({}, {"delta.enableDeletionVectors": "true", "delta.enableChangeDataFeed": "true"}):
        table(p, f"no{len(extra)}", files, extra=extra)
        has(p.shoal("table", "delete", f"./no{len(extra)}", "--where", "id = 7", code=1).stderr, "a column of type variant")
    p.write({"shoal.yaml": "name: t\nsources:\n  raw.t: {delta: variantType}\n", "models/gold/v.sql": "select id, v, v->>'$.a' as a from raw.t"})
    p.shoal("table", "restore", "./variantType", "--version", "0")
    p.shoal("run")
    p.shoal("sql", "select id, v from gold.v", "-o", "out.parquet")
    same(sorted(tuple(r.values()) for r in pq.ParquetFile(p.dir + "/out.parquet").read().to_pylist()), [row[:2] for row in expected(files)])
    p.remove()


@case
def broken_variants_are_told():
    p = with_lake()
    for i, (value, metadata, why) in enumerate(((b"\x14\x01", b"\x01\0\0", "bytes are broken"), (b"\xfc", b"\x01\0\0", "which this build does not know"), (b"\x02\x01\x05\x00\x01\x04", b"\x01\0\0", "a field has no name"), (b"\x04", b"\x02\0\0", "no version 1"))):
        for marked in (False, True):
            name = f"t{i}{marked}"
            table(p, name, [([(1, 5, None)], "whole", False)])
            path = f"{p.dir}/{name}/part-0.parquet"
            pq.write_table(pa.table({"id": [1], "v": pa.array([{"value": value, "metadata": metadata}], WHOLE)}), path)
            if marked:
                mark(path)
            err = p.shoal("sql", f"SELECT v FROM './{name}'", code=1).stderr
            has(err, why) if not marked else has(err.lower(), "variant") if "read of" not in err else None
    table(p, "other", [([(1, 5, None)], "whole", False)])
    pq.write_table(pa.table({"id": [1], "v": ["text"]}), f"{p.dir}/other/part-0.parquet")
    has(p.shoal("sql", "SELECT v FROM './other'", code=1).stderr, "part-0.parquet", "column 'v' is no variant")
    p.remove()


if __name__ == "__main__":
    main()
