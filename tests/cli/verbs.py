# SPDX-License-Identifier: Apache-2.0
"""Saved plans, completions, the doctor, rm, fsck: the verbs around the main job."""
import json
import os
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403

BASE = {
    "models/bronze/a.sql": "select range as id, range * 2 as v from range(10)\n",
    "models/silver/b.sql": "select id, v + 1 as v from bronze.a\n",
    "models/gold/d.sql": "select count(*) as n, sum(v)::bigint as s from silver.b\n",
}


@case
def a_saved_plan_is_done_as_it_stands():
    p = Project(BASE)
    p.shoal("run")
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    has(p.shoal("plan", "silver.b", "-o", "plan.json").stdout, "1 to run", "shoal run plan.json")
    saved = json.load(open(p.dir + "/plan.json"))
    same((saved["schema_version"], saved["branch"], saved["publication"], saved["selectors"]), (1, "main", 1, ["silver.b"]))
    same({i["dataset"]: i["action"] for i in saved["items"]}, {"bronze.a": "reuse", "silver.b": "run", "gold.d": "stale"})
    assert all(len(i["signature"]) == 64 for i in saved["items"]), saved
    has(p.shoal("run", "plan.json").stdout, "published #2 on main: 1 dataset")
    same(p.plan()["gold.d"], "run")  # it was not in the plan
    r = p.shoal("run", "plan.json", code=4)
    has(r.stderr, "the world has moved", "silver.b was to run, now it would reuse", "plan again")
    p.remove()


@case
def a_saved_plan_is_refused_when_anything_differs():
    p = Project(BASE)
    p.shoal("run")
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    p.shoal("plan", "-o", "plan.json")
    p.write({"models/silver/b.sql": "select id, v + 3 as v from bronze.a\n"})
    has(p.shoal("run", "plan.json", code=4).stderr, "silver.b has other code or inputs now")
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n", "models/gold/e.sql": "select 1 as x\n"})
    has(p.shoal("run", "plan.json", code=4).stderr, "gold.e")
    os.remove(p.dir + "/models/gold/e.sql")
    has(p.shoal("run", "plan.json", "--branch", "other", code=4).stderr, "it is for branch main, and this is other")
    p.shoal("rollback", "bronze.a", "--to", "main")
    p.shoal("rollback", "--release", "bronze.a")
    has(p.shoal("run", "plan.json", code=4).stderr, "main is at publication #3, not #1")
    same(p.json("run", "plan.json", code=4)["code"], "conflict")
    p.remove()


@case
def a_saved_plan_keeps_variables_and_allows_chance():
    p = Project({**BASE, "models/gold/f.sql": "select getvariable('most') as m\n", "models/gold/r.sql": "select random() as r\n",
                 "models/gold/q.sql": "select r + 1 as q from gold.r\n"}, yaml="name: t\nvars: {most: 6}\n")
    p.shoal("plan", "--var", "most=7", "-o", "plan.json")
    has(p.shoal("run", "--var", "most=8", "plan.json", code=1).stderr, "run as it is")
    p.shoal("run", "plan.json")
    same(p.rows("from gold.f"), [["7"]])
    p.write({"plan.json": "{}", "bad.json": "{"})
    has(p.shoal("run", "plan.json", code=1).stderr, "plan.json is no plan", "shoal plan -o")
    has(p.shoal("run", "bad.json", code=1).stderr, "bad.json")
    has(p.shoal("plan", "-o", "plan.txt", code=1).stderr, "ends in .json")
    p.remove()


@case
def a_plan_as_markdown():
    p = Project(BASE)
    p.shoal("run")
    p.write({"models/silver/b.sql": "select id, v || '|' as v from bronze.a\n"})
    text = p.shoal("plan", "--format", "markdown").stdout
    has(text, "|---|---|---|---|--:|--:|--:|", "| \\~ | silver.b" if "| \\~" in text else "| ~ | silver.b", "gold.d", "2 to run on branch main")
    table = [line for line in text.splitlines() if line.startswith("|")]
    same({len(re.findall(r"(?<!\\)\|", line)) for line in table}, {8})
    has(p.shoal("plan", "--format", "html", code=1).stderr, "'html' is no format")
    p.remove()


