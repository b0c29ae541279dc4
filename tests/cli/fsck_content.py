# SPDX-License-Identifier: Apache-2.0
"""shoal fsck PATH --content: the rows of a Delta table against what its log says of them."""
import glob
import json
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import duckdb  # noqa: E402
from harness import *  # noqa: E402,F403

FIELDS = {"i": "long", "m": "decimal(30,4)", "f": "double", "r": "float", "s": "string", "d": "date", "t": "timestamp", "n": "timestamp_ntz", "b": "boolean",
          "st": {"type": "struct", "fields": [{"name": "x", "type": "integer", "nullable": True, "metadata": {}}]}, "l": {"type": "array", "elementType": "long", "containsNull": True}}
ROWS = """select * from (values
  (1::bigint, 12345678901234567890.0001::decimal(30,4), 1.5::double, 0.1::real, 'abc', date '2020-01-01', timestamptz '2020-01-01 00:00:00.123456Z', timestamp '2020-01-01 00:00:00', true, {'x': 5::int}, [1::bigint]),
  (5, 12345678901234567890.0003, 'nan', 2, repeat('z', 100), date '2021-01-01', timestamptz '2020-06-01 00:00:00Z', null, null, {'x': null}, null),
  (9, null, -2.5, null, 'é', null, null, null, null, null, null)) v(i, m, f, r, s, d, t, n, b, st, l)"""
RIGHT = {"numRecords": 3,
         "minValues": {"i": 1, "m": "12345678901234567890.0001", "f": -2.5, "r": 0.1, "s": "abc", "d": "2020-01-01", "t": "2020-01-01T00:00:00.123Z", "n": "2020-01-01T00:00:00.000", "st": {"x": 5}},
         "maxValues": {"i": 9, "m": "12345678901234567890.0003", "f": 1.5, "r": 2, "s": "é", "d": "2021-01-01", "t": "2020-06-01T00:00:00.000Z", "n": "2020-01-01T00:00:00.000", "st": {"x": 5}},
         "nullCount": {"i": 0, "m": 1, "f": 0, "r": 1, "s": 0, "d": 1, "t": 1, "n": 2, "b": 2, "st": {"x": 2}, "l": 2}}


def text(stats):
    """Decimals are numbers with all their digits."""
    return re.sub(r'"(\d{20}\.\d+)"', r"\1", json.dumps(stats, ensure_ascii=False))


def table(p, files, fields=FIELDS, partition=(), nullable=True, name="t"):
    """Of files, each a query and what the log says of its rows."""
    t = f"{p.dir}/{name}"
    os.makedirs(t + "/_delta_log")
    schema = {"type": "struct", "fields": [{"name": c, "type": k, "nullable": nullable, "metadata": {}} for c, k in fields.items()]}
    features = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz", "deletionVectors"], "writerFeatures": ["timestampNtz", "deletionVectors"]}
    actions = [{"protocol": features}, {"metaData": {"id": "m", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps(schema), "partitionColumns": list(partition), "configuration": {}}}]
    for i, (sql, stats, *more) in enumerate(files):
        duckdb.sql(f"copy ({sql}) to '{t}/{i}.parquet' (format parquet)")
        add = {"path": f"{i}.parquet", "partitionValues": {}, "size": os.path.getsize(f"{t}/{i}.parquet"), "modificationTime": 0, "dataChange": True, **(more[0] if more else {})}
        if stats is not None:
            add["stats"] = text(stats)
        actions.append({"add": add})
    with open(t + "/_delta_log/00000000000000000000.json", "w") as f:
        f.write("\n".join(json.dumps(a) for a in actions))
    return t



def told(p, name="t"):
    r = p.json("fsck", f"./{name}", "--content", code=1)
    same(r["contradictions"], len(r["told"]))
    return sorted((x["file"], x.get("column"), x["what"]) for x in r["told"])


