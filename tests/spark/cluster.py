#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clustered tables of Shoal's and of Spark's: each reads the other's rows, knows by what the table is clustered, and goes on
where the other has left off.

Usage: cluster.py FOLDER_OF_DELTA_JARS; SHOAL_BUILD names the build."""
import glob
import json
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
sys.path.insert(0, __file__.rsplit("/", 1)[0])
from harness import *  # noqa: E402,F403
from harness import CASES  # noqa: E402
import read  # noqa: E402

CASES.clear()  # those of read.py
ROWS = "id,a,c\n" + "".join(f"{i},{i * 7919 % 1000},n{i * 31 % 499:03}\n" for i in range(4000))
SUM = "select count(*), sum(id), sum(a), count(distinct c) from t"


def adds(table):
    out = []
    for path in sorted(glob.glob(table + "/_delta_log/*.json")):
        with open(path) as f:
            out.append([a["add"] for a in map(json.loads, f) if "add" in a])
    return out


def columns(table):
    return spark.sql(f"describe detail delta.`{table}`").collect()[0]["clusteringColumns"]


@case
def tables_of_shoal():
    p = Project({"rows.csv": ROWS})
    for mode in ("none", "name"):
        table = f"{p.dir}/t-{mode}"
        p.shoal("table", "create", f"./t-{mode}", "--as", "rows.csv", "--cluster-by", "c,a", "--property", f"delta.columnMapping.mode={mode}", "--property", "delta.enableDeletionVectors=true")
        same(columns(table), ["c", "a"])
        p.shoal("table", "optimize", f"./t-{mode}", "--file-size", "0.002")
        assert len(adds(table)[1]) > 3, adds(table)
        was = read.seen(table, SUM)
        same(was[0][:2], ["4000", str(sum(range(4000)))])
        same(read.seen(table, "select id from t where a = 919 and c = 'n31'"), [])
        same(read.seen(table, "select id from t where c = 'n031' and a = 919"), [["1"]])
        spark.sql(f"insert into delta.`{table}` select cast(id as bigint), cast(id as bigint), 'z' from range(10000, 10010)")
        spark.sql(f"delete from delta.`{table}` where id = 1")
        same(read.seen(table, "select count(*), max(id) from t"), [["4009", "10009"]])
        done = p.json("table", "optimize", f"./t-{mode}", "--file-size", "0.002")
        same(read.seen(table, "select count(*), max(id) from t"), [["4009", "10009"]])
        assert done["files_added"] > 0, done
        spark.sql(f"optimize delta.`{table}`")  # all of it, which is less than a cube of Spark's
        same(read.seen(table, "select count(*), max(id) from t"), [["4009", "10009"]])
        same({(f["clusteringProvider"], f["tags"]["ZCUBE_ZORDER_BY"]) for f in adds(table)[-1]}, {("liquid", '["c","a"]')})
        has(p.shoal("table", "optimize", f"./t-{mode}").stdout, "nothing to cluster")  # Spark's marks are ours
    p.remove()


@case
def tables_of_spark():
    p = Project()
    table = p.dir + "/t"
    spark.sql(f"create table delta.`{table}` (id bigint, s struct<x: bigint, y: string>, c string) using delta cluster by (s.x, c)")
    spark.sql(f"insert into delta.`{table}` select id, named_struct('x', id * 7919 % 1000, 'y', 'y'), cast(id * 31 % 499 as string) from range(4000)")
    has(p.shoal("table", "optimize", "./t", "--file-size", "0.005").stdout, "clustered")
    files = adds(table)[-1]
    same({(f["clusteringProvider"], f["tags"]["ZCUBE_ZORDER_BY"]) for f in files}, {("liquid", '["s.x","c"]')})
    assert len(files) > 3, files
    same(read.seen(table, "select count(*), sum(id), sum(s.x) from t"), [["4000", str(sum(range(4000))), str(sum(i * 7919 % 1000 for i in range(4000)))]])
    same(read.seen(table, "select id from t where s.x = 919 and c = '31'"), [["1"]])
    same(columns(table), ["s.x", "c"])
    spark.sql(f"optimize delta.`{table}` full")
    same({f["tags"]["ZCUBE_ZORDER_BY"] for f in adds(table)[-1]}, {'["s.x","c"]'})
    same(read.seen(table, "select count(*) from t"), [["4000"]])
    p.remove()


if __name__ == "__main__":
    spark = read.spark = read.start(sys.argv.pop(1))
    spark.sparkContext.setLogLevel("ERROR")
    main()
