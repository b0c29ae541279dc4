# SPDX-License-Identifier: Apache-2.0
"""Tables that track their rows: ids stay through everything that writes rows anew, as the log and the files have them."""
import glob
import json
import os
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import pyarrow.parquet
from harness import case, has, main, same
from tables import FEED, VECTORS, agreed, delta, filled, with_lake

TRACKED = "delta.enableRowTracking=true"


def actions(p, name):
    for path in sorted(glob.glob(f"{p.dir}/{name}/_delta_log/*.json")):
        with open(path) as f:
            yield from map(json.loads, f)


def ids(p, name):
    """id → {(row id, row commit version)} of every row that a file of the last version holds, deleted by a vector or not."""
    live, meta = {}, None
    for a in actions(p, name):
        if "metaData" in a:
            meta = a["metaData"]
        if "remove" in a:
            live.pop(a["remove"]["path"], None)
        if "add" in a and not ("remove" in a):
            live[a["add"]["path"]] = a["add"]
    columns = [meta["configuration"][f"delta.rowTracking.materialized{c}ColumnName"] for c in ("RowId", "RowCommitVersion")]
    names = {f["name"]: f["metadata"].get("delta.columnMapping.physicalName", f["name"]) for f in json.loads(meta["schemaString"])["fields"]}
    out = {}
    for path, add in live.items():
        rows = pyarrow.parquet.ParquetFile(f"{p.dir}/{name}/{path}").read().to_pylist()
        same(len(rows), json.loads(add["stats"])["numRecords"])
        assert not set(columns) & set(json.loads(add["stats"])["nullCount"]), add
        for i, r in enumerate(rows):
            own, version = (r.get(c) for c in columns)
            out.setdefault(r[names["id"]], set()).add((add["baseRowId"] + i if own is None else own, add["defaultRowCommitVersion"] if version is None else version))
    return out


def commit_order(p, name):
    """Removes stand before adds in a commit, so that a file with another vector stays."""
    for path in glob.glob(f"{p.dir}/{name}/_delta_log/*.json"):
        with open(path) as f:
            kinds = [next(iter(json.loads(line))) for line in f]
        assert "add" not in kinds or "remove" not in kinds or kinds.index("add") > max(i for i, k in enumerate(kinds) if k == "remove"), kinds


@case
def ids_stay_when_rows_are_written_anew():
    for properties, partition in (([], None), ([VECTORS, FEED], "kind"), (["delta.columnMapping.mode=name"], "kind"), (["delta.columnMapping.mode=id", VECTORS], None)):
        p = with_lake({"m.csv": "id,kind,v,note\n3,a,300,m\n900,b,900,m\n", "o.csv": "id,kind,v,note\n5,c,500,o\n"})
        want = {i: (k, v, n) for i, k, v, n in filled(p, "./t", TRACKED, *properties, n=10, partition=partition)}
        exact = VECTORS not in properties  # else files hold rows that have gone, too
        before = ids(p, "t")
        same(sorted(i for s in before.values() for i, _ in s), list(range(20)))
        same({v for s in before.values() for _, v in s}, {1, 2})

        def check(changed, version, new=()):
            nonlocal before
            commit_order(p, "t")
            now = ids(p, "t")
            same({r["id"] for r in agreed(p, "./t")}, set(want))
            for i in want:
                rows = {r for r, _ in now[i]}
                if i in new:  # a row that went may still lie in a file
                    same(len(rows - {r for s in before.values() for r, _ in s}), 1)
                    continue
                same(rows, {r for r, _ in before[i]})
                if exact:
                    same({v for _, v in now[i]}, {version} if i in changed else {v for _, v in before[i]})
            numbers = [max(now[i])[0] for i in want]
            same(len(numbers), len(set(numbers)))
            before = {i: now[i] if exact else {max(now[i])} for i in want}

        p.shoal("table", "update", "./t", "--set", "v = -1", "--where", "id in (2, 12)")
        check({2, 12}, 3)
        p.shoal("table", "delete", "./t", "--where", "id in (4, 15)")
        del want[4], want[15]
        check((), 4)
        p.shoal("table", "merge", "./t", "--using", "m.csv", "--on", "id", "--when", "matched then update set v = source.v", "--when", "not matched then insert")
        want[900] = ("b", 900, "m")
        check({3}, 5, new={900})
        p.shoal("table", "optimize", "./t")
        check((), 6)
        p.shoal("table", "update", "./t", "--set", "note = 'again'", "--where", "id = 2 or id = 900")
        check({2, 900}, delta(p, "./t").version())
        p.shoal("table", "overwrite", "./t", "o.csv", "--where", "id = 5")
        check((), 0, new={5})
        domain = [json.loads(a["domainMetadata"]["configuration"])["rowIdHighWaterMark"] for a in actions(p, "t") if "domainMetadata" in a]
        same(domain, sorted(domain))
        assert domain[-1] >= max(r for s in ids(p, "t").values() for r, _ in s)
        same([a["commitInfo"]["tags"] for a in actions(p, "t") if "commitInfo" in a and a["commitInfo"]["operation"] in ("UPDATE", "OPTIMIZE")], [{"delta.rowTracking.preserved": "true"}] * 3)
        p.remove()


