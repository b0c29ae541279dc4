#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A failing call: a full disk, an fsync that fails, a folder without rights, short writes; the n-th of each kind, once or from
then on. The command ends with 0 or, with an error that says what, with 1: never by a signal, never hanging. What is there is
whole, nothing is acknowledged that could be lost, no fsync is tried twice on one file, and the next run finishes the job.
Repeat one with: fault.py SCENARIO class:n:what; SHOAL_ONLY=fsync looks at one class."""
import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from disk import read_log  # noqa: E402
from harness import *  # noqa: E402,F403

SECONDS = 20 * BUDGET
# class, errno or "short", whether later calls fail, too
FAULTS = [("write", errno.ENOSPC, False), ("write", errno.ENOSPC, True), ("write", errno.EIO, False), ("write", "short", True),
          ("fsync", errno.EIO, False), ("fsync", errno.EIO, True), ("fsync", errno.ENOSPC, False),
          ("open", errno.EACCES, False), ("open", errno.EMFILE, True), ("mkdir", errno.EACCES, False),
          ("mkdir", errno.ENOSPC, True), ("link", errno.EIO, False), ("link", errno.ENOSPC, True),
          ("rename", errno.EIO, False), ("rename", errno.EACCES, True), ("unlink", errno.EIO, False),
          ("unlink", errno.EACCES, True), ("other", errno.EACCES, True)]


def stricter(project):
    edit(project, "models/silver/orders.sql", "amount >= 1", "amount >= 50")


class Scenario:
    def __init__(self, cases, name, change, earlier):
        self.name = name
        self.before, self.after = (os.path.join(cases.folder, f"{name}.{w}") for w in ("before", "after"))
        if earlier:
            copy_tree(earlier.after, self.before)
        else:
            make_case(self.before)
        change(os.path.join(self.before, "p"))
        copy_tree(self.before, self.after)
        count = os.path.join(cases.folder, f"{name}.count")
        good(shoal(os.path.join(self.after, "p"), "run", env=recorded(self.after, count=count)), name)
        with open(count, encoding="utf-8") as f:
            self.counts = {k: int(v) for k, v in (line.split() for line in f)}
        self.was, self.now = look(self.before), look(self.after)


def look(case):
    project = os.path.join(case, "p")
    head = head_of(project)
    names = head.datasets if head else {}
    return head.hashes() if head else {}, rows_of(project, names), tables_of(os.path.join(case, "lake"), names)


def check_outcome(ran, log, case):
    need(ran.code in (0, 1), "it ends with %s", ran)
    if ran.code == 1:
        need("error:" in ran.err and len(ran.err) > 15, "it fails without a word: %s", ran)
        need(ran.published is None, "it fails and says that it published: %s", ran)
    failed = {}  # file → path, of fsyncs that failed
    for op in read_log(log, case):
        if op[0] == "fsyncfail":
            failed[op[1]] = op[2]
        elif op[0] == "create":
            failed.pop(op[1], None)  # another file
        elif op[0] == "fsync":
            need(op[1] not in failed, "fsync of %s is tried again", failed.get(op[1]))
    if ran.code == 0:
        # Leases, run records and the index are conveniences. Names in the temporary folder may be theirs.
        bad = [p for p in failed.values() if p.startswith("lake/") and not p.startswith(
            ("lake/_shoal/leases", "lake/_shoal/runs", "lake/_shoal/tmp/"))]
        need(not bad, "acknowledged, though the fsync of %s failed", bad)


def check_whole(s, case, ran):
    project, lake = os.path.join(case, "p"), os.path.join(case, "lake")
    head = head_of(project)
    hashes = head.hashes() if head else {}
    got = next((v for v in (s.was, s.now) if v[0] == hashes), None)
    need(got, "half of it is published: %s", hashes)
    need(ran.code == 1 or hashes == s.now[0], "exit 0, and not published")
    need(rows_of(project, hashes) == got[1], "other rows than it says")
    for name, digest in tables_of(lake, hashes).items():
        need(digest in (s.was[2].get(name), s.now[2].get(name)), "the table %s is not whole", name)
        need(ran.code == 1 or digest == s.now[2].get(name), "exit 0, and the table %s is not there", name)


def check_next(s, case):
    project = os.path.join(case, "p")
    ran = good(shoal(project, "run"), "the next run")
    need(ran.seconds < MOMENT, "the next run took %.1f s", ran.seconds)
    need(look(case) == s.now, "the next run leads elsewhere")
    check_lake(os.path.join(case, "lake"))


def fault_once(worker, cases, s, fault):
    case = os.path.join(cases.folder, f"fault-{worker}")
    log = case + ".log"
    copy_tree(s.before, case)
    if os.path.exists(log):
        os.unlink(log)
    ran = shoal(os.path.join(case, "p"), "run", env=recorded(case, log=log, fault=fault), timeout=40)
    check_outcome(ran, log, case)
    check_whole(s, case, ran)
    check_next(s, case)


def points(s, kind, what, on):
    """All n of a fault, in an order whose every beginning is a fair sample."""
    ns = list(range(1, s.counts[kind] + 1))
    rng("fault", s.name, kind, what, on).shuffle(ns)
    return [f"{kind}:{n}:{what}" + (":on" if on else "") for n in ns]


def name_of(kind, what, on):
    return f"{kind} {what if what == 'short' else errno.errorcode[what]}{' from then on' if on else ''}"


# ---- a disk that is really full ----

def mount(folder, size):
    os.makedirs(folder, exist_ok=True)
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True).returncode == 0


def full_disk(cases, s, folder, size):
    """The lake on a file system of that size; made larger, the next run finishes."""
    copy_tree(os.path.join(s.before, "p"), os.path.join(folder, "p"))
    project = os.path.join(folder, "p")
    edit(project, "models/gold/daily.sql", "select day, sum(amount)::bigint as total, month(day) as month from silver.orders",
         "select day, sum(amount)::bigint as total, month(day) as month, string_agg(md5((id * r.range)::varchar), '') as pad\n"
         "from silver.orders, range(600) r")
    ran = shoal(project, "run")
    need(ran.code == 1 and "No space left" in ran.err, "a full disk: %s", ran)
    need(head_of(project) is None or not head_of(project).datasets, "something was published on a full disk")
    done = subprocess.run(["mount", "-o", "remount,size=64m", folder], capture_output=True)
    need(done.returncode == 0, "cannot remount: %s", done.stderr)
    good(shoal(project, "run"), "the run after space was made")
    need(len(head_of(project).datasets) == 4, "it published something else")
    check_lake(os.path.join(folder, "lake"))


def full_disks(cases, s):
    for size in ("64k", "150k", "400k", "1m"):
        name = f"a full disk of {size}"
        folder = os.path.join(cases.folder, "mnt-" + size)
        if not mount(folder, size):
            cases.skip(name, "a file system can only be mounted by root")
            continue
        try:
            cases.run(name, full_disk, cases, s, folder, size)
        finally:
            subprocess.run(["umount", folder], check=True)


def main():
    cases = Cases("fault")
    print(f"seed {SEED}")
    first = Scenario(cases, "first-run", lambda p: None, None)
    edited = Scenario(cases, "edited-run", stricter, first)
    if len(sys.argv) == 3:
        s = {"first-run": first, "edited-run": edited}[sys.argv[1]]
        cases.run(" ".join(sys.argv[1:]), fault_once, 0, cases, s, sys.argv[2])
        cases.end()
    kinds = {(s.name, *f): Sampled(0) for f in FAULTS for s in (first, edited)}
    queues = []
    for s in (first, edited):
        for f in FAULTS:
            if os.environ.get("SHOAL_ONLY", f[0]) != f[0]:
                continue
            queues.append([(s, f, p) for p in points(s, *f)])
    deadline = time.monotonic() + SECONDS
    for k in kinds.values():
        k.deadline = deadline
    order = [q[i] for i in range(max(map(len, queues))) for q in queues if i < len(q)]
    jobs = [(p, lambda w, s=s, f=f, p=p: kinds[s.name, *f].one(f"fault.py {s.name} {p} (seed {SEED})", fault_once, w, cases, s, p))
            for s, f, p in order]
    Sampled(SECONDS).all(jobs)
    for f in FAULTS:
        for s in (first, edited):
            k = kinds[s.name, *f]

            def verdict(k=k, s=s, f=f):
                k.verdict()
                return f"{k.checked} of {s.counts[f[0]]} calls"
            if k.checked:
                cases.run(f"{s.name}: {name_of(*f)}", verdict)
    full_disks(cases, first)
    cases.end()


main()
