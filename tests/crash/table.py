#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every writing verb of `shoal table`, killed (kill -9) at sampled changes of files, and with its n-th request for memory or
n-th call of the store failing, and with the power lost at any moment (lib/disk.py). The table is read by delta-rs: it holds what
it held before or what it would hold after, whole, and what was acknowledged is there. Done again where it had not happened, the
verb leads to what it should, and a vacuum that keeps nothing takes away what the dead left, and no more. Every verb that writes
has a scenario. Repeat one: table.py SCENARIO kill=17:half, SCENARIO before:12, or SCENARIO power=40:mixed:0."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from disk import Disk, build, read_log  # noqa: E402
from harness import *  # noqa: E402,F403
import pyarrow

SECONDS = 28 * BUDGET
FAILING = os.path.join(BUILD, "bin", "shoal_failing")
KINDS = ("memory", "before", "after", "space")
MODES = ("synced", "mixed", "torn", "all")
TABLES = ("vec", "plain", "named", "made", "clone", "old", "two", "rows", "laid")
READS = ("history", "changes")  # verbs that write nothing
UNSEEN = ("optimize", "vacuum", "checkpoint")  # verbs that change no row
MERGE = ["--using", "new.csv", "--on", "id", "--when", "matched and source.v = 0 then delete", "--when", "matched then update", "--when", "not matched then insert"]
SCENARIOS = {
    "create": ["create", "./made", "--as", "new.csv"],
    "append": ["append", "./plain", "new.csv"],
    "delete-by-vectors": ["delete", "./vec", "--where", "id % 3 = 0"],
    "delete-by-writing": ["delete", "./plain", "--where", "id % 3 = 0"],
    "update": ["update", "./vec", "--set", "v = v + 1000", "--where", "id % 4 = 1"],
    "merge": ["merge", "./vec", *MERGE],
    "overwrite": ["overwrite", "./plain", "new.csv", "--where", "v < 100 or v is null"],
    "restore": ["restore", "./vec", "--version", "1"],
    "optimize": ["optimize", "./plain"],
    "vacuum": ["vacuum", "./vec", "--retain", "0s", "--force"],
    "alter": ["alter", "./named", "--add-column", "w INT", "--rename-column", "v=x", "--add-constraint", "low=id < 1000"],
    "append-wider": ["append", "./named", "wide.csv", "--merge-schema"],
    "clone": ["clone", "./vec", "./clone"],
    "clone-below": ["clone", "./two", "./clone"],
    "checkpoint": ["checkpoint", "./vec"],
    "clean-up": ["checkpoint", "./old"],
    "checkpoint-v2": ["checkpoint", "./two"],
    "clean-up-v2": ["append", "./two", "new.csv"],
    "restore-below": ["restore", "./two", "--version", "1"],
    "optimize-below": ["optimize", "./two"],
    "vacuum-below": ["vacuum", "./two", "--retain", "0s", "--force"],
    "alter-below": ["alter", "./two", "--add-column", "w INT", "--add-constraint", "low=id < 1000"],
    "update-rows": ["update", "./rows", "--set", "v = v + 1000", "--where", "id % 4 = 1"],
    "optimize-rows": ["optimize", "./rows"],
    "cluster": ["optimize", "./laid", "--full"],
}


def table(case, args, env=None, program=SHOAL):
    p = subprocess.Popen([program, "table", *args], cwd=case, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=environment(**(env or {})))
    try:
        out, err = p.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
        raise Violation(f"{' '.join(args)} hangs\n{out}{err}") from None
    return Ran(p.returncode, out, err, 0)