def changed(*path_and_value):
    stats = json.loads(json.dumps(RIGHT))
    at, value = stats, path_and_value[-1]
    for key in path_and_value[:-2]:
        at = at[key]
    at[path_and_value[-2]] = value
    return stats


@case
def what_is_right():
    p = Project(git=False)
    table(p, [(ROWS, RIGHT), (ROWS + " where i > 100", {"numRecords": 0}), (ROWS, None), (ROWS, {"numRecords": 3})])
    has(p.shoal("fsck", "./t", "--content").stdout, "version 0: 4 files", "all are there, and hold what the log says")
    lacks(p.shoal("fsck", "./t").stdout, "hold")
    same(p.json("fsck", "./t", "--content")["contradictions"], 0)
    has(p.shoal("fsck", "./t", "--content", "--repair", code=1).all, "nothing can be computed anew")
    p.remove()


@case
def bounds_may_be_rounded_cut_or_loose():
    loose = [changed("minValues", "s", "ab"), changed("maxValues", "s", "z" * 32 + "\x7f"), changed("minValues", "t", "2020-01-01T00:00:00.124Z"), changed("minValues", "t", "2019-12-31T16:00:00.123-08:00"),
             changed("maxValues", "i", 100), changed("minValues", "m", "2345678901234567890.0001"), changed("minValues", "f", "NaN"), changed("minValues", "i", "1"), changed("maxValues", "d", "soon"),
             changed("nullCount", "i", None), changed("minValues", "gone", 5), changed("minValues", "st", 5), {**changed("nullCount", "m", 2), "tightBounds": False}]
    loose[1]["maxValues"]["s"] = "é"  # beyond z in UTF-8
    p = Project(git=False)
    table(p, [(ROWS, s) for s in loose])
    has(p.shoal("fsck", "./t", "--content").stdout, "hold what the log says")
    p.remove()


@case
def each_contradiction_is_named():
    wrong = [(changed("numRecords", 4), None, "the log says that it has 4 rows, and it has 3"),
             (changed("minValues", "i", 2), "i", "the log says that its least value is 2, and it has 1"),
             (changed("maxValues", "i", 8), "i", "the log says that its greatest value is 8, and it has 9"),
             (changed("maxValues", "m", "12345678901234567890.0002"), "m", "the log says that its greatest value is 12345678901234567890.0002, and it has 12345678901234567890.0003"),
             (changed("minValues", "f", -2.4), "f", "the log says that its least value is -2.4, and it has -2.5"),
             (changed("maxValues", "r", 1.5), "r", "the log says that its greatest value is 1.5, and it has 2.0"),
             (changed("minValues", "s", "b"), "s", "the log says that its least value is b, and it has abc"),
             (changed("maxValues", "s", "z" * 32), "s", "the log says that its greatest value is " + "z" * 32 + ", and it has é"),
             (changed("minValues", "d", "2020-01-02"), "d", "the log says that its least value is 2020-01-02, and it has 2020-01-01"),
             (changed("minValues", "t", "2020-01-01T00:00:00.125Z"), "t", "the log says that its least value is 2020-01-01T00:00:00.125Z, and it has 2020-01-01 00:00:00.123456+00"),
             (changed("maxValues", "n", "2019-12-31T23:59:59.998"), "n", "the log says that its greatest value is 2019-12-31T23:59:59.998, and it has 2020-01-01 00:00:00"),
             (changed("maxValues", "st", "x", 4), "st.x", "the log says that its greatest value is 4, and it has 5"),
             (changed("nullCount", "b", 0), "b", "the log says that 0 of its rows are NULL, and 2 are"),
             (changed("nullCount", "l", 3), "l", "the log says that 3 of its rows are NULL, and 2 are"),
             (changed("nullCount", "st", "x", 1), "st.x", "the log says that 1 of its rows are NULL, and 2 are"),
             ({**changed("nullCount", "m", 0), "tightBounds": False}, "m", "the log says that 0 of its rows are NULL, and 1 are"),
             ({**changed("nullCount", "m", 3), "tightBounds": False}, "m", "the log says that 3 of its rows are NULL, and 1 are")]
    p = Project(git=False)
    table(p, [(ROWS, RIGHT)] * 3 + [(ROWS, stats) for stats, _, _ in wrong])
    same(told(p), sorted((f"{i + 3}.parquet", column, what) for i, (_, column, what) in enumerate(wrong)))
    r = p.shoal("fsck", "./t", "--content", code=1).stdout
    has(r, "all are there\n", "broken  4.parquet, column i: the log says that its least value is 2, and it has 1", "broken  3.parquet: the log says that it has 4 rows")
    p.shoal("fsck", "./t")
    p.remove()


