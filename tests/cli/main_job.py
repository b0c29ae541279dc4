# SPDX-License-Identifier: Apache-2.0
"""The main job from the command line: compute once, publish together, follow the branch."""
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403

BASE = {
    "models/bronze/a.sql": "select range as id, range * 2 as v from range(10)\n",
    "models/silver/b.sql": "select id, v + 1 as v from bronze.a\n",
    "models/silver/c.sql": "select id from bronze.a where id > 3\n",
    "models/gold/d.sql": "select count(*) as n, sum(b.v)::bigint as s from silver.b join silver.c using (id)\n",
}


@case
def a_run_computes_once_and_a_second_does_nothing():
    p = Project(BASE)
    has(p.shoal("run").stdout, "published #1 on main: 4 datasets")
    same(p.rows("from gold.d"), [["6", "84"]])
    has(p.shoal("run").stdout, "nothing to do: 4 datasets")
    before = sorted(os.listdir(p.dir + "/lake/_shoal/branches/main"))
    p.shoal("run")
    same(sorted(os.listdir(p.dir + "/lake/_shoal/branches/main")), before)
    p.remove()


@case
def comments_and_white_space_run_nothing():
    p = Project(BASE)
    p.shoal("run")
    p.write({"models/silver/b.sql": "-- a comment\nSELECT id,\n   v + 1 AS v\nFROM bronze.a -- more\n"})
    same(p.to_run(), [])
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    same(p.to_run(), ["gold.d", "silver.b"])
    p.remove()


@case
def a_model_moved_without_a_change_runs_nothing():
    p = Project(BASE)
    p.shoal("run")
    os.rename(p.dir + "/models/silver/c.sql", p.dir + "/models/silver/c2.sql")
    p.write({"models/gold/d.sql": BASE["models/gold/d.sql"].replace("silver.c ", "silver.c2 ")})
    plan = p.plan()
    same(plan["silver.c2"], "adopt")
    same(plan["silver.c"], "removed")
    p.shoal("run")
    same(p.rows("select count(*) from silver.c2"), [["6"]])
    same(p.rows("select count(*) from silver.c"), [["6"]])
    has(p.shoal("run", "--prune").stdout, "published")
    p.shoal("sql", "from silver.c", code=1)
    p.remove()


@case
def branches_do_not_touch_each_other():
    p = Project(BASE)
    p.shoal("run")
    p.git("switch", "-q", "-c", "feature/x")
    p.write({"models/silver/c.sql": "select id from bronze.a where id > 5\n"})
    has(p.shoal("run").stdout, "published #1 on feature/x: 2 datasets")
    same(p.rows("select n from gold.d"), [["4"]])
    same(p.rows("select n from gold.d", "--at", "main"), [["6"]])
    p.commit()
    p.git("switch", "-q", "main")
    same(p.to_run(), [])
    p.git("merge", "-q", "feature/x")
    same(set(p.plan().values()), {"reuse", "adopt"})
    has(p.shoal("run").stdout, "published #2 on main: 2 datasets")
    same(p.rows("select n from gold.d"), [["4"]])
    p.remove()


@case
def a_macro_and_a_variable_count_where_they_are_reached():
    p = Project({**BASE, "macros/m.sql": "create macro twice(x) as x * 2;\ncreate macro four(x) as twice(twice(x));\n",
                 "models/gold/e.sql": "select four(id) as q from silver.c\n",
                 "models/gold/f.sql": "select id from silver.c where id < getvariable('most')\n"},
                yaml="name: t\nvars: {most: 6}\n")
    p.shoal("run")
    same(p.rows("select max(q) from gold.e"), [["36"]])
    same(p.rows("select four(2), twice(1)"), [["8", "2"]])
    p.write({"macros/m.sql": "create macro twice(x) as x * 3;\ncreate macro four(x) as twice(twice(x));\n"})
    same(p.to_run(), ["gold.e"])
    has(p.shoal("why", "gold.e").stdout, "macros/m.sql:1", "twice")
    p.shoal("run")
    same(p.rows("select max(q) from gold.e"), [["81"]])
    p.write({"shoal.yaml": "name: t\nvars: {most: 5}\n"})
    same(p.to_run(), ["gold.f"])
    has(p.shoal("why", "gold.f").stdout, "most")
    same(p.json("plan", "--var", "most=6")["run"], 0)
    p.remove()


