# SPDX-License-Identifier: Apache-2.0
"""Properties that say how files are written, of tables that Spark and Shoal take turns with: who reads what is written under them, and that both write
statistics of the same columns.

Usage: properties.py FOLDER_OF_DELTA_JARS; SHOAL_BUILD names the build."""
import glob
import json
import os
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from spark_peers import refused_by_spark, seen, spark
import duckdb
from harness import *  # noqa: E402,F403
from tables import with_lake

CODEC, FORMAT, SIZE = "delta.parquet.compression.codec", "delta.parquet.format.version", "delta.targetFileSize"
COLUMNS, LEAVES, CHARS = "delta.dataSkippingStatsColumns", "delta.dataSkippingNumIndexedCols", "delta.dataSkippingStringPrefixLength"
SCHEMA = "id BIGINT, o BOOLEAN, f DOUBLE, d DECIMAL(38, 3), t TIMESTAMP WITH TIME ZONE, s VARCHAR, st STRUCT(x BIGINT, y VARCHAR), l INTEGER[], m MAP(VARCHAR, DOUBLE)"
THEIRS = "id bigint, o boolean, f double, d decimal(38,3), t timestamp, s string, st struct<x: bigint, y: string>, l array<int>, m map<string, double>"


def rows(p, first, n):
    """A file of rows of every kind, NULLs too."""
    duckdb.sql(f"""copy (select i as id, i % 3 = 0 as o, i / 7 as f, (i * 1000 + 0.125)::decimal(38, 3) as d, timestamptz '2020-01-01 00:00:00Z' + interval (i) hour as t,
      if(i % 5 = 0, null, 'text ' || i) as s, if(i % 4 = 0, null, {{'x': i, 'y': 'y' || i}}) as st, [i::int, null] as l, map {{'k': i / 2}} as m from range({first}, {first + n}) r(i)) to '{p.dir}/rows.parquet'""")


def check(p, path, n):
    """Shoal's rows are Spark's."""
    same(p.rows(f"select count(*), sum(id), sum(f)::decimal(20, 5), sum(d), max(t) at time zone 'UTC', count(s), min(s), sum(st.x), max(st.y), sum(l[1]), sum(m['k'])::decimal(20, 1) from '{path}'"),
         seen(path, "select count(*), sum(id), cast(sum(f) as decimal(20, 5)), sum(d), max(t), count(s), min(s), sum(st.x), max(st.y), sum(l[0]), cast(sum(m['k']) as decimal(20, 1)) from t"))
    same(seen(path, "select count(*) from t"), [[str(n)]])


def forget(path):
    """Nothing is left but the newest checkpoint and its own commit."""
    newest = max(os.path.basename(f)[:20] for f in glob.glob(path + "/_delta_log/*.checkpoint.*"))
    for f in glob.glob(path + "/_delta_log/*"):
        if os.path.basename(f)[:20].isdigit() and (os.path.basename(f)[:20] < newest or f.endswith(".crc")):
            os.unlink(f)


def leaves(path):
    """Of each commit's files, the leaves that have bounds, and the length of the longest text among these."""
    def walk(v, at):
        return [x for k, w in v.items() for x in (walk(w, at + [k]) if isinstance(w, dict) else [(".".join(at + [k]), w)])]
    out = []
    for log in sorted(glob.glob(path + "/_delta_log/*.json")):
        with open(log, encoding="utf-8") as f:
            for a in map(json.loads, f):
                if "add" in a:
                    low = walk(json.loads(a["add"]["stats"]).get("minValues", {}), [])
                    out.append(([k for k, _ in low], max([len(v) for k, v in low if isinstance(v, str) and k[-1] in "sy"] or [0])))
    return out


@case
def spark_reads_every_codec():
    p = with_lake()
    for i, codec in enumerate(("uncompressed", "snappy", "gzip", "lz4_raw", "zstd")):
        path = f"{p.dir}/{codec}"
        p.shoal("table", "create", path, "--schema", SCHEMA, "--property", f"{CODEC}={codec}", "--property", f"{FORMAT}=1.0.0", "--property", f"{SIZE}=64mb", "--property", "delta.checkpointPolicy=" + ("classic", "v2")[i % 2])
        rows(p, 0, 500)
        p.shoal("table", "append", path, "rows.parquet")
        p.shoal("table", "update", path, "--set", "f = f + 1", "--where", "id % 50 = 0")
        p.shoal("table", "checkpoint", path)
        forget(path)  # so that Spark begins with the checkpoint, of the same codec
        check(p, path, 500)
        spark.sql(f"insert into delta.`{path}` select id + 1000, o, f, d, t, s, st, l, m from delta.`{path}` where id < 100")
        spark.sql(f"alter table delta.`{path}` set tblproperties ('delta.appendOnly' = 'false')")  # beside properties that it does not know
        p.shoal("table", "optimize", path)
        check(p, path, 600)
        same({c for f in glob.glob(path + "/part-0*.parquet") for c, in duckdb.sql(f"select distinct compression from parquet_metadata('{f}')").fetchall()} <= {codec.upper(), "SNAPPY"}, True)
    p.remove()


