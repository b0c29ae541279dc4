# SPDX-License-Identifier: Apache-2.0
"""Tables whose columns files know by other names (column mapping), and shoal table alter, as delta-rs sees them."""
import glob
import json
import os
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import deltalake
import pyarrow
import pyarrow.parquet
from harness import case, has, lacks, main, same
from tables import FEED, VECTORS, agreed, delta, filled, refused, with_lake

MAPPED = "delta.columnMapping.mode=name"


def log(p, name, version=None):
    """The actions of a version, by default the last."""
    with open(f"{p.dir}/{name}/_delta_log/{delta(p, name).version() if version is None else version:020}.json") as f:
        return [json.loads(line) for line in f]


def columns(p, name):
    """Column → its field in the last metadata."""
    out = None
    for path in sorted(glob.glob(f"{p.dir}/{name}/_delta_log/*.json")):
        with open(path) as f:
            out = next((a["metaData"] for a in map(json.loads, f) if "metaData" in a), out)
    return {f["name"]: f for f in json.loads(out["schemaString"])["fields"]}, out


def ids(arrow):
    """Path → field id, of a Parquet file's columns, where they have one."""
    out = {}

    def walk(fields, path):
        for f in fields:
            if f.metadata and b"PARQUET:field_id" in f.metadata:
                out[path + (f.name,)] = int(f.metadata[b"PARQUET:field_id"])
            t = f.type
            inner = [t.field(i) for i in range(t.num_fields)] if pyarrow.types.is_nested(t) else []
            walk(inner, path + (f.name,))
    walk(arrow, ())
    return out


@case
def rows_come_and_go_under_column_mapping():
    p = with_lake({"more.csv": "id,kind,v,note\n5,b,500,m\n900,a,900,m\n"})
    for name, partition, properties in (("name", None, []), ("name-part", "kind", [FEED]), ("id", "kind", [VECTORS]), ("id-feed", None, [VECTORS, FEED])):
        mode = "delta.columnMapping.mode=" + name.split("-")[0]
        name = "./" + name
        want = {i: (k, v, n) for i, k, v, n in filled(p, name, mode, *properties, n=20, partition=partition)}
        ok = lambda: same([tuple(r.values()) for r in agreed(p, name)], [(i, *r) for i, r in sorted(want.items())])  # noqa: E731,B023
        ok()
        p.shoal("table", "update", name, "--set", "v = id * 2", "--where", "id % 7 = 0")
        want = {i: (k, i * 2 if i % 7 == 0 else v, n) for i, (k, v, n) in want.items()}
        ok()
        p.shoal("table", "delete", name, "--where", "kind = 'c' and id < 15")
        want = {i: r for i, r in want.items() if not (r[0] == "c" and i < 15)}
        ok()
        p.shoal("table", "merge", name, "--using", "more.csv", "--on", "id", "--when", "matched then update set v = source.v", "--when", "not matched then insert")
        want.update({900: ("a", 900, "m"), 5: ("b", 500, "m")})  # 5 had gone
        ok()
        p.shoal("table", "optimize", name)
        ok()
        p.shoal("table", "overwrite", name, "more.csv", "--where", "id in (5, 900)")
        want.update({5: ("b", 500, "m"), 900: ("a", 900, "m")})
        ok()
        p.shoal("table", "checkpoint", name)
        ok()
        if partition:
            p.shoal("table", "overwrite", name, "more.csv", "--partitions")
            want = {i: r for i, r in want.items() if r[0] == "c"} | {5: ("b", 500, "m"), 900: ("a", 900, "m")}
            ok()
        fields, _ = columns(p, name)
        physical = {f["metadata"]["delta.columnMapping.physicalName"]: f["metadata"]["delta.columnMapping.id"] for f in fields.values()}
        for add in (a["add"] for v in range(3) for a in log(p, name, v) if "add" in a):
            stats = json.loads(add["stats"])
            assert set(stats["nullCount"]) <= set(physical) and set(add["partitionValues"]) <= set(physical), add
            file = ids(pyarrow.parquet.read_schema(f"{p.dir}/{name}/{add['path']}"))
            same({k[0]: v for k, v in file.items()}, {k: v for k, v in physical.items() if k in {x[0] for x in file}})
        assert not set(physical) & set(fields), physical
    p.remove()


