#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several `shoal run` at once on one lake, from clones of a project (invariants 1, 5, 7, 8): each signature is computed
once, publications follow each other without a hole, who comes second with another edit hears of it (exit 4), the dead
hold nobody up."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from harness import *  # noqa: E402,F403

SECONDS = 20 * BUDGET
NAMES = ("gold.daily", "gold.slow", "gold.top", "silver.customers", "silver.orders")


def clones(cases, name, n, millions=20):
    case = os.path.join(cases.folder, name)
    shutil.rmtree(case, ignore_errors=True)
    projects = [make_case(case, f"p{i}") for i in range(n)]
    for p in projects:
        write(os.path.join(p, "models/gold/slow.sql"), slow(0, millions))
    return case, projects


def slow(salt, millions):
    return (f"select count(*) as n, max(hash(o.id + r.range * {salt + 3})) as h\n"
            f"from silver.orders o, range({millions * 10000}) r\n")


def finish(started, timeout=60):
    out = []
    for p in started:
        try:
            o, e = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            o, e = p.communicate()
            raise Violation(f"a run hangs:\n{o}{e}") from None
        m = re.search(r"published #(\d+)", o)
        ran = Ran(p.returncode, o, e, 0)
        ran.published = int(m.group(1)) if m else None
        out.append(ran)
    return out


def wait_until(what, probe, seconds=20):
    deadline = time.monotonic() + seconds
    while not probe():
        need(time.monotonic() < deadline, "%s does not happen", what)
        time.sleep(0.005)


def computed_once(lake, expected):
    check_lake(lake)
    claimed, made = claims(lake), attempts(lake)
    need(len({s for s, _ in claimed}) == len(claimed) == expected, "%d claims for %d signatures", len(claimed), expected)
    for signature, folders in made.items():
        need(len(folders) == 1, "%s was computed %d times", signature, len(folders))
    need(len(made) == expected, "%d signatures have attempts, not %d", len(made), expected)


def check_tables(case, project, branch="main"):
    head = head_of(project, branch)
    rows_of(project, head.datasets, branch)
    names = [n for n in head.datasets if branch == "main" or n in head.local]
    tables = tables_of(os.path.join(case, "lake"), names, "" if branch == "main" else f"_branches/{branch}")
    need(None not in tables.values(), "a table is missing: %s", tables)
    return head


def same_run(cases, n):
    """n clones, nothing computed yet, all at once."""
    case, projects = clones(cases, f"same-{n}", n)
    ran = finish([start(p, "run") for p in projects])
    for r in ran:
        good(r, f"one of {n} runs at once")
    computed_once(os.path.join(case, "lake"), len(NAMES))
    heads = [check_tables(case, p) for p in projects]
    need(all(h.hashes() == heads[0].hashes() and set(h.hashes()) == set(NAMES) for h in heads), "the clones see other things")
    waits = sum(r.out.count(" waits for ") for r in ran)
    need(waits + sum("reused" in r.out or "nothing to do" in r.out for r in ran) > 0, "nobody waited or reused:\n%s",
         "\n".join(map(str, ran)))
    return f"{waits} waits, {sum(r.published is not None for r in ran)} published"


def other_branches(cases):
    """Two branches at once: neither waits for the other's publication, both share what is computed."""
    case, (p, q) = clones(cases, "branches", 2)
    good(shoal(p, "run"), "run")
    write(os.path.join(p, "models/gold/slow.sql"), slow(1, 20))
    write(os.path.join(q, "models/gold/slow.sql"), slow(1, 20))
    edit(q, "models/gold/top.sql", "max(o.amount)", "min(o.amount)")
    before = head_of(p)
    ran = finish([start(p, "run"), start(q, "run", branch="exp")])
    for r in ran:
        good(r, "a run beside one on another branch")
    computed_once(os.path.join(case, "lake"), len(NAMES) + 2)
    main, exp = check_tables(case, p), check_tables(case, q, "exp")
    need(main.datasets["gold.top"] == before.datasets["gold.top"], "exp's run changed main's gold.top")
    need(main.datasets["gold.slow"] == exp.datasets["gold.slow"], "what both need was not shared")
    need(main.datasets["gold.top"] != exp.datasets["gold.top"], "exp's own gold.top is not there")