@case
def more_files_than_are_looked_at_at_once():
    p = Project(git=False)
    table(p, [(f"select {i}::bigint as i", {"numRecords": 1, "minValues": {"i": i + (i in (7, 333))}, "maxValues": {"i": i}}) for i in range(450)], {"i": "long"})
    same(told(p), [("333.parquet", "i", "the log says that its least value is 334, and it has 333"), ("7.parquet", "i", "the log says that its least value is 8, and it has 7")])
    p.remove()


@case
def files_that_can_not_be_read():
    p = Project(git=False)
    fine = ("select 1::bigint as i, 'x' as s", {"numRecords": 1})
    t = table(p, [fine, ("select 'word' as i, 'x' as s", {"numRecords": 1}), fine, ("select 2::bigint as i, 'x' as s", {"numRecords": 2}), ("select 5::smallint as i", {"numRecords": 1, "minValues": {"i": 6}})], {"i": "long", "s": "string"})
    with open(t + "/2.parquet", "r+b") as f:
        f.seek(-12, 2)
        f.write(b"\xff" * 8)
    got = told(p)
    same([g[:2] for g in got], [("1.parquet", "i"), ("2.parquet", None), ("3.parquet", None), ("4.parquet", "i")])
    has(got[0][2], "it can't be read: ", "word")
    has(got[1][2], "it can't be read: ")
    same(got[3][2], "the log says that its least value is 6, and it has 5")
    os.unlink(t + "/0.parquet")
    r = p.json("fsck", "./t", "--content", code=1)
    same((r["broken"], r["contradictions"]), (1, 4))
    p.remove()


@case
def not_null_partitions_and_mapped_names():
    p = Project(git=False)
    table(p, [("select * from (values (1::bigint), (null)) v(i)", {"numRecords": 2}), ("select 1::bigint as other", None)], {"i": "long"}, nullable=False)
    same(told(p), [("0.parquet", "i", "it is NOT NULL, and 1 rows are"), ("1.parquet", "i", "it is NOT NULL, and 1 rows are")])
    p.shoal("table", "create", "./u", "--schema", "id BIGINT, \"a.b\" VARCHAR, st STRUCT(\"x y\" INTEGER), p DATE", "--partition-by", "p", "--property", "delta.columnMapping.mode=id")
    duckdb.sql(f"copy (select range as id, 'v' || range as \"a.b\", {{'x y': range::int}} as st, date '2020-01-01' + (range % 3)::int as p from range(90)) to '{p.dir}/r.parquet'")
    p.shoal("table", "append", "./u", "r.parquet")
    p.shoal("table", "alter", "./u", "--rename-column", "id=key")
    has(p.shoal("fsck", "./u", "--content").stdout, "3 files", "hold what the log says")
    log = f"{p.dir}/u/_delta_log/{1:020}.json"
    lines = [json.loads(line) for line in open(log)]
    add = next(a["add"] for a in lines if "add" in a)
    stats = json.loads(add["stats"])
    column = next(c for c, v in stats["minValues"].items() if isinstance(v, dict))
    inner, = stats["minValues"][column]
    stats["minValues"][column][inner] += 1
    add["stats"] = json.dumps(stats)
    with open(log, "w") as f:
        f.write("\n".join(map(json.dumps, lines)))
    same([g[1] for g in told(p, "u")], ["st.x y"])
    p.remove()