@case
def a_source_counts_by_content():
    p = Project({"data/x-1.csv": "id,v\n1,a\n2,b\n", "models/s/m.sql": "select * from raw.x\n"}, yaml="name: t\nsources:\n  raw.x: {files: 'data/x-*.csv'}\n")
    p.shoal("run")
    os.utime(p.dir + "/data/x-1.csv")
    same(p.to_run(), [])
    p.write({"data/x-2.csv": "id,v\n3,c\n"})
    same(p.to_run(), ["s.m"])
    has(p.shoal("why", "s.m").stdout, "raw.x", "x-2.csv", "new")
    p.shoal("run")
    same(p.rows("select count(*) from s.m"), [["3"]])
    same(p.rows("select count(*) from s.m", "--at", "main~1"), [["2"]])
    p.remove()


@case
def a_delta_source_counts_by_version():
    from deltalake import write_deltalake
    import pyarrow as pa
    p = Project({"models/s/m.sql": "select sum(x)::bigint as s from ext.t\n"}, yaml="name: t\nsources:\n  ext.t: {delta: ext/t}\n")
    write_deltalake(p.dir + "/ext/t", pa.table({"x": [1, 2]}))
    p.shoal("run")
    same(p.rows("from s.m"), [["3"]])
    has(p.shoal("run").stdout, "nothing to do")
    write_deltalake(p.dir + "/ext/t", pa.table({"x": [10]}), mode="append")
    same(p.to_run(), ["s.m"])
    p.shoal("run")
    same(p.rows("from s.m"), [["13"]])
    has(p.shoal("why", "s.m").stdout, "as the code says")
    p.remove()


@case
def a_volatile_model_runs_every_time_and_says_so():
    p = Project({**BASE, "models/gold/r.sql": "select random() as r\n"})
    p.shoal("run")
    same(p.to_run(), ["gold.r"])
    has(p.shoal("plan").stdout, "calls random")
    has(p.shoal("check").stdout, "random")
    has(p.shoal("run").stdout, "published #2 on main: 1 dataset")
    p.remove()


@case
def an_error_points_into_the_model():
    p = Project(BASE)
    p.shoal("run")
    p.write({"models/silver/b.sql": "select id,\n  vv + 1 as v from bronze.a\n"})
    has(p.shoal("run", code=1).stderr, """error: models/silver/b.sql:2: no column "vv" in bronze.a
  2 │   vv + 1 as v from bronze.a
    │   ^^ did you mean v?
1 model was not run because it reads silver.b; nothing was published
""")
    p.write({"models/silver/b.sql": "select x.id, y.idd from bronze.a x, silver.c y\n"})
    has(p.shoal("plan").stderr, 'models/silver/b.sql:1: no column "idd" in what it reads', "│              ^^^^^ did you mean id?")
    p.remove()


@case
def an_expectation_holds_the_publication_back():
    p = Project({**BASE, "models/silver/b.sql": "/* shoal\nexpect:\n  - v < 100\n  - {not_null: v, severity: warn}\n*/\nselect id, v + 1 as v from bronze.a\n"})
    p.shoal("run")
    p.write({"models/bronze/a.sql": "select range as id, range * 20 as v from range(10)\n"})
    r = p.shoal("run", code=3)
    has(r.stderr, "held back: silver.b fails an expectation, so nothing was published\n  silver.b  v < 100  5 of 10 rows (50.0 %)\n",
        "  the rows: shoal sql 'from silver.b where (v < 100) is not true' --result latest\n", "readers of main still see publication #1")
    same(p.rows("select count(*) from silver.b where (v < 100) is not true", "--result", "latest"), [["5"]])
    same(p.rows("select max(v) from silver.b"), [["19"]])
    p.shoal("run", code=3)  # its result is kept, and it is still held
    has(p.shoal("status").stdout, "held     silver.b (an expectation did not hold", "stale    bronze.a")
    p.write({"models/silver/b.sql": "/* shoal\nexpect:\n  - v < 1000\n*/\nselect id, v + 1 as v from bronze.a\n"})
    has(p.shoal("run").stdout, "published #2")
    same(p.rows("select max(v) from silver.b"), [["181"]])
    p.remove()