@case
def names_inside_structs_are_mapped_too():
    p = with_lake({"n.json": '{"id": 1, "s": {"a": 1, "b c": [{"x": 1, "y": "u"}]}, "l": [{"q": 2}], "m": {"k": {"z": 3}}}\n{"id": 2}\n{"id": 3, "s": {"a": null, "b c": null}, "l": [], "m": {}}\n'})
    p.shoal("table", "create", "./t", "--schema", 'id BIGINT NOT NULL, s STRUCT(a INTEGER, "b c" STRUCT(x INTEGER, y VARCHAR)[]), l STRUCT(q BIGINT)[], m MAP(VARCHAR, STRUCT(z INTEGER))', "--property", MAPPED)
    p.write({"cast.sql": ""})
    p.shoal("table", "append", "./t", "n.json")
    p.shoal("table", "update", "./t", "--set", "l = [{'q': 7}, NULL]", "--where", "id = 3")
    t = deltalake.DeltaTable(p.dir + "/t")
    got = pyarrow.table(deltalake.QueryBuilder().register("t", t).execute("select id, s, l from t order by id").read_all()).to_pylist()
    want = [{"id": 1, "s": {"a": 1, "b c": [{"x": 1, "y": "u"}]}, "l": [{"q": 2}]}, {"id": 2, "s": None, "l": None}, {"id": 3, "s": {"a": None, "b c": None}, "l": [{"q": 7}, None]}]
    same(got, want)
    p.write({"shoal.yaml": "name: t\nsources:\n  x.t: {delta: t}\n"})
    same(p.rows("select s.a, s.\"b c\"[1].y, l[1].q, m['k'].z from x.t order by id"), [["1", "u", "2", "3"], ["", "", "", ""], ["", "", "7", ""]])
    file = glob.glob(p.dir + "/t/*.parquet")[0]
    same(sorted(ids(pyarrow.parquet.read_schema(file)).values()), list(range(1, 11)))
    same(columns(p, "t")[1]["configuration"]["delta.columnMapping.maxColumnId"], "10")
    has(refused(p, "t", "update", "./t", "--set", "id = NULL", "--where", "id = 1"), "'id' is NULL")
    p.remove()