@case
def a_plan_says_where_reused_results_come_from():
    p = Project(BASE)
    p.shoal("run")
    p.git("switch", "-q", "-c", "anna")
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    p.shoal("run")
    has(p.shoal("plan").stdout, "= 3 reused\n", "nothing to do")
    p.git("switch", "-q", "main")
    has(p.shoal("plan").stdout, "= 3 reused            2 of them from branch anna\n")
    has(p.shoal("plan", "-v").stdout, "= silver.b  from branch anna", "└ gold.d  from branch anna")
    item = [i for i in p.json("plan")["items"] if i["dataset"] == "gold.d"][0]
    same((item["action"], item["from_branch"], item["from_publication"], item["unpublished"]), ("adopt", "anna", 1, False))
    # anna's branch goes on, so that its head no longer holds it
    p.shoal("run", "--branch", "anna")
    p.write({"models/silver/b.sql": "select id, v + 9 as v from bronze.a\n"})
    p.shoal("run", "--branch", "anna")
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    has(p.shoal("plan").stdout, "2 of them from branch anna\n")
    p.shoal("run")
    # a run that fails leaves results nobody published
    p.write({"models/silver/b.sql": "select id, v + 3 as v from bronze.a\n", "models/gold/e.sql": "select error('no') as x from silver.b\n"})
    p.shoal("run", "--keep-going", code=1)
    os.remove(p.dir + "/models/gold/e.sql")
    has(p.shoal("plan").stdout, "2 of them from an unpublished run")
    same([i["unpublished"] for i in p.json("plan")["items"] if i["action"] == "adopt"], [True, True])
    p.write({"models/silver/b.sql": BASE["models/silver/b.sql"]})
    has(p.shoal("plan").stdout, "2 of them from #1 of this branch")
    p.remove()