@case
def deletion_vectors():
    p = Project(git=False)
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, s VARCHAR", "--property", "delta.enableDeletionVectors=true")
    for k in range(2):
        duckdb.sql(f"copy (select range + {k * 100} as id, CASE WHEN range > 5 THEN 'r' || range END as s from range(100)) to '{p.dir}/r.parquet'")
        p.shoal("table", "append", "./t", "r.parquet")
    p.shoal("table", "delete", "./t", "--where", "id in (0, 1, 50, 99, 199)")
    p.shoal("table", "delete", "./t", "--where", "id between 100 and 198")
    same(p.rows("select count(*) from './t'"), [["96"]])
    has(p.shoal("fsck", "./t", "--content").stdout, "hold what the log says")
    log = f"{p.dir}/t/_delta_log/{3:020}.json"  # of the first file: deleted rows may lie beyond its bounds, others may not
    lines = [json.loads(line) for line in open(f"{p.dir}/t/_delta_log/{3:020}.json")]
    first = next(a["add"] for a in lines if "add" in a)
    stats = json.loads(first["stats"])
    whole = stats["numRecords"]
    for change, want in (({"minValues": {"id": 2}, "maxValues": {"id": 98}}, []), ({"minValues": {"id": 3}}, ["the log says that its least value is 3, and it has 2"]),
                         ({"nullCount": {"s": 0}}, ["the log says that 0 of its rows are NULL, and 4 are"]), ({"nullCount": {"s": 17}}, []),
                         ({"numRecords": whole - 4}, [f"the log says that it has {whole - 4} rows, and it has {whole}"]), ({"numRecords": None}, ["it has a deletion vector, and the log does not say how many rows"])):
        first["stats"] = json.dumps({**stats, **change})
        with open(log, "w") as f:
            f.write("\n".join(map(json.dumps, lines)))
        if want:
            same([g[2] for g in told(p)], want)
        else:
            p.shoal("fsck", "./t", "--content")
    p.remove()


@case
def a_vector_that_names_rows_that_are_not_there():
    p = Project(git=False)
    p.shoal("table", "create", "./t", "--schema", "id BIGINT", "--property", "delta.enableDeletionVectors=true")
    duckdb.sql(f"copy (select range as id from range(100)) to '{p.dir}/r.parquet'")
    p.shoal("table", "append", "./t", "r.parquet")
    p.shoal("table", "delete", "./t", "--where", "id = 99")
    log = f"{p.dir}/t/_delta_log/{2:020}.json"
    lines = [json.loads(line) for line in open(log)]
    add = next(a["add"] for a in lines if "add" in a)
    duckdb.sql(f"copy (select range as id from range(50)) to '{p.dir}/t/{add['path']}' (format parquet)")
    add["size"] = os.path.getsize(f"{p.dir}/t/{add['path']}")
    add["stats"] = json.dumps({"numRecords": 50})
    with open(log, "w") as f:
        f.write("\n".join(map(json.dumps, lines)))
    same(told(p), [(add["path"], None, "its deletion vector names row 99, and it has 50")])
    p.remove()


@case
def a_clone_of_files_elsewhere():
    p = Project(git=False)
    p.shoal("table", "create", "./t", "--schema", "id BIGINT")
    duckdb.sql(f"copy (select range as id from range(100)) to '{p.dir}/r.parquet'")
    p.shoal("table", "append", "./t", "r.parquet")
    p.shoal("table", "clone", "./t", "./c")
    other = Project(git=False)
    os.rename(p.dir + "/c", other.dir + "/c")
    for path, cwd in (("./c", other.dir), (other.dir + "/c", p.dir), (other.dir + "/c", "/dev/shm")):
        has(p.shoal("fsck", path, "--content", cwd=cwd).stdout, "1 file,", "hold what the log says")
    other.remove()
    p.remove()


if __name__ == "__main__":
    main()