@case
def columns_come_go_and_change_their_names():
    p = with_lake({})
    filled(p, "./t", FEED, n=5, files=1, partition="kind")
    has(p.shoal("table", "alter", "./t", "--rename-column", "v=w", code=1).stderr, "needs column mapping", "--set delta.columnMapping.mode=name")
    has(p.shoal("table", "alter", "./t", "--drop-column", "v", code=1).stderr, "needs column mapping")
    has(p.shoal("table", "alter", "./t", "--add-column", "place VARCHAR").stdout, "altered ./t, version 2")
    same([r["place"] for r in agreed(p, "./t")], [None] * 5)
    has(p.shoal("table", "alter", "./t", "--add-column", "PLACE VARCHAR", code=1).stderr, "has a column 'PLACE'")
    has(p.shoal("table", "alter", "./t", "--add-column", "x INT NOT NULL", code=1).stderr, "can't be NOT NULL")
    has(p.shoal("table", "alter", "./t", "--add-column", '"_change_type" INT', code=1).stderr, "table's changes")
    p.shoal("table", "alter", "./t", "--set", MAPPED, "--rename-column", "kind=sort", "--rename-column", "v=worth", "--add-column", "s STRUCT(a INTEGER)")
    fields, m = columns(p, "t")
    same((m["partitionColumns"], list(fields)), (["sort"], ["id", "sort", "worth", "note", "place", "s"]))
    same([f["metadata"]["delta.columnMapping.physicalName"] for f in fields.values()][:5], ["id", "kind", "v", "note", "place"])
    p.write({"new.json": '{"id": 7, "sort": "z", "worth": 70, "s": {"a": 1}}\n'})
    p.shoal("table", "append", "./t", "new.json")
    p.shoal("table", "update", "./t", "--set", "place = sort || id", "--where", "id < 3")
    got = agreed(p, "./t")
    same([(r["id"], r["sort"], r["worth"], r["place"]) for r in got], [(0, "a", None, "a0"), (1, "b", 1, "b1"), (2, "c", 2, "c2"), (3, "a", 3, None), (4, "b", 4, None), (7, "z", 70, None)])
    p.shoal("table", "alter", "./t", "--drop-column", "worth", "--drop-column", "place")
    p.shoal("table", "alter", "./t", "--add-column", "worth VARCHAR")  # another column: the old one's values stay gone
    same([r["worth"] for r in agreed(p, "./t")], [None] * 6)
    has(p.shoal("table", "alter", "./t", "--drop-column", "sort", code=1).stderr, "partitioned by 'sort'")
    has(p.shoal("table", "alter", "./t", "--drop-column", "gone", code=1).stderr, "no column 'gone'")
    has(p.shoal("table", "alter", "./t", "--rename-column", "id=NOTE", code=1).stderr, "one has it")
    has(p.shoal("table", "alter", "./t", "--set", "delta.columnMapping.mode=none", code=1).stderr, "goes from none to name")
    has(p.shoal("table", "alter", "./t", "--unset", "delta.columnMapping.mode", code=1).stderr, "does not take away")
    has(p.shoal("table", "alter", "./t", code=1).stderr, "what is to be altered?")
    before = delta(p, "./t").version()
    has(p.shoal("table", "restore", "./t", "--version", "0", code=1).stderr, "column")
    same((before, delta(p, "./t").version()), (before, before))
    same([a["commitInfo"]["operation"] for a in log(p, "t", 2) if "commitInfo" in a], ["ADD COLUMNS"])
    p.remove()


@case
def alterations_are_taken_back():
    p = with_lake({"new.json": '{"key": 9, "kind": "k", "place": "here"}\n'})
    want = [{"id": i, "kind": k, "v": v, "note": n} for i, k, v, n in filled(p, "./t", MAPPED, VECTORS, n=5, files=1)]
    p.shoal("table", "alter", "./t", "--rename-column", "id=key", "--drop-column", "v", "--add-column", "place VARCHAR")
    p.shoal("table", "append", "./t", "new.json")
    p.shoal("table", "delete", "./t", "--where", "key = 2")
    last = columns(p, "t")[0]["place"]["metadata"]["delta.columnMapping.id"]
    p.shoal("table", "restore", "./t", "--version", "1")
    same(agreed(p, "./t"), want)
    p.shoal("table", "alter", "./t", "--add-column", "place INTEGER")  # another one, with an id of its own
    same(columns(p, "t")[0]["place"]["metadata"]["delta.columnMapping.id"] > last, True)
    p.shoal("table", "update", "./t", "--set", "place = id", "--where", "id > 2")
    same(agreed(p, "./t"), [{**r, "place": r["id"] if r["id"] > 2 else None} for r in want])
    p.shoal("table", "restore", "./t", "--version", "3")
    same([(r["key"], r["place"]) for r in agreed(p, "./t", "key")], [(0, None), (1, None), (2, None), (3, None), (4, None), (9, "here")])
    p.remove()


