# SPDX-License-Identifier: Apache-2.0
"""What checkpoints hold of files' statistics, as delta.checkpoint.writeStatsAsJson and writeStatsAsStruct say: text, typed columns, both, neither,
of classic and of V2 checkpoints, made from commits and from the checkpoint before."""
import glob
import hashlib
import json
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import duckdb  # noqa: E402
from harness import *  # noqa: E402,F403

JSON, STRUCT = "delta.checkpoint.writeStatsAsJson=", "delta.checkpoint.writeStatsAsStruct="
MANY = 2500  # so many that a checkpoint is too large for the next one's writer to bring all up
ADDED = ["stats", "stats_parsed", "partitionValues_parsed"]


def project():
    return Project(git=False)


def newest(t):
    """The Parquet files of the newest checkpoint."""
    version = max(f[len(t) + 12:][:20] for f in glob.glob(t + "/_delta_log/*.checkpoint.*"))
    top = glob.glob(f"{t}/_delta_log/{version}.checkpoint.*")[0]
    if top.endswith(".parquet"):
        return [top]
    return [f"{t}/_delta_log/_sidecars/" + json.loads(line)["sidecar"]["path"] for line in open(top) if '"sidecar"' in line]


def adds(t, what, where="true"):
    con = duckdb.connect()
    con.sql("set TimeZone = 'UTC'")
    return con.sql(f"select {what} from read_parquet({newest(t)}, union_by_name = true) where \"add\".path is not null and {where} order by \"add\".path").fetchall()


def members(t):
    found = set()
    for f in newest(t):
        found |= {c[0] for c in duckdb.sql(f"select unnest(\"add\") from '{f}' limit 0").description}
    return [name for name in ADDED if name in found]


TYPES = ("i BIGINT, b TINYINT, d DECIMAL(38, 10), m DECIMAL(9, 2), f DOUBLE, r REAL, s VARCHAR, t TIMESTAMP WITH TIME ZONE, n TIMESTAMP, a DATE, "
         "o BOOLEAN, x BLOB, l INTEGER[], st STRUCT(\"in er\" BIGINT, q STRUCT(z VARCHAR)), p INTEGER, \"p'q\" VARCHAR")
ROWS = """select 9223372036854775807 as i, -5 as b, 1234567890123456789012345678.0123456789 as d, -0.07 as m, 1e300 as f, 0.1::real as r, 'it''s "é"' as s,
  timestamptz '2020-01-02 03:04:05.123Z' as t, timestamp '1999-12-31 23:59:59.999' as n, date '0001-01-01' as a, true as o, 'x'::blob as x, [1, 2] as l,
  {'in er': 7, 'q': {'z': 'deep'}} as st, 3 as p, 'a b' as "p'q\""""


def table(p, *properties):
    args = [a for s in properties for a in ("--property", s)]
    p.shoal("table", "create", "./t", "--schema", TYPES, "--partition-by", "p,p'q", *args)
    duckdb.sql(f"copy ({ROWS}) to '{p.dir}/r.parquet'")
    p.shoal("table", "append", "./t", "r.parquet")
    return p.dir + "/t"


@case
def each_form():
    for policy in ("classic", "v2"):
        for settings, want in [((), ["stats"]), ((STRUCT + "true",), ADDED), ((STRUCT + "false", JSON + "false"), []), ((JSON + "false",), ADDED[1:]),
                               ((JSON + "false", STRUCT + "true"), ADDED[1:]), ((JSON + "true", STRUCT + "false"), ["stats"])]:
            p = project()
            t = table(p, "delta.checkpointPolicy=" + policy, *settings)
            p.shoal("table", "checkpoint", "./t")
            same(members(t), want)
            p.remove()


@case
def each_type_with_all_its_digits():
    p = project()
    t = table(p, STRUCT + "true")
    p.shoal("table", "checkpoint", "./t")
    text = json.loads(adds(t, '"add".stats')[0][0], parse_float=str, parse_int=str)
    for part in ("minValues", "maxValues"):
        got = adds(t, "".join(f'"add".stats_parsed.{part}.{c}::VARCHAR, ' for c in ("i", "b", "d", "m", "f", "r", "s", "t", "n", "a", 'st."in er"', "st.q.z")))[0]
        same(got, ("9223372036854775807", "-5", "1234567890123456789012345678.0123456789", "-0.07", "1e+300", "0.1", 'it\'s "é"', "2020-01-02 03:04:05.123+00",
                   "1999-12-31 23:59:59.999", "0001-01-01", "7", "deep"))
        same(text[part]["d"], got[2])
        same({c[0] for c in duckdb.sql(f"select unnest(\"add\".stats_parsed.{part}) from '{newest(t)[0]}' limit 0").description} & {"o", "x", "l", "p", "p'q"}, set())
    same(adds(t, '"add".stats_parsed.numRecords, "add".stats_parsed.nullCount.o, "add".stats_parsed.nullCount.st.q.z'), [(1, 0, 0)])
    same(adds(t, '"add".partitionValues_parsed')[0][0], {"p": 3, "p'q": "a b"})
    p.remove()


