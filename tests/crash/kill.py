#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at sampled changes of files: before, after, or in the midst of the n-th (invariants 1, 4, 5, 7, 8).

Each scenario is one command on a prepared case. For a sampled n the command dies there; then the lake must be readable
and show what was acknowledged, another clone on another branch must not be held up, the next run must finish the job
at once, and everything must equal a run without a crash. Repeat one with: kill.py SCENARIO n:when"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from harness import *  # noqa: E402,F403

WANT_KILLS = 200  # over all scenarios
SECONDS = 34 * BUDGET


def raise_limit(project):
    edit(project, "models/silver/orders.sql", "amount >= 1", "amount >= 50")


def other_top(project):
    edit(project, "models/gold/top.sql", "max(o.amount)", "min(o.amount)")


def nothing(project):
    pass


# name: (scenario it starts from, the edit, the command, its branch, what completes the job if it died)
SCENARIOS = {
    "first-run": (None, nothing, ["run"], "main", ["run"]),
    "edited-run": ("first-run", raise_limit, ["run"], "main", ["run"]),
    "branch-run": ("edited-run", other_top, ["run"], "exp", ["run"]),
    "rollback": ("edited-run", nothing, ["rollback", "gold.top", "--to", "#1"], "main",
                 ["rollback", "gold.top", "--to", "#1"]),
    "release": ("rollback", nothing, ["rollback", "--release", "gold.top"], "main",
                ["rollback", "--release", "gold.top"]),
}


class Prepared:
    """A case before and after its command, and what both hold."""

    def __init__(self, name, base, before, command, branch, finish):
        self.name, self.before, self.command, self.branch, self.finish = name, before, command, branch, finish
        self.after = before + ".after"
        copy_tree(before, self.after)
        project = os.path.join(self.after, "p")
        count = before + ".count"
        ran = shoal(project, *command, branch=branch, env=recorded(self.after, count=count))
        good(ran, f"{name} without a crash")
        with open(count, encoding="utf-8") as f:
            self.changes = int(f.readline().split()[1])
        self.was = self.look(before)
        self.now = self.look(self.after)
        need(self.now != self.was, "%s changes nothing", name)

    def look(self, case):
        project, lake = os.path.join(case, "p"), os.path.join(case, "lake")
        out = {}
        for b in {"main", self.branch}:
            head = head_of(project, b)
            names = head.datasets if head else {}
            prefix = "" if b == "main" else os.path.join("_branches", b)
            out[b] = (head.hashes() if head else {}, rows_of(project, names, b), tables_of(lake, names, prefix))
        return out


def prepare(cases):
    prepared = {}
    for name, (base, change, command, branch, finish) in SCENARIOS.items():
        before = os.path.join(cases.folder, name)
        if base:
            copy_tree(prepared[base].after, before)
        else:
            make_case(before)
        change(os.path.join(before, "p"))
        prepared[name] = Prepared(name, base, before, command, branch, finish)
    return prepared


def check_readable(p, case, killed):
    """Each branch shows what it held before or what it holds after, whole; what was acknowledged is there."""
    project, lake = os.path.join(case, "p"), os.path.join(case, "lake")
    for b in p.now:
        head = head_of(project, b)
        if head is None or (head.publication == 0 and not head.datasets):
            need(not p.was[b][0] and killed.published is None, "%s: the branch %s is gone", p.name, b)
            continue
        states = [s for s in (p.was[b], p.now[b]) if s[0] == head.hashes()]
        need(states, "%s: %s holds neither what was nor what is to be: %s", p.name, b, head.hashes())
        if killed.published is not None:
            need(p.now[b][0] == head.hashes(), "%s: acknowledged and not there", p.name)
        need(rows_of(project, head.datasets, b) == states[0][1], "%s: %s holds other rows than it says", p.name, b)
        prefix = "" if b == "main" else os.path.join("_branches", b)
        for name, got in tables_of(lake, head.datasets, prefix).items():
            need(got in (p.was[b][2].get(name), p.now[b][2].get(name)), "%s: the table %s on %s holds neither", p.name,
                 name, b)
            if killed.published is not None:
                need(got == p.now[b][2].get(name), "%s: acknowledged, and the table %s is not", p.name, name)