def make(case):
    """Tables with a history: one with deletion vectors and change data, one without, one with column mapping."""
    write(os.path.join(case, "wide.csv"), "id,wide\n" + "".join(f"{i},{i % 5}\n" for i in range(100, 120)))
    for name, numbers in (("new", range(90, 130)), ("a", range(50)), ("b", range(50, 100))):
        write(os.path.join(case, f"{name}.csv"), "id,v\n" + "".join(f"{i},{'' if i % 9 == 0 else i % 7}\n" for i in numbers))
    for name, options in MADE.items():
        good(table(case, ["create", f"./{name}", "--as", "a.csv", *options]), "create")
        good(table(case, ["append", f"./{name}", "b.csv"]), "append")
        good(table(case, ["delete", f"./{name}", "--where", "id in (7, 77)"]), "delete")
    for name in ("old", "two"):  # whose log is long and may go, but for the end
        for _ in range(2):
            good(table(case, ["checkpoint", f"./{name}"]), "checkpoint")
            good(table(case, ["append", f"./{name}", "b.csv"]), "append")
        log = os.path.join(case, name, "_delta_log")
        for folder, _, files in os.walk(log):
            for n in files:
                at = time.time() - 40 * 86400
                os.utime(os.path.join(folder, n), (at, at))


def properties(*texts):
    return [x for t in texts for x in ("--property", "delta." + t)]


MADE = {"vec": properties("enableDeletionVectors=true", "enableChangeDataFeed=true"), "plain": [], "named": properties("columnMapping.mode=name"),
        "old": [], "two": properties("checkpointPolicy=v2", "checkpointInterval=5"), "rows": properties("enableRowTracking=true"),
        "laid": ["--cluster-by", "v,id"]}


def look(case):
    """Table → its rows, as delta-rs sees them; those that are not there are left out."""
    out = {}
    for name in TABLES:
        path = os.path.join(case, name)
        log = os.path.join(path, "_delta_log")
        if not os.path.isdir(log) or not any(n.endswith(".json") for n in os.listdir(log)):
            continue
        try:
            got = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(path)).execute("select * from t").read_all()
        except Exception as e:  # whatever it says, the table can't be read
            raise Violation(f"delta-rs cannot read {name}: {e}") from e
        out[name] = sorted(map(repr, pyarrow.table(got).to_pylist()))
    return out


def whole(case):
    """Operations that lead to what is there, all of it on disk."""
    ops = []
    for folder, folders, files in os.walk(case):
        at = os.path.relpath(folder, case)
        ops += [("mkdir", os.path.normpath(os.path.join(at, n))) for n in folders]
        for n in files:
            path, ino = os.path.join(folder, n), f"made{len(ops)}"
            with open(path, "rb") as f:
                ops += [("create", ino, os.path.normpath(os.path.join(at, n))), ("write", ino, 0, f.read(), False), ("fsync", ino)]
        ops.append(("fsyncdir", at))
    return ops


class Prepared:
    def __init__(self, name, args, before):
        self.name, self.args, self.before = name, args, before
        self.after = f"{before}.{name}"
        copy_tree(before, self.after)
        count, log = self.after + ".count", self.after + ".log"
        ops = whole(self.after)
        self.first = len(ops)
        good(table(self.after, args, recorded(self.after, log=log, count=count)), name)
        self.disk = Disk(ops + read_log(log, self.after), set())
        self.last = len(self.disk.ops)
        with open(count, encoding="utf-8") as f:
            self.changes = int(f.readline().split()[1])
        self.was, self.now = look(before), look(self.after)
        need(args[0] in UNSEEN or self.was != self.now, "%s changes nothing", name)
        self.calls = {}
        for kind in KINDS:
            copy_tree(before, self.after + ".n")
            good(table(self.after + ".n", args, {"SHOAL_FAIL": f"{kind}:0", "SHOAL_FAIL_COUNT": count}, FAILING), name)
            with open(count, encoding="utf-8") as f:
                self.calls[kind] = int(f.read())


def check(p, case, ran):
    now = look(case)
    need(now in (p.was, p.now), "a table holds neither what it held nor what it should hold")
    need(ran.code != 0 or now == p.now, "acknowledged, and not there: %s", ran)
    if now != p.now:
        good(table(case, p.args), "the verb, done again")
        need(look(case) == p.now, "done again, it leads elsewhere")
    for name in p.now:
        good(table(case, ["vacuum", f"./{name}", "--retain", "0s", "--force"]), "a vacuum after it")
    need(look(case) == p.now, "a vacuum took what was needed")
    for name in p.now:
        if name == "clone":
            continue
        left = [f for f in os.listdir(os.path.join(case, name)) if not f.startswith(("_", "part-", "deletion_vector_"))]
        need(not left, "left behind in %s: %s", name, left)


