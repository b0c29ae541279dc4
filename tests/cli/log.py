# SPDX-License-Identifier: Apache-2.0
"""The log of a table: checkpoints of both kinds, what is cleaned up behind them, and tables whose writers begin from a checkpoint."""
import glob
import json
import os
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403

DAY = 24 * 3600


def project():
    p = Project({"models/a/x.sql": "select 1 as a\n"})
    p.shoal("run")
    return p


def append(p, k, rows=3):
    p.write({"r.csv": "id,s\n" + "".join(f"{k * 10 + i},row {i}\n" for i in range(rows))})
    p.shoal("table", "append", "./t", "r.csv")


def names(p, pattern):
    return sorted(os.path.basename(f) for f in glob.glob(f"{p.dir}/t/_delta_log/{pattern}"))


@case
def old_commits_go_behind_a_checkpoint():
    p = project()
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, s VARCHAR")
    for k in range(6):
        append(p, k)
        if k == 2:
            has(p.shoal("table", "checkpoint", "./t").stdout, "checkpoint of version 3: 3 files")
    for v in range(7):  # nobody else has seen the table for long
        at = time.time() - (60 - 8 * v) * DAY
        os.utime(f"{p.dir}/t/_delta_log/{v:020}.json", (at, at))
    p.shoal("table", "checkpoint", "./t")
    same(names(p, "*.json"), [f"{v:020}.json" for v in range(3, 7)])
    same(p.rows("select count(*) from './t' at (version => 3)"), [["9"]])
    r = p.shoal("sql", "from './t' at (version => 2)", code=1)
    has(r.all, "version 2 of the table is gone: its log goes back to version 3")
    append(p, 7)
    same(p.rows("select count(*) from './t'"), [["21"]])
    p.remove()


@case
def a_table_may_keep_its_log():
    p = project()
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, s VARCHAR", "--property", "delta.enableExpiredLogCleanup=false")
    for k in range(3):
        append(p, k)
        p.shoal("table", "checkpoint", "./t")
    for f in glob.glob(f"{p.dir}/t/_delta_log/0*"):
        os.utime(f, (1, 1))
    append(p, 3)
    p.shoal("table", "checkpoint", "./t")
    same(names(p, "*.json"), [f"{v:020}.json" for v in range(5)])
    p.remove()


@case
def checkpoints_with_sidecars():
    p = project()
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, s VARCHAR", "--property", "delta.checkpointPolicy=v2", "--property", "delta.checkpointInterval=4")
    for k in range(9):
        append(p, k)
    same([n[:20] for n in names(p, "*.checkpoint.*.json")], [f"{v:020}" for v in (4, 8)])
    same(names(p, "*.checkpoint.parquet"), [])
    assert names(p, "_sidecars/*.parquet")
    named = [json.loads(line) for line in open(f"{p.dir}/t/_delta_log/{names(p, '*.checkpoint.*.json')[-1]}")]
    same(sum("sidecar" in a for a in named), 1)
    p.shoal("table", "delete", "./t", "--where", "id = 11")
    for v in range(8):
        os.unlink(f"{p.dir}/t/_delta_log/{v:020}.json")
    same(p.rows("select count(*), sum(id) from './t'"), [["26", str(sum(k * 10 + i for k in range(9) for i in range(3)) - 11)]])
    has(p.shoal("table", "create", "./u", "--schema", "id BIGINT", "--property", "delta.checkpointPolicy=v3", code=1).all, "delta.checkpointPolicy is classic|v2, not 'v3'")
    p.remove()


@case
def a_log_that_contradicts_itself():
    p = project()
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, s VARCHAR", "--property", "delta.enableDeletionVectors=true")
    for k in range(4):
        append(p, k, 3 + k)
    p.shoal("table", "delete", "./t", "--where", "id = 11")
    with open(f"{p.dir}/t/_delta_log/{5:020}.json", "a") as f:
        f.write('{"txn":{"appId":"etl","version":4}}\n')
    has(p.shoal("fsck", "t").stdout, "version 5: 4 files", "all are there")  # one with a deletion vector among the others
    p.shoal("table", "checkpoint", "./t")
    log, sizes = f"{p.dir}/t/_delta_log", [os.path.getsize(f) for f in glob.glob(p.dir + "/t/*.parquet")]
    checksum = {"tableSizeBytes": sum(sizes), "numFiles": 4, "numMetadata": 1, "numProtocol": 1}
    for wrong, told in (({}, None), ({"numFiles": 5}, "00000000000000000005.crc says 5 files, the log 4"), ({"tableSizeBytes": 1}, "says 1 bytes, the log"),
                        ({"metadata": {"id": "x"}}, "is of another table"), ({"setTransactions": [{"appId": "etl", "version": 4}], "domainMetadata": []}, None),
                        ({"setTransactions": [{"appId": "etl", "version": 3}]}, "says another version of 'etl'"), ({"setTransactions": []}, "has 0 setTransactions, the log 1"),
                        ({"domainMetadata": [{"domain": "d", "configuration": "{}"}]}, "says another configuration of 'd'")):
        p.write({f"t/_delta_log/{5:020}.crc": json.dumps({**checksum, **wrong})})
        r = p.json("fsck", "t", code=1 if told else 0)
        same(told in r["log"] if told else "log" in r, bool(told))
    os.unlink(f"{log}/{5:020}.crc")
    os.rename(f"{log}/{2:020}.json", f"{p.dir}/2.json")
    has(p.shoal("fsck", "t", code=1).stdout, f"the log: _delta_log/{2:020}.json is missing")
    os.rename(f"{p.dir}/2.json", f"{log}/{2:020}.json")
    p.shoal("fsck", "t")
    with open(f"{log}/{2:020}.json", "a") as f:  # what the checkpoint has not seen
        f.write('{"add":{"path":"more","partitionValues":{},"size":1,"modificationTime":0,"dataChange":true}}\n')
    has(p.shoal("fsck", "t", code=1).stdout, f"{5:020}.checkpoint.parquet does not hold the files that the commits up to it say")
    vector, = glob.glob(p.dir + "/t/deletion_vector_*.bin")
    with open(vector, "r+b") as f:
        f.seek(-3, 2)
        f.write(b"\xff")
    has(p.shoal("fsck", "t", code=1).stdout, "1 of 4 files are missing")
    p.remove()


