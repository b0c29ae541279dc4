# SPDX-License-Identifier: Apache-2.0
"""shoal table: what its verbs do to Delta tables, as delta-rs, polars and DuckDB see it, and what is refused."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import deltalake
import polars
import pyarrow
import pyarrow.parquet
from harness import SHOAL, Project, case, has, lacks, main, same
from tables import FEED, VECTORS, age, delta, described, filled, peers, read, refused, rows, with_lake

YAML = "name: t\nsources:\n  crm.orders: {delta: tables/orders}\n  raw.files: {files: 'raw/*.csv'}\n"


def project():
    p = Project(files={"a.csv": "id,amount,who\n1,10,ann\n2,20,\n3,30,cid\n", "b.csv": "who,id\nbob,4\n", "raw/x.csv": "x\n1\n", "models/gold/total.sql": "select 1 as n"})
    p.shoal("run")
    p.write({"shoal.yaml": YAML})
    return p


@case
def names_may_begin_with_an_underscore():
    p = Project()
    p.write({"rows.csv": "_x,_y z,a_b\n1,u,2\n5,v,6\n", "new.csv": "_x,_y z,a_b\n2,w,3\n5,z,7\n"})
    p.shoal("table", "create", "./t", "--schema", '_x BIGINT, "_y z" VARCHAR, a_b INT', "--constraint", "_low=_x > 0")
    p.shoal("table", "append", "./t", "rows.csv")
    p.shoal("table", "update", "./t", "--set", "_x = _x + 1", "--where", "_x = 1")
    p.shoal("table", "merge", "./t", "--using", "new.csv", "--on", "source._x = target._x", "--when", "matched then update set a_b = source.a_b + target._x", "--when", "not matched then insert (_x) values (source._x)")
    p.shoal("table", "alter", "./t", "--add-column", "_more INT")
    same(p.rows("select _x, \"_y z\", a_b, _more from './t' order by _x"), [["2", "u", "5", ""], ["5", "v", "12", ""]])
    has(p.shoal("table", "update", "./t", "--set", "_x = -1", "--all", code=1).all, "_low")
    p.remove()


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
    has(p.shoal("table", "create", "t/x", "--schema", "x INT", "--property", "delta.enableIcebergCompatV2=true", code=1).stderr, "does not keep", "delta.appendOnly")
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
    p = project()
    p.shoal("table", "create", "crm.orders", "--schema", "id INT")
    for args in (["append", "gold.total", "a.csv"], ["append", "lake/gold/total", "a.csv"], ["checkpoint", "gold.total"]):
        has(p.shoal("table", *args, code=1).stderr, "gold.total is computed", "change the model", "shoal log gold.total")
    has(p.shoal("table", "history", "lake/gold/total").stdout, "\n")
    for path in ("lake/gold/new", "lake/deep/er/x", "./lake"):
        has(p.shoal("table", "create", path, "--schema", "id INT", code=1).stderr, "lies in the lake", "elsewhere")
    same(sorted(n for n in os.listdir(p.dir + "/lake") if n[0] != "_"), ["gold"])
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


def changes(p, table, version, *columns):
    """What is in a version's change data files, told by the log."""
    out = []
    with open(f"{p.dir}/{table}/_delta_log/{version:020}.json") as f:
        for a in map(json.loads, f):
            if "cdc" in a:
                assert not a["cdc"]["dataChange"] and a["cdc"]["path"].startswith("_change_data/")
                same(os.path.getsize(f"{p.dir}/{table}/{a['cdc']['path']}"), a["cdc"]["size"])
                out += polars.read_parquet(f"{p.dir}/{table}/{a['cdc']['path']}", hive_partitioning=False).select("_change_type", *columns).rows()
    return sorted(out, key=str)


@case
def rows_are_deleted_by_vectors_or_by_writing_files_anew():
    p = project()
    for name, properties, partition in (("tables/plain", [], None), ("tables/vec", [VECTORS], None), ("tables/part", [], "kind"), ("tables/vp", [VECTORS], "kind")):
        want = filled(p, name, *properties, partition=partition)
        condition = "v % 7 = 3 or kind = 'c' and id < 50"
        tried = p.json("table", "delete", name, "--where", condition, "--dry-run")
        same((tried["version"], delta(p, name).version()), (-1, 2))
        done = p.json("table", "delete", name, "--where", condition)
        left = [r for r in want if not ((r[2] is not None and r[2] % 7 == 3) or (r[1] == "c" and r[0] < 50))]
        same((done["deleted"], tried["deleted"]), (len(want) - len(left),) * 2)
        same((done["deletion_vectors"] > 0, done["copied"] > 0), (bool(properties), not properties))
        same(peers(p, name), left)
        p.shoal("table", "delete", name, "--where", "id >= 100 and id < 150 or v is null")  # vectors on top of vectors
        left = [r for r in left if not (100 <= r[0] < 150 or r[2] is None)]
        same(peers(p, name), left)
        done = p.json("table", "delete", name, "--where", "id >= 100")  # files that lose their last row are removed
        left = [r for r in left if r[0] < 100]
        same((peers(p, name), done["files_removed"] > 0, done["deletion_vectors"]), (left, True, 0))
        has(p.shoal("table", "delete", name, "--where", "id > 1000").stdout, "no row fits")
        same(delta(p, name).history()[0]["operation"], "DELETE")
        p.shoal("table", "checkpoint", name)
        same(peers(p, name), left)
        p.shoal("table", "delete", name, "--all")
        same(peers(p, name), [])
    p.remove()


@case
def null_keeps_a_row_and_what_is_wrong_changes_nothing():
    p = project()
    want = filled(p, "tables/t", VECTORS, files=1, n=20)
    p.shoal("table", "delete", "tables/t", "--where", "v > 5")
    same(read(p, "tables/t"), [r for r in want if r[2] is None or r[2] <= 5])
    has(p.shoal("table", "delete", "tables/t", "--where", "nothing = 1", code=1).stderr, "nothing")
    has(p.shoal("table", "delete", "tables/t", "--where", "v = ", code=1).stderr, "error")
    has(p.shoal("table", "delete", "tables/t", code=1).stderr, "--where says which rows")
    has(p.shoal("table", "delete", "tables/t", "--where", "true", "--all", code=1).stderr, "--where says which rows")
    has(p.shoal("table", "update", "tables/t", "--all", code=1).stderr, "--set says")
    has(p.shoal("table", "update", "tables/t", "--set", "w=1", "--all", code=1).stderr, "no column 'w'")
    has(p.shoal("table", "update", "tables/t", "--set", "v=1", "--set", "V=2", "--all", code=1).stderr, "set twice")
    has(p.shoal("table", "update", "tables/t", "--set", "v='x'", "--all", code=1).stderr, "onvert")
    for torn in ("v = 1) or (true", "v = 1 or (true", "note = 'n1", "v = 1 /* or", "v = [1"):  # each with what stands around it could be a condition
        for verb in (["delete", "--where", torn], ["update", "--set", "v=1", "--where", torn], ["update", "--set", "v=" + torn, "--all"], ["overwrite", "rows.csv", "--where", torn]):
            has(p.shoal("table", verb[0], "tables/t", *verb[1:], code=1).stderr, f"'{torn}' is no expression")
    same(p.json("table", "delete", "tables/t", "--where", "note = ')' or note = $$(['$$ -- (")["version"], -1)
    p.shoal("table", "create", "tables/only", "--schema", "id INT", "--property", "delta.appendOnly=true")
    has(p.shoal("table", "delete", "tables/only", "--where", "id = 1", code=1).stderr, "append-only")
    same((delta(p, "tables/only").version(), delta(p, "tables/t").version()), (0, 2))
    p.remove()