def conflict(cases):
    """Two edits of one dataset on one branch: one wins, the other exits 4 and says what to do; again, and it is in."""
    met = 0
    for i in range(6):
        case, (p, q) = clones(cases, f"conflict-{i}", 2)
        good(shoal(p, "run"), "run")
        write(os.path.join(p, "models/gold/slow.sql"), slow(10, 20))
        write(os.path.join(q, "models/gold/slow.sql"), slow(20, 20))
        ran = finish([start(p, "run"), start(q, "run")])
        codes = sorted(r.code for r in ran)
        need(codes in ([0, 4], [0, 0]), "two edits at once: %s", "\n".join(map(str, ran)))
        check_lake(os.path.join(case, "lake"))
        if codes == [0, 4]:
            met += 1
            loser = ran[0] if ran[0].code == 4 else ran[1]
            need("moved" in loser.err and "gold.slow" in loser.err and "run again" in loser.err, "unclear: %s", loser.err)
            again = good(shoal(p if loser is ran[0] else q, "run"), "the loser's next run")
            need(again.published == 3, "the loser's next run publishes nothing: %s", again)
            computed_once(os.path.join(case, "lake"), len(NAMES) + 2)
            check_tables(case, p)
        if met == 2:
            break
    need(met, "the runs never met")
    return f"met {met} times"


def overtaken(cases):
    """Another project publishes what a run reads before the run can: the run is planned again, on that, and goes on by
    itself. Two datasets made from it always agree, for every reader and in every publication."""
    case = os.path.join(cases.folder, "overtaken")
    shutil.rmtree(case, ignore_errors=True)
    feed, p = os.path.join(case, "feed"), os.path.join(case, "p")
    yaml = "lake: ../lake\nengine: {memory: 300MB, threads: 1}\n"
    write(os.path.join(feed, "shoal.yaml"), "name: feed\nvars: {v: 0}\n" + yaml)
    write(os.path.join(feed, "models/raw/x.sql"), "select getvariable('v')::bigint as v, range as r from range(10)\n")
    write(os.path.join(p, "shoal.yaml"), "name: p\nvars: {salt: 0}\n" + yaml)
    write(os.path.join(p, "models/pair/a.sql"), "select max(v) as v, getvariable('salt') as s from raw.x\n")
    write(os.path.join(p, "models/pair/b.sql"),
          "select max(x.v) as v, max(hash(x.r + t.range + getvariable('salt')::bigint)) as h from raw.x x, range(3000000) t\n")
    write(os.path.join(p, "models/pair/own.sql"), "select getvariable('salt') as s\n")
    good(shoal(feed, "run"), "run of the feed")
    good(shoal(p, "run"), "run")
    leases = os.path.join(case, "lake", "_shoal", "leases")
    wrong, stop = [], threading.Event()

    def read():
        q = os.path.join(case, "reader")
        copy_tree(p, q)
        while not stop.is_set():
            ran = shoal(q, "sql", "select a.v as a, b.v as b from pair.a a, pair.b b", "--format", "json")
            if ran.code or len(set(json.loads(ran.out).values())) != 1:
                wrong.append(str(ran))

    reader = threading.Thread(target=read)
    reader.start()
    met = 0
    try:
        for i in range(1, 4):
            before = claims(os.path.join(case, "lake"))
            started = start(p, "run", "--var", f"salt={i}")
            wait_until("a lease of pair.b", lambda: any("pair.b" in open(os.path.join(d, f), errors="replace").read()
                                                        for d, _, files in os.walk(leases) for f in files))
            good(shoal(feed, "run", "--var", f"v={i}"), "the feed's run meanwhile")
            ran = good(finish([started])[0], "the run that was overtaken")
            if "planned again" not in ran.out:
                continue  # it was through before the feed's publication
            met += 1
            need(ran.published == len(branch_logs(os.path.join(case, "lake"))["main"]) - 1, "it was not last: %s", ran)
            rows = shoal(p, "sql", "select a.v as a, b.v as b, own.s as s from pair.a a, pair.b b, pair.own own", "--format", "json")
            need(json.loads(rows.out) == {"a": i, "b": i, "s": i}, "results of another state: %s", rows)
            made = len(claims(os.path.join(case, "lake"))) - len(before)
            need(made == 6, "%d results, not a, b, own, x, and a, b once more", made)
    finally:
        stop.set()
        reader.join()
    need(not wrong, "a reader sees half a publication: %s", wrong[:1])
    need(met, "the run was never overtaken")
    check_lake(os.path.join(case, "lake"))
    return f"planned again {met} times of 3"


