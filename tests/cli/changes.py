# SPDX-License-Identifier: Apache-2.0
"""shoal table changes: what happened to rows, compared with a model that each verb is told to, and with delta-rs."""
import json
import os
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import deltalake
import polars
import pyarrow
from harness import Project, case, has, main, same
from tables import FEED, VECTORS, age, filled

KEYS = ("_commit_version", "_change_type", "id", "v")


def shown(p, name, *args):
    out = [json.loads(line) for line in p.shoal("table", "changes", name, *args, "--json").stdout.splitlines()]
    return sorted([tuple(r.get(k) for k in KEYS) for r in out], key=str)


class Model:
    """A table's rows by id, and what was done to them: (version, kind, id, v)."""

    def __init__(self, p, name, *properties, partition=None):
        self.p, self.name, self.log = p, name, []
        self.rows = {i: v for i, _, v, _ in filled(p, name, FEED, *properties, n=20, partition=partition)}
        self.log += [(1 + i // 20, "insert", i, v) for i, v in self.rows.items()]
        self.version = 2

    def note(self, *changes):
        self.version += 1
        for kind, i, v in changes:
            self.log.append((self.version, kind, i, v))
            if kind in ("insert", "update_postimage"):
                self.rows[i] = v
            elif kind == "delete":
                del self.rows[i]

    def delete(self, condition, which):
        self.p.shoal("table", "delete", self.name, "--where", condition)
        self.note(*[("delete", i, v) for i, v in list(self.rows.items()) if which(i)])

    def update(self, condition, which):
        self.p.shoal("table", "update", self.name, "--set", "v = id * 2", "--where", condition)
        self.note(*[x for i, v in list(self.rows.items()) if which(i) for x in (("update_preimage", i, v), ("update_postimage", i, i * 2))])

    def merge(self):
        self.p.write({"m.csv": "id,kind,v,note\n5,a,500,m\n900,b,900,m\n"})
        self.p.shoal("table", "merge", self.name, "--using", "m.csv", "--on", "id", "--when", "matched then update", "--when", "not matched then insert")
        self.note(("update_preimage", 5, self.rows[5]), ("update_postimage", 5, 500), ("insert", 900, 900))

    def check(self, first=0, last=None):
        same(shown(self.p, self.name, "--from", str(first), *([] if last is None else ["--to", str(last)])),
             sorted([c for c in self.log if first <= c[0] <= (self.version if last is None else last)], key=str))


@case
def every_verb_is_told_row_by_row():
    p = Project({})
    for name, properties, partition in (("./plain", [], None), ("./vec", [VECTORS], None), ("./part", [VECTORS], "kind"), ("./ict", ["delta.enableInCommitTimestamps=true"], "kind")):
        m = Model(p, name, *properties, partition=partition)
        m.delete("id in (1, 23)", lambda i: i in (1, 23))
        m.update("id % 7 = 0", lambda i: i % 7 == 0)
        m.merge()
        p.shoal("table", "optimize", name)  # rows stay: it tells nothing
        m.note()
        m.delete("id >= 20 and id < 40", lambda i: 20 <= i < 40)
        p.shoal("table", "overwrite", name, "m.csv", "--all")
        m.note(*[("delete", i, v) for i, v in list(m.rows.items())], ("insert", 5, 500), ("insert", 900, 900))
        m.check()
        m.check(3)
        m.check(4, 5)
        m.check(6, 6)
        if VECTORS not in properties:  # which load_cdf does not read
            cdf = pyarrow.table(deltalake.DeltaTable(f"{p.dir}/{name}").load_cdf(starting_version=0)).to_pylist()
            same(sorted([tuple(r[k] for k in KEYS) for r in cdf], key=str), sorted(m.log, key=str))
    p.remove()


@case
def versions_go_by_time_too_and_rows_into_files():
    p = Project({})
    m = Model(p, "./t")
    for v in range(3):  # a minute apart, whatever the clock
        os.utime(f"{p.dir}/t/_delta_log/{v:020}.json", (1767225600 + 60 * v,) * 2)  # 2026-01-01T00:00:00Z
    for args, want in ((["2026-01-01T00:00:30Z"], [1, 2]), (["2026-01-01T00:01:00Z", "2026-01-01T00:01:59Z"], [1, 1]), (["2000-01-01", "2026-01-01T00:01:00Z"], [0, 1])):
        got = shown(p, "./t", "--from", args[0], *(["--to", args[1]] if len(args) > 1 else []))
        same(got, sorted([c for c in m.log if want[0] <= c[0] <= want[1]], key=str))
    for v in range(3):  # files know nanoseconds, readers milliseconds; a table that was copied has the times of the copy
        os.utime(f"{p.dir}/t/_delta_log/{v:020}.json", ns=(1767225600_000_900_100 + 60_000_000_000 * (v > 1),) * 2)
    times = {e["version"]: e["time"] for e in map(json.loads, p.shoal("table", "history", "./t", "--json").stdout.splitlines())}
    same(times, {0: "2026-01-01T00:00:00.000000Z", 1: "2026-01-01T00:00:00.001000Z", 2: "2026-01-01T00:01:00.000000Z"})
    for v, t in times.items():
        same(p.rows(f"select count(*) from './t' at (timestamp => '{t}')"), p.rows(f"select count(*) from './t' at (version => {v})"))
        same(shown(p, "./t", "--from", t, "--to", t), sorted([c for c in m.log if c[0] == v], key=str))
    for v in range(3):
        os.utime(f"{p.dir}/t/_delta_log/{v:020}.json", (1767225600 + 60 * v,) * 2)
    has(p.shoal("table", "changes", "./t", "--from", "2999-01-01", code=1).stderr, "no version as young")
    p.shoal("table", "changes", "./t", "--from", "1", "-o", "out.parquet")
    frame = polars.read_parquet(p.dir + "/out.parquet")
    same(sorted(frame.columns), sorted(["id", "kind", "v", "note", "_change_type", "_commit_version", "_commit_timestamp"]))
    same(sorted({str(t) for t in frame["_commit_timestamp"].dt.replace_time_zone(None)}), ["2026-01-01 00:01:00", "2026-01-01 00:02:00"])
    has(p.shoal("table", "changes", "./t", "--from", "1", "--format", "csv").stdout.splitlines()[0], "id,kind,v,note,_change_type,_commit_version,_commit_timestamp")
    has(p.shoal("table", "changes", "./t", code=1).stderr, "--from which version")
    has(p.shoal("table", "changes", "./t", "--from", "soon", code=1).stderr, "neither a version nor a time")
    has(p.shoal("table", "changes", "./t", "--from", "3", code=1).stderr, "there are no versions from 3 to 2")
    has(p.shoal("table", "changes", "./t", "--from", "0", "--to", "7", code=1).stderr, "no version 7: 0 to 2 are there")
    p.remove()


def commit(p, name, version, *actions):
    with open(f"{p.dir}/{name}/_delta_log/{version:020}.json", "w") as f:
        f.writelines(json.dumps(a) + "\n" for a in actions)


def metadata(p, name, version=0):
    with open(f"{p.dir}/{name}/_delta_log/{version:020}.json") as f:
        return next(a["metaData"] for a in map(json.loads, f) if "metaData" in a)


@case
def what_was_not_kept_is_not_told():
    p = Project({})
    filled(p, "./t", files=1, n=5)
    has(p.shoal("table", "changes", "./t", "--from", "0", code=1).stderr, "at version 0 the table kept no change data feed", "delta.enableChangeDataFeed")
    deltalake.DeltaTable(p.dir + "/t").alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    p.shoal("table", "delete", "./t", "--where", "id = 1")
    same(shown(p, "./t", "--from", "2"), [(3, "delete", 1, 1)])
    has(p.shoal("table", "changes", "./t", "--from", "1", code=1).stderr, "at version 1")
    off = metadata(p, "t", 2)
    commit(p, "t", 4, {"metaData": {**off, "configuration": {}}})
    commit(p, "t", 5, {"metaData": off})
    has(p.shoal("table", "changes", "./t", "--from", "3", code=1).stderr, "at version 4")
    same(shown(p, "./t", "--from", "3", "--to", "3"), [(3, "delete", 1, 1)])
    same(shown(p, "./t", "--from", "5"), [])
    p.remove()


@case
def files_that_are_gone_and_columns_that_were_others_are_named():
    p = Project({})
    m = Model(p, "./t")
    m.update("id < 5", lambda i: i < 5)
    before = metadata(p, "t")
    schema = json.loads(before["schemaString"])
    wider = {**schema, "fields": schema["fields"] + [{"name": "more", "type": "string", "nullable": True, "metadata": {}}]}
    commit(p, "t", 4, {"metaData": {**before, "schemaString": json.dumps(wider)}})
    m.note()
    m.check()  # a column that came is NULL before
    has(p.shoal("table", "changes", "./t", "--from", "3", "--format", "csv").stdout.splitlines()[0], "note,more,_change_type")
    lacks_v = {**schema, "fields": [f for f in schema["fields"] if f["name"] != "v"]}
    commit(p, "t", 5, {"metaData": {**before, "schemaString": json.dumps(lacks_v)}})
    has(p.shoal("table", "changes", "./t", "--from", "0", code=1).stderr, "the columns of version 0 can't be read as those of version 5")
    m.check(0, 4)
    age(p, "t", 30)
    p.shoal("table", "vacuum", "./t", "--retain", "0s", "--force")
    has(p.shoal("table", "changes", "./t", "--from", "3", "--to", "3", code=1).stderr, "which the changes of version 3 need, is gone")
    p.remove()


@case
def a_vector_that_shrinks_brings_rows_back():
    """What a RESTORE leaves: the same file under another deletion vector, in both directions."""
    p = Project({})
    m = Model(p, "./t", VECTORS)
    m.delete("id in (1, 2, 25)", lambda i: i in (1, 2, 25))
    m.delete("id in (3, 26)", lambda i: i in (3, 26))
    p.shoal("table", "restore", "./t", "--version", "3")
    m.note(("insert", 3, 3), ("insert", 26, 26))
    p.shoal("table", "restore", "./t", "--version", "2")
    m.note(("insert", 1, 1), ("insert", 2, 2), ("insert", 25, 25))
    p.shoal("table", "restore", "./t", "--version", "4")
    m.note(*[("delete", i, m.rows[i]) for i in (1, 2, 3, 25, 26)])
    m.check()
    p.remove()


if __name__ == "__main__":
    main()
