# SPDX-License-Identifier: Apache-2.0
"""Spark opens the tables that Shoal publishes and sees the same rows, after each kind of publication: first, replaced,
with another schema, partitioned with nulls and odd characters, empty, rolled back, on a branch; and what the verbs of shoal
table leave, change data and row ids too. One JVM for all cases.

Usage: read.py FOLDER_OF_DELTA_JARS; SHOAL_BUILD names the build."""
import glob
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403
from spark_session import start  # noqa: E402

TYPES = """select range::bigint as l, range::tinyint as b, range::smallint as s, range::int as i, range % 2 = 0 as flag,
  range / 3 as d, (range / 3)::float as f, (range * 1.25)::decimal(20, 4) as dec, 'row ' || range as text, ('x' || range)::blob as bin,
  date '2020-02-28' + range::int as day, timestamptz '2020-01-01 00:00:00.123456+00' + interval (range) hour as at,
  timestamp '2020-01-01 00:00:00.123456' as ntz, {'a': range, 'b': [range, null]} as st, [range, null] as arr,
  map {'k' || range: range} as m, nullif(range, 3) as hole from range(20)\n"""
PARTS = """/* shoal\npartition_by: [p, day]\n*/
select range as id, case range % 4 when 0 then 'a/b=%' when 1 then null when 2 then 'x y' else 'ä😈' end as p,
  date '2020-01-01' + (range // 5)::int as day from range(20)\n"""


def seen(path, query="select * from t"):
    spark.read.format("delta").load(path).createOrReplaceTempView("t")
    return [[str(v) for v in row] for row in spark.sql(query).collect()]


@case
def every_type():
    p = Project({"models/a/t.sql": TYPES})
    p.shoal("run")
    q = "select count(*), sum(l), sum(b), sum(s), sum(i), sum(cast(flag as int)), sum(dec), max(text), max(day), count(hole), sum(st.a), sum(arr[0]), sum(size(m)) from t"
    same(seen(p.dir + "/lake/a/t", q), [["20", "190", "190", "190", "190", "10", "237.5000", "row 9", "2020-03-18", "19", "190", "190", "20"]])
    same(seen(p.dir + "/lake/a/t", "select cast(at as string), cast(ntz as string), cast(bin as string) from t where l = 1"),
         [["2020-01-01 01:00:00.123456", "2020-01-01 00:00:00.123456", "x1"]])
    p.remove()


@case
def skipping_finds_what_is_there():
    p = Project({"models/a/t.sql": TYPES})
    p.shoal("run")
    for condition in ("l = 7", "text = 'row 7'", "day = date'2020-03-06'", "dec = 8.75", "at = timestamp'2020-01-01 07:00:00.123456'", "st.a = 7", "l > 6 and l < 8"):
        same(seen(p.dir + "/lake/a/t", f"select l from t where {condition}"), [["7"]])
    p.remove()


@case
def partitions():
    p = Project({"models/a/t.sql": PARTS})
    p.shoal("run")
    want = sorted([i, v or "None", d] for i, v, d in p.rows("select id, p, day from a.t"))
    same(sorted(seen(p.dir + "/lake/a/t", "select id, p, day from t")), want)
    same(seen(p.dir + "/lake/a/t", "select count(*) from t where p = 'a/b=%' and day = date'2020-01-01'"), [["2"]])
    same(seen(p.dir + "/lake/a/t", "select count(*) from t where p is null"), [["5"]])
    p.remove()