def overtaken_by_a_rollback(cases):
    """A dataset that a run reads is pinned meanwhile: the run goes on with the pinned result, and leaves the pin."""
    case, (p, q) = clones(cases, "pinned-meanwhile", 2)
    lake, leases = os.path.join(case, "lake"), os.path.join(case, "lake", "_shoal", "leases")
    good(shoal(p, "run"), "run")
    old = head_of(p).datasets["silver.orders"]
    for project in (p, q):
        edit(project, "models/silver/orders.sql", "amount >= 1", "amount >= 2")
    good(shoal(p, "run"), "the second run")
    write(os.path.join(q, "models/gold/slow.sql"), slow(7, 30))
    started = start(q, "run")
    wait_until("a lease", lambda: os.path.isdir(leases) and any(files for _, _, files in os.walk(leases)))
    good(shoal(p, "rollback", "silver.orders", "--to", "main~1"), "the rollback meanwhile")
    ran = good(finish([started])[0], "the run that was overtaken")
    need("planned again" in ran.out, "it was not planned again: %s", ran)
    need(head_of(q).datasets["silver.orders"] == (old[0] + " pinned", *old[1:]), "the pin is gone")
    good(shoal(q, "run"), "once more")
    need("nothing to do" in shoal(q, "run").out, "it did not settle")
    check_lake(lake)


def dead_holder(cases):
    """The holder of a lease is killed while another waits for it: the other takes over at once."""
    case, (p, q) = clones(cases, "dead", 2, 60)
    leases = os.path.join(case, "lake", "_shoal", "leases")
    good(shoal(p, "run", "silver.*", "gold.daily", "gold.top"), "run of the fast ones")
    first = start(p, "run")
    wait_until("a lease", lambda: os.path.isdir(leases) and any(files for _, _, files in os.walk(leases)))
    second = start(q, "run")
    line = second.stdout.readline()
    need(" waits for " in line, "the second does not say that it waits: %s", line)
    first.kill()
    first.communicate()
    killed = time.monotonic()
    ran = finish([second])[0]
    good(ran, "the one that waited")
    took = time.monotonic() - killed
    need(took < 13, "the one that waited took %.1f s", took)
    need(ran.published, "it published nothing: %s", ran)
    check_lake(os.path.join(case, "lake"))
    check_tables(case, q)
    return f"done {took:.1f} s after the other's death"


def stopped_holder(cases):
    """The holder stands still, alive: after a lease's life the other takes over; waking up, it yields to the claim."""
    case, (p, q) = clones(cases, "stopped", 2, 60)
    leases = os.path.join(case, "lake", "_shoal", "leases")
    good(shoal(p, "run", "silver.*", "gold.daily", "gold.top"), "run of the fast ones")
    first = start(p, "run")
    wait_until("a lease", lambda: os.path.isdir(leases) and any(files for _, _, files in os.walk(leases)))
    first.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    good(finish([start(q, "run")])[0], "the one that waited")
    took = time.monotonic() - stopped
    first.send_signal(signal.SIGCONT)
    good(finish([first])[0], "the one that stood still")
    need(14 < took < 45, "taken over after %.1f s", took)
    lake = os.path.join(case, "lake")
    check_lake(lake)
    need(len(claims(lake)) == len(NAMES), "%d claims", len(claims(lake)))
    check_tables(case, q)
    return f"taken over after {took:.1f} s"


