# SPDX-License-Identifier: Apache-2.0
"""Bad input: a clear error that names file and line and what to do, exit 1, nothing published, nothing lost."""
import atexit
import json
import shutil
import signal
import sys
import tempfile
import threading

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403

GOOD = {"models/a/x.sql": "select range as id from range(5)\n"}


def refused(files, *says, yaml="name: t\n", args=("run",), hint=()):
    """The project with these files is refused with these words; what was good before still stands."""
    p = Project(GOOD)
    p.shoal("run")
    p.write({"shoal.yaml": yaml, **files})
    r = p.shoal(*args, code=1)
    has(r.stderr, *says, *hint)
    p.write({"shoal.yaml": "name: t\n"})
    lacks(r.stderr.lower(), "assert", "segmentation", "internal error")
    same(p.json("ls")["publication"], 1)
    same(p.rows("select count(*) from a.x"), [["5"]])
    p.remove()


@case
def sql_that_does_not_parse():
    refused({"models/a/y.sql": "select id\nfrom a.x whre id > 3\n"}, "models/a/y.sql:2", "syntax error")


@case
def a_column_that_is_not_there():
    refused({"models/a/y.sql": "/* shoal\ndescription: d\n*/\nselect id\nfrom a.x\nwhere idd > 3\n"}, "models/a/y.sql:6", "idd", "^^^")


@case
def a_name_that_resolves_to_nothing():
    refused({"models/a/y.sql": "select *\nfrom a.xx\n"}, "models/a/y.sql:2", "there is no dataset a.xx", "did you mean a.x?")


@case
def two_models_of_one_name():
    refused({"models/b/y.sql": "/* shoal\nname: a.x\n*/\nselect 1 as i\n"}, "two models are named a.x", "models/a/x.sql", "models/b/y.sql")


@case
def names_that_differ_in_case():
    refused({"models/a/X.sql": "select 1 as i\n"}, "models/a/X.sql", "lower case")


@case
def a_model_named_like_a_source():
    refused({"d.csv": "a\n1\n"}, "models/a/x.sql", "shoal.yaml:3", yaml="name: t\nsources:\n  a.x: {files: d.csv}\n")


@case
def a_missing_file():
    refused({"models/a/y.sql": "from raw.d\n"}, "raw.d", "shoal.yaml:3", "data/*.csv", yaml="name: t\nsources:\n  raw.d: {files: 'data/*.csv'}\n")


@case
def csv_that_does_not_parse():
    rows = "".join(f"{i},{i}\n" for i in range(30000))
    refused({"d.csv": "a,b\n" + rows + "x,1\n", "models/a/y.sql": "select sum(a) as s from raw.d\n"}, "d.csv", "30002", "x",
            yaml="name: t\nsources:\n  raw.d: {files: d.csv}\n")


@case
def a_type_error():
    refused({"models/a/y.sql": "select id + date '2020-01-01' + 'x' as z,\n  strlen(id) as n from a.x\n"}, "models/a/y.sql")


@case
def a_cycle():
    refused({"models/a/y.sql": "from a.z\n", "models/a/z.sql": "from a.y\n"}, "a cycle: a.", "a.y reads a.z")


@case
def a_path_that_is_not_utf8():
    p = Project(GOOD)
    with open(os.path.join(p.dir.encode(), b"models/a/\xff.sql"), "w") as f:
        f.write("select 1 as i\n")
    has(p.shoal("run", code=1).stderr, "models/a/")
    p.remove()


@case
def an_unknown_key():
    refused({}, "shoal.yaml:2", "unknown key 'modles'", yaml="name: t\nmodles: x\n")
    refused({"models/a/y.sql": "/* shoal\ntag: x\n*/ select 1 as i\n"}, "models/a/y.sql:2", "did you mean 'tags'?")


@case
def a_dynamic_pivot():
    refused({"models/a/y.sql": "pivot a.x on id using count(*)\n"}, "models/a/y.sql", "PIVOT")


@case
def two_statements():
    refused({"models/a/y.sql": "select 1 as i; select 2 as i\n"}, "models/a/y.sql")


@case
def not_a_select():
    refused({"models/a/y.sql": "create table t (i int)\n"}, "models/a/y.sql")


