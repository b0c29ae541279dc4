#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The n-th request for memory, and the n-th call of the lake's store (before it works, after it did, for want of space), fails
through a whole command: run, plan, sql, status. It ends with 0, or with 1 and an error; never by a signal, never hanging, and in
a build with ASan without a leak. What is there is whole, and the next run finishes. Repeat one: nth.py SCENARIO memory:17."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from harness import *  # noqa: E402,F403

SECONDS = 24 * BUDGET
FAILING = os.path.join(BUILD, "bin", "shoal_failing")
SAN = {"ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1:exitcode=77", "UBSAN_OPTIONS": "halt_on_error=1:exitcode=78",
       "LSAN_OPTIONS": f"suppressions={TREE}/tools/lsan.supp:print_suppressions=0:exitcode=77"}
SMALL = {"models/silver/orders.sql": FILES["models/silver/orders.sql"], "models/gold/daily.sql": FILES["models/gold/daily.sql"],
         "macros/m.sql": "create macro twice(x) as x * 2;\n", "models/gold/total.sql": "select twice(sum(total))::bigint as t from gold.daily\n"}
UNHELD = 12  # seconds: less than a lease's life, which who waits for a dead one's would take; more than a build with ASan needs
KINDS = ("memory", "before", "after", "space")


def make(folder):
    for path in [p for p in FILES if p.startswith(("shoal.yaml", "data/"))]:
        write(os.path.join(folder, "p", path), FILES[path])
    for path, text in SMALL.items():
        write(os.path.join(folder, "p", path), text)


def failing(project, args, fault, count=None):
    t = time.monotonic()
    env = environment(SHOAL_FAIL=fault, **SAN, **({"SHOAL_FAIL_COUNT": count} if count else {}))
    p = subprocess.Popen([FAILING, "-C", project, "--branch", "main", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=env)
    try:
        out, err = p.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
        raise Violation(f"{' '.join(args)} hangs with {fault}\n{out}{err}") from None
    return Ran(p.returncode, out, err, time.monotonic() - t)


class Scenario:
    def __init__(self, cases, name, args, ran_before, edited):
        self.name, self.args = name, args
        self.before, self.after = (os.path.join(cases.folder, f"{name}.{w}") for w in ("before", "after"))
        make(self.before)
        if ran_before:
            good(shoal(os.path.join(self.before, "p"), "run"), name)
        if edited:
            edit(os.path.join(self.before, "p"), "models/gold/daily.sql", "sum(amount)", "max(amount)")
        self.was = look(self.before)
        self.counts = {}
        for kind in KINDS:
            copy_tree(self.before, self.after)
            count = os.path.join(cases.folder, "count")
            ran = failing(os.path.join(self.after, "p"), args, f"{kind}:0", count)
            need(ran.code == 0, "%s without a fault: %s", name, ran)
            with open(count, encoding="utf-8") as f:
                self.counts[kind] = int(f.read())
        good(shoal(os.path.join(self.after, "p"), "run"), name)
        self.now = look(self.after)


def look(case):
    head = head_of(os.path.join(case, "p"))
    return head.hashes() if head else {}


def once(worker, cases, s, fault):
    case = os.path.join(cases.folder, f"nth-{worker}")
    copy_tree(s.before, case)
    project = os.path.join(case, "p")
    ran = failing(project, s.args, fault)
    need(ran.code in (0, 1), "it ends with %s", ran)
    need(ran.code == 0 or "error:" in ran.err, "it fails without a word: %s", ran)
    need(ran.code == 0 or ran.published is None, "it fails and says that it published: %s", ran)
    now = look(case)
    need(now in (s.was, s.now), "half of it is published: %s", now)
    if s.args[0] != "run":
        need(now == s.was, "it publishes")
        return
    need(ran.code == 1 or now == s.now, "exit 0, and not published")
    again = good(shoal(project, "run"), "the next run")
    need(again.seconds < UNHELD, "the next run took %.1f s", again.seconds)
    need(look(case) == s.now, "the next run leads elsewhere")
    check_lake(os.path.join(case, "lake"))


def points(s, kind, on):
    """All n, in an order whose every beginning is a fair sample."""
    ns = list(range(1, s.counts[kind] + 1))
    rng("nth", s.name, kind, on).shuffle(ns)
    return [f"{kind}:{n}" + (":on" if on else "") for n in ns]


def sampled(cases, s, todo, seconds):
    some = Sampled(seconds)
    some.all([(f"{s.name} {fault}", once, cases, s, fault) for fault in todo])
    some.verdict()
    return f"{some.checked} of {len(todo)}"


def main():
    cases = Cases("nth")
    scenarios = [("first-run", ["run"], False, False), ("edited-run", ["run"], True, True), ("no-op", ["run"], True, False), ("plan", ["plan"], True, True),
                 ("sql", ["sql", "select t, twice(t) from gold.total"], True, False), ("status", ["status"], True, True)]
    made = []
    for name, args, ran_before, edited in scenarios:
        try:
            made.append(Scenario(cases, name, args, ran_before, edited))
        except Violation as e:
            cases.fail(name, e)
    if len(sys.argv) > 2:
        s = next(s for s in made if s.name == sys.argv[1])
        for fault in sys.argv[2:]:
            cases.run(f"{s.name} {fault}", once, 0, cases, s, fault)
        cases.end()
    kinds = [(k, on) for k in KINDS for on in (False, True)]
    each = SECONDS / (len(kinds) * len(made))
    for s in made:
        for kind, on in kinds:
            todo = points(s, kind, on)
            name = f"{s.name}: {kind}{' from then on' if on else ''} ({len(todo)})"
            cases.run(name, sampled, cases, s, todo, each)
    cases.end()


if __name__ == "__main__":
    main()
