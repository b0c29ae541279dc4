# SPDX-License-Identifier: Apache-2.0
"""Never stale: everything that a model's result can rest on, changed, must change its key, make it volatile, or be refused. Clock and chance likewise."""
import os as _os
import sys
import time

sys.path.insert(0, _os.path.join(_os.path.dirname(__file__), ".."))
from support.harness import *

CSV = {"data/a.csv": "x,y\n1,2\n", "data/b.csv": "x,y\n3,4\n"}
M = "models/m.sql"
SOURCE = "name: t\nsources:\n  s.a: {files: 'data/*.csv'%s}\n"


def fresh(files, change, before, after, sql="select * from m", yaml="name: t\n", args=()):
    """A run, a change, a run: what the dataset holds before and after. An unchanged project has nothing to do."""
    p = Project(files, yaml=yaml)
    p.shoal("run", *args)
    same(p.rows(sql), before)
    has(p.shoal("run", *args).stdout, "nothing to do")
    change(p)
    same(p.to_run(), ["main.m"])
    p.shoal("run", *args)
    same(p.rows(sql), after)
    p.remove()


def writes(files):
    return lambda p: p.write(files)


# ---- files

@case
def content_of_a_file():
    for sql in ("from 'data/a.csv'", "from read_csv('data/a.csv')", "from read_csv(['data/a.csv'])", "from read_csv('./data//a.csv')", "from read_csv('data/*.csv')", "from 'data/?.csv'",
                "from read_csv('**/a.csv')", "from (from 'data/a.csv')", "select (select max(x) from 'data/a.csv') x, 2 y", "with q as (from 'data/a.csv') from q",
                "from range(1) t(i), lateral (from 'data/a.csv') select x, y"):
        p = Project({"data/a.csv": CSV["data/a.csv"], M: sql})
        p.shoal("run")
        same(p.rows("select x, y from m"), [["1", "2"]])
        p.write({"data/a.csv": "x,y\n7,2\n"})
        same(p.to_run(), ["main.m"])
        p.shoal("run")
        same(p.rows("select x, y from m"), [["7", "2"]])
        p.remove()


@case
def a_file_replaced_with_the_same_size_and_time():
    def replace(p):
        path = p.dir + "/data/a.csv"
        st = os.stat(path)
        p.write({"data/new": "x,y\n9,2\n"})
        os.utime(p.dir + "/data/new", ns=(st.st_atime_ns, st.st_mtime_ns))
        os.rename(p.dir + "/data/new", path)
    fresh({"data/a.csv": "x,y\n1,2\n", M: "from 'data/a.csv'"}, replace, [["1", "2"]], [["9", "2"]])


@case
def a_file_changed_in_place_with_the_same_size_and_time():
    def replace(p):
        path = p.dir + "/data/a.csv"
        st = os.stat(path)
        with open(path, "r+b") as f:
            f.write(b"x,y\n9,2\n")
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
    fresh({"data/a.csv": "x,y\n1,2\n", M: "from 'data/a.csv'"}, replace, [["1", "2"]], [["9", "2"]])


@case
def files_that_come_and_go():
    two, three = [["1", "2"], ["3", "4"]], [["1", "2"], ["3", "4"], ["5", "6"]]
    new = writes({"data/c.csv": "x,y\n5,6\n"})
    for sql in ("from 'data/*.csv'", "from read_csv('data/**/*.csv')", "from read_csv('**/*.csv')"):
        fresh({**CSV, M: sql + " where x < 10 order by x"}, new, two, three)
        fresh({**CSV, M: sql}, lambda p: os.remove(p.dir + "/data/b.csv"), two, two[:1], sql="select x, y from m order by x")
    fresh({**CSV, M: "select * from s.a"}, new, two, three, yaml=SOURCE % "", sql="from m order by x")
    fresh({**CSV, M: "select file x from glob('data/*') order by x"}, new, [["data/a.csv"], ["data/b.csv"]], [["data/a.csv"], ["data/b.csv"], ["data/c.csv"]])


@case
def names_of_files():
    def rename(p):
        os.rename(p.dir + "/data/b.csv", p.dir + "/data/c.csv")
    fresh({**CSV, M: "select distinct filename f from read_csv('data/*.csv') order by f"}, rename, [["data/a.csv"], ["data/b.csv"]], [["data/a.csv"], ["data/c.csv"]])
    fresh({**CSV, M: "select file f from glob('data/*')"}, rename, [["data/a.csv"], ["data/b.csv"]], [["data/a.csv"], ["data/c.csv"]], sql="from m order by f")