@case
def a_type_delta_does_not_have():
    refused({"models/a/y.sql": "select time '12:00' as t\n"}, "models/a/y.sql", "t", "TIME")


@case
def two_columns_of_one_name():
    refused({"models/a/y.sql": "select 1 as i, 2 as I\n"}, "models/a/y.sql", "I")


@case
def files_outside_are_not_read():
    refused({"models/a/y.sql": "select * from read_csv('/etc/passwd')\n"}, "models/a/y.sql")
    refused({"models/a/y.sql": "select * from read_text('/etc/passwd')\n"}, "models/a/y.sql")
    refused({"models/a/y.sql": "select * from duckdb_settings()\n"}, "models/a/y.sql")


@case
def a_broken_yaml():
    refused({}, "shoal.yaml:3", "YAML", yaml="name: t\nsources: [\n")
    refused({}, "shoal.yaml:1", "no name", yaml="lake: lake\n")


@case
def a_variable_that_is_not_set():
    refused({"models/a/y.sql": "select getvariable('strat') as s\n"}, "strat", "did you mean 'start'?", yaml="name: t\nvars: {start: 1}\n")


@case
def selectors_that_match_nothing():
    refused({}, "no model matches", "did you mean a.x?", args=("run", "a.y"))


@case
def a_detached_head_needs_a_branch():
    p = Project(GOOD)
    p.git("checkout", "-q", "--detach")
    has(p.shoal("run", code=1).stderr, "detached", "--branch")
    has(p.shoal("run", env={"SHOAL_BRANCH": "x"}).stdout, "published #1 on x")
    p.remove()


@case
def no_project_here():
    p = Project(GOOD)
    has(p.shoal("plan", cwd="/", code=1).stderr, "shoal.yaml", "shoal init")
    has(p.shoal("init", ".", code=1).stderr, "already")
    p.remove()


@case
def another_projects_dataset_is_not_overwritten():
    p, q = Project(GOOD), Project({"models/a/x.sql": "select 2 as id\n"}, yaml="name: other\n")
    p.shoal("run")
    q.write({"shoal.yaml": f"name: other\nlake: {p.dir}/lake\n"})
    r = q.shoal("run", code=4)
    has(r.stderr, "a.x", "belongs to the project t")
    same(p.rows("select count(*) from a.x"), [["5"]])
    p.remove()
    q.remove()


@case
def a_foreign_commit_freezes_its_table_only():
    from deltalake import write_deltalake
    import pyarrow as pa
    p = Project({**GOOD, "models/a/y.sql": "select 1 as i\n"})
    p.shoal("run")
    write_deltalake(p.dir + "/lake/a/x", pa.table({"id": [99]}), mode="append")
    p.write({"models/a/x.sql": "select range as id from range(6)\n", "models/a/y.sql": "select 2 as i\n"})
    r = p.shoal("run", code=4)
    has(r.stderr, "a/x", "from outside")
    import deltalake
    same(deltalake.DeltaTable(p.dir + "/lake/a/y").to_pyarrow_table().to_pydict(), {"i": [2]})
    same(deltalake.DeltaTable(p.dir + "/lake/a/x").to_pyarrow_table().num_rows, 6)
    p.remove()


# ---- rights and surroundings: as another user, who may not do everything as root may

@case
def a_lake_that_lost_its_format():
    """What is left of a lake is not made into another one."""
    p = Project(GOOD)
    p.shoal("run")
    text = open(p.dir + "/lake/_shoal/format.json").read()
    os.remove(p.dir + "/lake/_shoal/format.json")
    p.write({"models/a/y.sql": "select id + 1 as id from a.x\n"})
    for verb in (["run"], ["plan"], ["status"], ["sql", "from a.x"]):
        has(p.shoal(*verb, code=1).stderr, "the lake is damaged", "_shoal/format.json", "from a copy")
    assert not os.path.exists(p.dir + "/lake/_shoal/format.json")
    p.write({"lake/_shoal/format.json": text})
    p.shoal("run")
    same(p.rows("select count(*) from a.y"), [["5"]])
    p.remove()


