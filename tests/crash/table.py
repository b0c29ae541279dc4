#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every writing verb of `shoal table`, killed (kill -9) at sampled changes of files, and with its n-th request for memory or
n-th call of the store failing. The table is read by delta-rs: it holds what it held before or what it would hold after, whole,
and what was acknowledged is there. Done again where it had not happened, the verb leads to what it should, and a vacuum that
keeps nothing takes away what the dead left, and no more. Repeat one: table.py SCENARIO kill=17:half, or SCENARIO before:12."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from harness import *  # noqa: E402,F403
import pyarrow

SECONDS = 28 * BUDGET
FAILING = os.path.join(BUILD, "bin", "shoal_failing")
KINDS = ("memory", "before", "after", "space")
TABLES = ("vec", "plain", "named", "made", "clone")
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
    for name, properties in (("vec", ["--property", "delta.enableDeletionVectors=true", "--property", "delta.enableChangeDataFeed=true"]), ("plain", []), ("named", ["--property", "delta.columnMapping.mode=name"])):
        good(table(case, ["create", f"./{name}", "--as", "a.csv", *properties]), "create")
        good(table(case, ["append", f"./{name}", "b.csv"]), "append")
        good(table(case, ["delete", f"./{name}", "--where", "id in (7, 77)"]), "delete")


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


class Prepared:
    def __init__(self, name, args, before):
        self.name, self.args, self.before = name, args, before
        self.after = f"{before}.{name}"
        copy_tree(before, self.after)
        count = self.after + ".count"
        good(table(self.after, args, recorded(self.after, count=count)), name)
        with open(count, encoding="utf-8") as f:
            self.changes = int(f.readline().split()[1])
        self.was, self.now = look(before), look(self.after)
        need(name in ("optimize", "vacuum") or self.was != self.now, "%s changes nothing", name)
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


def once(worker, cases, p, fault):
    case = os.path.join(cases.folder, f"table-{worker}")
    copy_tree(p.before, case)
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
    rng("table", p.name).shuffle(out)
    faults = [f"{kind}:{n}" for kind in KINDS if kind != "memory" for n in range(1, p.calls[kind] + 1)]
    memory = [f"memory:{n}" for n in range(1, p.calls["memory"] + 1)]
    rng("table", p.name, "faults").shuffle(faults)
    rng("table", p.name, "memory").shuffle(memory)
    return [x for group in zip_longest(out, faults, memory) for x in group if x]


def zip_longest(*lists):
    return [[x[i] if i < len(x) else None for x in lists] for i in range(max(map(len, lists)))]


def sampled(cases, p, seconds):
    some = Sampled(seconds)
    todo = points(p)
    some.all([(f"{p.name} {fault}", once, cases, p, fault) for fault in todo])
    some.verdict()
    return f"{some.checked} of {len(todo)} kill points and failures"


def main():
    cases = Cases("table")
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