@case
def a_hidden_file_that_the_engine_reads():
    both = [["1", "2"], ["9", "9"]]
    fresh({"data/a.csv": CSV["data/a.csv"], M: "from read_csv('data/*.csv')"}, writes({"data/.h.csv": "x,y\n9,9\n"}), both[:1], both, sql="from m order by x")
    fresh({"data/a.csv": CSV["data/a.csv"], "data/.h.csv": "x,y\n3,3\n", M: "from read_csv('data/*.csv')"}, writes({"data/.h.csv": "x,y\n9,9\n"}), [["1", "2"], ["3", "3"]], both, sql="from m order by x")
    fresh({"data/a.csv": CSV["data/a.csv"], "data/.d/h.csv": "x,y\n3,3\n", M: "from read_csv('data/**/*.csv')"}, writes({"data/.d/h.csv": "x,y\n9,9\n"}), [["1", "2"], ["3", "3"]], both, sql="from m order by x")


@case
def hidden_files_are_no_part_of_a_source():
    p = Project({**CSV, "data/.h.csv": "x,y\n9,9\n", M: "select * from s.a"}, yaml=SOURCE % "")
    p.shoal("run")
    same(p.rows("select count(*) from m"), [["2"]])
    p.remove()


@case
def links():
    def retarget(p):
        os.remove(p.dir + "/data/a.csv")
        os.symlink("../other.csv", p.dir + "/data/a.csv")
    fresh({"data/a.csv": "x,y\n1,2\n", "other.csv": "x,y\n5,6\n", M: "from 'data/a.csv'"}, retarget, [["1", "2"]], [["5", "6"]])

    def folder(p):
        os.rename(p.dir + "/data", p.dir + "/old")
        os.symlink("other", p.dir + "/data")
    fresh({"data/a.csv": "x,y\n1,2\n", "other/a.csv": "x,y\n5,6\n", M: "from 'data/*.csv'"}, folder, [["1", "2"]], [["5", "6"]])
    p = Project({"real.csv": "x,y\n1,2\n", M: "from 'link.csv'"})
    os.symlink("real.csv", p.dir + "/link.csv")
    p.shoal("run")
    p.write({"real.csv": "x,y\n8,2\n"})
    same(p.to_run(), ["main.m"])
    p.remove()


@case
def folders_that_name_values():
    files = {"data/k=1/a.csv": "x\n1\n", M: "from read_csv('data/*/*.csv', hive_partitioning=true)"}
    fresh(files, lambda p: os.rename(p.dir + "/data/k=1", p.dir + "/data/k=2"), [["1", "1"]], [["1", "2"]])
    p = Project({**files, M: "from read_csv('data/*/*.csv')"})
    p.shoal("run")
    same(p.rows("from m"), [["1", "1"]])  # the engine takes the folder's name where nothing forbids it; so it counts
    os.rename(p.dir + "/data/k=1", p.dir + "/data/k=2")
    same(p.to_run(), ["main.m"])
    p.remove()


@case
def paths_that_the_engine_reads_otherwise_are_refused():
    for path in ("data/[ab].csv", "~/a.csv", "file:data/a.csv", "file://data/a.csv", "s3://bucket/a.csv", "data/\\\\*.csv"):
        p = Project({**CSV, "data/[ab].csv": "x,y\n0,0\n", "~/a.csv": "x,y\n0,0\n", "file:data/a.csv": "x,y\n0,0\n", M: f"from read_csv('{path}')"})
        has(p.shoal("plan", code=1).all, "can't be keyed", "declare the files as a source")
        p.remove()


@case
def names_that_are_computed_are_refused():
    for sql in ("from read_csv('data/' || 'a.csv')", "from read_csv(getvariable('v'))", "from read_csv([x for x in ['data/a.csv']])", "from query('select 1')", "from query_table('m')",
                "from read_csv((select 'data/a.csv'))", "from read_parquet('a.parquet' || '')", "from glob('da' || 'ta/*')", "from read_text('data/' || 'a.csv')", "from duckdb_settings()",
                "from read_duckdb('x.db')", "select current_setting('threads')", "select getvariable('v' || '')"):
        p = Project({**CSV, M: sql}, yaml="name: t\nvars: {v: data/a.csv}\n")
        has(p.shoal("plan", code=1).all, "error: ")
        p.remove()