@case
def every_publication_and_time_travel():
    p = Project({"models/a/t.sql": "select range as id from range(5)\n", "models/a/u.sql": "select id from a.t where id > 9\n"})
    table = p.dir + "/lake/a/t"
    p.shoal("run")
    same(seen(p.dir + "/lake/a/u"), [])
    p.write({"models/a/t.sql": "select range as id, 'x' as t from range(7)\n"})
    p.shoal("run")
    same(seen(table, "select count(*), max(t) from t"), [["7", "x"]])
    p.shoal("rollback", "a.t", "--to", "main~1")
    same(seen(table, "select * from t order by id"), [[str(i)] for i in range(5)])
    same(spark.read.format("delta").option("versionAsOf", 1).load(table).count(), 7)
    p.shoal("rollback", "--release", "a.t")
    p.git("switch", "-q", "-c", "try")
    p.write({"models/a/t.sql": "select range as id from range(2)\n"})
    p.shoal("run")
    same(seen(p.dir + "/lake/_branches/try/a/t", "select count(*) from t"), [["2"]])
    same(seen(table, "select count(*) from t"), [["5"]])
    p.remove()


@case
def many_publications_with_checkpoints():
    p = Project({"models/a/t.sql": "select 0 as v\n"})
    for i in range(23):
        p.write({"models/a/t.sql": f"select {i} as v\n"})
        p.shoal("run", "-q")
    assert glob.glob(p.dir + "/lake/a/t/_delta_log/*.checkpoint.parquet")
    same(seen(p.dir + "/lake/a/t"), [["22"]])
    p.remove()


@case
def a_spark_table_is_a_source():
    p = Project({"models/a/t.sql": "select sum(id)::bigint as s, count(distinct part) as n from ext.t\n"}, yaml="name: t\nsources:\n  ext.t: {delta: ext}\n")
    spark.range(100).selectExpr("id", "id % 3 as part").write.format("delta").partitionBy("part").save(p.dir + "/ext")
    p.shoal("run")
    same(p.rows("from a.t"), [["4950", "3"]])
    spark.sql(f"delete from delta.`{p.dir}/ext` where id >= 50")
    p.shoal("run")
    same(p.rows("from a.t"), [["1225", "3"]])
    p.remove()


MERGE = ["--using", "new.csv", "--on", "id", "--when", "matched and source.v = 0 then delete", "--when", "matched then update", "--when", "not matched then insert"]
VECTORS, FEED = "delta.enableDeletionVectors=true", "delta.enableChangeDataFeed=true"


@case
def what_the_table_verbs_leave():
    p = Project({"a.csv": "id,v\n" + "".join(f"{i},{i % 7}\n" for i in range(60)), "new.csv": "id,v\n" + "".join(f"{i},{i % 5}\n" for i in range(50, 70))})
    for name, properties in (("plain", []), ("vec", [VECTORS]), ("feed", [VECTORS, FEED])):
        table, want = f"{p.dir}/{name}", {i: i % 7 for i in range(60)}
        same_rows = lambda: same(seen(table, "select id, v from t order by id"), [[str(i), str(v)] for i, v in sorted(want.items())])  # noqa: E731,B023
        p.shoal("table", "create", "./" + name, "--as", "a.csv", *[x for q in properties for x in ("--property", q)])
        same_rows()
        p.shoal("table", "delete", "./" + name, "--where", "id % 9 = 4")
        want = {i: v for i, v in want.items() if i % 9 != 4}
        same_rows()
        p.shoal("table", "update", "./" + name, "--set", "v = v + 100", "--where", "id < 20")
        want = {i: v + 100 if i < 20 else v for i, v in want.items()}
        same_rows()
        p.shoal("table", "merge", "./" + name, *MERGE)
        for i in range(50, 70):
            if i in want and i % 5 == 0:
                del want[i]
            else:
                want[i] = i % 5
        same_rows()
        if FEED in properties:
            got = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 1).load(table)
            counts = {(r["_commit_version"], r["_change_type"]): r["count"] for r in got.groupBy("_commit_version", "_change_type").count().collect()}
            same(counts, {(1, "delete"): 7, (2, "update_preimage"): 18, (2, "update_postimage"): 18, (3, "delete"): 2, (3, "update_preimage"): 7, (3, "update_postimage"): 7, (3, "insert"): 11})
        p.shoal("table", "optimize", "./" + name)
        same_rows()
        p.shoal("table", "clone", "./" + name, "./c-" + name)
        same(seen(f"{p.dir}/c-{name}", "select count(*), sum(v) from t"), [[str(len(want)), str(sum(want.values()))]])
        one, other = sorted(want)[:2]  # Spark goes on with the clone
        spark.sql(f"delete from delta.`{p.dir}/c-{name}` where id = {one}")
        spark.sql(f"update delta.`{p.dir}/c-{name}` set v = v + 1000 where id = {other}")
        left = [str(len(want) - 1), str(sum(want.values()) - want[one] + 1000)]
        same(seen(f"{p.dir}/c-{name}", "select count(*), sum(v) from t"), [left])
        p.write({"shoal.yaml": f"name: t\nsources:\n  x.c: {{delta: c-{name}, clone_of: {name}}}\n"})
        same(p.rows("select count(*), sum(v)::bigint from (select * from x.c limit 1000)"), [left])
        same_rows()
        p.shoal("table", "restore", "./" + name, "--version", "2")
        same(seen(table, "select count(*) from t"), [["53"]])
        p.shoal("table", "checkpoint", "./" + name)
        spark.sql(f"update delta.`{table}` set v = -1 where id = 1")
        spark.sql(f"delete from delta.`{table}` where id = 2")
        p.shoal("table", "delete", "./" + name, "--where", "id in (1, 3)")  # on top of what Spark did
        same(seen(table, "select id from t where id < 7 order by id"), [["0"], ["5"], ["6"]])
        p.shoal("table", "overwrite", "./" + name, "new.csv", "--all")
        same(seen(table, "select count(*), min(id) from t"), [["20", "50"]])
        p.shoal("table", "vacuum", "./" + name, "--retain", "0s", "--force")
        same(seen(table, "select count(*), min(id) from t"), [["20", "50"]])
        assert spark.sql(f"describe history delta.`{table}`").count() > 8
    p.remove()