@case
def rows_are_updated():
    p = project()
    for name, properties, partition in (("tables/plain", [], None), ("tables/vec", [VECTORS], None), ("tables/part", [VECTORS], "kind")):
        want = filled(p, name, *properties, partition=partition)
        done = p.json("table", "update", name, "--set", "v = v * 2", "--set", "note = kind || '-' || note", "--where", "id % 5 = 0")
        want = [(i, k, v and v * 2, f"{k}-{n}") if i % 5 == 0 else (i, k, v, n) for i, k, v, n in want]
        same((done["updated"], done["deleted"], peers(p, name)), (40, 0, want))
        p.shoal("table", "update", name, "--set", "kind = CASE WHEN id < 10 THEN NULL ELSE 'z' END", "--where", "kind = 'a'")  # also across partitions
        want = [(i, (None if i < 10 else "z") if k == "a" else k, v, n) for i, k, v, n in want]
        same(peers(p, name), want)
        p.shoal("table", "update", name, "--set", "v = 0", "--all")
        same(peers(p, name), [(i, k, 0, n) for i, k, v, n in want])
        same(delta(p, name).history()[0]["operation"], "UPDATE")
    p.shoal("table", "create", "tables/needs", "--schema", "id INT NOT NULL, v INT")
    p.write({"n.csv": "id,v\n1,2\n"})
    p.shoal("table", "append", "tables/needs", "n.csv")
    has(p.shoal("table", "update", "tables/needs", "--set", "id = NULL", "--all", code=1).stderr, "'id' is NULL")
    p.remove()


@case
def chance_tears_no_row_apart():
    p = project()
    filled(p, "tables/t", VECTORS, FEED)
    p.shoal("table", "update", "tables/t", "--set", "v = (random() * 1000000)::bigint", "--set", "note = 'changed'", "--where", "random() < 0.5")
    got = read(p, "tables/t")
    same([r[0] for r in got], list(range(200)))
    new = changes(p, "tables/t", 3, "id", "v", "note")
    after = {i: (v, n) for t, i, v, n in new if t == "update_postimage"}
    same(after, {i: (v, n) for i, k, v, n in got if n == "changed"})
    same(sorted(i for t, i, v, n in new if t == "update_preimage"), sorted(after))
    p.remove()


@case
def the_change_data_feed_tells_what_happened():
    p = project()
    for name, properties, partition in (("tables/f", [FEED], None), ("tables/fv", [FEED, VECTORS], "kind")):
        filled(p, name, *properties, files=1, n=12, partition=partition)
        p.shoal("table", "delete", name, "--where", "id in (1, 4)")
        same(changes(p, name, 2, "id", "kind"), [("delete", 1, "b"), ("delete", 4, "b")])
        p.shoal("table", "update", name, "--set", "v = -1", "--where", "id in (2, 5)")
        same(changes(p, name, 3, "id", "v"), [("update_postimage", 2, -1), ("update_postimage", 5, -1), ("update_preimage", 2, 2), ("update_preimage", 5, 5)])
        p.shoal("table", "delete", name, "--all")  # whole files tell it themselves
        same(changes(p, name, 4, "id"), [])
        if VECTORS not in properties:
            cdf = deltalake.DeltaTable(f"{p.dir}/{name}").load_cdf(starting_version=2)
            got = pyarrow.table(cdf).to_pylist()
            same(sorted([(r["_change_type"], r["id"], r["v"]) for r in got if r["_commit_version"] == 3], key=str), changes(p, name, 3, "id", "v"))
            same(len([r for r in got if r["_commit_version"] == 4]), 10)
    p.remove()


@case
def what_the_table_asks_of_its_writers_is_kept_or_refused():
    p = project()
    filled(p, "tables/check", files=1, n=10)
    deltalake.DeltaTable(p.dir + "/tables/check").alter.add_constraint({"small": "id < 100"})
    has(p.shoal("table", "update", "tables/check", "--set", "id = 1000", "--where", "id = 1", code=1).stderr, "the constraint 'small', id < 100, does not hold for 1 row: id = 1000, kind = b, v = 1, note = n1", "nothing was written")
    p.shoal("table", "delete", "tables/check", "--where", "id = 1")  # rows that go break none
    same(len(rows(p, "tables/check")), 9)
    filled(p, "tables/ict", VECTORS, "delta.enableInCommitTimestamps=true", files=1, n=10)
    p.shoal("table", "delete", "tables/ict", "--where", "id = 1")
    entries = [json.loads(line)["commit_info"] for line in p.shoal("table", "history", "tables/ict", "--json").stdout.splitlines()]
    stamps = [e["inCommitTimestamp"] for e in entries]
    same(stamps, sorted(set(stamps), reverse=True))
    same((entries[0]["operationMetrics"]["numDeletedRows"], entries[0]["isBlindAppend"]), ("1", False))
    p.remove()


@case
def constraints_hold_for_every_row_that_comes():
    p = project()
    p.write({"good.csv": "id,kind,v,note\n300,a,1,x\n", "bad.csv": "id,kind,v,note\n301,a,1,x\n-5,b,,y\n-6,c,2,z\n", "hole.csv": "kind\na\n"})
    for name, properties, partition in (("tables/plain", [], None), ("tables/vec", [VECTORS, FEED], "kind")):
        want = filled(p, name, *properties, files=1, n=20, partition=partition)
        deltalake.DeltaTable(f"{p.dir}/{name}").alter.add_constraint({"positive": "id >= 0 AND kind IN ('a', 'b', 'c')"})  # delta-rs stores it in other words
        p.shoal("table", "append", name, "good.csv")
        want.append((300, "a", 1, "x"))
        has(refused(p, name, "append", name, "bad.csv"), "the constraint 'positive', id >= 0 AND (kind = 'a' OR kind = 'b' OR kind = 'c'), does not hold for 2 rows: id = -", "nothing was written")
        has(refused(p, name, "append", name, "hole.csv"), "does not hold for 1 row: id = NULL, kind = a")  # neither true nor false
        has(refused(p, name, "overwrite", name, "bad.csv", "--all"), "for 2 rows")
        has(refused(p, name, "overwrite", name, "bad.csv", "--where", "true"), "for 2 rows")
        has(refused(p, name, "update", name, "--set", "kind = 'd'", "--where", "id = 3"), "id = 3, kind = d, v = 3, note = n3")
        merge = ["merge", name, "--using", "bad.csv", "--on", "target.id = -source.id"]
        has(refused(p, name, *merge, "--when", "matched then update set id = source.id"), "for 2 rows")
        has(refused(p, name, *merge, "--when", "not matched and source.id > 0 then insert (id) values (source.id)"), "kind = NULL")
        p.shoal("table", *merge, "--when", "matched and source.v is null then delete", "--when", "matched then update set v = source.v")
        want = [(i, k, 2 if i == 6 else v, n) for i, k, v, n in want if i != 5]
        p.shoal("table", "update", name, "--set", "v = 7", "--where", "id = 8")
        same(peers(p, name), [(i, k, 7 if i == 8 else v, n) for i, k, v, n in want])
        p.shoal("table", "overwrite", name, "good.csv", "--all")
        same(peers(p, name), [(300, "a", 1, "x")])
    p.remove()