def terminal(p, *args, columns=80, env=None):
    """What a command prints on a terminal of a width."""
    import fcntl, pty, struct, termios
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    e = {**p.env, "TERM": "xterm", **(env or {})}
    child = subprocess.Popen([SHOAL, *args], cwd=p.dir, env={k: v for k, v in e.items() if v is not None}, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    out = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        out += part
    child.wait()
    os.close(master)
    return out.decode()


@case
def a_plan_fits_a_terminal_and_colour_obeys_NO_COLOR():
    p = Project(BASE)
    p.shoal("run")
    long = "a_name_that_goes_on_and_on_until_nobody_can_read_it"
    p.write({"models/silver/b.sql": "select id, abs(v) + 1 + least(v, 1000000) + greatest(v, 20000000) as v from bronze.a\n",
             f"models/gold/{long}.sql": "select 1 as x\n"})
    wide = p.shoal("plan").stdout
    has(wide, "gold." + long, f"models/gold/{long}.sql")
    for columns in (80, 100):
        lines = terminal(p, "plan", columns=columns).splitlines()
        assert all(len(line) <= columns for line in lines), lines
        assert any("…" in line and "silver.b" in line for line in lines) or columns > 80, lines
    has(terminal(p, "ls", env={"NO_COLOR": None}), "gold.d")
    has(terminal(p, "show", "gold.d", env={"NO_COLOR": None}), "\033[")
    lacks(terminal(p, "show", "gold.d"), "\033[")
    p.remove()


@case
def why_between_two_publications():
    p = Project(BASE)
    p.shoal("run")
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    p.shoal("run")
    p.write({"models/silver/b.sql": "select id, v + 3 as v from bronze.a\n"})
    has(p.shoal("why", "gold.d", "main~1..main").stdout, "gold.d reads silver.b, and that changed:\n", "models/silver/b.sql:1", "v + 1", "v + 2",
        "between main #1 and main #2; everything else")
    has(p.shoal("why", "silver.b", "main~1").stdout, "silver.b changed:\n", "v + 2")
    has(p.shoal("why", "bronze.a", "main~1..main").stdout, "bronze.a is the same in both")
    has(p.shoal("why", "gold.d", "main~2..main").stdout, "gold.d changed:\n  gold.d is new")
    j = p.json("why", "gold.d", "#1..#2")
    same((j["kind"], j["chain"], j["path"]), ("code", ["gold.d", "silver.b"], "models/silver/b.sql"))
    has(p.shoal("why", "gold.x", "main~1..main", code=1).stderr, "gold.x is not on main #2")
    has(p.shoal("why", "gold.d", "nowhere..main", code=1).stderr, "there is no revision 'nowhere'")
    p.remove()


@case
def why_not_says_why_a_change_does_not_reach():
    p = Project({**BASE, "models/gold/other.sql": "select max(v) as m from bronze.a\n"})
    p.shoal("run")
    has(p.shoal("why", "--not", "gold.other").stdout, "gold.other is as the code says, and so is everything else")
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    same(p.shoal("why", "--not", "gold.other").stdout,
         "gold.other is unaffected: it reads bronze.a; your change is in silver.b (models/silver/b.sql:1: 1 → 2)\n")
    has(p.shoal("why", "--not", "gold.d").stdout, "gold.d is affected\ngold.d reads silver.b, and that changed:")
    j = p.json("why", "--not", "gold.other")
    same((j["affected"], j["reads"], j["changed"]), (False, ["bronze.a"], ["silver.b"]))
    p.remove()


@case
def a_branch_from_a_revision_and_its_base_moved():
    p = Project({**BASE, "models/gold/other.sql": "select max(v) as m from bronze.a\n"})
    p.shoal("run")
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    p.shoal("run")
    has(p.shoal("branch", "old", "--from", "main~1").stdout, "made old from main #1")
    has(p.shoal("branch", "old", code=1).stderr, "there is a branch old already")
    same(p.rows("select max(v) from silver.b", "--at", "old"), [["19"]])
    has(p.shoal("run", "--branch", "older", "--from", "main~1").stdout, "published #1 on older")
    has(p.shoal("run", "--branch", "older", "--from", "main", code=1).stderr, "the branch older is there already")
    same(p.json("plan", "--branch", "new", "--from", "#1")["adopt"], 2)  # main's second results, on the first base
    # the branch has a model of its own, main goes on
    p.git("switch", "-q", "-c", "try")
    p.write({"models/gold/d.sql": "select count(*) + 1 as n from silver.b\n"})
    p.shoal("run")
    p.git("stash", "-q")
    p.git("switch", "-q", "main")
    p.write({"models/gold/other.sql": "select min(v) as m from bronze.a\n", "models/gold/d.sql": "select 5 as n\n"})
    p.shoal("run")
    has(p.shoal("status", "--branch", "try").stdout, "on branch try #1, from main #2 (main is 1 ahead: shoal branch --update)")
    same({b["branch"]: (b.get("behind"), b["own"]) for b in p.json("branch")["branches"]},
         {"main": (None, 4), "old": (2, 0), "older": (2, 2), "try": (1, 1)})
    has(p.shoal("branch").stdout, "* main ", "  try ", "1 of 4 datasets its own", "from main #2", "1 behind", "#1, ")
    same(p.rows("from gold.other", "--at", "try"), [["18"]])
    r = p.shoal("branch", "--update", "try").stdout
    has(r, "published #2 on try: it is from main #3 now, 2 datasets changed with it", "gold.d changed on both: the branch keeps its own")
    same((p.rows("from gold.other", "--at", "try"), p.rows("from gold.d", "--at", "try")), ([["0"]], [["11"]]))
    same(p.rows("from gold.other", "--at", "try~1"), [["18"]])  # the past stays
    has(p.shoal("branch", "--update", "try").stdout, "try is from main #3 already")
    has(p.shoal("log", "--branch", "try").stdout, "(update, from main #3)", "from its base: gold.other", "#2 on main")
    has(p.shoal("branch", "--update", "try", "--from", "main~2").stdout, "from main #1 now")
    has(p.shoal("branch", "--update", "main", code=1).stderr, "main is the trunk")
    has(p.shoal("branch", "--update", "nowhere", code=1).stderr, "there is no branch nowhere yet")
    p.remove()


@case
def a_branch_is_deleted_and_its_name_used_again():
    import deltalake
    p = Project(BASE)
    p.shoal("run")
    p.shoal("branch", "empty")
    has(p.shoal("branch", "-d", "empty").stdout, "deleted empty (it was at #0)")
    p.git("switch", "-q", "-c", "try")
    p.write({"models/gold/d.sql": "select count(*) + 1 as n from silver.b\n"})
    p.shoal("run")
    table = p.dir + "/lake/_branches/try/gold/d"
    version = deltalake.DeltaTable(table).version()
    has(p.shoal("branch", "-d", "try", code=1).stderr, "try is the branch you are on")
    has(p.shoal("branch", "-d", "main", code=1).stderr, "main is the trunk")
    has(p.shoal("branch", "-d", "try", "--branch", "main", code=1).stderr, "try holds results that main does not: gold.d", "shoal branch -D try")
    has(p.shoal("branch", "-D", "try", "--branch", "main").stdout, "deleted try (it was at #1); its results stay")
    lacks(p.shoal("branch").stdout, "try")
    has(p.shoal("sql", "from gold.d", "--at", "try", code=1).stderr, "there is no revision 'try'")
    has(p.shoal("branch", "-d", "try", "--branch", "main", code=1).stderr, "there is no branch try")
    p.shoal("fsck", "--all")
    # Made again by a run: the same results, found in the lake; every path of its first life stays what it was.
    before = {f: os.stat(f).st_ino for f in tree(p.dir + "/lake") if not f.endswith("projected.json")}
    has(p.shoal("status").stdout, "on branch try (new), from main #1")
    has(p.shoal("run").stdout, "published #4 on try: 1 dataset")
    for f, inode in before.items():
        assert os.path.exists(f) and os.stat(f).st_ino == inode, f
    same(p.rows("from gold.d"), [["11"]])
    again = deltalake.DeltaTable(table)
    same((again.version() >= version, again.to_pyarrow_table().to_pydict()), (True, {"n": [11]}))
    has(p.shoal("run").stdout, "nothing to do")
    p.write({"models/gold/d.sql": BASE["models/gold/d.sql"]})
    p.shoal("run")
    has(p.shoal("branch", "-d", "try", "--branch", "main").stdout, "deleted try")  # what it holds, main holds
    p.shoal("branch", "try")
    same(p.rows("select n from gold.d", "--at", "try"), [["10"]])
    p.shoal("run")
    same(deltalake.DeltaTable(table).to_pyarrow_table().num_rows, 0)  # the base's is main's table
    p.remove()


def tree(folder):
    return [os.path.join(d, f) for d, _, files in os.walk(folder) for f in files]


@case
def verify_computes_again_and_compares():
    p = Project({**BASE, "models/gold/r.sql": "select random() as r\n"})
    p.shoal("run")
    has(p.shoal("run", "--verify").stdout, "3 of 3 results computed again: 3 as they were, 0 with another content", "nothing was published")
    same(p.json("run", "--verify", "silver.b")["verified"], 1)
    # what is stale is left alone, and so is what is below it
    p.write({"models/silver/b.sql": "select id, v + 2 as v from bronze.a\n"})
    same(p.json("run", "--verify")["verified"], 1)
    p.write({"models/silver/b.sql": BASE["models/silver/b.sql"]})
    # a result whose rows are not what its code gives
    path = [f for f in data_files(p, "bronze/a") if "/_shoal/" in f][0]
    claim = [f for f in tree(p.dir + "/lake/_shoal/claims") if "bronze.a" in open(f).read()][0]
    text = open(claim).read()
    wrong = re.sub(r'"rows_hash":"..', '"rows_hash":"00', text)
    entry = p.dir + "/lake/_shoal/branches/main/" + "1.json".rjust(25, "0")
    written = open(entry).read()
    os.chmod(entry, 0o644)
    open(entry, "w").write(written.replace(re.search(r'"rows_hash":"[^"]*', text).group(), re.search(r'"rows_hash":"[^"]*', wrong).group()))
    subprocess.run(["rm", "-rf", p.dir + "/.shoal"], check=True)
    r = p.shoal("run", "--verify", "bronze.a", code=1)
    has(r.stdout, "1 of 3 results computed again: 0 as they were, 1 with another content", "bronze.a gave another content")
    same(p.json("run", "--verify", "bronze.a", code=1)["differ"], ["bronze.a"])
    same(p.json("plan")["publication"], 1)
    has(p.shoal("run", "--verify", "--prune", code=1).stderr, "--verify publishes nothing")
    has(p.shoal("run", "--since", "2024-01-01", code=1).stderr, "incremental models, which come later")
    p.remove()


@case
def caches_are_shown_and_cleared():
    p = Project(BASE)
    p.shoal("run")
    caches = p.json("cache")["caches"]
    same((caches[0]["what"], caches[0]["path"], caches[0]["bytes"] > 1000), ("index", p.dir + "/.shoal/index-1", True))
    has(p.shoal("cache").stdout, "index", "kB", p.dir + "/.shoal/index-1", "shoal cache clear")
    has(p.shoal("cache", "clear").stdout, "cleared ")
    same(os.path.exists(caches[0]["path"]), False)
    has(p.shoal("run").stdout, "nothing to do")
    has(p.shoal("cache", "wash", code=1).stderr, "'wash' is not something that caches do")
    p.remove()


@case
def fsck_of_one_dataset_or_any_table():
    p = Project(BASE)
    p.shoal("run")
    same(p.json("fsck", "silver.*")["results"], 1)
    for path in ("lake/gold/d", p.dir + "/lake/gold/d/_delta_log", "./lake/gold/../gold/d/"):
        same(p.json("fsck", path)["results"], 1)
    os.remove(data_files(p, "gold/d")[0])
    p.shoal("fsck", "silver.b")
    has(p.shoal("fsck", "lake/gold/d", code=1).stdout, "gold.d of main #1: a file of it is missing")
    has(p.shoal("fsck", "gold.x", code=1).stderr, "there is no dataset gold.x on main, and no such folder")
    import deltalake, pyarrow
    other = p.dir + "/other"
    deltalake.write_deltalake(other, pyarrow.table({"x": [1, 2, 3]}))
    has(p.shoal("fsck", other).stdout, "version 0: 1 file,", "all are there")
    os.remove([f for f in tree(other) if f.endswith(".parquet")][0])
    has(p.shoal("fsck", "other", code=1).stdout, "broken", "version 0: 1 of 1 files are missing")
    same(p.json("fsck", "other", code=1)["broken"], 1)
    has(p.shoal("fsck", p.dir + "/models", code=1).stderr, "no Delta table")
    p.remove()


@case
def the_graph_as_openlineage():
    p = Project({**BASE, "data/x.csv": "a\n1\n", "models/gold/c.sql": "select count(*) as n from raw.x\n"},
                yaml="name: t\nsources:\n  raw.x: {files: data/x.csv}\n")
    p.shoal("run")
    events = {e["job"]["name"]: e for e in map(json.loads, p.shoal("graph", "--openlineage").stdout.splitlines())}
    same(sorted(events), ["bronze.a", "gold.c", "gold.d", "silver.b"])
    lake = "file://" + p.dir + "/lake"
    e = events["gold.d"]
    same((e["job"], e["inputs"], e["outputs"]), ({"namespace": "t", "name": "gold.d"}, [{"namespace": lake, "name": "silver.b"}],
                                                 [{"namespace": lake, "name": "gold.d"}]))
    same(events["gold.c"]["inputs"], [{"namespace": "file", "name": "data/x.csv"}])
    assert e["schemaURL"].endswith("JobEvent") and e["eventTime"].endswith("Z") and e["producer"], e
    has(p.shoal("graph", "--columns", code=1).stderr, "lineage of columns comes later")
    p.remove()


CLOCKS = ("now()", "current_timestamp", "get_current_timestamp()", "transaction_timestamp()", "localtimestamp", "current_localtimestamp()",
          "current_date", "current_date()", "today()", "current_time", "get_current_time()", "localtime", "current_localtime()",
          "ago(interval 1 day)", "main.upper(now()::varchar)", "list_transform([1], x -> now())[1]", "tick()")


@case
def now_fixes_the_clock_of_models_that_read_it():
    p = Project({"macros/m.sql": "create macro tick() as now()::timestamp;\n", "models/a.sql": "select 1 as x\n",
                 "models/clock.sql": "select " + ", ".join(f"({c})::varchar as c{i}" for i, c in enumerate(CLOCKS)) + "\n",
                 "models/below.sql": "select c0 from clock\n", "models/day.sql": "select current_date as d\n",
                 "models/real.sql": "select system.main.now() as t, age(timestamp '2020-01-01')::varchar as a\n"})
    t = "2024-03-05T06:07:08.5Z"
    has(p.shoal("check").stdout, "models/clock.sql calls now, so it is run every time unless --now is given", "models/real.sql calls now, so it is run every time\n")
    has(p.shoal("run", "--now", "yesterday", code=1).stderr, "'yesterday' is no time")
    p.shoal("run", "--now", t)
    day, clock, want = "2024-03-05", "06:07:08.5", []
    for c in CLOCKS:
        if "local" in c or c == "tick()":
            want.append(clock if c in ("localtime", "current_localtime()") else f"{day} {clock}")
        elif "date" in c or "today" in c:
            want.append(day)
        else:
            want.append(clock + "+00" if "time()" in c or c == "current_time" else ("2024-03-04" if "ago" in c else day) + f" {clock}+00")
    same(p.rows("from clock"), [want])
    same((p.rows("from below"), p.rows("from day")), ([[want[0]]], [[day]]))
    plan = {i["dataset"]: i["action"] for i in p.json("plan", "--now", t)["items"]}
    same(plan, {"main.a": "reuse", "main.below": "reuse", "main.clock": "reuse", "main.day": "reuse", "main.real": "run"})
    plan = {i["dataset"]: i["action"] for i in p.json("plan", "--now", "2024-03-05T23:59:59Z")["items"]}
    same((plan["main.day"], plan["main.clock"], plan["main.below"]), ("reuse", "run", "run"))  # the date counts by itself
    has(p.shoal("why", "main.clock", "--now", "2024-03-06").stdout, "--now is 2024-03-06T00:00:00.000000Z and was 2024-03-05T06:07:08.500000Z")
    has(p.shoal("why", "main.day", "--now", "2024-03-06").stdout, "today's date is 2024-03-06 and was 2024-03-05")
    same(p.plan()["main.clock"], "run")  # without it: every time
    p.shoal("plan", "main.clock", "--now", t, "--again", "-o", "plan.json")
    has(p.shoal("run", "plan.json").stdout, "1 with the same content")
    p.remove()


@case
def seed_fixes_chance():
    # Drawn by several threads it would not repeat.
    p = Project({"models/a.sql": "select range as i from range(1500000)\n",
                 "models/b.sql": "select bit_xor(hash(i, r, u)) as h, count(distinct r) as n from (select i, random() as r, uuid() as u from a)\n",
                 "models/pick.sql": "select count(*) as n from a where random() < 0.5\n", "models/v7.sql": "select uuidv7() as u\n",
                 "models/some.sql": "select i from a using sample 10 rows\n"}, yaml="name: t\nengine: {threads: 4}\n")
    has(p.shoal("check").stdout, "models/b.sql calls random, so it is run every time unless --seed is given", "models/v7.sql calls uuidv7, so it is run every time\n")
    has(p.shoal("run", "--seed", "-1", code=1).stderr, "'-1' is no seed")
    p.shoal("run", "--seed", "7")
    first = p.rows("from b")
    assert int(first[0][1]) > 1000000, first
    same({i["dataset"]: i["action"] for i in p.json("plan", "--seed", "7")["items"]},
         {"main.a": "reuse", "main.b": "reuse", "main.pick": "reuse", "main.v7": "run", "main.some": "run"})
    for _ in range(2):
        has(p.shoal("run", "main.b", "main.pick", "--seed", "7", "--again").stdout, "2 with the same content, 0 with another")
    has(p.shoal("why", "main.b", "--seed", "8").stdout, "--seed is 8 and was 7")
    p.shoal("run", "main.b", "--seed", "8")
    assert p.rows("from b") != first
    p.remove()


@case
def completions_and_the_manual_know_every_verb():
    import shutil
    p = Project(BASE)
    verbs = [line.split()[0] for line in p.shoal("--help").stdout.splitlines() if line.startswith("  ")]
    for shell, check in (("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])):
        text = p.shoal("completion", shell).stdout
        has(text, *verbs)
        has(text, "keep-going", "--names")
        p.write({"c." + shell: text})
        if shutil.which(shell):
            subprocess.run([*check, "c." + shell], cwd=p.dir, check=True)
    man = p.shoal("completion", "man").stdout
    has(man, *[".SS shoal " + v for v in verbs])
    assert man.isascii(), [c for c in man if not c.isascii()]
    if shutil.which("man"):
        p.write({"shoal.1": man})
        r = subprocess.run(["man", "--warnings", "-l", "shoal.1"], cwd=p.dir, env={**p.env, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"}, capture_output=True, text=True)
        same((r.returncode, r.stderr), (0, ""))
        has(r.stdout, "shoal run [SELECTOR… | PLAN.json] [options]", "--keep-going", "NO_COLOR")
    has(p.shoal("completion", "csh", code=1).stderr, "'csh' is none of bash, zsh, fish and man")
    p.remove()


@case
def bash_completes_verbs_options_and_datasets():
    p = Project(BASE)
    p.shoal("run")
    same(p.shoal("ls", "--names").stdout.split(), ["bronze.a", "gold.d", "silver.b"])
    p.write({"c.bash": p.shoal("completion", "bash").stdout})

    def complete(*words):
        script = 'source c.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shoal; printf "%s\\n" "${COMPREPLY[@]}"'
        r = subprocess.run(["bash", "-c", script, "x", "shoal", *words], cwd=p.dir, env={**p.env, "PATH": os.path.dirname(SHOAL) + ":" + os.environ["PATH"]}, capture_output=True, text=True, check=True)
        return r.stdout.split()

    same(complete("rol"), ["rollback"])
    same(complete("run", "--ag"), ["--again"])
    same(complete("-C", ".", "plan", "gold"), ["gold.d"])
    same(complete("why", "silver.b", "--js"), ["--json"])
    p.shoal("branch", "try")
    same((complete("branch", ""), complete("ls", "--at", "t"), complete("run", "--branch", "m")), (["main", "try"], ["try"], ["main"]))
    p.remove()


@case
def the_doctor_says_what_is_wrong():
    p = Project(BASE)
    before = p.json("doctor")
    same({x["check"]: x["verdict"] for x in before["checks"]}["lake"], "warn")  # it is not there yet
    p.shoal("run")
    checks = {x["check"]: x for x in p.json("doctor")["checks"]}
    for name in ("project", "git", "engine", "lake", "write", "clock", "index"):
        same(checks[name]["verdict"], "ok")
    has(checks["engine"]["text"], "duckdb 1.")
    same(os.listdir(p.dir + "/lake/_shoal/tmp") if os.path.isdir(p.dir + "/lake/_shoal/tmp") else [], [])
    has(p.shoal("doctor").stdout, "ok    engine", "ok    lake")
    r = p.shoal("doctor", env={"SHOAL_DUCKDB": "/nowhere.so"}, code=1)
    has(r.stdout, "fail  engine", "/nowhere.so")
    r = p.shoal("doctor", env={"PATH": "/nowhere"})
    has(r.stdout, "warn  git", "apt-get install git", "warn  graphviz")
    p.write({"lake/_shoal/format.json": '{"format": 9}'})
    has(p.shoal("doctor", code=1).stdout, "fail  lake")
    os.remove(p.dir + "/shoal.yaml")
    has(p.shoal("doctor", code=1).stdout, "fail  project", "shoal init", "ok    engine")
    p.remove()


@case
def rm_takes_a_dataset_off_the_branch():
    p = Project(BASE)
    p.shoal("run")
    r = p.shoal("rm", "gold.d", code=1)
    has(r.stderr, "models/gold/d.sql makes gold.d", "--force")
    has(p.shoal("rm", "gold.d", "--force").stdout, "published #2 on main: gold.d removed")
    p.shoal("sql", "from gold.d", code=1)
    same(p.rows("select n from gold.d", "--at", "main~1"), [["10"]])
    same(p.plan()["gold.d"], "adopt")  # its result stays
    p.shoal("run")
    os.remove(p.dir + "/models/gold/d.sql")
    same(p.plan()["gold.d"], "removed")
    has(p.shoal("rm", "gold.*").stdout, "gold.d removed")
    lacks(p.shoal("plan").stdout, "gold.d")
    has(p.shoal("rm", "gold.d", code=1).stderr, "there is no dataset gold.d")
    has(p.shoal("rm", code=1).stderr, "which datasets?")
    p.remove()


def data_files(p, home):
    return [os.path.join(d, f) for d, _, fs in os.walk(f"{p.dir}/lake/{home}") for f in fs if f.endswith(".parquet")]


@case
def fsck_finds_a_lost_file_and_repair_has_it_computed_anew():
    p = Project(BASE)
    p.shoal("run")
    has(p.shoal("fsck").stdout, "3 results looked at", "all are whole")
    want = p.rows("from silver.b order by id")
    for f in data_files(p, "silver/b"):
        os.remove(f)
    has(p.shoal("run").stdout, "nothing to do")
    r = p.shoal("fsck", code=1)
    has(r.stdout, "broken", "silver.b of main #1: a file of it is missing", "shoal fsck --repair")
    same(p.to_run(), [])
    j = p.json("fsck", "--repair", code=1)
    same([(b["dataset"], b["condemned"]) for b in j["broken"]], [("silver.b", True)])
    has(p.shoal("plan").stdout, "silver.b", "its result is broken")
    same(p.to_run(), ["silver.b"])
    has(p.shoal("run").stdout, "published #2 on main: 1 dataset")
    same(p.rows("from silver.b order by id"), want)
    has(p.shoal("fsck").stdout, "all are whole")
    has(p.shoal("run").stdout, "nothing to do")
    import deltalake
    same(len(deltalake.DeltaTable(p.dir + "/lake/silver/b").to_pyarrow_table()), 10)
    has(p.shoal("fsck", "--all", code=1).stdout, "silver.b of main #1", "condemned")
    p.remove()


@case
def a_new_branch_settles_before_it_is_published():
    p = Project(BASE)
    p.shoal("run")
    p.git("switch", "-q", "-c", "new")
    hidden, opened, until = p.dir + "/lake/_shoal/format.json", True, time.time() + 60
    while opened and time.time() < until:  # files younger than two seconds are looked at again
        has(p.shoal("run").stdout, "nothing to do")
        os.rename(hidden, hidden + ".away")  # who opens the lake finds it damaged
        r = subprocess.run([SHOAL, "run"], cwd=p.dir, env=p.env, capture_output=True, text=True, timeout=120)
        opened = r.returncode != 0
        has(r.stdout + r.stderr, "the lake is damaged" if opened else "nothing to do")
        os.rename(hidden + ".away", hidden)
    assert not opened
    p.git("switch", "-q", "main")
    p.write({"models/gold/d.sql": "select count(*) + 1 as n from silver.b\n"})
    p.shoal("run")
    p.git("switch", "-q", "new")
    has(p.shoal("run").stdout, "nothing to do")  # it would start at the trunk's new head, where this is so
    p.write({"models/gold/d.sql": BASE["models/gold/d.sql"]})
    has(p.shoal("run").stdout, "published #1 on new")
    p.remove()


@case
def a_repair_elsewhere_is_noticed_by_a_settled_project():
    p = Project(BASE)
    p.shoal("run")
    has(p.shoal("run").stdout, "nothing to do")
    os.remove(data_files(p, "gold/d")[0])
    p.shoal("--lake", "lake", "--branch", "main", "fsck", "--repair", cwd=p.dir, code=1)
    has(p.shoal("run").stdout, "published #2")
    has(p.shoal("run").stdout, "nothing to do")
    p.remove()


@case
def fsck_reads_content():
    p = Project(BASE)
    p.shoal("run")
    has(p.shoal("fsck", "--content", "--all").stdout, "all are whole")
    path = [f for f in data_files(p, "bronze/a") if "/_shoal/" in f][0]
    with open(path, "r+b") as f:  # of the same size, and no Parquet any more
        size = os.path.getsize(path)
        f.write(b"\0" * size)
    has(p.shoal("fsck").stdout, "all are whole")
    has(p.shoal("fsck", "--content", code=1).stdout, "bronze.a", "can't be read")
    p.shoal("fsck", "--content", "--repair", code=1)
    p.shoal("run")
    has(p.shoal("fsck", "--content").stdout, "all are whole")
    p.remove()


if __name__ == "__main__":
    main()
