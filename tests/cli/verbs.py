# SPDX-License-Identifier: Apache-2.0
"""Saved plans, completions, the doctor, rm, fsck: the verbs around the main job."""
import json
import sys

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


if __name__ == "__main__":
    main()