@case
def constraints_are_made_with_a_table():
    p = project()
    made = ["--constraint", "Positive=amount > 0", "--constraint", "named=who IS NOT NULL OR id > 1"]
    p.shoal("table", "create", "tables/t", "--as", "a.csv", *made, "--property", "delta.appendOnly=true")
    p.shoal("table", "create", "tables/e", "--schema", "id BIGINT, amount BIGINT, who VARCHAR", *made)
    p.shoal("table", "append", "tables/e", "a.csv")
    for name in ("tables/t", "tables/e"):
        t = delta(p, name)
        same({k: v for k, v in t.metadata().configuration.items() if "constraints" in k}, {"delta.constraints.positive": "amount > 0", "delta.constraints.named": "who IS NOT NULL OR id > 1"})
        assert "checkConstraints" in t.protocol().writer_features
        bad = pyarrow.table({"id": [1], "amount": [-1], "who": ["x"]})
        try:
            deltalake.write_deltalake(t, bad, mode="append")
            raise AssertionError("delta-rs took a row that the constraint forbids")
        except Exception as e:
            assert "invalid data" in str(e), e
        deltalake.write_deltalake(t, pyarrow.table({"id": [9], "amount": [1], "who": ["x"]}), mode="append")
        same(rows(p, name), [(1, 10, "ann"), (2, 20, None), (3, 30, "cid"), (9, 1, "x")])
        p.write({"bad.csv": "id,amount,who\n4,0,x\n"})
        has(refused(p, name, "append", name, "bad.csv"), "the constraint 'positive', amount > 0, does not hold for 1 row: amount = 0")
    create = ["table", "create", "tables/no", "--as", "a.csv", "--constraint"]
    has(p.shoal(*create, "c=amount > 10", code=1).stderr, "the constraint 'c', amount > 10, does not hold for 1 row: amount = 10, id = 1, who = ann")
    has(p.shoal(*create, "c=amount / 2 > 1", code=1).stderr, "'/' of", "does not evaluate")
    has(p.shoal(*create, "c=price > 1", code=1).stderr, "'price', which is no column")
    has(p.shoal(*create, "c", code=1).stderr, "--constraint takes NAME=CONDITION")
    has(p.shoal(*create, "a.b=id > 1", code=1).stderr, "names no constraint")
    has(p.shoal(*create, "c=id > 1", "--constraint", "C=id > 2", code=1).stderr, "two constraints 'C'")
    has(p.shoal("table", "create", "tables/no", "--schema", "id INT", "--constraint", "c=id % 2 = 0", code=1).stderr, "'%' of (integer, integer)")
    same(os.path.exists(p.dir + "/tables/no/_delta_log"), False)
    p.remove()


@case
def invariants_and_what_is_not_evaluated():
    p = project()
    p.write({"r.csv": "id,v\n1,5\n2,1\n"})
    described(p, "tables/i", [("id", "long", {}), ("v", "long", {"delta.invariants": json.dumps({"expression": {"expression": "v > 3"}})})])
    has(refused(p, "tables/i", "append", "tables/i", "r.csv"), "the invariant of column 'v', v > 3, does not hold for 1 row: v = 1, id = 2")
    for configuration, metadata, why in (({"delta.constraints.even": "id % 2 = 0"}, {}, "the constraint 'even', id % 2 = 0: it has '%' of"),
                                         ({"DELTA.CONSTRAINTS.c": "upper(id) = 'X'"}, {}, "it has 'upper' of (long)"),
                                         ({}, {"delta.generationExpression": "rand()"}, "the generated column 'v', rand()"),
                                         ({}, {"delta.invariants": "{}"}, "invariant without an expression"),
                                         ({}, {"delta.identity.start": 1, "delta.identity.step": 0}, "an identity of a kind that this build does not know")):
        shutil.rmtree(p.dir + "/tables/x", ignore_errors=True)
        described(p, "tables/x", [("id", "long", {}), ("v", "long", metadata)], configuration)
        has(refused(p, "tables/x", "append", "tables/x", "r.csv"), why)
        has(refused(p, "tables/x", "overwrite", "tables/x", "r.csv", "--all"), why)
        p.shoal("table", "delete", "tables/x", "--all")  # what brings no values works
    p.remove()


def member(name, kind, metadata=None, nullable=True):
    return {"name": name, "type": kind, "nullable": nullable, "metadata": metadata or {}}