@case
def tables_of_spark_are_worked_on():
    p = Project({"m.csv": "id,v\n9,1\n100,1\n"})
    spark.sql(f"create table delta.`{p.dir}/s` (id bigint, part string, v int) using delta partitioned by (part) tblproperties "
              "('delta.enableDeletionVectors' = 'true', 'delta.columnMapping.mode' = 'name')")
    spark.sql(f"insert into delta.`{p.dir}/s` select id, cast(id % 3 as string), cast(id as int) from range(90)")
    p.shoal("table", "delete", "./s", "--where", "part = '1' and v < 50")
    same(seen(p.dir + "/s", "select count(*), sum(v) from t"), [["73", str(sum(i for i in range(90) if not (i % 3 == 1 and i < 50)))]])
    spark.sql(f"create table delta.`{p.dir}/r` (id bigint) using delta tblproperties ('delta.enableRowTracking' = 'true', 'delta.enableDeletionVectors' = 'true')")
    spark.sql(f"insert into delta.`{p.dir}/r` select id from range(10)")
    ids = lambda: sorted((r[0], r[1]) for r in spark.read.format("delta").load(p.dir + "/r").selectExpr("id", "_metadata.row_id").collect())  # noqa: E731
    before = ids()
    p.shoal("table", "delete", "./r", "--where", "id = 5")
    same(ids(), [r for r in before if r[0] != 5])
    for name, properties in (("plain", ""), ("named", ", 'delta.columnMapping.mode' = 'name'"), ("vec", ", 'delta.enableDeletionVectors' = 'true', 'delta.enableChangeDataFeed' = 'true'"), ("ours", None)):
        table = f"{p.dir}/t-{name}"
        if properties is None:
            p.shoal("table", "create", "./t-ours", "--schema", "id BIGINT, v INT", "--property", "delta.enableRowTracking=true")
        else:
            spark.sql(f"create table delta.`{table}` (id bigint, v int) using delta tblproperties ('delta.enableRowTracking' = 'true'{properties})")
        spark.sql(f"insert into delta.`{table}` select id, 0 from range(20)")
        spark.sql(f"update delta.`{table}` set v = 1 where id = 7")
        known = lambda: {r[0]: (r[1], r[2]) for r in spark.read.format("delta").load(table).selectExpr("id", "_metadata.row_id", "_metadata.row_commit_version").collect()}  # noqa: E731,B023
        last = lambda: spark.sql(f"describe history delta.`{table}`").count() - 1  # noqa: E731,B023
        before = known()
        p.shoal("table", "update", f"./t-{name}", "--set", "v = 2", "--where", "id in (3, 7)")
        before.update({i: (before[i][0], last()) for i in (3, 7)})
        same(known(), before)
        p.shoal("table", "merge", f"./t-{name}", "--using", "m.csv", "--on", "id", "--when", "matched then delete", "--when", "not matched then insert")
        del before[9]
        now = known()
        same({i: now[i] for i in before}, before)
        same((now[100][1], now[100][0] > max(r for r, _ in before.values())), (last(), True))
        p.shoal("table", "optimize", f"./t-{name}")
        same(known(), now)
        spark.sql(f"update delta.`{table}` set v = 5 where id in (4, 100)")
        now.update({i: (now[i][0], last()) for i in (4, 100)})
        same(known(), now)
    p.remove()


