# SPDX-License-Identifier: Apache-2.0
"""shoal import: rows of files into source tables, read by models, by others, and refused where they don't fit."""
import gzip
import json
import os
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import deltalake
import polars
from harness import SHOAL, Project, case, has, main, same

YAML = "name: t\nsources:\n  crm.orders: {delta: tables/orders}\n  raw.files: {files: 'raw/*.csv'}\n"
MODEL = {"models/gold/total.sql": "select count(*) as n, sum(amount) as total from crm.orders"}


def project():
    p = Project(files={"a.csv": "id,amount,who\n1,10,ann\n2,20,\n", "b.csv": "who,id\nbob,3\n", "raw/x.csv": "x\n1\n"}, yaml=YAML)
    p.table = os.path.join(p.dir, "tables/orders")
    return p


@case
def files_become_a_table_that_models_read():
    p = project()
    has(p.shoal("import", "a.csv", "crm.orders").stdout, "made crm.orders: 2 rows of 1 file", "shoal plan")
    p.write(MODEL)
    p.shoal("run")
    same(p.rows("from gold.total"), [["2", "30"]])
    same(p.to_run(), [])
    has(p.shoal("import", "b.csv", "crm.orders").stdout, "appended to crm.orders: 1 row of 1 file", "version 1")
    same(p.to_run(), ["gold.total"])  # the source has moved on
    p.shoal("run")
    same(p.rows("from gold.total"), [["3", "30"]])
    same(polars.read_delta(p.table).sort("id").rows(), [(1, 10, "ann"), (2, 20, None), (3, None, "bob")])
    same(deltalake.DeltaTable(p.table).history()[0]["isBlindAppend"], True)
    p.remove()


@case
def many_files_of_one_format_and_a_path():
    p = project()
    with gzip.open(p.dir + "/c.csv.gz", "wt") as f:
        f.write("id,amount,who\n4,40,dan\n")
    p.write({"d.ndjson": '{"id": 5, "who": "eve"}\n', "e.ndjson": '{"id": 6}\n'})
    out = p.json("import", "a.csv", "c.csv.gz", "tables/other")
    same((out["rows"], out["version"], out["created"]), (3, 0, True))
    same(p.json("import", "d.ndjson", "e.ndjson", "tables/other")["rows"], 2)
    same(p.json("import", "d.ndjson", "tables/other", code=0)["version"], 2)
    same(len(polars.read_delta(p.dir + "/tables/other")), 6)
    p.remove()


@case
def what_does_not_fit_is_refused_and_changes_nothing():
    p = project()
    p.shoal("import", "a.csv", "crm.orders")
    p.write({"strange.csv": "id,colour\n1,red\n", "type.csv": "id,amount\nx,y\n", "broken.csv": 'a,b\n1,"2\n', "empty.csv": "id,amount\n", "notes.txt": "x"})
    has(p.shoal("import", "strange.csv", "crm.orders", code=1).stderr, "no column 'colour'")
    has(p.shoal("import", "type.csv", "crm.orders", code=1).stderr, "onvert")
    has(p.shoal("import", "notes.txt", "crm.orders", code=1).stderr, "what format")
    has(p.shoal("import", "nowhere.csv", "crm.orders", code=1).stderr, "nowhere.csv")
    has(p.shoal("import", "a.csv", "crm.order", code=1).stderr, "did you mean crm.orders?")
    has(p.shoal("import", "a.csv", "raw.files", code=1).stderr, "made of files", "put the files")
    has(p.shoal("import", "a.csv", code=1).stderr, "into which source")
    has(p.shoal("import", "empty.csv", "crm.orders").stdout, "nothing to append")
    same(deltalake.DeltaTable(p.table).version(), 0)
    same([f for f in os.listdir(p.table) if f.endswith(".parquet")].__len__(), 1)
    p.remove()


@case
def many_import_at_once_and_none_is_lost():
    p = project()
    p.shoal("table", "create", "crm.orders", "--as", "a.csv", "--property", "delta.checkpointInterval=10")
    n, failed = 6, []
    p.write({f"w{i}.csv": f"id,amount,who\n{100 + i},1,w\n" for i in range(n)})

    def one(i):
        for _ in range(3):
            try:
                p.shoal("import", f"w{i}.csv", "crm.orders")
            except AssertionError as e:
                failed.append(str(e))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    [t.start() for t in threads], [t.join() for t in threads]
    same(failed, [])
    rows = polars.read_delta(p.table)
    same((len(rows), rows["amount"].sum()), (2 + 3 * n, 30 + 3 * n))
    same(deltalake.DeltaTable(p.table).version(), 3 * n)
    assert os.path.exists(p.table + "/_delta_log/_last_checkpoint")
    p.remove()


