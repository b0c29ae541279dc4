#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Power loss at any moment (invariants 1 to 9). A history of commands is recorded; from the log come the states that a
disk may hold after the power failed within it (lib/disk.py says which). In each of them the lake must be readable, hold
what was acknowledged and nothing else than a whole publication, its tables must open whole, and the command that was
cut off, given again, must lead to what it leads to without a crash. Repeat one with: replay.py PHASE OPERATION MODE N"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from disk import Disk, build, fingerprint, read_log  # noqa: E402
from harness import *  # noqa: E402,F403

SECONDS = 28 * BUDGET
EXHAUSTIVE = bool(os.environ.get("SHOAL_EXHAUSTIVE"))
MODES = ("synced", "mixed", "torn", "all")


def stricter(project):
    edit(project, "models/silver/orders.sql", "amount >= 1", "amount >= 50")


def other_top(project):
    edit(project, "models/gold/top.sql", "max(o.amount)", "min(o.amount)")


def other_schema(project):
    edit(project, "models/silver/customers.sql", "count(*) as n", "count(*) as n, min(day) as since")


def nothing(project):
    pass


# name, edit, command, branch
PHASES = [("first", nothing, ["run"], "main"), ("edited", stricter, ["run"], "main"), ("branch", other_top, ["run"], "exp"),
          ("rollback", nothing, ["rollback", "gold.top", "--to", "#1"], "main"),
          ("release", nothing, ["rollback", "--release", "gold.top"], "main"), ("schema", other_schema, ["run"], "main")]


class View:
    """What one branch holds."""

    def __init__(self, case, branch):
        project = os.path.join(case, "p")
        head = head_of(project, branch)
        self.publication = head.publication if head else 0
        self.hashes = head.hashes() if head else {}
        self.rows = rows_of(project, self.hashes, branch)
        self.tables = tables_of(os.path.join(case, "lake"), self.hashes, "" if branch == "main" else f"_branches/{branch}")

    def __eq__(self, other):
        return (self.hashes, self.rows, self.tables) == (other.hashes, other.rows, other.tables)


class Phase:
    def __init__(self, name, command, branch, first, last, before, after):
        self.name, self.command, self.branch = name, command, branch
        self.first, self.last = first, last  # operations [first, last)
        self.before, self.after = before, after  # branch → View


class History:
    """Records the phases one by one; between them `explore` looks at the states of the last one, in the case's own place."""

    def __init__(self, folder):
        self.case = os.path.join(folder, "history")
        self.other = os.path.join(folder, "other")  # the second worker's
        self.log = os.path.join(folder, "log")
        self.folder = folder
        self.times = os.path.join(folder, "times")
        make_case(self.case)
        self.done = 0
        self.views = {"main": View(self.case, "main"), "exp": View(self.case, "exp")}
        shutil.rmtree(os.path.join(self.case, "p", ".shoal"))  # looking has made it

    def record(self, name, change, command, branch):
        project = os.path.join(self.case, "p")
        change(project)
        self.keep(".before")
        ran = good(shoal(project, *command, branch=branch, env=recorded(self.case, log=self.log)), name)
        need(ran.published or command[0] != "run", "%s published nothing", name)
        self.keep(".after")
        copy_tree(self.case, self.times)
        copy_tree(self.case, self.other)
        ops = read_log(self.log, self.case)
        after = {b: View(self.case, b) for b in self.views}
        if command == ["run"]:
            need("nothing to do" in shoal(project, "run", branch=branch).out, "%s left something to do", name)
        # An index that remembers all this, the branch's state too, which is kept only where reading it takes long.
        good(shoal(project, "ls", branch=branch, env={**recorded(self.case), "SHOAL_SLOW": "20000"}), "ls")
        with open(os.path.join(project, ".shoal", "index-1", "data.mdb"), "rb") as f:
            need(b"state3:" in f.read(), "the index does not keep the branch's state")
        self.keep(".late")
        self.restore()
        phase = Phase(name, command, branch, self.done, len(ops), self.views, after)
        self.views, self.done = after, len(ops)
        return phase, Disk(ops, {"p"})

    def keep(self, suffix):
        for part in ("p/.shoal", "lake"):
            copy = os.path.join(self.folder, part.replace("/", "-") + suffix)
            shutil.rmtree(copy, ignore_errors=True)
            if os.path.isdir(os.path.join(self.case, part)):
                copy_tree(os.path.join(self.case, part), copy)

    def restore(self, root=None, parts=("p/.shoal", "lake"), suffix=".after"):
        for part in parts:
            copy = os.path.join(self.folder, part.replace("/", "-") + suffix)
            shutil.rmtree(os.path.join(root or self.case, part), ignore_errors=True)
            if os.path.isdir(copy):
                copy_tree(copy, os.path.join(root or self.case, part))