@case
def rules_inside_structs_arrays_and_maps():
    p = project()
    invariant = {"delta.invariants": json.dumps({"expression": {"expression": "s.v > 3 OR s.w.x = id"}})}
    struct = lambda *fields: {"type": "struct", "fields": list(fields)}  # noqa: E731
    array = lambda of, nulls=True: {"type": "array", "elementType": of, "containsNull": nulls}  # noqa: E731
    described(p, "tables/n", [("id", "long", {}), ("s", struct(member("v", "long", invariant), member("w", struct(member("x", "long")))), {})])
    p.write({"good.ndjson": '{"id": 1, "s": {"v": 5}}\n{"id": 2, "s": {"v": 1, "w": {"x": 2}}}\n', "bad.ndjson": '{"id": 3, "s": {"v": 3, "w": {"x": 2}}}\n', "null.ndjson": '{"id": 4}\n'})
    p.shoal("table", "append", "tables/n", "good.ndjson")
    has(refused(p, "tables/n", "append", "tables/n", "bad.ndjson"), "the invariant of column 'v', s.v > 3 OR s.w.x = id, does not hold for 1 row: ", "id = 3")
    has(refused(p, "tables/n", "append", "tables/n", "null.ndjson"), "the invariant of column 'v'")
    has(refused(p, "tables/n", "update", "tables/n", "--set", "id = 7", "--where", "id = 2"), "the invariant of column 'v'")
    p.shoal("table", "update", "tables/n", "--set", "id = 7", "--where", "id = 1")
    same([i for i, in read(p, "tables/n", "id")], [2, 7])
    for inside, what in ((struct(member("v", "long", {"delta.generationExpression": "id + 1"})), "a generation expression"), (struct(member("v", "long", {"delta.identity.start": 1})), "an identity"),
                         (array(struct(member("v", "long", invariant))), "an invariant")):
        shutil.rmtree(p.dir + "/tables/x", ignore_errors=True)
        described(p, "tables/x", [("id", "long", {}), ("s", inside, {})])
        has(refused(p, "tables/x", "append", "tables/x", "good.ndjson"), f"column 'v' has {what}")
    whole = {"l": array("long", False), "ll": array(array("long", False), False), "m": {"type": "map", "keyType": "string", "valueType": "long", "valueContainsNull": False},
             "o": array(struct(member("a", "long", nullable=False), member("b", "long"))), "s": struct(member("l", array("long", False)))}
    described(p, "tables/e", [("id", "long", {}), *[(n, t, {}) for n, t in whole.items()]])
    good = [{"id": 1}, {"id": 2, "l": [], "ll": [], "m": {}, "o": [], "s": {}}, {"id": 3, "l": [1, 2], "ll": [[], [3]], "m": {"k": 4}, "o": [{"a": 1, "b": None}, None], "s": {"l": [5]}}]
    kinds = {"l": pyarrow.list_(pyarrow.int64()), "ll": pyarrow.list_(pyarrow.list_(pyarrow.int64())), "m": pyarrow.map_(pyarrow.string(), pyarrow.int64()),
             "o": pyarrow.list_(pyarrow.struct([("a", pyarrow.int64()), ("b", pyarrow.int64())])), "s": pyarrow.struct([("l", pyarrow.list_(pyarrow.int64()))])}

    def write(rows):
        maps = [{**r, "m": list(r["m"].items()) if r.get("m") is not None else None} for r in rows]
        pyarrow.parquet.write_table(pyarrow.table({"id": [r["id"] for r in rows], **{n: pyarrow.array([r.get(n) for r in maps], t) for n, t in kinds.items()}}), p.dir + "/e.parquet")
    write(good)
    p.shoal("table", "append", "tables/e", "e.parquet")
    for column, values in (("l", [[None], [1, None]]), ("ll", [[None], [[1], [2, None]]]), ("m", [{"k": None}, {"a": 1, "b": None}]), ("o", [[{"b": 1}], [{"a": 1}, {"a": None}]]), ("s", [{"l": [None, 1]}])):
        for v in values:
            write([good[2], {**good[2], "id": 9, column: v}])
            has(refused(p, "tables/e", "append", "tables/e", "e.parquet"), f"the type of column '{column}', NULL is not allowed inside, does not hold for 1 row: ", "id = 9")
    has(refused(p, "tables/e", "update", "tables/e", "--set", "l = [NULL]", "--where", "id = 1"), "the type of column 'l'")
    p.shoal("table", "update", "tables/e", "--set", "l = [7]", "--where", "id = 1")
    same(read(p, "tables/e", "id, l[1]"), [(1, 7), (2, None), (3, 1)])
    p.remove()


@case
def lengths_of_texts_are_kept():
    p = project()
    p.write({"short.csv": "id,v,c\n1,äöü😈,ab\n2,,\n3,a,a\n", "long.csv": "id,v,c\n4,abcde,ab\n5,abcd,ab\n", "wide.csv": "id,v,c\n6,a,abc\n"})
    described(p, "tables/t", [("id", "long", {}), ("v", "string", {"__CHAR_VARCHAR_TYPE_STRING": "varchar(4)"}), ("c", "string", {"__CHAR_VARCHAR_TYPE_STRING": "char(2)"})])
    p.shoal("table", "append", "tables/t", "short.csv")
    has(refused(p, "tables/t", "append", "tables/t", "long.csv"), "the type of column 'v', varchar(4), does not hold for 1 row: v = abcde")
    has(refused(p, "tables/t", "append", "tables/t", "wide.csv"), "the type of column 'c', char(2), does not hold for 1 row: c = abc")
    has(refused(p, "tables/t", "update", "tables/t", "--set", "v = v || 'x'", "--where", "id = 1"), "varchar(4)")
    p.shoal("table", "update", "tables/t", "--set", "v = v || 'xyz'", "--where", "id = 3")
    same(read(p, "tables/t"), [(1, "äöü😈", "ab"), (2, None, None), (3, "axyz", "a")])
    p.shoal("table", "alter", "tables/t", "--set", "delta.columnMapping.mode=name", "--rename-column", "v=w")
    has(refused(p, "tables/t", "update", "tables/t", "--set", "w = 'abcde'", "--all"), "the type of column 'w', varchar(4)")
    described(p, "tables/deep", [("id", "long", {}), ("l", {"type": "array", "elementType": "string", "containsNull": True}, {"__CHAR_VARCHAR_TYPE_STRING": "array<varchar(4)>"})])
    has(refused(p, "tables/deep", "append", "tables/deep", "short.csv"), "array<varchar(4)>, whose lengths")
    p.shoal("table", "create", "tables/n", "--schema", "id BIGINT, v VARCHAR(4) NOT NULL, c character(2)", "--property", "delta.columnMapping.mode=name", "--property", "delta.enableTypeWidening=true")
    p.shoal("table", "alter", "tables/n", "--add-column", "w CHARACTER VARYING(3)")
    same([f["metadata"].get("__CHAR_VARCHAR_TYPE_STRING") for f in json.loads(delta(p, "tables/n").schema().to_json())["fields"]], [None, "varchar(4)", "char(2)", "varchar(3)"])
    p.write({"n.csv": "id,v,c,w\n1,abcd,ab,abc\n", "n5.csv": "id,v,c,w\n1,abcde,ab,abc\n", "n4.csv": "id,v,c,w\n1,abcd,ab,abcd\n"})
    p.shoal("table", "append", "tables/n", "n.csv")
    has(refused(p, "tables/n", "append", "tables/n", "n5.csv"), "varchar(4)")
    has(refused(p, "tables/n", "append", "tables/n", "n4.csv"), "varchar(3)")
    has(refused(p, "tables/n", "alter", "tables/n", "--type", "v=VARCHAR(9)"), "gets none later")
    has(p.shoal("table", "create", "tables/m", "--schema", "l VARCHAR(4)[]", code=1).stderr, "inside the column 'l'")
    has(p.shoal("table", "create", "tables/m", "--schema", "l VARCHAR(0)", code=1).stderr, "length")
    p.remove()