@case
def structs_get_the_members_that_rows_bring():
    for properties in ([], [MAPPED, VECTORS, FEED]):
        p = with_lake({"one.json": '{"id":1,"s":{"a":1,"l":[{"x":1}]},"t":"t"}\n', "more.json": '{"id":1,"s":{"A":3,"l":[{"y":"y","x":3}],"d":{"z":2.5}}}\n{"id":2,"s":null}\n',
                       "deep.json": '{"id":3,"s":{"l":[{"more":[7]}]}}\n'})
        p.shoal("table", "create", "./t", "--as", "one.json", *[x for q in properties for x in ("--property", q)])
        merge = ["merge", "./t", "--using", "more.json", "--on", "id"]
        for verb in (["append", "./t", "more.json"], ["overwrite", "./t", "more.json", "--all"], [*merge, "--when", "matched then update"], [*merge, "--when", "matched then update set s = source.s"],
                     [*merge, "--when", "not matched then insert (s) values (source.s)"], ["update", "./t", "--set", "s = {'a': 1, 'l': [{'y': 1}]}", "--all"]):
            has(refused(p, "t", *verb), "no column 's.l.element.y'")
        p.shoal("table", "update", "./t", "--set", "s = {'l': [{'x': 5}]}", "--all")  # less is NULL
        p.shoal("table", *merge, "--when", "matched then update", "--when", "not matched then insert", "--merge-schema")
        p.shoal("table", "append", "./t", "deep.json", "--merge-schema")
        p.shoal("table", "append", "./t", "one.json")
        rows = [(1, {"a": 1, "l": [{"x": 1, "y": None, "more": None}], "d": None}), (1, {"a": 3, "l": [{"x": 3, "y": "y", "more": None}], "d": {"z": 2.5}}), (2, None),
                (3, {"a": None, "l": [{"x": None, "y": None, "more": [7]}], "d": None})]
        for _ in range(2):
            got = pyarrow.table(deltalake.QueryBuilder().register("t", deltalake.DeltaTable(p.dir + "/t")).execute("select id, s from t order by id, s.a").read_all()).to_pylist()
            same([(r["id"], r["s"]) for r in got], rows)
            ours = [json.loads(line) for line in p.shoal("sql", "select id, s::json::varchar as s from './t' order by id, s.a", "--format", "json").stdout.splitlines()]
            same([(r["id"], r["s"] and json.loads(r["s"])) for r in ours], rows)
            p.shoal("table", "optimize", "./t")
        has(p.shoal("fsck", "./t", "--content").stdout, "hold what the log says")
        p.remove()


@case
def types_widen():
    p = with_lake({"old.csv": "id,i,f,d\n1,100,0.5,1.25\n2,-5,1.5,9.75\n", "new.csv": "id,i,f,d\n3,5000000000,1e300,12345678.125\n"})
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, i TINYINT, f FLOAT, d DECIMAL(4,2)", "--property", VECTORS)
    p.shoal("table", "append", "./t", "old.csv")
    has(p.shoal("table", "alter", "./t", "--type", "i=BIGINT", code=1).stderr, "typeWidening", "--set delta.enableTypeWidening=true")
    has(refused(p, "t", "append", "./t", "new.csv"), "range")
    p.shoal("table", "alter", "./t", "--set", "delta.enableTypeWidening=true", "--type", "i=SMALLINT")
    p.shoal("table", "alter", "./t", "--type", "i=BIGINT", "--type", "f=DOUBLE", "--type", "d=DECIMAL(12,3)")
    for wrong in ("i=INTEGER", "i=VARCHAR", "d=DECIMAL(12,2)", "d=DECIMAL(12,4)", "id=DOUBLE"):
        if wrong != "d=DECIMAL(12,4)":
            has(p.shoal("table", "alter", "./t", "--type", wrong, code=1).stderr, "does not widen")
    has(p.shoal("table", "alter", "./t", "--type", "nothing=BIGINT", code=1).stderr, "no column 'nothing'")
    same(columns(p, "t")[0]["i"]["metadata"]["delta.typeChanges"], [{"fromType": "byte", "toType": "short"}, {"fromType": "short", "toType": "long"}])
    p.shoal("table", "append", "./t", "new.csv")
    p.shoal("table", "update", "./t", "--set", "i = i * 1000000", "--where", "id = 1")
    p.write({"shoal.yaml": "name: t\nsources:\n  x.t: {delta: t}\n"})
    want = [["1", "100000000", "0.5", "1.250"], ["2", "-5", "1.5", "9.750"], ["3", "5000000000", "1e+300", "12345678.125"]]
    same(p.rows("from x.t order by id"), want)
    p.shoal("table", "optimize", "./t")
    same(p.rows("from x.t order by id"), want)
    same(p.rows("select id from x.t where i = -5 or d = 12345678.125 order by id"), [["2"], ["3"]])
    p.remove()


