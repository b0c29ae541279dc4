# SPDX-License-Identifier: Apache-2.0
"""Checkpoints across implementations: classic and V2 ones that Shoal writes, on top of its own and of Spark's, are read by Spark and delta-rs
when nothing else is left of the log; Spark goes on, and Shoal reads what it leaves.

Usage: checkpoints.py FOLDER_OF_DELTA_JARS; SHOAL_BUILD names the build."""
import glob
import os
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403
from spark_session import start  # noqa: E402

ROWS = "id,s,p,d\n" + "".join("%d,row '{0}' %d,%d,{0}.5\n" % (i, i, i % 3) for i in range(12))


def project():
    p = Project({"models/a/x.sql": "select 1 as a\n"})
    p.shoal("run")
    return p


def seen(path):
    spark.read.format("delta").load(path).createOrReplaceTempView("t")
    return sorted([str(v) for v in r] for r in spark.sql("select id, s, p, cast(d as string) from t").collect())


def ours(p, name):
    return sorted(p.rows(f"select id, s, p, d from './{name}'"))


def forget(path, version):
    """Nothing is left but the newest checkpoint, its own commit, and what comes after it."""
    for f in glob.glob(f"{path}/_delta_log/*"):
        name = os.path.basename(f)
        if name[:20].isdigit() and (int(name[:20]) < version or name.endswith(".crc")):
            os.unlink(f)


def history(p, *properties):
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, s VARCHAR, p INTEGER, d DECIMAL(38, 2)", "--partition-by", "p", *properties)
    for k in range(3):
        p.write({"r.csv": ROWS.replace("{0}", str(k))})
        p.shoal("table", "append", "./t", "r.csv")
    p.shoal("table", "checkpoint", "./t")
    p.shoal("table", "delete", "./t", "--where", "id = 5")
    p.shoal("table", "update", "./t", "--where", "id = 6", "--set", "s = 'new'")
    p.shoal("table", "checkpoint", "./t")
    forget(p.dir + "/t", 5)


def check(p):
    rows = ours(p, "t")
    same(len(rows), 33)
    same(seen(p.dir + "/t"), rows)
    spark.sql(f"delete from delta.`{p.dir}/t` where id = 7")
    same(ours(p, "t"), seen(p.dir + "/t"))
    p.shoal("table", "delete", "./t", "--where", "id = 8")
    p.shoal("table", "checkpoint", "./t")
    forget(p.dir + "/t", 7)
    same(len(seen(p.dir + "/t")), 27)
    same(ours(p, "t"), seen(p.dir + "/t"))


@case
def classic():
    p = project()
    history(p)
    check(p)
    p.remove()


@case
def v2():
    p = project()
    history(p, "--property", "delta.checkpointPolicy=v2")
    assert glob.glob(p.dir + "/t/_delta_log/_sidecars/*.parquet") and glob.glob(p.dir + "/t/_delta_log/*.checkpoint.*-*.json")
    check(p)
    p.remove()


@case
def v2_with_deletion_vectors():
    p = project()
    history(p, "--property", "delta.checkpointPolicy=v2", "--property", "delta.enableDeletionVectors=true")
    check(p)
    p.remove()


@case
def statistics_as_columns():
    for policy in ("classic", "v2"):
        for text in ("true", "false"):
            p = project()
            settings = [a for s in (f"delta.checkpointPolicy={policy}", "delta.checkpoint.writeStatsAsStruct=true", f"delta.checkpoint.writeStatsAsJson={text}") for a in ("--property", s)]
            history(p, *settings)
            check(p)
            if text == "false":
                gone_but_for(p, "id = 9")
            p.remove()


def gone_but_for(p, where):
    """Files that statistics tell to be of no use are taken away: who reads just the others sees nothing of it."""
    t = p.dir + "/u"
    p.shoal("table", "create", "./u", "--schema", "id BIGINT, s VARCHAR, p INTEGER, d DECIMAL(38, 2)", "--property", "delta.checkpoint.writeStatsAsJson=false")
    for k in range(12):
        p.write({"r.csv": f"id,s,p,d\n{k},row {k},{k % 3},{k}.5\n"})
        p.shoal("table", "append", "./u", "r.csv")
    p.shoal("table", "checkpoint", "./u")
    forget(t, 12)
    kept = [os.path.basename(r[0]) for r in spark.read.format("delta").load(t).where(where).select("_metadata.file_path").collect()]
    for f in glob.glob(t + "/*.parquet"):
        if os.path.basename(f) not in kept:
            os.unlink(f)
    same([[str(v) for v in r] for r in spark.sql(f"select id, s, p, cast(d as string) from delta.`{t}` where {where}").collect()], [["9", "row 9", "0", "9.50"]])
    same(p.rows(f"select id, s, p, d from './u' where {where}"), [["9", "row 9", "0", "9.50"]])


@case
def on_top_of_sparks():
    for policy in ("classic", "v2"):
        p = project()
        t = p.dir + "/t"
        spark.sql(f"create table delta.`{t}` (id bigint, s string, p int, d decimal(38, 2)) using delta partitioned by (p) "
                  f"tblproperties ('delta.checkpointPolicy' = '{policy}', 'delta.checkpointInterval' = '3', 'delta.checkpoint.writeStatsAsJson' = 'false', 'delta.checkpoint.writeStatsAsStruct' = 'true')")
        for k in range(3):
            spark.sql(f"insert into delta.`{t}` select id, concat('row ', id), cast(id % 3 as int), id + {k}.25 from range(12)")
        assert glob.glob(t + "/_delta_log/*3.checkpoint.*")
        p.shoal("table", "delete", "./t", "--where", "id = 5")
        p.shoal("table", "checkpoint", "./t")
        forget(t, 4)
        same(len(ours(p, "t")), 33)
        same(seen(t), ours(p, "t"))
        p.remove()


if __name__ == "__main__":
    spark = start(sys.argv.pop(1))
    spark.sparkContext.setLogLevel("ERROR")
    main()