def many_publishers(cases):
    """Projects of their own in one lake publish to one branch at once: all get in, one after the other."""
    case = os.path.join(cases.folder, "many")
    projects = []
    for i in range(6):
        p = os.path.join(case, f"own{i}")
        write(os.path.join(p, "shoal.yaml"), f"name: own{i}\nlake: ../lake\nengine: {{memory: 300MB, threads: 1}}\n")
        for m in range(3):
            write(os.path.join(p, f"models/own{i}/m{m}.sql"), f"select {i} as i, {m} as m, range as r from range(100)\n")
        projects.append(p)
    for r in finish([start(p, "run") for p in projects]):
        good(r, "one of six publishers")
    lake = os.path.join(case, "lake")
    computed_once(lake, 18)
    need(branch_logs(lake)["main"] == list(range(7)), "the log is %s", branch_logs(lake))
    head = check_tables(case, projects[0])
    need(len(head.datasets) == 18, "the branch holds %d datasets", len(head.datasets))


def reading(cases):
    """Readers during runs see whole publications only: two datasets that always change together."""
    case = os.path.join(cases.folder, "reading")
    p = os.path.join(case, "p")
    write(os.path.join(p, "shoal.yaml"), "name: pair\nlake: ../lake\nvars: {v: 0}\nengine: {memory: 300MB, threads: 1}\n")
    for name in ("a", "b"):
        write(os.path.join(p, f"models/pair/{name}.sql"), "select getvariable('v')::bigint as v, range as r from range(50)\n")
    good(shoal(p, "run"), "run")
    seen, wrong, stop = set(), [], threading.Event()

    def read():
        q = os.path.join(case, "reader")
        copy_tree(p, q)
        while not stop.is_set():
            ran = shoal(q, "sql", "select (select max(v) from pair.a) as a, (select max(v) from pair.b) as b", "--format", "json")
            row = json.loads(ran.out) if ran.code == 0 else {}
            seen.add(row.get("a"))
            if ran.code or row["a"] != row["b"]:
                wrong.append(str(ran))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for v in range(1, 12):
            good(shoal(p, "run", "--var", f"v={v}"), "run")
    finally:
        stop.set()
        reader.join()
    need(not wrong, "a reader sees half a publication: %s", wrong[:1])
    return f"{len(seen)} different publications seen"


def main():
    cases = Cases("race")
    cases.run("two runs at once", same_run, cases, 2)
    cases.run("eight runs at once", same_run, cases, 8)
    cases.run("two branches at once", other_branches, cases)
    cases.run("two edits at once", conflict, cases)
    cases.run("a run that is overtaken", overtaken, cases)
    cases.run("a pin meanwhile", overtaken_by_a_rollback, cases)
    cases.run("a dead holder", dead_holder, cases)
    cases.run("six publishers at once", many_publishers, cases)
    cases.run("readers meanwhile", reading, cases)
    if BUDGET > 1 or os.environ.get("SHOAL_EXHAUSTIVE"):  # it takes a lease's life: soak's
        cases.run("a stopped holder", stopped_holder, cases)
    rounds = 0
    while BUDGET > 1 and time.monotonic() - cases.started < SECONDS:
        rounds += 1
        for n in (2, 8):
            cases.run(f"{n} runs at once, round {rounds}", same_run, cases, n)
        cases.run(f"two edits at once, round {rounds}", conflict, cases)
        cases.run(f"a dead holder, round {rounds}", dead_holder, cases)
    cases.end()


main()
