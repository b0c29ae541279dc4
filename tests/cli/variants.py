# SPDX-License-Identifier: Apache-2.0
"""Variants in tables of others, whose files are made here byte by byte: marked as variants and not, shredded and not, in one table. What
Spark makes of the same is in tests/spark/variant.py."""
import datetime as dt
import decimal
import glob
import json
import os
import random
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import deltalake
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from harness import case, has, main, same
from tables import delta, with_lake
from variants import decode, encode, mark

D = decimal.Decimal
decimal.getcontext().prec = 60
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


def alive(p, name):
    """Paths of the files that the table's newest version has, and those of its change data."""
    files, feeds = {}, []
    for log in sorted(glob.glob(f"{p.dir}/{name}/_delta_log/*.json")):
        for action in map(json.loads, open(log)):
            if "add" in action:
                files[action["add"]["path"]] = action["add"]
            if "remove" in action:
                files.pop(action["remove"]["path"])
            if "cdc" in action:
                feeds.append(action["cdc"]["path"])
    return files, feeds


def deep(v):
    """Nested values by their types: 1 is not 1.0, nor a date its text."""
    return f"{type(v).__name__}:{sorted((k, deep(x)) for k, x in v.items())}" if isinstance(v, dict) else f"list:{[deep(x) for x in v]}" if isinstance(v, list) else f"{type(v).__name__}:{v!r}"


def stored(p, name, of=None, column="v", names=("id", "v", "s", "m")):
    """What the files have, by the variants' own bytes."""
    out, (i, v, s, m) = [], names
    for path in alive(p, name)[0] if of is None else of:
        for row in pq.ParquetFile(f"{p.dir}/{name}/{path}").read().to_pylist():
            inner = row.get(s) and (deep(decode(row[s]["x"])), [deep(decode(x)) for x in row[s]["l"]], deep(decode(dict(row[m])["k"])))
            out.append((row[i], deep(decode(row[v])), inner, *([row["_change_type"]] if of else [])))
    return sorted(out, key=repr)


def given(files, change=None):
    return sorted(((at, deep(v), s and (deep(s[0]), [deep(x) for x in s[1]], deep(s[0])), *([change] if change else [])) for rows, _, _ in files for at, v, s in rows), key=repr)


def of_every_kind(start, how, marked):
    """Of a marked file either NULLs or variants that are null."""
    rows = [(start + i, flat(v), None if i % 5 == 0 and not marked else (flat(v), [flat(v), 1])) for i, v in enumerate(VALUES)]
    return [(at, v, s and (v, [v, 1])) for at, v, s in rows if not marked or v is not ...], how, marked


@case
def rows_that_are_written_anew_keep_their_variants():
    p = with_lake()
    for how, marked in LAYOUTS:
        name = f"{how}{marked}"
        files = [of_every_kind(start, how, marked) for start in (0, 100)]  # the third would lack columns
        table(p, name, files, ("variantType", "variantShredding"))
        p.shoal("table", "optimize", "./" + name)
        files = [(files[0][0] + files[1][0], how, marked)]
        same((stored(p, name), len(alive(p, name)[0])), (given(files), 1))
        p.shoal("table", "delete", "./" + name, "--where", "id = 4")
        p.shoal("table", "update", "./" + name, "--set", "id = id + 1000", "--where", "id < 20 OR (v->>'$.a') = 'only'")
        files = [([(at + 1000 if at < 20 or v == {"a": "only"} else at, v, s) for at, v, s in files[0][0] if at != 4], how, marked)]
        same(stored(p, name), given(files))
        same(seen(p, name), expected(files))
        counts = [json.loads(f["stats"])["nullCount"]["v"] for f in alive(p, name)[0].values()]
        same(sum(counts), sum(v is ... for _, v, _ in files[0][0]))
    p.remove()


@case
def a_null_that_can_not_be_told_is_not_written():
    p = with_lake()
    for i, nulls in enumerate(([...], [None], [..., None])):
        for nested in (False, True):
            rows = [(1, 5, ({"n": 1}, [1])), (2, {"a": "t"}, (2, [2, 3]))] + [(3 + k, 1 if nested else x, (1, [x, 1]) if nested else (1, [1])) for k, x in enumerate(nulls)]
            files = [(rows, "whole", True)]
            table(p, f"t{i}{nested}", files)
            again = ["table", "update", f"./t{i}{nested}", "--set", "id = id", "--where", "id < 2"]
            if len(nulls) == 2:
                has(p.shoal(*again, code=1).stderr, "part-0.parquet", f"marks column '{'s' if nested else 'v'}' as a variant", "variants that are null")
            else:
                p.shoal(*again)
                same(stored(p, f"t{i}{nested}"), given(files))
    p.remove()