@case
def generated_columns_are_computed_and_checked():
    p = project()
    fields = [("id", "long", {}), ("at", "timestamp", {}), ("day", "date", {"delta.generationExpression": "CAST(at AS DATE)"}), ("y", "integer", {"delta.generationExpression": "YEAR(at)"}),
              ("twice", "long", {"delta.generationExpression": "id * 2"})]
    p.write({"r.csv": "id,at\n1,2020-05-05 10:11:12+00\n2,\n", "whole.csv": "id,at,day,y,twice\n3,2021-12-31 23:59:59+00,2021-12-31,2021,6\n",
             "wrong.csv": "id,at,day\n4,2022-01-01 00:00:00+00,2022-01-02\n", "nulls.csv": "id,y\n5,2020\n", "s.csv": "id,at\n2,2001-02-03 04:05:06+00\n7,2002-01-01 00:00:00+00\n"})
    for name, configuration, partition in (("tables/g", {}, ()), ("tables/p", {"delta.enableChangeDataFeed": "true"}, ("day",))):
        described(p, name, fields, configuration, partition)
        seen = lambda: read(p, name, "id, \"at\", day, y, twice")  # noqa: E731,B023
        p.shoal("table", "append", name, "r.csv")
        p.shoal("table", "append", name, "whole.csv")
        want = [(1, "2020-05-05 10:11:12+00", "2020-05-05", 2020, 2), (2, None, None, None, 4), (3, "2021-12-31 23:59:59+00", "2021-12-31", 2021, 6)]
        same(seen(), want)
        has(refused(p, name, "append", name, "wrong.csv"), "the generated column 'day', CAST(at AS DATE), does not hold for 1 row: at = 2022-01-01 00:00:00+00, day = 2022-01-02")
        has(refused(p, name, "append", name, "nulls.csv"), "the generated column 'y', YEAR(at), does not hold")
        has(refused(p, name, "update", name, "--set", "y = 1999", "--where", "id = 1"), "at = 2020-05-05 10:11:12+00, y = 1999")
        p.shoal("table", "update", name, "--set", "at = TIMESTAMPTZ '1999-12-31 12:00:00+00'", "--where", "id = 1")
        want[0] = (1, "1999-12-31 12:00:00+00", "1999-12-31", 1999, 2)
        same(seen(), want)
        p.shoal("table", "merge", name, "--using", "s.csv", "--on", "id", "--when", "matched then update", "--when", "not matched then insert")
        want[1] = (2, "2001-02-03 04:05:06+00", "2001-02-03", 2001, 4)
        want.append((7, "2002-01-01 00:00:00+00", "2002-01-01", 2002, 14))
        same(seen(), want)
        has(refused(p, name, "merge", name, "--using", "s.csv", "--on", "id", "--when", "matched then update set y = 1"), "the generated column 'y'")
        p.shoal("table", "merge", name, "--using", "s.csv", "--on", "id", "--when", "matched and source.id = 7 then update set id = 8", "--when", "not matched by source and target.id = 1 then update set at = NULL")
        want[0], want[3] = (1, None, None, None, 2), (8,) + want[3][1:4] + (16,)
        same(seen(), want)
        if configuration:
            same(changes(p, name, 5, "id", "y", "twice"), [("update_postimage", 1, None, 2), ("update_postimage", 8, 2002, 16), ("update_preimage", 1, 1999, 2), ("update_preimage", 7, 2002, 14)])
        p.shoal("table", "overwrite", name, "r.csv", "--all")
        same(seen()[0][2:], ("2020-05-05", 2020, 2))
    p.remove()


@case
def defaults_stand_in_for_columns_that_are_not_there():
    p = project()
    described(p, "tables/d", [("id", "long", {}), ("v", "long", {"CURRENT_DEFAULT": "42"}), ("s", "string", {"CURRENT_DEFAULT": "'it is'"}), ("day", "date", {"CURRENT_DEFAULT": "current_date()"}),
                              ("odd", "double", {"CURRENT_DEFAULT": "rand()"}), ("twice", "long", {"delta.generationExpression": "v * 2"})], {"delta.constraints.c": "v < 100 OR v IS NULL"})
    p.write({"some.csv": "id,odd\n1,0.5\n", "null.csv": "id,v,s,odd\n2,,,1.5\n", "none.csv": "id\n3\n", "s.csv": "id,odd\n1,9.5\n4,2.5\n"})
    seen = lambda: read(p, "tables/d", "id, v, s, day >= date '2026-01-01', odd, twice")  # noqa: E731
    p.shoal("table", "append", "tables/d", "some.csv")
    p.shoal("table", "append", "tables/d", "null.csv")  # NULL that is given stays
    want = [(1, 42, "it is", True, 0.5, 84), (2, None, None, True, 1.5, None)]
    has(refused(p, "tables/d", "append", "tables/d", "none.csv"), "the default of column 'odd', rand()")
    same(seen(), want)
    p.shoal("table", "merge", "tables/d", "--using", "s.csv", "--on", "id", "--when", "matched then update", "--when", "not matched and source.odd > 2 then insert")
    want = [(1, 42, "it is", True, 9.5, 84), want[1], (4, 42, "it is", True, 2.5, 84)]
    same(seen(), want)
    p.shoal("table", "merge", "tables/d", "--using", "none.csv", "--on", "id", "--when", "not matched then insert (id, odd, v) values (source.id, 0, 99)")
    same(seen(), want[:2] + [(3, 99, "it is", True, 0, 198)] + want[2:])
    has(refused(p, "tables/d", "merge", "tables/d", "--using", "s.csv", "--on", "target.id = source.id + 100", "--when", "not matched then insert (id) values (source.id)"), "the default of column 'odd', rand()")
    p.shoal("table", "overwrite", "tables/d", "some.csv", "--all")
    same(seen(), [(1, 42, "it is", True, 0.5, 84)])
    p.remove()


@case
def an_empty_text_in_a_partition_is_null():
    p = with_lake()
    pyarrow.parquet.write_table(pyarrow.table({"id": [1, 2, 3], "p": ["a", "", None]}), f"{p.dir}/rows.parquet")
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, p VARCHAR", "--partition-by", "p")
    p.shoal("table", "append", "./t", "rows.parquet")
    p.shoal("table", "update", "./t", "--set", "p = ''", "--where", "id = 1")
    same(peers(p, "./t"), [(1, None), (2, None), (3, None)])
    p.shoal("table", "create", "./n", "--schema", "id BIGINT, p VARCHAR NOT NULL", "--partition-by", "p")
    has(refused(p, "./n", "append", "./n", "rows.parquet"), "column 'p' is NULL in 2 rows")


@case
def names_and_values_may_be_nasty():
    p = project()
    p.shoal("table", "create", "tables/n", "--schema", '"file_row_number" BIGINT, "a ""b"".c" VARCHAR, s STRUCT(x INT, "y z" VARCHAR), l DOUBLE[], m MAP(VARCHAR, BIGINT), file_index INT', "--property", VECTORS)
    p.write({"n.ndjson": '{"file_row_number": 5, "a \\"b\\".c": "ä😈\'", "s": {"x": 1, "y z": null}, "l": [1.5, null], "m": {"k": 9}, "file_index": 7}\n' * 3 + '{"file_row_number": 6}\n'})
    p.shoal("table", "append", "tables/n", "n.ndjson")
    p.shoal("table", "update", "tables/n", "--set", "s = {'x': 2, 'y z': 'new'}", "--where", "\"a \"\"b\"\".c\" = 'ä😈' || chr(39)")
    p.shoal("table", "delete", "tables/n", "--where", "file_row_number = 6")
    got = read(p, "tables/n", "file_row_number, s::varchar, l::varchar, m::varchar, file_index", "file_row_number")
    same(got, [(5, "{'x': 2, 'y z': new}", "[1.5, NULL]", "{k=9}", 7)] * 3)
    p.remove()


MERGE = ["--using", "s.csv", "--on", "target.id = source.id"]