@case
def what_is_compared_with_narrower_files_is_not_made_narrower():
    p = with_lake({"old.csv": "id,i,n,d,day\n1,0,5,1.2,2020-02-29\n", "new.csv": "id,i,n,d,day\n2,0.5,5.25,1.23,2020-02-29 12:00:00\n"})
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, i TINYINT, n INTEGER, d DECIMAL(4,1), day DATE, s STRUCT(x SMALLINT)", "--property", "delta.enableTypeWidening=true")
    p.shoal("table", "append", "./t", "old.csv")
    p.shoal("table", "alter", "./t", "--type", "i=DOUBLE", "--type", "n=DECIMAL(14,2)", "--type", "d=DECIMAL(9,3)", "--type", "day=TIMESTAMP")
    p.shoal("table", "append", "./t", "new.csv")
    for where, want in (("i = 0.1", []), ("i > 0.4", ["2"]), ("i < 0.4", ["1"]), ("i in (0.2, 0.3, 0.5)", ["2"]), ("n = 5.25", ["2"]), ("n > 5.1", ["2"]), ("n < 5.1", ["1"]), ("d = 1.23", ["2"]), ("d = 1.2", ["1"]),
                        ("d >= 1.21", ["2"]), ("day = timestamp '2020-02-29 12:00:00'", ["2"]), ("day < timestamp '2020-02-29 01:00:00'", ["1"]), ("day > timestamp '2020-02-29 01:00:00'", ["2"])):
        same((where, [r[0] for r in p.rows(f"select id from './t' where {where} order by id")]), (where, want))
    p.remove()


@case
def constraints_and_properties_come_and_go():
    p = with_lake({"bad.csv": "id,kind,v,note\n500,x,1,n\n"})
    filled(p, "./t", n=20, files=2, partition="kind")
    has(refused(p, "t", "alter", "./t", "--add-constraint", "few=id < 30"), "the constraint 'few', id < 30, does not hold for 10 rows")
    p.shoal("table", "alter", "./t", "--add-constraint", "Few=id < 300")
    same(sorted(delta(p, "./t").protocol().writer_features), ["appendOnly", "checkConstraints", "invariants"])
    has(refused(p, "t", "append", "./t", "bad.csv"), "the constraint 'few', id < 300")
    has(p.shoal("table", "alter", "./t", "--add-constraint", "FEW=id < 3000", code=1).stderr, "has a constraint 'FEW'")
    has(p.shoal("table", "alter", "./t", "--add-constraint", "odd=id % 2 = 1", code=1).stderr, "odd")
    has(p.shoal("table", "alter", "./t", "--set", MAPPED, "--drop-column", "id", code=1).stderr, "the constraint 'few', id < 300, names the column 'id'")
    has(p.shoal("table", "alter", "./t", "--drop-constraint", "many", code=1).stderr, "no constraint 'many'")
    p.shoal("table", "alter", "./t", "--drop-constraint", "FEW", "--set", "delta.appendOnly=true", "--set", "owner=me")
    p.shoal("table", "append", "./t", "bad.csv")
    has(p.shoal("table", "delete", "./t", "--all", code=1).stderr, "append-only")
    p.shoal("table", "alter", "./t", "--unset", "delta.appendOnly", "--unset", "owner", "--set", VECTORS, "--set", FEED)
    same(delta(p, "./t").metadata().configuration, dict(x.split("=") for x in (VECTORS, FEED)))
    done = p.json("table", "delete", "./t", "--where", "id = 1")
    same((done["deletion_vectors"], len(agreed(p, "./t"))), (1, 40))
    has(p.shoal("table", "changes", "./t", "--from", str(done["version"]), "--json").stdout, '"_change_type":"delete"')
    has(p.shoal("table", "alter", "./t", "--set", "delta.enableIcebergCompatV2=true", code=1).stderr, "does not keep")
    has(p.shoal("table", "alter", "./t", "--set", "delta.appendOnly=maybe", code=1).stderr, "true or false")
    has(p.shoal("table", "alter", "./t", "--set", "delta.enableInCommitTimestamps=true", code=1).stderr, "only when it makes a table")
    p.shoal("table", "create", "./n", "--schema", "id INT NOT NULL")
    p.write({"null.csv": "id\n\"\"\n"})
    p.shoal("table", "alter", "./n", "--drop-not-null", "id")
    p.shoal("table", "append", "./n", "null.csv")
    same(agreed(p, "./n"), [{"id": None}])
    p.remove()