@case
def a_clone_has_ids_of_its_own():
    p = with_lake()
    filled(p, "./t", TRACKED, VECTORS, n=10, files=6)
    for first in (0, 20, 40):  # new files have the ids of old ones
        p.shoal("table", "update", "./t", "--set", "v = 7", "--where", f"id between {first} and {first + 9}")
    p.shoal("table", "clone", "./t", "./c")
    p.write({"shoal.yaml": "name: t\nsources:\n  x.c: {delta: c, clone_of: t}\n"})
    p.shoal("table", "update", "x.c", "--set", "v = 8", "--where", "id % 5 = 1")
    p.shoal("sql", "select id, _row_id, v from x.c", "-o", "ids.parquet")
    rows = pyarrow.parquet.ParquetFile(p.dir + "/ids.parquet").read().to_pylist()
    same(sorted(r["id"] for r in rows), list(range(60)))
    same(len({r["_row_id"] for r in rows}), 60)
    p.remove()


@case
def tracking_comes_with_a_table():
    p = with_lake()
    filled(p, "./t", n=3, files=1)
    has(p.shoal("table", "alter", "./t", "--set", TRACKED, code=1).stderr, "only when it makes a table")
    filled(p, "./r", TRACKED, n=3, files=1)
    same(sorted(delta(p, "./r").protocol().writer_features), ["domainMetadata", "rowTracking"])
    has(p.shoal("table", "alter", "./r", "--unset", "delta.enableRowTracking", code=1).stderr, "does not take away")
    p.remove()


def shown(p, name, where="true", at=""):
    p.shoal("sql", f"SELECT id, _row_id, _ROW_COMMIT_VERSION AS version FROM './{name}'{at} WHERE {where}", "-o", "ids.parquet")
    return sorted(tuple(r.values()) for r in pyarrow.parquet.ParquetFile(p.dir + "/ids.parquet").read().to_pylist())


@case
def queries_see_the_ids_that_they_name():
    for properties, partition in (([], None), ([VECTORS], "kind"), (["delta.columnMapping.mode=id", VECTORS], None)):
        p = with_lake({"m.csv": "id,kind,v,note\n3,a,300,m\n900,b,900,m\n"})
        filled(p, "./t", TRACKED, *properties, n=10, files=9, partition=partition)
        first = shown(p, "t")
        same([i for i, _, _ in first], list(range(90)))
        same((len({r for _, r, _ in first}), {v for _, _, v in first}), (90, set(range(1, 10))))
        for verb in (["update", "./t", "--set", "v = 7", "--where", "id % 10 = 5"], ["delete", "./t", "--where", "id = 11"], ["merge", "./t", "--using", "m.csv", "--on", "id", "--when", "matched then update", "--when", "not matched then insert"], ["optimize", "./t"]):
            p.shoal("table", *verb)
            have = ids(p, "t")
            for i, row, version in shown(p, "t"):
                assert (row, version) in have[i], (verb, i, row, version, have[i])
        last = shown(p, "t")
        same({i: r for i, r, _ in last if i < 90}, {i: r for i, r, _ in first if i != 11})
        same([i for i, _, v in last if v > 9], [3, 5, 15, 25, 35, 45, 55, 65, 75, 85, 900])
        same(shown(p, "t", at=" AT (VERSION => 9)"), first)
        same(shown(p, "t", "id IN (5, 900)"), [r for r in last if r[0] in (5, 900)])
        same(shown(p, "t", f"_row_id = {last[4][1]}"), [last[4]])
        same(shown(p, "t", "_row_commit_version > 9 AND id < 40"), [r for r in last if r[2] > 9 and r[0] < 40])
        p.shoal("sql", "SELECT * FROM './t'", "-o", "all.parquet")
        same(pyarrow.parquet.ParquetFile(p.dir + "/all.parquet").schema_arrow.names, ["id", "kind", "v", "note"])
        p.write({"shoal.yaml": "name: t\nsources:\n  raw.t: {delta: t}\n"})
        p.shoal("sql", "SELECT a.id, a._row_id, b.\"_row_commit_version\" AS v FROM raw.t a JOIN raw.t b USING (_row_id)", "-o", "ids.parquet")
        same(sorted(tuple(r.values()) for r in pyarrow.parquet.ParquetFile(p.dir + "/ids.parquet").read().to_pylist()), last)
        p.remove()
    p = with_lake()
    filled(p, "./plain", n=3, files=1)
    has(p.shoal("sql", "SELECT _row_id FROM './plain'", code=1).stderr, "_row_id")
    p.write({"r.csv": "_row_id,v\n70,1\n"})
    p.shoal("table", "create", "./own", "--as", "r.csv", "--property", TRACKED)
    same(p.shoal("sql", "SELECT _row_id FROM './own'", "--format", "csv").stdout.split(), ["_row_id", "70"])
    p.remove()


if __name__ == "__main__":
    main()