@case
def what_spark_asks_of_writers_is_kept():
    p = Project({"new.csv": "id,at\n100,2021-12-31 23:30:00+00:00\n101,2022-01-01 00:30:00+00:00\n", "bad.csv": "id,at,kind\n5000,2021-12-31 23:30:00+00:00,a\n",
                 "src.csv": "id,at,kind\n3,1999-12-31 23:59:59+00:00,b\n200,2000-01-01 00:00:00+00:00,a\n"})
    spark.sql(f"create table delta.`{p.dir}/c` (id bigint, at timestamp, kind string default 'a', v int default 40 + 2, day date generated always as (cast(at as date)), y int generated always as (year(at))) "
              "using delta partitioned by (day) tblproperties ('delta.feature.allowColumnDefaults' = 'supported', 'delta.enableDeletionVectors' = 'true', 'delta.enableChangeDataFeed' = 'true')")
    spark.sql(f"alter table delta.`{p.dir}/c` add constraint small check (id < 1000 and kind in ('a', 'b'))")
    spark.sql(f"insert into delta.`{p.dir}/c` (id, at, kind) select id, timestamp'2020-12-30 12:00:00' + make_dt_interval(cast(id as int)), 'b' from range(5)")
    p.shoal("table", "append", "./c", "new.csv")
    p.shoal("table", "update", "./c", "--set", "at = \"at\" + INTERVAL 1 YEAR", "--where", "id < 2")
    p.shoal("table", "merge", "./c", "--using", "src.csv", "--on", "id", "--when", "matched then update", "--when", "not matched then insert")
    want = [[0, "2021-12-30", 2021, "b", 42], [1, "2021-12-31", 2021, "b", 42], [2, "2021-01-01", 2021, "b", 42], [3, "1999-12-31", 1999, "b", 42], [4, "2021-01-03", 2021, "b", 42],
            [100, "2021-12-31", 2021, "a", 42], [101, "2022-01-01", 2022, "a", 42], [200, "2000-01-01", 2000, "a", 42]]
    same(seen(p.dir + "/c", "select id, day, y, kind, v from t order by id"), [[str(v) for v in r] for r in want])
    same(seen(p.dir + "/c", "select id from t where at = timestamp'2021-12-31 23:30:00'"), [["100"]])  # Spark asks the partition, too
    has(p.shoal("table", "append", "./c", "bad.csv", code=1).stderr, "the constraint 'small', id < 1000 and kind in ( 'a' , 'b' ), does not hold for 1 row: id = 5000, kind = a")
    p.shoal("table", "create", "./ours", "--as", "src.csv", "--constraint", "fewer=id < 1000")
    for table, row in (("c", "(1001, null, 'a')"), ("ours", "(1001, null, 'a')")):
        try:
            spark.sql(f"insert into delta.`{p.dir}/{table}` (id, at, kind) values {row}")
            raise AssertionError("Spark took what a constraint forbids")
        except Exception as e:
            has(str(e), "id < 1000")
    spark.sql(f"insert into delta.`{p.dir}/c` (id, at) values (300, timestamp'2023-03-03 03:03:03')")
    same(seen(p.dir + "/c", "select day, y, kind, v from t where id = 300"), [["2023-03-03", "2023", "a", "42"]])
    p.remove()