def lose_power(p, case, k, mode, dice):
    r, k = rng("table", p.name, k, mode, dice), int(k)
    state = p.disk.state(k, mode, r if mode in ("mixed", "torn") else None, r.choice((512, 4096)))
    shutil.rmtree(case)
    os.makedirs(case)
    build(state, case, {path.split("/")[0] for path in state}, p.after)
    check(p, case, Ran(0 if k == p.last else -9, f"power lost after {k} of {p.last}", "", 0))


def once(worker, cases, p, fault):
    case = os.path.join(cases.folder, f"table-{worker}")
    copy_tree(p.before, case)
    if fault.startswith("power="):
        return lose_power(p, case, *fault[6:].split(":"))
    if fault.startswith("kill="):
        ran = table(case, p.args, recorded(case, kill=fault[5:]))
        need(ran.code in (-9, 0), "it did not die but %s", ran)
    else:
        ran = table(case, p.args, {"SHOAL_FAIL": fault}, FAILING)
        need(ran.code in (0, 1), "it ends with %s", ran)
        need(ran.code == 0 or "error:" in ran.err, "it fails without a word: %s", ran)
    check(p, case, ran)


def points(p):
    out = [f"kill={n}:{when}" for n in range(1, p.changes + 1) for when in ("before", "after", "half")]
    power = [f"power={k}:{mode}:{dice}" for k in range(p.first + 1, p.last + 1) for mode in MODES for dice in range(2 if mode in ("mixed", "torn") else 1)]
    rng("table", p.name).shuffle(out)
    rng("table", p.name, "power").shuffle(power)
    power.insert(0, f"power={p.last}:synced:0")
    faults = [f"{kind}:{n}" for kind in KINDS if kind != "memory" for n in range(1, p.calls[kind] + 1)]
    memory = [f"memory:{n}" for n in range(1, p.calls["memory"] + 1)]
    rng("table", p.name, "faults").shuffle(faults)
    rng("table", p.name, "memory").shuffle(memory)
    return [x for group in zip_longest(power, out, faults, memory) for x in group if x]


def zip_longest(*lists):
    return [[x[i] if i < len(x) else None for x in lists] for i in range(max(map(len, lists)))]


def sampled(cases, p, seconds):
    some = Sampled(seconds)
    todo = points(p)
    some.all([(f"{p.name} {fault}", once, cases, p, fault) for fault in todo])
    some.verdict()
    return f"{some.checked} of {len(todo)} kill points and failures"


def check_list():
    """Every verb that writes is among the scenarios."""
    help = subprocess.run([SHOAL, "table", "--help"], capture_output=True, text=True, env=environment()).stdout
    verbs = set(re.findall(r"^  ([a-z]+) +[A-Z]", help, re.M))
    need("append" in verbs and len(verbs) > 10, "the help does not list the verbs: %s", help)
    tried = {args[0] for args in SCENARIOS.values()}
    need(verbs - set(READS) == tried, "without a scenario: %s; no verb: %s", sorted(verbs - set(READS) - tried), sorted(tried - verbs))
    return f"{len(tried)} verbs"


def main():
    cases = Cases("table")
    cases.run("every verb has a scenario", check_list)
    if deltalake is None:
        cases.skip("table", "there is no delta-rs")
        cases.end()
    before = os.path.join(cases.folder, "before")
    make(before)
    for name, args in SCENARIOS.items():
        if len(sys.argv) > 1 and name != sys.argv[1]:
            continue
        try:
            p = Prepared(name, args, before)
        except Violation as e:
            cases.fail(name, e)
            continue
        if len(sys.argv) > 2:
            cases.run(f"{name} {sys.argv[2]}", once, 0, cases, p, sys.argv[2])
        else:
            cases.run(name, sampled, cases, p, SECONDS / len(SCENARIOS))
    cases.end()


if __name__ == "__main__":
    main()