@case
def merges_do_what_their_clauses_say():
    p = project()
    for name, properties, partition in (("tables/plain", [], None), ("tables/vec", [VECTORS], None), ("tables/feed", [VECTORS, FEED], "kind")):
        want = {r[0]: r for r in filled(p, name, *properties, partition=partition)}
        p.write({"s.csv": "id,kind,v,note,gone\n" + "".join(f"{i},{'xyz'[i % 3]},{i * 3},new,{str(i % 4 == 0).lower()}\n" for i in range(150, 250))})
        done = p.json("table", "merge", name, *MERGE, "--when", "matched and source.gone then delete", "--when", "MATCHED AND target.v IS NULL THEN UPDATE SET v = -1, note = CASE WHEN target.id > 170 THEN 'late' ELSE 'early' END",
                      "--when", "matched then update set target.v = source.v, note = target.note || source.note", "--when", "not matched and source.id < 240 then insert (id, kind, v) values (source.id, upper(source.kind), source.v)",
                      "--when", "not matched by source and target.id < 10 then delete", "--when", "not matched by source and target.id < 20 then update set note = 'old'")
        for i in range(250):
            r = want.get(i)
            if r and i >= 150:
                if i % 4 == 0:
                    del want[i]
                elif r[2] is None:
                    want[i] = (i, r[1], -1, "late" if i > 170 else "early")
                else:
                    want[i] = (i, r[1], i * 3, r[3] + "new")
            elif i >= 150 and i < 240:
                want[i] = (i, "XYZ"[i % 3], i * 3, None)
            elif r and i < 10:
                del want[i]
            elif r and i < 20:
                want[i] = (i, r[1], r[2], "old")
        same(peers(p, name), [want[i] for i in sorted(want)])
        same((done["deleted"], done["inserted"], done["updated"]), (12 + 10, 40, 38 + 10))
        same(delta(p, name).history()[0]["operation"], "MERGE")
        if FEED in properties:
            kinds = [c[0] for c in changes(p, name, 3, "id")]
            same({k: kinds.count(k) for k in set(kinds)}, {"delete": 22, "insert": 40, "update_preimage": 48, "update_postimage": 48})
    p.remove()


@case
def merges_of_whole_rows_and_tables():
    p = project()
    want = filled(p, "tables/t", VECTORS, files=1, n=10)
    p.shoal("table", "create", "tables/s", "--as", "a.csv")
    p.write({"s.csv": "NOTE,id\nn,5\nm,50\n"})
    p.shoal("table", "merge", "tables/t", *MERGE, "--when", "matched then update set *", "--when", "not matched then insert *")
    want = [(i, k, v, "n") if i == 5 else (i, k, v, n) for i, k, v, n in want] + [(50, None, None, "m")]
    same(peers(p, "tables/t"), want)
    done = p.json("table", "merge", "tables/t", "--using", "tables/s", "--on", "id", "--when", "matched then delete")
    same((done["deleted"], peers(p, "tables/t")), (3, [r for r in want if r[0] not in (1, 2, 3)]))
    same(p.json("table", "merge", "tables/t", "--using", "tables/s", "--on", "target.id = source.id", "--when", "matched then delete")["version"], -1)
    same(p.json("table", "merge", "tables/t", *MERGE, "--when", "not matched by source then delete", "--dry-run")["deleted"], 6)
    p.remove()


@case
def merges_that_can_not_be():
    p = project()
    want = filled(p, "tables/t", files=1, n=10)
    p.write({"s.csv": "id,v\n1,7\n1,8\n", "odd.csv": "id,colour\n1,red\n"})
    has(p.shoal("table", "merge", "tables/t", *MERGE, "--when", "matched then update", code=1).stderr, "several rows of the source", "unique")
    has(p.shoal("table", "merge", "tables/t", *MERGE, "--when", "matched and source.v = 7 then delete", "--when", "matched then update", code=1).stderr, "several rows of the source")
    has(p.shoal("table", "merge", "tables/t", "--using", "s.csv", "--on", "target.id = source.id) or (true", "--when", "matched then delete", code=1).stderr, "is no expression")
    has(p.shoal("table", "merge", "tables/t", "--using", "odd.csv", "--on", "target.id = source.id", "--when", "matched then update", code=1).stderr, "no column 'colour'")
    for clause, words in (("matched then insert", "only what is not matched"), ("not matched then delete", "can only be inserted"), ("not matched by source then update", "must say what"), ("matched update", "THEN is missing"),
                          ("matched then update set nope = 1", "no column 'nope'"), ("matched then update set v", "column = expression"), ("matched then frob", "stands DELETE"), ("matched then delete now", "behind its end"),
                          ("not matched then insert (id, v) values (1)", "other numbers"), ("matched and then delete", "AND is missing"), ("matched and source.nope = 1 then delete", "nope"), ("matched and random() < 2 then update", "side effects"),
                          ("matched and v = 1) or (true then delete", "is no expression"), ("matched then update set s.v = 1", "struct as a whole"), ("matched then update set target.v.s = 1", "struct as a whole"), ("matched then update set source.v = 1", "columns of the table"),
                          ("not matched then insert (s.v) values (1)", "struct as a whole")):
        has(p.shoal("table", "merge", "tables/t", *MERGE, "--when", clause, code=1).stderr, words)
    has(p.shoal("table", "merge", "tables/t", "--using", "s.csv", "--on", "target.id = source.id", code=1).stderr, "--when")
    same((peers(p, "tables/t"), delta(p, "tables/t").version()), (want, 1))
    same(p.json("table", "merge", "tables/t", *MERGE, "--when", "matched then delete")["deleted"], 1)  # twice the same is no contradiction
    p.remove()


@case
def rows_are_replaced():
    p = project()
    for name, properties in (("tables/part", []), ("tables/vec", [VECTORS, FEED])):
        want = filled(p, name, *properties, files=1, n=30, partition="kind")
        p.write({"new.csv": "id,kind,v,note\n100,b,1,x\n101,b,2,y\n", "stray.csv": "id,kind\n100,b\n102,c\n"})
        has(p.shoal("table", "overwrite", name, "new.csv", "--where", "kind = 'b' and id < 20", code=1).stderr, "does not satisfy")
        has(p.shoal("table", "overwrite", name, "new.csv", "--where", "kind = 'c'", code=1).stderr, "does not satisfy")
        same(delta(p, name).version(), 1)
        done = p.json("table", "overwrite", name, "new.csv", "--where", "kind = 'b'")
        want = [r for r in want if r[1] != "b"] + [(100, "b", 1, "x"), (101, "b", 2, "y")]
        same((peers(p, name), done["deleted"], done["inserted"]), (want, 10, 2))
        p.shoal("table", "overwrite", name, "stray.csv", "--partitions")
        want = sorted([r for r in want if r[1] == "a"] + [(100, "b", None, None), (102, "c", None, None)])
        same(peers(p, name), want)
        p.shoal("table", "overwrite", name, "new.csv", "--all")
        same(peers(p, name), [(100, "b", 1, "x"), (101, "b", 2, "y")])
        p.write({"none.csv": "id\n"})
        p.shoal("table", "overwrite", name, "none.csv", "--all")
        same(peers(p, name), [])
    has(p.shoal("table", "overwrite", name, "new.csv", code=1).stderr, "--where says")
    p.shoal("table", "create", "tables/flat", "--schema", "id INT, kind VARCHAR, v INT, note VARCHAR")
    has(p.shoal("table", "overwrite", "tables/flat", "new.csv", "--partitions", code=1).stderr, "no partitions")
    p.remove()