@case
def changes_are_told_alike():
    p = Project({"new.csv": "id,v,part\n5,500,0\n900,900,1\n"})
    for name, properties in (("plain", ""), ("vec", ", 'delta.enableDeletionVectors' = 'true'"), ("named", ", 'delta.columnMapping.mode' = 'name', 'delta.enableInCommitTimestamps' = 'true'"),
                             ("ids", ", 'delta.columnMapping.mode' = 'id', 'delta.enableDeletionVectors' = 'true'")):
        table = f"{p.dir}/{name}"
        spark.sql(f"create table delta.`{table}` (id bigint, v int, part string) using delta partitioned by (part) tblproperties ('delta.enableChangeDataFeed' = 'true'{properties})")
        spark.sql(f"insert into delta.`{table}` select id, cast(id as int), cast(id % 3 as string) from range(40)")
        spark.sql(f"delete from delta.`{table}` where id % 5 = 1")
        spark.sql(f"update delta.`{table}` set v = -1 where id < 10 and part = '0'")
        spark.sql(f"merge into delta.`{table}` t using (select 5L as id, 500 as v, '0' as part union all select 900L, 900, '1') s on t.id = s.id "
                  "when matched then update set * when not matched then insert *")
        spark.sql(f"delete from delta.`{table}` where part = '2'")
        spark.sql(f"optimize delta.`{table}`")
        p.shoal("table", "update", "./" + name, "--set", "v = 0", "--where", "id in (3, 4)")
        p.shoal("table", "overwrite", "./" + name, "new.csv", "--all")
        latest = spark.sql(f"describe history delta.`{table}`").count() - 1
        for first, last in ((0, latest), (2, 4), (5, latest)):
            got = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", first).option("endingVersion", last).load(table)
            want = sorted([str(v) for v in row] for row in got.selectExpr("id", "v", "_change_type", "_commit_version", "cast(_commit_timestamp as string)").collect())
            ours = [line.split(",") for line in p.shoal("table", "changes", "./" + name, "--from", str(first), "--to", str(last), "--format", "csv").stdout.splitlines()]
            pick = [ours[0].index(c) for c in ("id", "v", "_change_type", "_commit_version", "_commit_timestamp")]
            same(sorted([r[i].replace("+00", "") if i == pick[4] else r[i] for i in pick] for r in ours[1:]), want)
    p.remove()