# ---- one state ----

def lay_out(history, worker, state, index):
    """Puts the state in place. The index: as the disk holds it, or none, or the one of before or after the command: it is
    a cache and may be of any time."""
    root = history.case if worker == 0 else history.other
    for part in ("p/.shoal", "lake"):
        shutil.rmtree(os.path.join(root, part), ignore_errors=True)
    build(state, root, ("lake", "p/.shoal") if index == "disk" else ("lake",), history.times)
    if index in (".before", ".late"):
        history.restore(root, ("p/.shoal",), index)
    return root


def check_branch(root, phase, branch, acknowledged):
    before, after = phase.before[branch], phase.after[branch]
    head = head_of(os.path.join(root, "p"), branch)
    if head is None:
        need(not before.hashes and not (acknowledged and after.hashes), "the branch %s is gone", branch)
        return
    hashes = head.hashes()
    there = branch_logs(os.path.join(root, "lake")).get(branch, [])
    need(not there or head.publication == there[-1], "%s shows publication %d, its log ends with %s", branch,
         head.publication, there[-1:])
    allowed = [after] if acknowledged else [before, after]
    got = next((v for v in allowed if v.hashes == hashes), None)
    need(got, "%s holds no whole publication, or not the acknowledged one: #%s %s", branch, head.publication, hashes)
    need(rows_of(os.path.join(root, "p"), hashes, branch) == got.rows, "%s holds other rows than it says", branch)
    tables = tables_of(os.path.join(root, "lake"), set(before.hashes) | set(after.hashes),
                       "" if branch == "main" else f"_branches/{branch}")
    for name, digest in tables.items():
        ok = [v.tables.get(name) for v in ((after,) if acknowledged else (before, got))]
        need(digest in ok, "the table %s on %s is not whole, or not what was acknowledged", name, branch)


def check_state(worker, history, phase, disk, k, mode, dice, index, finish):
    r = rng("replay", phase.name, k, mode, dice)
    state = disk.state(k, mode, r if mode in ("mixed", "torn") else None, r.choice((512, 4096)))
    root = lay_out(history, worker, state, index)
    acknowledged = k == phase.last
    for branch in dict.fromkeys(("main", phase.branch)):
        check_branch(root, phase, branch, acknowledged)
    if not finish:
        return
    project = os.path.join(root, "p")
    ran = good(shoal(project, *phase.command, branch=phase.branch), "the command, again")
    need(ran.seconds < MOMENT, "the command, again, took %.1f s", ran.seconds)
    need(View(root, phase.branch) == phase.after[phase.branch], "the command, again, leads elsewhere")
    check_lake(os.path.join(root, "lake"))


def states(phase, disk):
    """Each state once, in an order whose every beginning is a fair sample: (k, mode, dice)."""
    r = rng("states", phase.name)
    rounds = 8 if EXHAUSTIVE else 3
    points = [(k, mode, dice) for k in range(phase.first + 1, phase.last + 1) for mode in MODES
              for dice in range(rounds if mode in ("mixed", "torn") else 1)]
    r.shuffle(points)
    points.insert(0, (phase.last, "synced", 0))
    points.insert(0, (phase.last, "all", 0))
    seen = set()
    for k, mode, dice in points:
        d = rng("replay", phase.name, k, mode, dice)
        f = fingerprint(disk.state(k, mode, d if mode in ("mixed", "torn") else None, d.choice((512, 4096))))
        if (f, k == phase.last) not in seen:
            seen.add((f, k == phase.last))
            yield k, mode, dice