def log_of(p, schema, stats, configuration, n=1, values=None):
    """A table that is a log alone, of files with these statistics and values of partitions."""
    t = p.dir + "/t"
    os.makedirs(t + "/_delta_log")
    fields = [{"name": c, "type": k, "nullable": True, "metadata": {}} for c, k in schema.items()]
    v2 = {"readerFeatures": ["v2Checkpoint"], "writerFeatures": ["v2Checkpoint"]} if "delta.checkpointPolicy" in configuration else {}
    actions = [{"protocol": {"minReaderVersion": 3 if v2 else 1, "minWriterVersion": 7 if v2 else 2, **v2}},
               {"metaData": {"id": "m", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": list(values or {}),
                             "configuration": configuration}}]
    with open(t + "/_delta_log/00000000000000000000.json", "w") as f:
        f.write("\n".join(map(json.dumps, actions)) + "\n")
        for i in range(n):
            name = hashlib.sha256(b"%d" % i).hexdigest()
            f.write(json.dumps({"add": {"path": f"{name}-{i}", "partitionValues": values or {}, "size": 5, "modificationTime": 0, "dataChange": True, "stats": stats.replace("$i", str(i))}}) + "\n")
    return t


@case
def partition_values_of_each_type():
    p = project()
    p.shoal("table", "create", "./t", "--schema", "v BIGINT, i BIGINT, d DECIMAL(20, 3), o BOOLEAN, a DATE, n TIMESTAMP, s VARCHAR", "--partition-by", "i,d,o,a,n,s", "--property", STRUCT + "true")
    duckdb.sql(f"copy (select 1 as v, -7 as i, 12345678901234567.125 as d, true as o, date '2020-02-29' as a, timestamp '2020-02-29 01:02:03.5' as n, 'it''s' as s "
               f"union all select 2, null, null, null, null, null, null) to '{p.dir}/r.parquet'")
    p.shoal("table", "append", "./t", "r.parquet")
    p.shoal("table", "checkpoint", "./t")
    got = sorted(map(str, (r[0] for r in adds(p.dir + "/t", '"add".partitionValues_parsed::VARCHAR'))))
    same(got, ["{'i': -7, 'd': 12345678901234567.125, 'o': true, 'a': 2020-02-29, 'n': '2020-02-29 01:02:03.5', 's': 'it\\'s'}",
               "{'i': NULL, 'd': NULL, 'o': NULL, 'a': NULL, 'n': NULL, 's': NULL}"])
    p.remove()
    p = project()
    t = log_of(p, {"v": "long", "x": "binary", "z": "timestamp", "e": "string"}, "{}", {"delta.checkpoint.writeStatsAsStruct": "true"}, 1, {"x": "a\u0001", "z": "2020-02-29 01:02:03", "e": ""})
    p.shoal("table", "checkpoint", "./t")
    same(adds(t, '"add".partitionValues_parsed::VARCHAR'), [("{'x': a\\x01, 'z': '2020-02-29 01:02:03+00', 'e': NULL}",)])
    p.remove()


@case
def what_a_type_can_not_hold_is_left_out():
    p = project()
    schema = {"a": "long", "b": "decimal(5,2)", "c": "date", "d": "timestamp", "e": "double", "g": "string", "h": "integer", "k": "decimal(5,2)", "m": "string", "q": "float"}
    wrong = '{"numRecords":"x","minValues":{"a":1.5,"b":1.239,"c":"soon","d":"2020-01-01T00:00:00.5Z","e":"NaN","g":5,"h":3000000000,"k":1e2,"m":null,"q":0.25,"none":1},"maxValues":[1],"nullCount":{"a":"1","b":{}},"tightBounds":"yes"}'
    t = log_of(p, schema, wrong, {"delta.checkpoint.writeStatsAsJson": "false"})
    p.shoal("table", "checkpoint", "./t")
    got = adds(t, '"add".stats_parsed::VARCHAR')[0][0]
    same(got, "{'numRecords': NULL, 'minValues': {'a': NULL, 'b': NULL, 'c': NULL, 'd': '2020-01-01 00:00:00.5+00', 'e': NULL, 'g': NULL, 'h': NULL, 'k': NULL, 'm': NULL, 'q': 0.25}, "
         "'maxValues': NULL, 'nullCount': {'a': NULL, 'b': NULL, 'c': NULL, 'd': NULL, 'e': NULL, 'g': NULL, 'h': NULL, 'k': NULL, 'm': NULL, 'q': NULL}, 'tightBounds': NULL}")
    p.remove()
    for odd in ("no JSON", "[]", "", '{"numRecords":1'):
        p = project()
        t = log_of(p, schema, odd, {"delta.checkpoint.writeStatsAsStruct": "true"})
        p.shoal("table", "checkpoint", "./t")
        same(adds(t, '"add".stats, "add".stats_parsed'), [(odd, None)])
        p.remove()