@case
def columns_are_called_alike():
    """Column mapping, and tables altered, by one and then by the other."""
    p = Project({"new.json": '{"id": 100, "part": "z", "s": {"a": 1, "b": [{"x": 2}]}}\n', "wide.csv": "id,part,n\n5000000000,w,5000000001\n",
                 "more.json": '{"id": 1, "part": "a", "n": 10, "why": "x"}\n{"id": 8, "part": "b", "why": "y", "w": {"q": 5}}\n'})
    rows = "select id, part, s.a, s.b[0].x, n from t order by id"
    for mode in ("name", "id"):
        ours, theirs = f"{p.dir}/ours-{mode}", f"{p.dir}/theirs-{mode}"
        p.shoal("table", "create", "./ours-" + mode, "--schema", "id BIGINT, part VARCHAR, s STRUCT(a INTEGER, b STRUCT(x INTEGER)[])", "--partition-by", "part", "--property", f"delta.columnMapping.mode={mode}")
        spark.sql(f"create table delta.`{theirs}` (id bigint, part string, s struct<a: int, b: array<struct<x: int>>>) using delta partitioned by (part) tblproperties ('delta.columnMapping.mode' = '{mode}')")
        for table in (ours, theirs):
            relative = "./" + table.rsplit("/", 1)[1]
            p.shoal("table", "append", relative, "new.json")
            spark.sql(f"insert into delta.`{table}` values (1, 'a', named_struct('a', 7, 'b', array(named_struct('x', 8))))")
            p.shoal("table", "alter", relative, "--add-column", "extra INT", "--add-column", "n INT")
            spark.sql(f"insert into delta.`{table}` values (2, 'a', null, 3, 4)")
            spark.sql(f"alter table delta.`{table}` drop column extra")
            p.shoal("table", "update", relative, "--set", "n = id", "--where", "id = 1")
            same(seen(table, rows), [["1", "a", "7", "8", "1"], ["2", "a", "None", "None", "4"], ["100", "z", "1", "2", "None"]])
            same(seen(table, "select id from t where part = 'a' and n = 4"), [["2"]])
            p.shoal("table", "alter", relative, "--rename-column", "part=kind", "--set", "delta.enableTypeWidening=true", "--type", "n=BIGINT")
            spark.sql(f"alter table delta.`{table}` rename column kind to part")
            spark.sql(f"update delta.`{table}` set n = 9000000000 where id = 2")
            p.shoal("table", "append", relative, "wide.csv")
            p.shoal("table", "optimize", relative)
            same(seen(table, rows), [["1", "a", "7", "8", "1"], ["2", "a", "None", "None", "9000000000"], ["100", "z", "1", "2", "None"], ["5000000000", "w", "None", "None", "5000000001"]])
            p.shoal("table", "alter", relative, "--add-constraint", "low=n is null or n < 9000000001")
            try:
                spark.sql(f"insert into delta.`{table}` values (3, 'a', null, 9000000002)")
                raise AssertionError("Spark took what a constraint forbids")
            except Exception as e:
                has(str(e), "n < 9000000001")
            spark.sql(f"insert into delta.`{table}` values (3, 'a', null, 5)")
            p.shoal("table", "merge", relative, "--using", "more.json", "--on", "id", "--when", "matched then update", "--when", "not matched then insert", "--merge-schema")
            spark.sql(f"insert into delta.`{table}` values (4, 'a', null, 6, 'sp', named_struct('q', 1))")
            same(seen(table, "select id, n, why, w.q from t where id < 9 order by id"), [["1", "10", "x", "None"], ["2", "9000000000", "None", "None"], ["3", "5", "None", "None"], ["4", "6", "sp", "1"], ["8", "None", "y", "5"]])
    p.remove()


@case
def lengths_of_texts_are_kept():
    p = Project({"new.csv": "id,v,c\n2,äöü😈,x\n", "long.csv": "id,v,c\n3,abcde,x\n"})
    spark.sql(f"create table lengths (id bigint, v varchar(4), c char(3)) using delta location '{p.dir}/t'")
    spark.sql("insert into lengths values (1, 'abcd', 'x')")
    p.shoal("table", "append", "./t", "new.csv")
    has(p.shoal("table", "append", "./t", "long.csv", code=1).stderr, "varchar(4), does not hold for 1 row")
    p.shoal("table", "update", "./t", "--set", "v = 'ab'", "--where", "id = 1")
    same([[str(v) for v in r] for r in spark.sql("select id, v, length(c) from lengths where c = 'x' order by id").collect()], [["1", "ab", "3"], ["2", "äöü😈", "3"]])
    spark.sql("drop table lengths")
    p.remove()