@case
def rows_may_bring_columns():
    p = project()
    p.shoal("import", "a.csv", "crm.orders")
    p.write({"wider.csv": "id,extra\n7,x\n"})
    has(p.shoal("import", "wider.csv", "crm.orders", code=1).stderr, "no column 'extra'")
    has(p.shoal("import", "wider.csv", "crm.orders", "--merge-schema").stdout, "1 row of 1 file")
    same(polars.read_delta(p.table).sort("id").rows(), [(1, 10, "ann", None), (2, 20, None, None), (7, None, None, "x")])
    p.remove()


@case
def json_is_read_whole():
    lines = lambda rows: "".join(json.dumps(r) + "\n" for r in rows)  # noqa: E731
    wide, late, stranger = {f"c{i}": i for i in range(1000)}, [{"id": i} for i in range(25000)] + [{"id": 25000, "who": "late"}], [{"id": 1, "who": "x", "no": 1}]
    p = Project({"late.json": lines(late), "stranger.json": lines([*late, *stranger]), "wide.json": lines([wide]), **{f"f{i}.json": lines([{"id": i}]) for i in range(40)}, "f40.json": lines([{"id": 40, "who": "z"}]),
                 "maps.json": lines([{"id": 1, "m": {"a'b": 1}}, {"id": 2, "m": {"b": 2}, "s": {"l": [{"k": {"q": 1}}, {"j": {"q": 2}}]}}, {"id": 3, "m": {}}, {"id": 4, "m": None}]),
                 "lost.json": lines([{"id": 5, "s": {"l": [{"k": {"q": 1, "r": 5}}]}}]), "lost2.json": lines([{"id": 5, "s": {"z": 1, "l": [{"k": {"q": 1}}]}}]), "none.json": lines([{"id": 5, "m": {"a": "x"}}])})
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, who VARCHAR")
    p.shoal("import", "late.json", "./t")
    same(p.rows("select id, who from './t' where who is not null"), [["25000", "late"]])
    has(p.shoal("import", "stranger.json", "./t", code=1).stderr, "no column 'no'")
    p.shoal("import", *[f"f{i}.json" for i in range(41)], "./f")
    same(p.rows("select count(*), max(who) from './f'"), [["41", "z"]])
    p.shoal("import", "wide.json", "./w")
    same(deltalake.DeltaTable(p.dir + "/w").to_pyarrow_table().to_pylist(), [wide])
    p.shoal("table", "create", "./m", "--schema", "id BIGINT, m MAP(VARCHAR, BIGINT), s STRUCT(l MAP(VARCHAR, STRUCT(q BIGINT))[])")
    for verb in (["append", "./m", "maps.json"], ["overwrite", "./m", "maps.json", "--all"], ["merge", "./m", "--using", "maps.json", "--on", "id", "--when", "matched then update"]):
        p.shoal("table", *verb)
        same(p.rows("select m::json, s::json from './m' order by id"), [['"{""a\'b"":1}"', ""], ['"{""b"":2}"', '"{""l"":[{""k"":{""q"":1}}', '{""j"":{""q"":2}}]}"'], ["{}", ""], ["", ""]])
    for name, words in (("lost", "no column 'element.r'"), ("lost2", "no column 's.z'"), ("none", "cast")):
        has(p.shoal("import", name + ".json", "./m", code=1).stderr, words)
    p.remove()


@case
def many_make_the_table_at_once_and_none_is_lost():
    p = project()
    n = 6
    p.write({f"w{i}.csv": f"id,amount,who\n{i},1,w\n" for i in range(n)})
    for _ in range(3):
        shutil.rmtree(p.table, ignore_errors=True)
        started = [subprocess.Popen([SHOAL, "import", f"w{i}.csv", "crm.orders"], cwd=p.dir, env=p.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for i in range(n)]
        same([(r.communicate()[1], r.returncode) for r in started], [("", 0)] * n)
        same(sorted(polars.read_delta(p.table)["id"]), list(range(n)))
    p.remove()


main()