@case
def as_many_columns_as_have_statistics():
    schema = {f"c{i}": "long" for i in range(40)}
    for configuration, n in (({}, 32), ({"delta.dataSkippingNumIndexedCols": "3"}, 3), ({"delta.dataSkippingNumIndexedCols": "-1"}, 40), ({"delta.dataSkippingStatsColumns": "c39"}, 40)):
        p = project()
        t = log_of(p, schema, '{"numRecords":1}', {"delta.checkpoint.writeStatsAsStruct": "true", **configuration})
        p.shoal("table", "checkpoint", "./t")
        same(len(duckdb.sql(f"select unnest(\"add\".stats_parsed.nullCount) from '{newest(t)[0]}' limit 0").description), n)
        p.remove()


LINE = '{"numRecords":$i,"minValues":{"a":$i,"d":1234567890123456789012345678.0000$i},"maxValues":{"a":$i},"nullCount":{"a":0}}'
PARSED = '"add".stats_parsed.minValues.d::VARCHAR, "add".stats_parsed.numRecords'


def check(t, wanted, n):
    """All files are there, each with its own statistics in the form that is wanted."""
    same(members(t), wanted)
    numbers = adds(t, 'substr("add".path, 66)::BIGINT')
    same(len(numbers), n)
    if "stats_parsed" in wanted:
        same(adds(t, '"add".stats_parsed.minValues.a, "add".stats_parsed.nullCount.a'), [(i, 0) for (i,) in numbers])
        for digits, i in adds(t, PARSED):
            same(digits.rstrip("0"), f"1234567890123456789012345678.0000{i}".rstrip("0"))
    if "stats" in wanted:
        for (text,), (i,) in zip(adds(t, '"add".stats'), numbers):
            if text != LINE.replace("$i", str(i)):  # or of typed ones: the same values
                got = json.loads(text, parse_float=lambda s: s.rstrip("0"))
                same(got["numRecords"], i)
                same(got["minValues"], {"a": i, "d": f"1234567890123456789012345678.0000{i}".rstrip("0")})


@case
def carried_from_the_checkpoint_before():
    for policy in ("classic", "v2"):
        p = project()
        configuration = {"delta.checkpoint.writeStatsAsJson": "false", **({"delta.checkpointPolicy": "v2"} if policy == "v2" else {})}
        t = log_of(p, {"a": "long", "d": "decimal(38,10)"}, LINE, configuration, MANY)
        p.shoal("table", "checkpoint", "./t")
        check(t, ["stats_parsed"], MANY)
        assert all(os.path.getsize(f) > 65536 for f in newest(t))
        alter = lambda *settings: p.shoal("table", "alter", "./t", *(x for s in settings for x in ("--set", s)))  # noqa: E731
        steps = [(("user=1",), ["stats_parsed"]), ((JSON + "true", STRUCT + "true"), ["stats", "stats_parsed"]), ((STRUCT + "false",), ["stats"]), ((STRUCT + "true",), ["stats", "stats_parsed"]),
                 ((JSON + "false",), ["stats_parsed"])]
        for settings, want in steps:
            before = newest(t)
            alter(*settings)
            p.shoal("table", "checkpoint", "./t")
            check(t, want, MANY)
            same(newest(t) == before, policy == "v2" and settings == ("user=1",))  # sidecars in which nothing is to change are named again
        p.shoal("table", "alter", "./t", "--add-column", "late VARCHAR")
        p.shoal("table", "checkpoint", "./t")
        check(t, ["stats_parsed"], MANY)
        same(adds(t, '"add".stats_parsed.minValues.a', '"add".stats_parsed.nullCount.late is not null'), [])
        alter(STRUCT + "false")
        p.shoal("table", "checkpoint", "./t")
        same(members(t), [])
        same(len(adds(t, '"add".path')), MANY)
        p.remove()


@case
def read_when_nothing_else_is_left():
    for policy in ("classic", "v2"):
        p = project()
        p.shoal("table", "create", "./t", "--schema", "id BIGINT, s VARCHAR", "--property", JSON + "false", "--property", "delta.checkpointPolicy=" + policy)
        for k in range(10):
            p.write({"r.csv": "id,s\n" + "".join(f"{k * 10 + i},row {k * 10 + i}\n" for i in range(10))})
            p.shoal("table", "append", "./t", "r.csv")
        p.shoal("table", "checkpoint", "./t")
        t = p.dir + "/t"
        for f in glob.glob(t + "/_delta_log/*.json"):
            if len(os.path.basename(f)) == 25 and not f.endswith("10.json"):
                os.unlink(f)
        same(p.rows("select count(*), min(id), max(id) from './t'"), [["100", "0", "99"]])
        for (path, low) in adds(t, '"add".path, "add".stats_parsed.minValues.id'):
            if low != 40:
                os.rename(f"{t}/{path}", f"{t}/{path}.gone")
        same(p.rows("select s from './t' where id = 42"), [["row 42"]])
        p.remove()


if __name__ == "__main__":
    main()