# Of rows that are hard to agree on: what Spark makes of each expression, and what Shoal does.
EXPRESSIONS = [("date", "cast(at as date)"), ("int", "year(at)"), ("int", "month(day)"), ("int", "quarter(at)"), ("int", "dayofmonth(day)"), ("int", "hour(at)"), ("int", "minute(at)"),
               ("timestamp", "date_trunc('WEEK', at)"), ("timestamp", "date_trunc('hour', at)"), ("timestamp", "date_trunc('QUARTER', at)"), ("timestamp", "cast(day as timestamp)"),
               ("int", "length(s)"), ("string", "substring(s, 2, 3)"), ("string", "concat(s, '-', s)"), ("string", "s || 'x'"), ("string", "cast(l as string)"), ("string", "cast(day as string)"),
               ("boolean", "s like 'a_c%'"), ("boolean", "s < 'b'"), ("boolean", "d = d"), ("boolean", "d > 1"), ("boolean", "d = 0.1"), ("boolean", "d >= 0"), ("boolean", "d < l"), ("boolean", "f > 1"),
               ("boolean", "l > 2147483648 or s is null"), ("boolean", "not (i in (1, 2, null))"), ("boolean", "i >= -5 and i <= dec"), ("boolean", "dec = 0.50"), ("boolean", "dec * 2 > i"),
               ("boolean", "at >= '1970-01-01 00:00:00'"), ("boolean", "day < '1582-10-15'"), ("double", "d + i"), ("double", "d * 0.1"), ("bigint", "i - 1 + cast(i as bigint)"), ("int", "abs(i)"),
               ("decimal(10,2)", "dec"), ("decimal(7,1)", "cast(i as decimal(7,1))"), ("bigint", "coalesce(l, i)"), ("string", "case when i > 0 then 'up' when i < 0 then 'down' end")]
HARD = ["1,1970-01-01 00:00:00.000001+00:00,1970-01-01,abc,0.1,0.1,2147483648,0.50,1", "2,1969-12-31 23:59:59.999999+00:00,1582-10-04,aäc😈d,-0.0,1.5,-1,99.99,-5",
        "3,2024-12-31 23:30:00+00:00,2024-02-29,B,NaN,NaN,9007199254740993,-0.50,0", "4,0999-03-01 12:00:00+00:00,0001-01-01,ab,Infinity,1,1,1.00,2", "5,,,,,,,,", "6,2038-01-19 03:14:08+00:00,9999-12-31,ABC,9007199254740992,3,9007199254740993,12.34,-32768"]


@case
def expressions_mean_the_same():
    p = Project({"hard.csv": "\n".join(["id,at,day,s,d,f,l,dec,i"] + HARD) + "\n"})
    base = "id int, at timestamp, day date, s string, d double, f float, l bigint, dec decimal(10,2), i int"
    made = ", ".join(f"g{n} {t} generated always as ({e})" for n, (t, e) in enumerate(EXPRESSIONS))
    names = [c.split()[0] for c in base.split(", ")] + [f"g{n}" for n in range(len(EXPRESSIONS))]
    for table in ("spark", "shoal"):
        spark.sql(f"create table delta.`{p.dir}/{table}` ({base}, {made}) using delta")
    given = spark.read.csv(p.dir + "/hard.csv", header=True, schema=base, nullValue="")
    given.write.format("delta").mode("append").save(p.dir + "/spark")
    p.shoal("table", "append", "./shoal", "hard.csv")
    theirs, ours = (seen(f"{p.dir}/{t}", "select " + ", ".join(f"cast({c} as string)" for c in names) + " from t order by id") for t in ("spark", "shoal"))
    for n, (_, e) in enumerate(EXPRESSIONS):
        same([e] + [r[9 + n] for r in ours], [e] + [r[9 + n] for r in theirs])
    same((ours, len(ours)), (theirs, len(HARD)))
    given.write.format("delta").mode("append").save(p.dir + "/shoal")  # and Spark goes on
    p.shoal("table", "append", "./spark", "hard.csv")
    p.remove()


if __name__ == "__main__":
    spark = start(sys.argv.pop(1))
    spark.sparkContext.setLogLevel("ERROR")
    main()