@case
def what_is_not_selected_stays_and_shows_as_stale():
    p = Project(BASE)
    p.shoal("run")
    p.write({"models/bronze/a.sql": "select range as id, range * 3 as v from range(10)\n"})
    p.shoal("run", "bronze.a")
    plan = p.plan()
    same(plan["bronze.a"], "reuse")
    same(plan["gold.d"], "run")
    has(p.shoal("status").stdout, "stale", "gold.d")
    p.shoal("run", "gold.d")
    same(p.to_run(), [])
    p.remove()


@case
def rollback_pins_and_release_follows_the_code():
    p = Project(BASE)
    p.shoal("run")
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    p.shoal("run")
    p.shoal("rollback", "silver.b", "--to", "main~1")
    same(p.rows("select min(v) from silver.b"), [["1"]])
    p.shoal("run")
    same(p.rows("select s from gold.d"), [["84"]])
    has(p.shoal("run").stdout, "nothing to do")
    p.shoal("rollback", "--release", "silver.b")
    p.shoal("run")
    same(p.rows("select s from gold.d"), [["90"]])
    has(p.shoal("log", "silver.b").stdout, "pinned")
    p.remove()


@case
def a_failed_model_publishes_nothing_and_the_other_results_are_kept():
    p = Project(BASE)
    p.write({"models/silver/b.sql": "select id, error('no') as v from bronze.a\n"})
    r = p.shoal("run", "--keep-going", code=1)
    has(r.all, "models/silver/b.sql", "1 model was not run because it reads silver.b; 2 results are kept; nothing was published")
    p.shoal("ls")
    p.write({"models/silver/b.sql": BASE["models/silver/b.sql"]})
    same(p.plan()["bronze.a"], "adopt")
    p.shoal("run")
    p.remove()


@case
def again_compares_with_what_was_there():
    p = Project({**BASE, "models/gold/r.sql": "select list(id order by id) as l from silver.c\n"})
    p.shoal("run")
    has(p.shoal("run", "--again", "gold.d").stdout, "1 computed again: 1 with the same content")
    p.remove()


@case
def formats_of_sql():
    p = Project(BASE)
    p.shoal("run")
    q = "select id, id > 3 as big, 'a,\"b' as t, null as n from bronze.a order by id limit 1"
    same(p.shoal("sql", q, "--format", "csv").stdout, 'id,big,t,n\n0,false,"a,""b",\n')
    same(p.shoal("sql", q, "--format", "json").stdout, '{"id":0,"big":false,"t":"a,\\"b","n":null}\n')
    has(p.shoal("sql", q, "--format", "box").stdout, "│     id │ big", "bigint", "NULL", "1 row")
    p.shoal("sql", "from gold.d", "-o", "out.parquet")
    import duckdb
    same(duckdb.sql(f"select n from '{p.dir}/out.parquet'").fetchall(), [(6,)])
    p.write({"q.sql": "select count(*) as n from silver.c"})
    same(p.shoal("sql", "-f", "q.sql", "--format", "csv").stdout, "n\n6\n")
    same(p.shoal("sql", "--format", "csv", input="select 1 as x").stdout, "x\n1\n")
    p.remove()


@case
def json_is_one_object_or_one_a_line():
    import json
    p = Project(BASE)
    lines = [json.loads(x) for x in p.shoal("run", "--json").stdout.splitlines()]
    same({x["schema_version"] for x in lines}, {1})
    same(lines[-1]["event"], "done")
    for verb in (["plan"], ["status"], ["ls"], ["branch"], ["config"], ["graph"], ["why", "gold.d"], ["show", "gold.d"], ["version"], ["check"], ["diff", "main..main"]):
        same(json.loads(p.shoal(*verb, "--json").stdout)["schema_version"], 1)
    p.remove()


@case
def every_verb_has_help_with_examples():
    p = Project(BASE)
    verbs = [line.split()[0] for line in p.shoal("--help").stdout.splitlines() if line.startswith("  ")]
    assert len(verbs) > 12, verbs
    for v in verbs:
        has(p.shoal(v, "--help").stdout, "usage: shoal " + v, "examples:")
        p.shoal(v, "--help", "all")
    has(p.shoal("rnu", code=1).stderr, "did you mean run?")
    has(p.shoal("run", "--agian", code=1).stderr, "did you mean --again?")
    p.remove()