@case
def tables_of_spark_go_on():
    p = with_lake()
    for i, (properties, want) in enumerate((((f"'{LEAVES}' = '3'",), ["id", "f"]), ((f"'{LEAVES}' = '0'",), []), ((f"'{LEAVES}' = '-1'", f"'{CHARS}' = '4'"), ["id", "f", "d", "t", "s", "st.x", "st.y"]),
                                            ((f"'{COLUMNS}' = 'S, st.y,d'", f"'{FORMAT}' = '2.12.0'"), ["d", "s", "st.y"]), ((f"'{COLUMNS}' = 'st'",), ["st.x", "st.y"]))):
        path = f"{p.dir}/t{i}"
        spark.sql(f"create table delta.`{path}` ({THEIRS}) using delta tblproperties ({', '.join(properties)})")
        rows(p, 0, 200)
        spark.read.parquet(p.dir + "/rows.parquet").write.format("delta").mode("append").save(path)
        p.shoal("table", "alter", path, "--set", f"{CODEC}=gzip", "--set", f"{SIZE}=1mb")
        rows(p, 200, 200)
        p.shoal("table", "append", path, "rows.parquet")
        p.shoal("table", "update", path, "--set", "f = -f", "--where", "id = 7 or id = 207")
        spark.sql(f"refresh table delta.`{path}`")
        check(p, path, 400)
        got = leaves(path)
        same((properties, {tuple(k) for k, _ in got}, len(got) > 3), (properties, {tuple(want)}, True))
        same({n for _, n in got} == {4}, CHARS in str(properties))
        spark.sql(f"delete from delta.`{path}` where id = 9")
        check(p, path, 399)
        p.shoal("fsck", path, "--content")
    p.remove()


@case
def lists_of_columns_that_shoal_changes():
    p = with_lake()
    path = p.dir + "/t"
    p.shoal("table", "create", path, "--schema", SCHEMA, "--property", f"{COLUMNS}=ID,`st`.Y, s,d", "--property", "delta.columnMapping.mode=name")
    rows(p, 0, 50)
    p.shoal("table", "append", path, "rows.parquet")
    p.shoal("table", "alter", path, "--rename-column", "st=my st", "--rename-column", "s=te.xt", "--drop-column", "d")
    spark.sql(f"refresh table delta.`{path}`")
    same(spark.sql(f"show tblproperties delta.`{path}` ('{COLUMNS}')").collect()[0]["value"], "ID,`my st`.Y,`te.xt`")
    spark.sql(f"insert into delta.`{path}` select id + 100, o, f, t, `te.xt`, `my st`, l, m from delta.`{path}`")
    got = [len(k) for k, _ in leaves(path)]
    same((got[0], set(got[1:])), (4, {3}))
    same(p.rows(f"select count(*), sum(id), count(\"te.xt\") from '{path}'"), seen(path, "select count(*), sum(id), count(`te.xt`) from t"))
    for value in ("nope", "o", "id,id", "st"):
        refused_by_spark(f"alter table delta.`{path}` set tblproperties ('{COLUMNS}' = '{value}')")
        p.shoal("table", "alter", path, "--set", f"{COLUMNS}={value}", code=1)
    p.remove()


@case
def durations_are_those_of_spark():
    """A duration that is kept here Spark takes, too."""
    p = with_lake()
    p.shoal("table", "create", "./t", "--schema", "id BIGINT")
    for i, value in enumerate(("interval 1 week 2 days", "36 hours", "INTERVAL 90 Minutes", "interval 1 day -1 hour", "interval 10 milliseconds", "interval 1 fortnight", "interval -1 day", "interval 1 month", "interval 1", "1day", "", "x")):
        sql, good = f"create table delta.`{p.dir}/d{i}` (id bigint) using delta tblproperties ('delta.setTransactionRetentionDuration' = '{value}')", i < 5
        p.shoal("table", "alter", "./t", "--set", "delta.setTransactionRetentionDuration=" + value, code=0 if good else 1)
        if good:
            spark.sql(sql)
        else:
            refused_by_spark(sql)
    p.shoal("table", "alter", "./t", "--set", "delta.setTransactionRetentionDuration=1 day")
    same(seen(p.dir + "/t"), [])
    p.remove()


main()