@case
def rows_bring_columns():
    for properties in ([], [MAPPED, VECTORS, FEED]):
        p = with_lake({"wider.csv": "id,extra,v\n100,x,1\n3,y,2\n", "widest.csv": "id,kind,more\n3,k,2.5\n200,k,1.5\n"})
        want = {i: {"id": i, "kind": k, "v": v, "note": n} for i, k, v, n in filled(p, "./t", *properties, n=6, files=1, partition="kind")}
        ok = lambda: same(agreed(p, "./t"), [want[i] for i in sorted(want)])  # noqa: E731,B023
        has(refused(p, "t", "append", "./t", "wider.csv"), "no column 'extra'")
        p.shoal("table", "append", "./t", "wider.csv", "--merge-schema")
        want = {i: {**r, "extra": None} for i, r in want.items()}
        want[100] = {"id": 100, "kind": None, "v": 1, "note": None, "extra": "x"}
        twice = {"id": 3, "kind": None, "v": 2, "note": None, "extra": "y"}
        same(sorted(map(str, agreed(p, "./t", "id, note"))), sorted(map(str, [*want.values(), twice])))
        p.shoal("table", "delete", "./t", "--where", "id = 3 and kind is null")
        clauses = ["--when", "matched then update", "--when", "not matched then insert"]
        has(refused(p, "t", "merge", "./t", "--using", "widest.csv", "--on", "id", *clauses), "no column 'more'")
        done = p.json("table", "merge", "./t", "--using", "widest.csv", "--on", "id", *clauses, "--merge-schema")
        want = {i: {**r, "more": None} for i, r in want.items()}
        want[3].update(kind="k", more=2.5)
        want[200] = {"id": 200, "kind": "k", "v": None, "note": None, "extra": None, "more": 1.5}
        ok()
        if properties:
            told = [json.loads(line) for line in p.shoal("table", "changes", "./t", "--from", str(done["version"]), "--json").stdout.splitlines()]
            same(sorted([(r["_change_type"], r["id"], r["more"]) for r in told], key=str), [("insert", 200, 1.5), ("update_postimage", 3, 2.5), ("update_preimage", 3, None)])
        p.write({"given.csv": "id,kind,one,two\n4,z,1,2\n"})  # only what clauses give comes in
        p.shoal("table", "merge", "./t", "--using", "given.csv", "--on", "id", "--when", "matched then update set two = source.two * 10, v = 0", "--merge-schema")
        want = {i: {**r, "two": None} for i, r in want.items()}
        want[4].update(two=20, v=0)
        ok()
        p.write({"all.csv": "id,last\n1,true\n"})
        p.shoal("table", "overwrite", "./t", "all.csv", "--where", "id < 3", "--merge-schema")
        want = {i: {**r, "last": None} for i, r in want.items() if i >= 3} | {1: {**{k: None for k in want[3]}, "id": 1, "last": True}}
        ok()
        version = delta(p, "./t").version()
        p.shoal("table", "append", "./t", "all.csv", "--merge-schema")  # nothing new: a blind append as any
        same([next((a["commitInfo"]["isBlindAppend"] for a in log(p, "t", v) if "commitInfo" in a)) for v in (2, version, version + 1)], [False, False, True])
        p.remove()


if __name__ == "__main__":
    main()