def check_others(p, case):
    """Another clone, on a branch of its own, is not held up by the dead one."""
    if not head_of(os.path.join(case, "p")):
        return
    copy_tree(os.path.join(case, "p"), os.path.join(case, "q"))
    ran = good(shoal(os.path.join(case, "q"), "run", branch="other"), "another clone's run")
    need(ran.seconds < MOMENT, "another clone waited %.1f s for a dead holder", ran.seconds)


def check_finished(p, case):
    project, lake = os.path.join(case, "p"), os.path.join(case, "lake")
    ran = good(shoal(project, *p.finish, branch=p.branch), "the next command")
    need(ran.seconds < MOMENT, "the next command waited %.1f s for a dead holder", ran.seconds)
    for b, (hashes, rows, tables) in p.now.items():
        head = head_of(project, b)
        need(head and head.hashes() == hashes, "after the next run %s holds something else", b)
        need(rows_of(project, head.datasets, b) == rows, "after the next run %s holds other rows", b)
        prefix = "" if b == "main" else os.path.join("_branches", b)
        need(tables_of(lake, hashes, prefix) == tables, "after the next run the tables on %s differ", b)
    if p.finish != ["run"]:
        good(shoal(project, "run", branch=p.branch), "a run after it")
    check_lake(lake)
    left = [n for n in os.listdir(os.path.join(lake, "_shoal", "tmp"))] if os.path.isdir(
        os.path.join(lake, "_shoal", "tmp")) else []
    need(len(left) <= 1, "temporary folders of dead processes pile up: %s", left)


def kill_once(worker, cases, p, kill, others):
    case = os.path.join(cases.folder, f"kill-{worker}")
    copy_tree(p.before, case)
    killed = shoal(os.path.join(case, "p"), *p.command, branch=p.branch, env=recorded(case, kill=kill))
    need(killed.code in (-9, 0), "it did not die but %s", killed)
    check_readable(p, case, killed)
    if others:
        check_others(p, case)
    check_finished(p, case)


def sample(prepared):
    """Each kill point has the same chance; the scenarios take turns, so that any prefix of the list is fair."""
    points = []
    for p in prepared.values():
        r = rng("kill", p.name)
        all_points = [(p, f"{n}:{when}") for n in range(1, p.changes + 1) for when in ("before", "after", "half")]
        r.shuffle(all_points)
        points.append(all_points if os.environ.get("SHOAL_EXHAUSTIVE") else all_points[:WANT_KILLS // len(prepared)])
    return [q[i] for i in range(max(map(len, points))) for q in points if i < len(q)]


def main():
    cases = Cases("kill")
    print(f"seed {SEED}")
    prepared = prepare(cases)
    if len(sys.argv) == 3:
        cases.run(f"{sys.argv[1]} {sys.argv[2]}", kill_once, 0, cases, prepared[sys.argv[1]], sys.argv[2], True)
        cases.end()
    sampled = {name: Sampled(0) for name in prepared}
    for s in sampled.values():
        s.deadline = time.monotonic() + SECONDS
    shared = Sampled(SECONDS)
    jobs = []
    for i, (p, kill) in enumerate(sample(prepared)):
        jobs.append((f"{p.name} {kill}", lambda w, p=p, kill=kill, i=i: sampled[p.name].one(
            f"kill.py {p.name} {kill} (seed {SEED})", kill_once, w, cases, p, kill, i % 4 == 0)))
    shared.all(jobs)
    for name, s in sampled.items():
        def verdict(s=s, name=name):
            s.verdict()
            return f"{s.checked} of {prepared[name].changes * 3} kill points"
        cases.run(f"kill {name}", verdict)
    cases.end()


main()