def at_once(p, *commands):
    """Runs them at the same time; what each ended with."""
    ran = [subprocess.Popen([SHOAL, *c], cwd=p.dir, env=p.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for c in commands]
    return [(r.wait(), r.stdout.read()) for r in ran]


@case
def of_two_writers_both_do_all_or_one_stands_back():
    p = project()
    p.write({"s.csv": "id,v\n1,1\n500,5\n", "more.csv": "id,v\n900,9\n"})
    delete, other = ["table", "delete", "tables/t", "--where", "id % 2 = 0"], ["table", "delete", "tables/t", "--where", "id % 3 = 0"]
    append, update = ["table", "append", "tables/t", "more.csv"], ["table", "update", "tables/t", "--set", "v = 0", "--where", "id < 50"]
    merge = ["table", "merge", "tables/t", *MERGE, "--when", "matched then update", "--when", "not matched then insert"]
    for n in range(4):
        for one, two in ((delete, append), (delete, other), (merge, update), (update, append), (merge, append)):
            shutil.rmtree(p.dir + "/tables", ignore_errors=True)
            start = filled(p, "tables/t", *([VECTORS] if n % 2 else []), files=1, n=60)
            ended = at_once(p, one, two)
            codes = [code for code, _ in ended]
            assert sorted(codes) in ([0, 0], [0, 4]), ended
            assert append not in (one, two) or codes == [0, 0], ended  # a blind append stands in nobody's way
            assert all("committed meanwhile" in text for code, text in ended if code == 4), ended
            for command, code in zip((one, two), codes):
                if code == 4:
                    p.shoal(*command)
            got, serial = peers(p, "tables/t"), []
            for first, second in ((one, two), (two, one)):
                rows_ = {r[0]: r for r in start}
                for command in (first, second):
                    rows_ = apply(command, rows_)
                serial.append(sorted(rows_.values()))
            assert got in serial, (one, two, ended)
    p.remove()


def apply(command, now):
    """What the commands above make of rows by id."""
    verb, text = command[1], " ".join(command)
    if verb == "delete":
        d = 2 if "% 2" in text else 3
        return {i: r for i, r in now.items() if i % d}
    if verb == "append":
        return {**now, 900: (900, None, 9, None)}
    if verb == "update":
        return {i: (i, r[1], 0, r[3]) if i < 50 else r for i, r in now.items()}
    new = {1: (1, now[1][1], 1, now[1][3])} if 1 in now else {1: (1, None, 1, None)}
    return {**now, **new, 500: (500, None, 5, None)}


@case
def an_earlier_version_comes_back():
    p = project()
    for name, properties in (("tables/t", []), ("tables/v", [VECTORS])):
        want = filled(p, name, *properties, files=2, n=20)
        p.shoal("table", "delete", name, "--where", "id % 2 = 0")
        p.shoal("table", "update", name, "--set", "v = 0", "--all")
        done = p.json("table", "restore", name, "--version", "2")
        same((done["version"], peers(p, name)), (5, want))
        has(p.shoal("table", "restore", name, "--version", "2").stdout, "as it was at version 2")
        p.shoal("table", "restore", name, "--version", "3")
        same(peers(p, name), [r for r in want if r[0] % 2])
        p.shoal("table", "restore", name, "--at", "2099-01-01")  # now
        same(delta(p, name).version(), 6)
        has(p.shoal("table", "restore", name, "--version", "60", code=1).stderr, "no version 60")
        has(p.shoal("table", "restore", name, code=1).stderr, "to which --version")
        p.shoal("table", "vacuum", name, "--retain", "0s", "--force")
        same(peers(p, name), [r for r in want if r[0] % 2])
        err = p.shoal("table", "restore", name, "--version", "4", code=1).stderr
        has(err, "is gone" if not properties else "", "version 4")
        same(peers(p, name), [r for r in want if r[0] % 2])
    deltalake.DeltaTable(f"{p.dir}/tables/t").alter.add_columns([deltalake.Field("more", "integer")])
    p.shoal("table", "restore", "tables/t", "--version", "6")
    same(len(delta(p, "tables/t").schema().fields), 4)
    p.remove()


@case
def a_vacuum_takes_only_what_nothing_needs():
    p = project()
    want = filled(p, "tables/t", VECTORS, FEED, files=2, n=20, partition="kind")
    p.shoal("table", "delete", "tables/t", "--where", "id % 2 = 0")
    p.shoal("table", "delete", "tables/t", "--where", "id % 3 = 0 or id > 30 or id in (1, 5)")
    left = [r for r in want if r[0] % 2 and r[0] % 3 and 5 < r[0] <= 30]
    folder = p.dir + "/tables/t/"
    p.write({f"tables/t/{f}": "x" for f in ("stray.parquet", "_hidden/x.parquet", ".hidden/x.parquet", "_kind=a/x.parquet", "kind=a/x.parquet", "_change_data/stray.parquet", "deep/er/x.parquet", "metadata/_y")})
    same(p.json("table", "vacuum", "tables/t", "--dry-run")["files"], [])  # all is young
    age(p, "tables/t", 20)
    p.shoal("table", "checkpoint", "tables/t")
    p.write({"tables/t/young.parquet": "x"})
    tried = p.json("table", "vacuum", "tables/t", "--dry-run")["files"]
    needed = {os.path.relpath(f, folder) for f in polars_files(p, "tables/t")}
    same(needed & set(tried), set())
    for f in ("stray.parquet", "kind=a/x.parquet", "_change_data/stray.parquet", "deep/er/x.parquet"):
        assert f in tried, f
    for f in ("_hidden/x.parquet", ".hidden/x.parquet", "young.parquet", "metadata/_y", "_kind=a/x.parquet"):
        assert f not in tried, f
    assert any(f.startswith("deletion_vector_") for f in tried), tried  # those that later ones replaced
    same(os.path.exists(folder + "stray.parquet"), True)
    has(p.shoal("table", "vacuum", "tables/t", "--retain", "1h", code=1).stderr, "shorter than the table keeps", "--force")
    has(p.shoal("table", "vacuum", "tables/t", "--retain", "soon", code=1).stderr, "no duration")
    same(sorted(p.json("table", "vacuum", "tables/t")["files"]), sorted(tried))
    same((os.path.exists(folder + "stray.parquet"), peers(p, "tables/t")), (False, left))
    same(p.json("table", "vacuum", "tables/t")["files"], [])
    has(p.shoal("table", "append", "tables/t", "a.csv", code=1).stderr, "no column")
    p.remove()


def polars_files(p, name):
    return [f.replace("file://", "") for f in deltalake.DeltaTable(f"{p.dir}/{name}").file_uris()]


@case
def a_vacuum_keeps_tables_below():
    p = project()
    for name in ("./t", "./t/x/inner", "./t/x/inner2", "./t/xx"):
        p.shoal("import", "a.csv", name)
    p.write({"t/x/stray.parquet": "x", "t/x/inner-stray.parquet": "x", "t/stray/deep/y.parquet": "x"})
    age(p, "t", 20)
    same(p.json("table", "vacuum", "./t")["files"], ["stray/deep/y.parquet", "x/inner-stray.parquet", "x/stray.parquet"])
    same([p.rows(f"select count(*) from (select * from './t{name}' limit 9)") for name in ("", "/x/inner", "/x/inner2", "/xx")], [[["3"]]] * 4)
    p.remove()


@case
def a_vacuum_keeps_what_a_young_tombstone_names():
    p = project()
    want = filled(p, "tables/t", "delta.deletedFileRetentionDuration=interval 2 days", files=1, n=20)
    p.shoal("table", "delete", "tables/t", "--where", "id < 10")
    age(p, "tables/t", 1)
    same(p.json("table", "vacuum", "tables/t")["files"], [])
    p.shoal("table", "restore", "tables/t", "--version", "1")
    same(peers(p, "tables/t"), want)
    age(p, "tables/t", 5)
    same(len(p.json("table", "vacuum", "tables/t")["files"]), 1)
    same(peers(p, "tables/t"), want)
    p.remove()


@case
def small_files_are_packed():
    p = project()
    for name, properties, partition in (("tables/t", [], None), ("tables/v", [VECTORS, FEED], "kind")):
        want = filled(p, name, *properties, "delta.appendOnly=true" if not properties else "x=y", files=4, n=20, partition=partition)
        if properties:
            p.shoal("table", "delete", name, "--where", "id % 7 = 0")
            want = [r for r in want if r[0] % 7]
        before = delta(p, name).version()
        done = p.json("table", "optimize", name)
        same((done["version"], done["files_removed"], done["files_added"]), (before + 1, 4 if not partition else 12, 1 if not partition else 3))
        same(peers(p, name), want)
        with open(f"{p.dir}/{name}/_delta_log/{before + 1:020}.json") as f:
            actions = [json.loads(line) for line in f]
        same({a[k]["dataChange"] for a in actions for k in a if k in ("add", "remove")}, {False})
        has(p.shoal("table", "optimize", name).stdout, "nothing to pack")
        if properties:
            p.shoal("table", "delete", name, "--where", "id < 40")
            same(p.json("table", "optimize", name)["files_removed"], 3)  # largely deleted
            same(peers(p, name), [r for r in want if r[0] >= 40])
    p.remove()


@case
def clones_are_tables_of_their_own():
    p = project()
    want = filled(p, "tables/t", VECTORS, files=2, n=10)
    p.shoal("table", "delete", "tables/t", "--where", "id = 3")
    has(p.shoal("table", "clone", "tables/t", "tables/c").stdout, "a clone of tables/t, whose 2 files")
    p.shoal("table", "clone", "tables/t", "tables/first", "--version", "1")
    clone, source = delta(p, "tables/c"), delta(p, "tables/t")
    assert clone.metadata().id != source.metadata().id
    got = pyarrow.table(deltalake.QueryBuilder().register("t", clone).execute("select * from t order by id").read_all())
    same([tuple(r.values()) for r in got.to_pylist()], [r for r in want if r[0] != 3])
    p.write({"rows.csv": "id,kind,v,note\n77,a,1,x\n"})
    p.shoal("table", "append", "tables/c", "rows.csv")
    same((delta(p, "tables/c").version(), delta(p, "tables/t").version()), (1, 3))
    p.shoal("table", "vacuum", "tables/c", "--retain", "0s", "--force")  # the source's files are none of its business
    same(peers(p, "tables/t"), [r for r in want if r[0] != 3])
    same(len(os.listdir(p.dir + "/tables/c")), 2)
    has(p.shoal("table", "clone", "tables/t", "tables/c", code=1).stderr, "there is a table already")
    has(p.shoal("table", "clone", "tables/t", code=1).stderr, "to where")
    p.remove()


@case
def a_file_has_many_spellings():
    p = project()
    filled(p, "tables/t", files=2, n=5)
    p.write({"shoal.yaml": "name: t\nsources:\n  x.c: {delta: tables/c, clone_of: tables/t}\n"})
    for i, (added, removed) in enumerate([("", "file://"), ("file:", "file://"), ("file://", "file:"), ("file:", ""), ("", "file:")]):
        for checkpointed in (False, True):
            shutil.rmtree(p.dir + "/tables/c", ignore_errors=True)
            p.shoal("table", "clone", "tables/t", "tables/c")
            first = p.dir + f"/tables/c/_delta_log/{0:020}.json"
            with open(first) as f:
                actions = [json.loads(line) for line in f]
            paths = ["/" + a["add"]["path"].removeprefix("file:").lstrip("/") for a in actions if "add" in a]
            with open(first, "w") as f:
                f.writelines(json.dumps({"add": {**a["add"], "path": added + "/" + a["add"]["path"].removeprefix("file:").lstrip("/")}} if "add" in a else a) + "\n" for a in actions)
            if checkpointed:
                p.shoal("table", "checkpoint", "x.c")
            with open(first.replace("0.json", "1.json"), "w") as f:
                f.write(json.dumps({"remove": {"path": removed + paths[0], "dataChange": True, "deletionTimestamp": 1}}) + "\n")
            same((i, checkpointed, p.rows("select count(*) from (select * from x.c limit 99)")), (i, checkpointed, [["5"]]))
            p.shoal("table", "checkpoint", "x.c")
            same((i, checkpointed, p.rows("select count(*) from (select * from x.c limit 99)")), (i, checkpointed, [["5"]]))
            p.shoal("table", "restore", "x.c", "--version", "0")
            same((i, p.rows("select count(*) from (select * from x.c limit 99)")), (i, [["10"]]))
    p.remove()


@case
def a_source_says_whose_clone_it_is():
    """Files elsewhere are read where shoal.yaml names the folder, and nowhere else."""
    p, other = project(), project()
    p.write({"shoal.yaml": "name: p\nsources:\n  bronze.t: {delta: tables/c}\n", "models/all.sql": "select id, kind from bronze.t"})
    def ids(table):
        return [int(i) for i in p.shoal("sql", f"select id from {table} order by id", "--format", "csv").stdout.split()[1:]]

    want = filled(other, "tables/t", VECTORS, files=2, n=10)
    other.shoal("table", "delete", "tables/t", "--where", "id = 3")
    p.shoal("table", "clone", other.dir + "/tables/t", "tables/c")
    said = p.shoal("run", code=1).stderr
    has(said, "lies outside the table")
    has(said, "clone_of")
    p.write({"shoal.yaml": f"name: p\nsources:\n  bronze.t: {{delta: tables/c, clone_of: {p.dir}}}\n"})
    has(p.shoal("run", code=1).stderr, "lies outside the table")  # another folder
    p.write({"shoal.yaml": f"name: p\nsources:\n  bronze.t: {{delta: tables/c, clone_of: {other.dir}/tables}}\n"})
    p.shoal("run")
    left = sorted(r[0] for r in want if r[0] != 3)
    same(ids("main.all"), left)
    same(ids("'./tables/c'"), left)  # it is that source
    p.shoal("table", "delete", "bronze.t", "--where", "id = 5")
    p.shoal("table", "optimize", "bronze.t")
    same(ids("bronze.t"), [i for i in left if i != 5])
    same(peers(other, "tables/t"), [r for r in want if r[0] != 3])  # the source is as it was
    p.write({"shoal.yaml": "name: p\nsources:\n  bronze.t: {files: a.csv, clone_of: x}\n"})
    has(p.shoal("plan", code=1).stderr, "clone_of")
    p.remove()
    other.remove()


if __name__ == "__main__":
    main()
