# SPDX-License-Identifier: Apache-2.0
"""Spark opens the tables that Shoal publishes and sees the same rows, after each kind of publication: first, replaced,
with another schema, partitioned with nulls and odd characters, empty, rolled back, on a branch. One JVM for all cases.

Usage: read.py FOLDER_OF_DELTA_JARS; SHOAL_BUILD names the build."""
import glob
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403
from pyspark.sql import SparkSession  # noqa: E402

TYPES = """select range::bigint as l, range::tinyint as b, range::smallint as s, range::int as i, range % 2 = 0 as flag,
  range / 3 as d, (range / 3)::float as f, (range * 1.25)::decimal(20, 4) as dec, 'row ' || range as text, ('x' || range)::blob as bin,
  date '2020-02-28' + range::int as day, timestamptz '2020-01-01 00:00:00.123456+00' + interval (range) hour as at,
  timestamp '2020-01-01 00:00:00.123456' as ntz, {'a': range, 'b': [range, null]} as st, [range, null] as arr,
  map {'k' || range: range} as m, nullif(range, 3) as hole from range(20)\n"""
PARTS = """/* shoal\npartition_by: [p, day]\n*/
select range as id, case range % 4 when 0 then 'a/b=%' when 1 then null when 2 then 'x y' else 'ä😈' end as p,
  date '2020-01-01' + (range // 5)::int as day from range(20)\n"""


def start(jars):
    delta = ",".join(j for j in glob.glob(jars + "/*.jar") if "/delta-" in j or "/unitycatalog-" in j)
    return (SparkSession.builder.master("local[1]").config("spark.jars", delta).config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "2").config("spark.databricks.delta.snapshotPartitions", "1")
            .config("spark.sql.session.timeZone", "UTC").config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
            .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog").getOrCreate())


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


if __name__ == "__main__":
    spark = start(sys.argv.pop(1))
    spark.sparkContext.setLogLevel("ERROR")
    main()