@case
def a_file_that_changes_while_it_is_read():
    """Keyed by what it was, computed from what it is: such a result must not be kept."""
    slow = "select count(*) n from range(150000000) t(i) where hash(i) % 7 = 3"
    for reads, yaml in (("'data/a.csv'", "name: t\n"), ("s.a", SOURCE % "")):
        for change in ("content", "another"):
            if change == "another" and reads == "s.a":
                continue  # a source's files are listed once, by the plan
            files = {"data/a.csv": "x,y\n1,2\n", "models/slow.sql": slow, M: f"select x, y from {reads.replace('a.csv', '*.csv')}, slow"}
            p = Project(files, yaml=yaml)
            for f in ("data/a.csv",):
                os.utime(p.dir + "/" + f, (1, 1))
            run = subprocess.Popen([SHOAL, "run"], cwd=p.dir, env=p.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            leases, until = p.dir + "/lake/_shoal/leases", time.time() + 60
            while not (os.path.isdir(leases) and os.listdir(leases)) and time.time() < until and run.poll() is None:
                time.sleep(0.01)
            p.write({"data/a.csv": "x,y\n7,7\n"} if change == "content" else {"data/b.csv": "x,y\n7,7\n"})
            out = run.communicate(timeout=120)[0]
            if run.returncode == 0:
                raise AssertionError("a changed file was read, and its old key took the result\n" + out)
            has(out, "changed while it was read", "run again")
            if change == "content":
                p.write({"data/a.csv": "x,y\n1,2\n"})
            else:
                os.remove(p.dir + "/data/b.csv")
            same(p.to_run(), ["main.m"] if p.plan()["main.slow"] != "run" else ["main.m", "main.slow"])
            p.shoal("run")
            same(p.rows("select x, y from m"), [["1", "2"]])
            p.remove()


# ---- sources, variables, macros

@case
def options_of_a_source():
    files = {"data/a.csv": "x;y\n1;2\n", M: "select * from s.a"}
    p = Project(files, yaml=SOURCE % ", options: {delim: ';'}")
    p.shoal("run")
    for options in ("{delim: ';', header: false}", "{delim: ';', all_varchar: true}", "{delim: ';', skip: 1}", "{delim: ','}"):
        p.write({"shoal.yaml": SOURCE % (", options: " + options)})
        same(p.to_run(), ["main.m"])
    p.write({"shoal.yaml": SOURCE % ", options: {delim: ';'}"})
    same(p.to_run(), [])
    p.remove()


@case
def a_sources_file_names_do_not_tell_the_machine():
    rows = []
    for _ in range(2):
        p = Project({**CSV, M: "select filename from s.a order by 1"}, yaml=SOURCE % ", options: {filename: true}")
        p.shoal("run")
        rows.append(p.rows("from m"))
        p.remove()
    same(rows[0], [["data/a.csv"], ["data/b.csv"]])
    same(rows[1], rows[0])


@case
def variables():
    p = Project({M: "select getvariable('v') v, typeof(getvariable('v')) t"}, yaml="name: t\nvars: {v: 3}\n")
    p.shoal("run")
    same(p.rows("select v from m"), [["3"]])
    for yaml in ("vars: {v: 4}", "vars: {v: '3'}", "vars: {v: 3.0}", "vars: {v: true}"):
        p.write({"shoal.yaml": f"name: t\n{yaml}\n"})
        same(p.to_run(), ["main.m"])
    p.write({"shoal.yaml": "name: t\nvars: {v: 3, other: 1}\n"})
    same(p.to_run(), [])
    p.write({"shoal.local.yaml": "vars: {v: 5}\n"})
    same(p.to_run(), ["main.m"])
    os.remove(p.dir + "/shoal.local.yaml")
    p.shoal("run", "--var", "v=6")
    same(p.rows("select v from m"), [["6"]])
    same(p.plan(), {"main.m": "adopt"})
    p.remove()


@case
def macros_however_deep():
    files = {"macros/a.sql": "create macro low(x) as x + 1;\ncreate macro high(x) as low(x) * 2;\ncreate macro tab(n) as table select high(n) v;\n"}
    change = {"macros/a.sql": files["macros/a.sql"].replace("x + 1", "x + 2")}
    for sql in ("select high(1) v", "from tab(1)", "select list_transform([1], i -> high(i))[1] v", "select (select high(1)) v", "with q as (select high(1) v) from q", "select HIGH(1) v",
                "select main.high(1) v", "select \"high\"(1) v", "select (1).high() v", "select max(high(1)) v", "select v from (values (high(1))) t(v)"):
        fresh({**files, M: sql}, writes(change), [["4"]], [["6"]])


@case
def a_macro_of_a_macros_variable():
    p = Project({"macros/a.sql": "create macro m1() as getvariable('v');\ncreate macro m2() as m1();", M: "select m2() v"}, yaml="name: t\nvars: {v: 3}\n")
    p.shoal("run")
    p.write({"shoal.yaml": "name: t\nvars: {v: 4}\n"})
    same(p.to_run(), ["main.m"])
    p.remove()


@case
def a_macro_that_comes_to_hide_a_function():
    p = Project({M: "select greatest(1, 2) v"})
    p.shoal("run")
    p.write({"macros/a.sql": "create macro greatest(a, b) as 0;\n"})
    same(p.to_run(), ["main.m"])
    p.shoal("run")
    same(p.rows("from m"), [["0"]])
    p.write({"macros/a.sql": "create macro greatest(a, b) as 5;\n"})
    same(p.to_run(), ["main.m"])
    p.remove()


@case
def a_variable_behind_a_macro_of_its_readers_name():
    p = Project({"macros/a.sql": "create macro getvariable(x) as 1;", M: "select system.main.getvariable('v') v"}, yaml="name: t\nvars: {v: 3}\n")
    p.shoal("run")
    same(p.rows("from m"), [["3"]])
    p.write({"shoal.yaml": "name: t\nvars: {v: 4}\n"})
    same(p.to_run(), ["main.m"])
    p.remove()


@case
def a_parents_code():
    p = Project({"models/a.sql": "select 1 x", "models/b.sql": "select x + 1 x from a", M: "select x from b"})
    p.shoal("run")
    p.write({"models/a.sql": "select 5 x"})
    same(p.to_run(), ["main.a", "main.b", "main.m"])
    p.shoal("run")
    same(p.rows("from m"), [["6"]])
    p.remove()


# ---- the surroundings

SURROUNDINGS = """select '2020-06-01 12:00:00'::timestamptz::varchar a, strftime('2020-06-01'::timestamptz, '%Z %A %B') b, upper('iß') c, 'z' < 'ä' d, (1.5::double)::varchar e,
  date_trunc('day', '2020-06-01 01:00:00+02'::timestamptz)::varchar f, strptime('1 june 2020', '%d %B %Y')::varchar g, lower('İI') h, ['b', 'a', NULL].list_sort()::varchar i, 7 / 2 j,
  timezone('Europe/Berlin', '2020-06-01 12:00:00'::timestamp)::varchar k, format('{:,}', 1234567) l, week(date '2021-01-03') m, dayname(date '2021-01-03') n"""


@case
def the_environment_does_not_matter():
    """Another zone, language, home, temporary folder, number of threads, folder: the same rows, found by the same key."""
    want = None
    for env, yaml in (({"TZ": "UTC", "LC_ALL": "C"}, ""), ({"TZ": "America/New_York", "LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8"}, "engine: {threads: 1}\n"),
                      ({"TZ": "Asia/Kathmandu", "LANG": "ja_JP.UTF-8", "TMPDIR": "/var/tmp", "HOME": "/nonexistent", "DUCKDB_HOME": "/x", "PGTZ": "x"}, "engine: {threads: 2, memory: 512MB}\n")):
        p = Project({M: SURROUNDINGS}, yaml="name: t\n" + yaml)
        p.env.update(env)
        p.shoal("run")
        rows = p.rows("from m")
        signature = p.json("plan")["items"][0].get("signature")
        want = want or (rows, signature)
        same((rows, signature), want)
        p.remove()


@case
def computing_again_is_compared_by_content():
    """Sums of floats may depend on threads: --again says so, and changes nothing."""
    p = Project({M: "select sum(1 / (i + 1)) s, count(*) n from range(3000000) t(i)"})
    p.shoal("run")
    before = p.rows("from m")
    has(p.shoal("run", "main.m", "--again").stdout, "1 computed again")
    same(p.rows("from m"), before)
    p.remove()


# ---- clock and chance

CHANCE = ["random()", "uuid()", "uuidv4()", "uuidv7()", "gen_random_uuid()", "now()", "current_timestamp", "get_current_timestamp()", "transaction_timestamp()", "current_time", "localtime", "localtimestamp",
          "current_localtime()", "current_localtimestamp()", "get_current_time()", "age(timestamp '2020-01-01')", "ago(interval 1 day)", "txid_current()", "current_schema()",
          "current_user()", "current_database()", "current_query()", "version()", "pg_postmaster_start_time()", "current_connection_id()", "current_query_id()", "current_transaction_id()"]
WAYS = {"itself": "select {}::varchar v", "cte": "with q as (select {}::varchar v) from q", "subquery": "select (select {}::varchar) v", "lambda": "select list_transform([1], i -> {}::varchar)[1] v",
        "window": "select max({}::varchar) over (partition by i) v from range(2) t(i)", "where": "select i::varchar v from range(2) t(i) where {} is not null", "order": "select i::varchar v from range(2) t(i) order by {}",
        "values": "from (values ({}::varchar)) t(v)", "table function": "select i::varchar v from range(length({}::varchar)) t(i)", "lateral": "select v from range(1) t(i), lateral (select {}::varchar v)",
        "filter": "select count(*) filter (where {} is not null)::varchar v from range(2)", "comprehension": "select [{}::varchar for x in [1]][1] v", "union": "select 'x' v union all select {}::varchar",
        "having": "select '1' v group by 1 having {} is not null", "case": "select case when true then {}::varchar end v", "struct": "select {{'a': {}::varchar}}.a v",
        "join": "select '1' v from range(1) a(i) join range(1) b(j) on {} is not null", "exists": "select exists(select 1 where {} is not null)::varchar v", "qualify": "select row_number() over () v from range(2) t(i) qualify {} is not null",
        "replace": "select * replace ({}::varchar as v) from (select 'x' v)", "columns": "select columns(*)::varchar from (select {} v)", "recursive": "with recursive r as (select 1 i, '' v union all select i + 1, {}::varchar from r where i < 2) select v from r"}


@case
def clock_and_chance_make_volatile():
    files, p = {}, Project({"models/calm.sql": "select 1 v"})
    for i, f in enumerate(CHANCE):
        files[f"models/f{i}.sql"] = WAYS["itself"].format(f)
    for i, way in enumerate(WAYS.values()):
        for j, f in enumerate(("random()", "current_timestamp", "age(timestamp '2020-01-01')")):
            files[f"models/w{i}_{j}.sql"] = way.format(f)
            files[f"models/m{i}_{j}.sql"] = way.format(f"hidden{j}()")
            files[f"macros/h{j}.sql"] = f"create macro inner{j}() as {f};\ncreate macro hidden{j}() as inner{j}();\ncreate macro table{j}() as table select {f} v;\n"
            files[f"models/t{j}.sql"] = f"select v::varchar v from table{j}()"
    files.update({"models/s1.sql": "select * from range(9) t(v) using sample 3", "models/s2.sql": "select * from range(9) t(v) tablesample 50%",
                  "models/s3.sql": "select content v from read_text('data/a.csv')", "data/a.csv": "x\n1\n", "models/child.sql": "select * from f0"})
    p.write(files)
    items = {i["dataset"]: i for i in p.json("plan")["items"]}
    calm = sorted(d for d, i in items.items() if i["reason"] != "volatile")
    same(calm, ["main.calm", "main.child"])
    p.remove()


@case
def a_macro_of_a_volatile_functions_name():
    """It hides the function only where the engine thinks so: not from system.main.f(), not one kind from the other."""
    for macro, sql in (("random() as 1", "select system.main.random() v"), ("random() as table select 1 v", "select random() v"), ("now() as 1", "select system.main.now()::varchar v"),
                       ("random() as 1", "select random() v"), ("read_text(x) as 1", "select content v from system.main.read_text('data/a.csv')")):
        p = Project({"data/a.csv": "x\n1\n", "macros/a.sql": f"create macro {macro};", M: sql})
        p.shoal("run")
        same(p.to_run(), ["main.m"])
        p.remove()


@case
def what_is_refused_stays_refused_behind_a_macro():
    for macro, sql in (("query(x) as table select 1 v", "from system.main.query('select random() v')"), ("duckdb_settings() as table select 1 v", "select value from system.main.duckdb_settings()")):
        p = Project({"macros/a.sql": f"create macro {macro};", M: sql})
        has(p.shoal("plan", code=1).all, "not for models")
        p.remove()


main()