@case
def change_data_has_the_variants():
    p = with_lake()
    for how, marked in LAYOUTS:
        files = [of_every_kind(0, how, marked)]
        table(p, how + str(marked), files, ("variantType", "variantShredding"), {"delta.enableChangeDataFeed": "true"})
        p.shoal("table", "update", f"./{how}{marked}", "--set", "id = id + 500", "--where", "id > 10")
        before = [([row for row in files[0][0] if row[0] > 10], how, marked)]
        after = [([(at + 500, v, s) for at, v, s in before[0][0]], how, marked)]
        same(stored(p, how + str(marked), alive(p, how + str(marked))[1]), sorted(given(before, "update_preimage") + given(after, "update_postimage"), key=repr))
        told = p.shoal("table", "changes", f"./{how}{marked}", "--from", "1", "--format", "json").stdout
        same(sorted(r["v"] or "" for r in map(json.loads, told.splitlines()) if r["_change_type"] == "update_postimage"), sorted(shown(v) or "" for _, v, _ in after[0][0]))
    p.remove()


NEW = [('{"b": 1, "a": [1.10, "x", null, true, {"z": {}}]}', {"b": 1, "a": [D("1.10"), "x", None, True, {"z": {}}]}), ("null", None), ("1e5", 1e5), ("-0", 0), ("123456789012345678901234567890", D("123456789012345678901234567890")),
       ("0.000001", D("0.000001")), ("1" * 39, float("1" * 39)), (" [ ] ", []), ('"text"', "text"), (None, ...), ("9223372036854775808", D("9223372036854775808")), ('{"": 1, "ä": 2, "\\u0000": 3}', {"": 1, "ä": 2, "\0": 3})]


@case
def new_rows_have_json_for_variants():
    p = with_lake()
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, v VARIANT, s STRUCT(x VARIANT, l VARIANT[]), m MAP(VARCHAR, VARIANT)")
    log = [json.loads(line) for line in open(f"{p.dir}/t/_delta_log/{0:020}.json")]
    same([(a["protocol"]["readerFeatures"], a["protocol"]["writerFeatures"]) for a in log if "protocol" in a], [(["variantType"], ["variantType"])])
    texts, values = [t for t, _ in NEW], [v for _, v in NEW]
    pq.write_table(pa.table({"id": range(len(NEW)), "v": texts, "s": [{"x": t, "l": [t, None]} for t in texts], "m": pa.array([[("k", t)] for t in texts], pa.map_(pa.string(), pa.string()))}), p.dir + "/new.parquet")
    rows = lambda start: [(start + i, v, (v, [v, ...])) for i, v in enumerate(values)]  # noqa: E731
    p.shoal("table", "append", "./t", "new.parquet")
    same(stored(p, "t"), given([(rows(0), "", False)]))
    others = pa.table(deltalake.QueryBuilder().register("t", delta(p, "t")).execute("select id, v from t order by id").read_all()).to_pylist()
    for got in ([r["v"] for r in others], polars.read_delta(p.dir + "/t").sort("id")["v"].to_list()):
        same([deep(decode(v)) for v in got], [deep(v) for v in values])
    p.shoal("table", "overwrite", "./t", "new.parquet", "--where", "id < 5000 AND (v IS NULL OR v IS NOT NULL)")
    same(stored(p, "t"), given([(rows(0), "", False)]))
    p.shoal("table", "merge", "./t", "--using", "new.parquet", "--on", "target.id = source.id", "--when", "matched and source.id < 3 then update set id = target.id + 700, s = source.s", "--when", "matched then update", "--when", "not matched then insert")
    same(stored(p, "t"), given([([(at + 700 if at < 3 else at, v, s) for at, v, s in rows(0)], "", False)]))
    p.shoal("table", "update", "./t", "--set", "v = '{\"n\": ' || id || '.50}'", "--where", "id > 700")
    same(sorted(x[1] for x in stored(p, "t") if x[0] > 700), [deep({"n": D(f"{i}.50")}) for i in (701, 702)])
    p.shoal("table", "overwrite", "./t", "new.parquet", "--all")
    same(stored(p, "t"), given([(rows(0), "", False)]))
    p.shoal("table", "alter", "./t", "--add-column", "w VARIANT")
    p.shoal("table", "update", "./t", "--set", "w = v", "--where", "id = 0")
    same(seen(p, "t", "w", "w IS NOT NULL"), [(text(NEW[0][1]),)])
    p.remove()