@case
def macros_named_like_operators():
    for name in ('"+"', '"||"', '"~~"', '"1x"', '" x"', '""'):
        p = Project({**GOOD, "macros/m.sql": f"-- m\ncreate macro {name}(a, b) as 42;\n", "models/a/y.sql": "select id + 1 as i, 'a' || 'b' as t from a.x\n"})
        has(p.shoal("run", code=1).stderr, "macros/m.sql:2", "a macro's name begins with a letter")
        p.remove()


@case
def numbers_beyond_a_double():
    """1e400 is what the engine takes it for: infinite; its sign and its being there count in the key."""
    p = Project({"models/a/x.sql": "select 1e400 as big, -1e400 as small, 1 as n\n"})
    p.shoal("run")
    same(p.rows("select big, small from a.x"), [["inf", "-inf"]])
    has(p.shoal("run").stdout, "nothing to do")
    p.write({"models/a/x.sql": "select 1e400 as big, 1e400 as small, 1 as n\n"})
    same(p.to_run(), ["a.x"])
    p.remove()


class Elsewhere:
    """The program as the user nobody, from a folder that nobody may read."""
    folder = None

    def __init__(self, files=None, yaml="name: t\n"):
        self.p = Project(files or GOOD, yaml=yaml)
        cls = Elsewhere
        if not cls.folder:
            cls.folder = tempfile.mkdtemp(prefix="shoal-cli-bin-", dir="/tmp")
            os.makedirs(cls.folder + "/lib/shoal")
            os.makedirs(cls.folder + "/bin")
            shutil.copy(SHOAL, cls.folder + "/bin/shoal")
            shutil.copy(os.path.realpath(BUILD + "/lib/shoal/libduckdb.so"), cls.folder + "/lib/shoal/libduckdb.so")
            subprocess.run(["chmod", "-R", "a+rX", cls.folder], check=True)
            atexit.register(shutil.rmtree, cls.folder, True)
        self.own("/", "nobody")

    def own(self, path, who):
        subprocess.run(["chown", "-R", who, self.p.dir + path], check=True)

    def mode(self, path, mode):
        subprocess.run(["chmod", "-R", mode, self.p.dir + path], check=True)

    def shoal(self, *args, code=0, env=None, without=()):
        e = {k: v for k, v in {**self.p.env, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", **(env or {})}.items() if k not in without}
        r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", Elsewhere.folder + "/bin/shoal", *args], cwd=self.p.dir, env=e, capture_output=True, text=True, timeout=120)
        if r.returncode != code:
            raise AssertionError(f"shoal {' '.join(args)}: exit {r.returncode}, not {code}\n{r.stdout}{r.stderr}")
        return r

    def remove(self):
        self.mode("/", "u+rwX")
        self.p.remove()


def as_nobody(f):
    """A case that needs root, to become somebody else."""
    if os.geteuid() == 0 and shutil.which("setpriv"):
        CASES.append(f)
    return f


@as_nobody
def a_project_that_may_only_be_read():
    e = Elsewhere()
    e.mode("/", "a-w")
    has(e.shoal("plan").stdout, "a.x", "1 to run")
    e.shoal("status")
    e.shoal("check")
    e.shoal("graph")
    has(e.shoal("run", code=1).stderr, "error: ", "/lake", "ermission denied")
    e.mode("/", "u+w")
    e.shoal("run")
    shutil.rmtree(e.p.dir + "/.shoal")
    e.p.write({"models/a/x.sql": "select range as id from range(6)\n"})
    e.mode("/", "a-w")
    for env in ({}, {"XDG_CACHE_HOME": "/proc/nowhere"}):  # an index elsewhere, none at all
        has(e.shoal("plan", env=env).stdout, "a.x")
        e.shoal("status", env=env)
        has(e.shoal("run", code=1, env=env).stderr, "error: ", "ermission denied")
    e.remove()


@as_nobody
def a_lake_that_may_only_be_read():
    for by_owner in (False, True):
        e = Elsewhere()
        e.shoal("run")
        if by_owner:
            e.own("/lake", "root")
        else:
            e.mode("/lake", "a-w")
        has(e.shoal("sql", "select count(*) n from a.x", "--format", "csv").stdout, "5")
        e.shoal("ls")
        e.shoal("log")
        has(e.shoal("run").stdout, "nothing to do")
        e.p.write({"models/a/x.sql": "select range as id from range(9)\n"})
        has(e.shoal("plan").stdout, "a.x")
        r = e.shoal("run", code=1)
        has(r.stderr, "error: ", "ermission denied")
        lacks(r.stderr, "took over", "corrupt")
        if by_owner:
            e.own("/lake", "nobody")
        else:
            e.mode("/lake", "u+w")
        e.shoal("run")
        has(e.shoal("sql", "select count(*) n from a.x", "--format", "csv").stdout, "9")
        e.remove()


@as_nobody
def a_lake_that_may_not_even_be_read():
    e = Elsewhere()
    e.shoal("run")
    e.mode("/lake", "000")
    for verb in (["plan"], ["run"], ["sql", "select 1 from a.x"], ["ls"], ["log"], ["status"]):
        has(e.shoal(*verb, code=1).stderr, "error: ", "ermission denied")
    e.mode("/lake", "u+rwX")
    has(e.shoal("run").stdout, "nothing to do")
    e.remove()


@as_nobody
def files_without_rights():
    csv = {"data/a.csv": "x\n1\n", "models/m.sql": "select x from s.a\n", "models/n.sql": "from 'data/a.csv'\n"}
    e = Elsewhere(csv, yaml="name: t\nsources:\n  s.a: {files: data/*.csv}\n")
    for path in ("/data/a.csv", "/data", "/models/m.sql", "/models", "/shoal.yaml"):
        e.mode(path, "000")
        has(e.shoal("run", code=1).stderr, "error: ", "ermission denied", path[1:])
        e.mode(path, "u+rwX")
    e.shoal("run")
    e.remove()


@as_nobody
def no_home_and_no_room_for_temporary_files():
    e = Elsewhere()
    e.shoal("run", without=("HOME", "XDG_CACHE_HOME", "TMPDIR"))
    e.shoal("run", "--again", env={"HOME": "/nonexistent", "XDG_CACHE_HOME": ""})
    e.p.write({"models/a/x.sql": "select range as id from range(7)\n"})
    e.shoal("run", env={"TMPDIR": "/nonexistent"})
    full = tempfile.mkdtemp(prefix="shoal-cli-full-", dir="/tmp")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=1777", "none", full], capture_output=True).returncode == 0:
        try:
            with open(full + "/x", "wb") as f:
                f.write(b"x" * 4096)
            e.p.write({"models/a/x.sql": "select range as id from range(8)\n"})
            e.shoal("run", env={"TMPDIR": full})
            e.p.write({"models/a/x.sql": "select range as id, repeat('x', 3000) s, random() r from range(90000) order by r\n", "shoal.yaml": f"name: t\nengine: {{memory: 150MB, temp: {full}/t, threads: 1}}\n"})
            r = e.shoal("run", code=1)
            has(r.stderr, "error: ")
            e.p.write({"shoal.yaml": "name: t\n"})
            e.shoal("run")
        finally:
            subprocess.run(["umount", full], check=True)
    os.rmdir(full)
    e.remove()


@case
def a_cancelled_run_counts_what_is_left():
    p = Project(files={"models/quick.sql": "select 1 as x", "models/z.sql": "from slow",
                       "models/slow.sql": "select count(*) as n from range(1000000000000) r(i), main.quick where i % x = 1"})
    child = subprocess.Popen([SHOAL, "run", "--json"], cwd=p.dir, env=p.env, stdout=subprocess.PIPE, text=True)
    watch = threading.Timer(60, child.kill)
    watch.start()
    while '"started","dataset":"main.slow"' not in (line := child.stdout.readline()):
        assert line
    child.send_signal(signal.SIGINT)
    last = json.loads(child.stdout.read().splitlines()[-1])
    watch.cancel()
    same(child.wait(20), 1)
    same(last["code"], "cancelled")
    same(last["message"], "nothing was published; 1 result is kept, 2 of the models not run")
    same(p.to_run(), ["main.slow", "main.z"])
    p.remove()


if __name__ == "__main__":
    main()