@case
def a_few_files_of_very_many():
    """A checkpoint of so many files that a writer does not read them all."""
    p = project()
    sys.path.insert(0, __file__.rsplit("/", 3)[0] + "/bench")
    import biglog
    t = f"{p.dir}/t"
    biglog.make(t, 9_000, True)
    assert os.path.getsize(f"{t}/_delta_log/{biglog.CHECKPOINT:020}.checkpoint.parquet") > 64 << 10
    has(p.shoal("table", "delete", "./t", "--where", "id = 40003").stdout, "deleted 1 row")
    has(p.shoal("table", "update", "./t", "--where", "id between 5 and 14", "--set", "v = 7").stdout, "updated 10 rows")
    p.write({"new.csv": "id,name,at,v,day\n50001,changed,2020-01-01,1,2020-01-01\n-1,new,2020-01-01,1,2019-01-01\n"})
    has(p.shoal("table", "merge", "./t", "--using", "new.csv", "--on", "id", "--when", "matched then update set name = source.name", "--when", "not matched then insert").stdout, "1")
    p.write({"day.csv": "id,name,at,v,day\n-2,day,2020-01-02,1,2020-01-02\n"})
    p.shoal("table", "overwrite", "./t", "day.csv", "--partitions")
    shown = p.rows("select count(*), sum(id), count(*) filter (v = 7 and id between 5 and 14), count(*) filter (name in ('changed', 'new', 'day')) from './t'")
    p.shoal("table", "checkpoint", "./t")
    same(p.rows("select count(*), sum(id), count(*) filter (v = 7 and id between 5 and 14), count(*) filter (name in ('changed', 'new', 'day')) from './t'"), shown)
    gone = [i for i in range(9_000) if i * 500 // 9_000 == 1]  # files of the second day
    ids = set(range(90_000)) - {40_003} - {k for i in gone for k in range(i * 10, i * 10 + 10)}
    same(shown, [[str(len(ids) + 2), str(sum(ids) - 3), "10", "3"]])
    p.remove()


@case
def maintenance_of_very_many_files():
    """What keeps a table well reads of a large checkpoint only what it is about."""
    p = project()
    sys.path.insert(0, __file__.rsplit("/", 3)[0] + "/bench")
    import biglog
    import deltalake
    t, shown = f"{p.dir}/t", "select count(*), sum(id), sum(length(name)) from './t'"
    biglog.make(t, 3_000, True)
    for k in range(3):
        p.write({"new.csv": f"id,name,at,v,day\n{-1 - k},new,2020-01-03,1,2020-01-03\n"})
        p.shoal("table", "append", "./t", "new.csv")
    p.shoal("table", "checkpoint", "./t")
    before = p.rows(shown)
    adds = deltalake.DeltaTable(t).get_add_actions(flatten=True)
    sizes = sorted((size, n) for size, n in zip(adds["size_bytes"].to_pylist(), adds["num_records"].to_pylist()))
    same([n for _, n in sizes[:4]], [1, 1, 1, 10])  # the new files are smaller than the others
    small = f"{2 * sizes[3][0] / 2**20:.8f}"
    has(p.shoal("table", "optimize", "./t", "--file-size", small).stdout, "packed 3 files", "into 1")
    has(p.shoal("table", "optimize", "./t", "--file-size", small).stdout, "nothing to pack")
    has(p.shoal("table", "alter", "./t", "--add-constraint", "low=id < 29999", code=1).all, "low")
    p.shoal("table", "alter", "./t", "--add-constraint", "low=id < 30000", "--add-column", "more INT")
    p.shoal("table", "checkpoint", "./t")
    same(p.rows(shown), before)
    has(p.shoal("table", "clone", "./t", "./c").stdout, "whose 3001 files")
    with open(f"{p.dir}/c/_delta_log/{0:020}.json") as f:
        cloned = {a["add"]["path"].removeprefix("file:") for a in map(json.loads, f) if "add" in a}
    assert cloned == {os.path.realpath(f) for f in deltalake.DeltaTable(t).file_uris()}, len(cloned)
    whole = deltalake.DeltaTable(t).version()
    p.shoal("table", "delete", "./t", "--where", "id between 100 and 125")
    p.shoal("table", "checkpoint", "./t")
    done = p.json("table", "restore", "./t", "--version", str(whole))
    same((done["files_added"], done["files_removed"]), (3, 1))
    same(p.rows(shown), before)
    live = {os.path.realpath(f) for f in deltalake.DeltaTable(t).file_uris()}
    there = {os.path.realpath(f) for f in glob.glob(f"{t}/**/*.parquet", recursive=True) if "_delta_log" not in f}
    same(len(p.json("table", "vacuum", "./t", "--retain", "0s", "--force")["files"]), len(there - live))
    assert {os.path.realpath(f) for f in glob.glob(f"{t}/**/*.parquet", recursive=True) if "_delta_log" not in f} == live
    same(p.rows(shown), before)
    p.remove()


main()