@case
def json_files_have_values_in_the_place_of_variants():
    p = with_lake({"new.ndjson": '{"id": 1, "v": {"a": 1, "c": 123456789012345678901234567890}, "s": {"x": "1", "l": [{"b": 2}, null, "t"]}, "day": "2024-02-29"}\n{"id": 2, "v": {"b": null}}\n{"id": 3, "v": "text", "s": {"x": {"y": [1]}}}\n{"id": 4, "v": null}\n',
                   "texts.ndjson": '{"id": 5, "v": "[1]"}\n', "odd.ndjson": '{"id": 5, "v": 1, "a:b": 2}\n'})
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, v VARIANT, s STRUCT(x VARIANT, l VARIANT[]), day DATE")
    p.shoal("table", "append", "./t", "new.ndjson")
    p.shoal("table", "append", "./t", "texts.ndjson")
    want = [(1, '{"a":1,"c":123456789012345678901234567890}', '"1"', ['{"b":2}', None, '"t"'], dt.date(2024, 2, 29)), (2, '{"b":null}', None, None, None), (3, '"text"', '{"y":[1]}', None, None), (4, None, None, None, None), (5, '"[1]"', None, None, None)]
    same(seen(p, "t", "id, v, s.x, s.l, day"), want)
    p.shoal("table", "merge", "./t", "--using", "new.ndjson", "--on", "target.id = source.id", "--when", "matched then update", "--when", "not matched then insert")
    p.shoal("table", "overwrite", "./t", "texts.ndjson", "--where", "id = 5")
    same(seen(p, "t", "id, v, s.x, s.l, day"), want)
    has(p.shoal("table", "append", "./t", "odd.ndjson", code=1).stderr, 'a:b')
    p.remove()


@case
def what_is_no_json_is_no_variant():
    p = with_lake()
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, v VARIANT")
    for bad, why in (("text", "alformed JSON"), ('{"a": 1, "a": 2}', 'two fields \\"a\\"'), ("[" * 1001 + "]" * 1001, "deeper than 1000"), ("{", "alformed JSON"), ("[1,]", "trailing comma")):
        pq.write_table(pa.table({"id": [1, 2], "v": ["1", bad]}), p.dir + "/bad.parquet")
        has(p.shoal("table", "append", "./t", "bad.parquet", code=1).stderr.replace('"', '\\"'), why)
    same(seen(p, "t", "count(*)"), [(0,)])
    for args in (["create", "./u", "--schema", "id BIGINT, v VARIANT", "--partition-by", "v"], ["create", "./u", "--schema", "id BIGINT, v VARIANT", "--cluster-by", "v"]):
        p.shoal("table", *args, code=1)
    p.remove()


@case
def variants_of_mapped_tables_that_track_their_rows():
    p = with_lake()
    files = [of_every_kind(0, "whole", False)[0]]
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, v VARIANT, s STRUCT(x VARIANT, l VARIANT[]), m MAP(VARCHAR, VARIANT)", "--property", "delta.columnMapping.mode=id", "--property", "delta.enableRowTracking=true", "--property", "delta.enableDeletionVectors=true")
    texts = [None if v is ... else text(v) for _, v, _ in files[0]]
    pq.write_table(pa.table({"id": range(len(texts)), "v": texts, "s": [{"x": t, "l": [t]} for t in texts]}), p.dir + "/new.parquet")
    p.shoal("table", "append", "./t", "new.parquet")
    want = seen(p, "t", "id, v, s.x, s.l, _row_id")
    same([row[1] and json.loads(row[1]) for row in want], [x and json.loads(x) for x in texts])
    p.shoal("table", "delete", "./t", "--where", "id = 6")
    p.shoal("table", "update", "./t", "--set", "id = id", "--where", "id > 10")
    p.shoal("table", "append", "./t", "new.parquet")
    p.shoal("table", "optimize", "./t")
    want = [row for row in want if row[0] != 6]
    same([row for row in seen(p, "t", "id, v, s.x, s.l, _row_id") if row[4] < len(texts)], want)
    p.shoal("table", "alter", "./t", "--rename-column", "v=w")
    same(seen(p, "t", "id, w", "_row_id = 20"), [row[:2] for row in want if row[4] == 20])
    p.remove()


@case
def tables_with_variants_keep_their_rows():
    p = with_lake()
    rows = lambda start: [(start + i, v, None) for i, v in enumerate(VALUES)]  # noqa: E731
    files = [(rows(0), "whole", True), (rows(100), "object", False)]
    for features in (("variantType",), ("variantType-preview",), ("variantType-preview", "variantShredding-preview")):
        table(p, features[-1], files, features, {"delta.enableDeletionVectors": "true"})
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
        p.shoal("table", "alter", "./" + features[-1], "--add-column", "w VARIANT")
        same([a["protocol"]["writerFeatures"] for log in glob.glob(f"{p.dir}/{features[-1]}/_delta_log/*.json") for a in map(json.loads, open(log)) if "protocol" in a], [["deletionVectors", *features]])
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