def explore(history, phase, disk, seconds):
    sampled = Sampled(seconds)
    # Only the first worker's project lies where it was recorded, so only there an index can be taken at its word.
    indexes = ("disk", ".late", ".before", "none")
    jobs = ((f"replay.py {phase.name} {k} {mode} {dice} (seed {SEED}, index {indexes[i % 4]})", check_state, history, phase,
             disk, k, mode, dice, indexes[i % 4], i // 4 % 2 == 0 or EXHAUSTIVE)
            for i, (k, mode, dice) in enumerate(states(phase, disk)))
    sampled.all(jobs)
    history.restore()
    sampled.verdict()
    return f"{sampled.checked} states of {phase.last - phase.first} operations"


# ---- what the log itself tells ----

TRANSIENT = ("lake/_shoal/tmp/", "lake/_shoal/leases/", "lake/_shoal/runs/")


def stored(path):
    return path.startswith("lake/") and not path.startswith(TRANSIENT)


def check_complete(history, disk):
    """The recorder has missed nothing: the log leads to the very files that are there."""
    state = disk.state(len(disk.ops), "all")
    have = {}
    for folder, folders, names in os.walk(os.path.join(history.case, "lake")):
        for n in folders + names:
            full = os.path.join(folder, n)
            have[os.path.relpath(full, history.case)] = None if n in folders else open(full, "rb").read()
    want = {p: v and v[1] for p, v in state.items() if p.startswith("lake/")}
    need(have == want, "the log does not explain %s", sorted(set(have) ^ set(want)) or "the files' bytes")
    return f"{len(disk.ops)} operations explain {len(have)} files and folders"


def check_written_once(disk):
    """Invariant 3."""
    seen = set()
    for op in disk.ops:
        path = {"create": 2, "link": 2, "rename": 2}.get(op[0])
        path = op[path] if path else None
        if path and stored(path) and not path.endswith("/projected.json"):
            need(path not in seen, "%s is written twice", path)
            seen.add(path)
    need(seen, "nothing was written")
    return f"{len(seen)} names, each given once"


def check_durable_first(disk):
    """Invariant 4, at the moment each name appears: the bytes are on disk; and all that an entry of a branch's log, a claim
    or a table's commit names is on disk when it appears."""
    for at, op in enumerate(disk.ops):
        if op[0] not in ("link", "rename") or not stored(op[2]):
            continue
        state = disk.state(at, "synced")
        later = disk.state(at + 1, "all")
        data = later[op[2]]
        need(all(c.durable < at for c in disk.data[data[0]] if c.at < at), "%s is named before its bytes are on disk", op[2])
        text = data[1].decode(errors="replace") if op[2].endswith(".json") else ""
        for attempt in re.findall(r'"attempt": ?"([0-9a-f-]{36})"', text):
            table = [p for p in state if f"/{attempt}/_delta_log/" in p and p.endswith(".json")]
            need(table, "%s names the attempt %s, whose table is not on disk", op[2], attempt)
    return "each name is given to bytes on disk"


def check_own_branch(phase, disk):
    """Invariant 8: what the run on a branch wrote is its own branch's, or new results."""
    for op in disk.ops[phase.first:phase.last]:
        path = op[2] if op[0] in ("create", "link", "rename") else op[1] if op[0] in ("unlink", "mkdir", "rmdir") else None
        if path is None or not path.startswith("lake/"):
            continue
        mine = ("lake/_shoal/branches/exp", "lake/_branches", "lake/_shoal/claims/", "lake/_shoal/datasets/") + TRANSIENT
        transient = path + "/" in TRANSIENT
        need(path.startswith(mine) or "/_shoal/" in path.replace("lake/_shoal/", "") or transient,
             "a run on exp touches %s", path)
    return "a run on a branch writes to it and to results only"


def check_noop(history):
    """Invariant 10: a run that has nothing to do changes nothing; once the files' times are no longer too young to be
    trusted (2 s), not even the index."""
    log, project = os.path.join(history.folder, "noop"), os.path.join(history.case, "p")
    good(shoal(project, "run"), "run")
    deadline = time.monotonic() + MOMENT
    while True:
        if os.path.exists(log):
            os.unlink(log)
        ran = good(shoal(project, "run", env=recorded(history.case, log=log)), "run")
        need("nothing to do" in ran.out, "a run without work does some: %s", ran)
        with open(log, "rb") as f:
            changed = re.findall(rb"^(?:create|link|rename|mkdir|rmdir|unlink)\t.*", f.read(), re.M)
        need(not changed, "a run without work changes names: %s", changed[:3])
        verbs = {op[0] for op in read_known(log, history.case)}
        if not verbs - {"exit", "open"}:
            return
        need(time.monotonic() < deadline, "a run without work still does %s", verbs)


def read_known(log, root):
    return [(op[0],) for op in read_log(log, root)]


def check_set_back(cases):
    """A lake restored from a backup, and published to by somebody else since: nobody's index may speak for it."""
    case = os.path.join(cases.folder, "set-back")
    p, lake, backup = make_case(case), os.path.join(case, "lake"), os.path.join(case, "backup")
    q = make_case(case, "q")
    good(shoal(p, "run"), "run")
    copy_tree(lake, backup)
    stricter(p)
    good(shoal(p, "run"), "an edited run")
    wanted = View(case, "main")
    need("nothing to do" in shoal(p, "run").out, "an edited run left something to do")
    copy_tree(backup, lake)
    other_schema(q)
    need(good(shoal(q, "run"), "somebody else's run").published == 2, "the lake was not set back")
    ran = good(shoal(p, "run"), "a run after it")
    need(ran.published == 3, "a lake that was set back is taken for what it was: %s", ran)
    need(View(case, "main").hashes == wanted.hashes, "the branch holds something else than the code says")
    check_lake(lake)


# Left out of Shoal, each of these must be seen: the operation, and the paths it is left out for.
TEETH = {"the bytes": ("fsync", None), "the lake's format": ("fsyncdir", r"lake/_shoal"),
         "the branch's log": ("fsyncdir", r"lake/_shoal/branches/main"), "the claims": ("fsyncdir", r"lake/_shoal/claims/.*/.*"),
         "an attempt's files": ("fsyncdir", r"lake/gold/top/_shoal/[^/]*/[^/]*"),
         "an attempt's table": ("fsyncdir", r"lake/gold/top/_shoal/.*/_delta_log"),
         "a table's log": ("fsyncdir", r"lake/gold/top/_delta_log"), "a folder on the way": ("fsyncdir", r"lake/gold")}


def check_teeth(history, phase, verb, path):
    ops = [op for op in read_log(history.log, history.case) if op[0] != verb or (path and not re.fullmatch(path, op[1]))]
    need(len(ops) < phase.last, "Shoal does no %s of %s", verb, path)
    less = Phase(phase.name, phase.command, phase.branch, 0, len(ops), phase.before, phase.after)
    try:
        check_state(1, history, less, Disk(ops, {"p"}), len(ops), "synced", 0, "none", True)
    except Violation:
        return None
    raise Violation(f"nothing is seen when the {verb} of {path} is left out")


def main():
    cases = Cases("replay")
    print(f"seed {SEED}")
    history = History(cases.folder)
    for name, change, command, branch in PHASES:
        phase, disk = history.record(name, change, command, branch)
        if len(sys.argv) == 5:
            if sys.argv[1] == name:
                for i, index in enumerate(("disk", ".late", ".before", "none")):
                    cases.run(f"{' '.join(sys.argv[1:])} {index}", check_state, 0, history, phase, disk, int(sys.argv[2]),
                              sys.argv[3], int(sys.argv[4]), index, True)
                cases.end()
            continue
        cases.run(f"power loss in {name}", explore, history, phase, disk, SECONDS / len(PHASES))
        if name == "branch":
            cases.run("own branch only", check_own_branch, phase, disk)
        if name == "first":
            for what, (verb, path) in TEETH.items():
                cases.run(f"a missing fsync is seen: {what}", check_teeth, history, phase, verb, path)
    cases.run("the log is complete", check_complete, history, disk)
    cases.run("written once", check_written_once, disk)
    cases.run("durable before visible", check_durable_first, disk)
    cases.run("nothing to do", check_noop, history)
    cases.run("a lake set back", check_set_back, cases)
    cases.end()


main()
