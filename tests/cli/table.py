# SPDX-License-Identifier: Apache-2.0
"""shoal table: what its verbs do to Delta tables, as delta-rs, polars and DuckDB see it, and what is refused."""
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import deltalake
import polars
from harness import Project, case, has, lacks, main, same

YAML = "name: t\nsources:\n  crm.orders: {delta: tables/orders}\n  raw.files: {files: 'raw/*.csv'}\n"


def project(**files):
    return Project(files={"a.csv": "id,amount,who\n1,10,ann\n2,20,\n3,30,cid\n", "b.csv": "who,id\nbob,4\n", "raw/x.csv": "x\n1\n", **files}, yaml=YAML)


def delta(p, table):
    return deltalake.DeltaTable(os.path.join(p.dir, table))


def rows(p, table, *sort):
    return polars.read_delta(os.path.join(p.dir, table)).sort(*(sort or ["id"]), nulls_last=True).rows()


@case
def made_of_columns_or_of_files():
    p = project()
    has(p.shoal("table", "create", "crm.orders", "--schema", 'id BIGINT NOT NULL, amount DECIMAL(10,2), "a, b" INTEGER[], day DATE', "--partition-by", "DAY").stdout, "made crm.orders: 0 rows")
    t = delta(p, "tables/orders")
    same([(f.name, str(f.type.type if hasattr(f.type, "type") and isinstance(f.type.type, str) else f.type), f.nullable) for f in t.schema().fields][0], ("id", "long", False))
    same(t.metadata().partition_columns, ["day"])
    same([f.name for f in t.schema().fields], ["id", "amount", "a, b", "day"])
    has(p.shoal("table", "create", "crm.orders", "--schema", "x INT", code=1).stderr, "there is a table, at version 0")
    has(p.shoal("table", "create", "t/x", "--schema", "x INT", "--partition-by", "y", code=1).stderr, "no column 'y' to partition by")
    has(p.shoal("table", "create", "t/x", "--schema", "x", code=1).stderr, "has no type")
    has(p.shoal("table", "create", "t/x", "--schema", "x INT", "--as", "a.csv", code=1).stderr, "either --schema")
    has(p.shoal("table", "create", "t/x", "--schema", "x INT", "--property", "delta.columnMapping.mode=name", code=1).stderr, "does not keep", "delta.appendOnly")
    out = p.json("table", "create", "tables/made", "--as", "a.csv", "--partition-by", "who", "--property", "delta.enableDeletionVectors=true", "--property", "owner=me")
    same((out["rows"], out["version"], out["created"]), (3, 0, True))
    same(rows(p, "tables/made"), [(1, 10, "ann"), (2, 20, None), (3, 30, "cid")])
    same(delta(p, "tables/made").metadata().configuration, {"delta.enableDeletionVectors": "true", "owner": "me"})
    same(sorted(delta(p, "tables/made").protocol().writer_features), ["deletionVectors"])
    has(p.shoal("table", "create", "tables/copy", "--as", "tables/made").stdout, "3 rows")
    same(rows(p, "tables/copy"), rows(p, "tables/made"))
    p.remove()


@case
def rows_are_appended():
    p = project()
    p.shoal("table", "create", "tables/t", "--schema", "id BIGINT NOT NULL, amount BIGINT, who VARCHAR")
    has(p.shoal("table", "append", "tables/t", "a.csv").stdout, "3 rows", "version 1")
    p.shoal("table", "append", "tables/t", "b.csv")
    same(rows(p, "tables/t"), [(1, 10, "ann"), (2, 20, None), (3, 30, "cid"), (4, None, "bob")])
    p.write({"null.csv": "id,who\n,x\n"})
    has(p.shoal("table", "append", "tables/t", "null.csv", code=1).stderr, "'id' is NULL in 1 rows")
    has(p.shoal("table", "append", "tables/none", "a.csv", code=1).stderr, "there is no table at")
    same(os.path.exists(p.dir + "/tables/none"), False)
    same(delta(p, "tables/t").version(), 2)
    p.remove()


@case
def history_and_checkpoint():
    p = project()
    p.shoal("table", "create", "tables/t", "--as", "a.csv")
    p.shoal("table", "append", "tables/t", "b.csv")
    deltalake.DeltaTable(p.dir + "/tables/t").delete("id = 1")
    has(p.shoal("table", "history", "tables/t").stdout, "CREATE TABLE AS SELECT", "WRITE by Shoal/", "DELETE by delta-rs")
    entries = [json.loads(line) for line in p.shoal("table", "history", "tables/t", "-n", "2", "--json").stdout.splitlines()]
    same([(e["version"], e["operation"]) for e in entries], [(2, "DELETE"), (1, "WRITE")])
    same(entries[1]["commit_info"]["isBlindAppend"], True)
    has(p.shoal("table", "checkpoint", "tables/t").stdout, "checkpoint of version 2")
    with open(p.dir + "/tables/t/_delta_log/_last_checkpoint") as f:
        same(json.load(f)["version"], 2)
    for v in (0, 1, 2):
        os.remove(f"{p.dir}/tables/t/_delta_log/{v:020}.json")
    same(rows(p, "tables/t"), [(2, 20, None), (3, 30, "cid"), (4, None, "bob")])
    p.remove()


@case
def computed_datasets_are_refused_with_what_to_do():
    p = project(**{"models/gold/total.sql": "select 1 as n"})
    p.shoal("table", "create", "crm.orders", "--schema", "id INT")
    p.shoal("run")
    for args in (["append", "gold.total", "a.csv"], ["append", "lake/gold/total", "a.csv"], ["checkpoint", "gold.total"]):
        has(p.shoal("table", *args, code=1).stderr, "gold.total is computed", "change the model", "shoal log gold.total")
    has(p.shoal("table", "history", "lake/gold/total").stdout, "\n")
    has(p.shoal("table", "append", "raw.files", "a.csv", code=1).stderr, "made of files")
    has(p.shoal("table", "append", "crm.order", "a.csv", code=1).stderr, "did you mean crm.orders?")
    has(p.shoal("table", "apend", "crm.orders", code=1).stderr, "did you mean append")
    has(p.shoal("table", "create", code=1).stderr, "either --schema")
    has(p.shoal("table", "history", code=1).stderr, "which table?")
    p.remove()


@case
def a_path_needs_no_project():
    p = project()
    folder = tempfile.mkdtemp(prefix="shoal-cli-", dir="/tmp")
    p.shoal("table", "create", "./t", "--schema", "id INT", cwd=folder)
    has(p.shoal("table", "history", "./t", cwd=folder).stdout, "CREATE TABLE")
    has(p.shoal("table", "history", "t", code=1, cwd=folder).stderr, "shoal.yaml")
    shutil.rmtree(folder)
    p.remove()


if __name__ == "__main__":
    main()