@case
def other_readers_see_the_same_rows():
    import deltalake
    import polars as pl
    sql = "/* shoal\npartition_by: [p, day]\n*/\nselect range as id, case range % 3 when 0 then 'a/b=%' when 1 then null else 'x y' end as p, "
    sql += "date '2020-01-01' + (range // 5)::int as day, [range] as l, {'a': range} as s, range * 0.5 as d from range(10)\n"
    p = Project({**BASE, "models/gold/p.sql": sql, "models/gold/none.sql": "select id from bronze.a where false\n"})
    p.shoal("run")
    want = sorted((int(a), b, c) for a, b, c in p.rows("select id, p, day from gold.p"))
    def seen(frame):
        return sorted((r["id"], r["p"] or "", str(r["day"])) for r in frame.to_dicts())
    same(seen(pl.read_delta(p.dir + "/lake/gold/p")), want)
    same(seen(pl.from_arrow(deltalake.DeltaTable(p.dir + "/lake/gold/p").to_pyarrow_table())), want)
    same(pl.read_delta(p.dir + "/lake/gold/none").shape, (0, 1))
    p.git("switch", "-q", "-c", "try")
    p.write({"models/gold/p.sql": sql.replace("range(10)", "range(4)")})
    p.shoal("run")
    same(pl.read_delta(p.dir + "/lake/_branches/try/gold/p").height, 4)
    same(pl.read_delta(p.dir + "/lake/gold/p").height, 10)
    p.remove()


@case
def revisions():
    p = Project(BASE)
    p.shoal("run")
    for i in (2, 3, 4):
        p.write({"models/silver/b.sql": f"select id, v + {i} as v from bronze.a\n"})
        p.shoal("run")
    for rev, want in (("main", "4"), ("main~1", "3"), ("main~2", "2"), ("#1", "1"), ("HEAD~1", "3"), ("main@{0s}", "4")):
        same(p.rows("select min(v) from silver.b", "--at", rev), [[want]])
    has(p.shoal("sql", "from gold.d", "--at", "mian", code=1).stderr, "mian", "main")
    p.shoal("sql", "from gold.d", "--at", "main~9", code=1)
    has(p.shoal("diff", "main~1..main", "--rows", "silver.b", "--key", "id").stdout, "0 rows added, 0 removed, 10 changed", "v differs in 10 rows")
    p.remove()


@case
def without_git_the_branch_is_the_trunk():
    p = Project(BASE, git=False)
    has(p.shoal("run").stdout, "published #1 on main")
    has(p.shoal("--branch", "try", "run").stdout, "nothing to do")
    p.remove()


@case
def several_changes_at_once_are_all_found():
    p = Project(files={f"models/s{k}/m.sql": f"select {k} as n" for k in range(5)})
    p.shoal("run")
    time.sleep(2.1)  # younger files are not trusted, which would hide what the first look at them is good for
    p.shoal("run")
    has(p.shoal("run").stdout, "nothing to do")
    rounds = [({3: 30}, [], {}), ({0: 40, 4: 50}, [], {}), ({4: 60}, [0], {}), ({2: 70}, [1], {7: 71}), ({}, [3], {0: 80}), ({7: 90}, [], {1: 91})]
    now = {k: k for k in range(5)}
    for edited, removed, added in rounds:
        for k in removed:
            os.remove(f"{p.dir}/models/s{k}/m.sql")
            del now[k]
        for k, n in {**edited, **added}.items():
            p.write({f"models/s{k}/m.sql": f"select {n} as n"})
            now[k] = n
        p.shoal("run", "--prune")
        for k, n in now.items():
            same(p.rows(f"from s{k}.m"), [[str(n)]])
        p.shoal("run", "--prune")
        has(p.shoal("run").stdout, "nothing to do")
    p.remove()


@case
def the_index_is_harmless_to_delete():
    import shutil
    p = Project(BASE)
    p.shoal("run")
    shutil.rmtree(p.dir + "/.shoal")
    has(p.shoal("run").stdout, "nothing to do")
    with open(p.dir + "/.shoal/index-1/data.mdb", "r+b") as f:
        f.truncate(5000)
    has(p.shoal("run").stdout, "nothing to do")
    p.remove()


if __name__ == "__main__":
    main()
