# SPDX-License-Identifier: Apache-2.0
"""shoal table optimize --cluster-by, and tables that are clustered: files that are narrow in several columns at once, the same rows
as before, and what is written of that, as Delta's own clustering writes it. delta-rs and DuckDB see the rows. Seed: SHOAL_SEED."""
import glob
import json
import os
import random
import shutil
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import duckdb
from harness import case, has, main, same
from tables import VECTORS, peers, read, with_lake

SEED = int(os.environ.get("SHOAL_SEED", "0")) or random.SystemRandom().getrandbits(32)
# Unlike each other and unlike the order in which they come: even, skewed (half of it one value), text, with NULLs.
ROWS = f"""select range as id, (hash(range + {SEED}) % 100000)::bigint as a, case when hash(range * 3 + {SEED}) % 2 = 0 then 0 else
  (1e6 / (1 + hash(range * 7 + {SEED}) % 100000))::bigint end as b, 'item ' || lpad((hash(range * 11 + {SEED}) % 50000)::varchar, 5, '0') as c,
  case when hash(range * 13 + {SEED}) % 10 > 0 then date '2000-01-01' + (hash(range * 17 + {SEED}) % 9000)::int end as d from range({{n}})"""


DATELESS = f"select * exclude (d) from ({ROWS})"  # for those who compare values as JSON has them


def made(p, name, n, *args, appends=1, rows=ROWS):
    for i in range(appends):
        duckdb.sql(f"copy (select * from ({rows.format(n=n)}) where id >= {i * (n // appends)} and id < {(i + 1) * (n // appends)}) to '{p.dir}/rows.parquet' (format parquet)")
        p.shoal("table", *(["append", name] if i else ["create", name, "--as"]), "rows.parquet", *(() if i else args))


def log(p, name):
    for path in sorted(glob.glob(f"{p.dir}/{name}/_delta_log/*.json")):
        with open(path) as f:
            yield [json.loads(line) for line in f]


def adds(p, name):
    """The files that are there, by path."""
    alive = {}
    for actions in log(p, name):
        for a in actions:
            if "remove" in a:
                alive.pop(a["remove"]["path"])
        for a in actions:
            if "add" in a:
                alive[a["add"]["path"]] = {**a["add"], "stats": json.loads(a["add"]["stats"])}
    return list(alive.values())


def held(p, name, columns="*"):
    """Rows as a count and a sum of hashes, by whichever files."""
    files = [f"{p.dir}/{name}/{f['path']}" for f in adds(p, name)]
    return duckdb.sql(f"select count(*), sum(hash(t)::hugeint) from (select {columns} from read_parquet({files})) t").fetchall()


def skipped(p, name, column, values):
    """The part of the files that a point predicate leaves out, on average."""
    files, out = adds(p, name), 0
    for v in values:
        out += sum(not f["stats"]["minValues"].get(column, v) <= v <= f["stats"]["maxValues"].get(column, v) for f in files)
    return out / len(values) / len(files)


def points(p, column, n=100):
    return [r[0] for r in duckdb.sql(f"select {column}::varchar::{'bigint' if column in 'ab' else 'varchar'} from ({ROWS.format(n=100000)}) where {column} is not null order by hash(id + {SEED}) limit {n}").fetchall()]


@case
def files_are_narrow_in_every_column():
    p = with_lake()
    made(p, "tables/t", 100000, appends=2)
    was = held(p, "tables/t")
    size = sum(f["size"] for f in adds(p, "tables/t")) / 100 / 2**20
    out = p.shoal("table", "optimize", "tables/t", "--cluster-by", "a,b,c,d", "--file-size", f"{size:.5f}").stdout
    has(out, "clustered 2 files", "version 2")
    same(held(p, "tables/t"), was)
    files = adds(p, "tables/t")
    assert 80 <= len(files) <= 120, len(files)
    assert max(f["stats"]["numRecords"] for f in files) < 3 * 100000 / len(files), [f["stats"]["numRecords"] for f in files]
    for column in "acd":
        assert skipped(p, "tables/t", column, points(p, column)) > 0.5, (column, skipped(p, "tables/t", column, points(p, column)))
    assert skipped(p, "tables/t", "b", [v for v in points(p, "b") if v]) > 0.5  # half of the rows are 0, and in half of the files
    same({(f["clusteringProvider"], f["tags"]["ZCUBE_ZORDER_BY"], f["dataChange"]) for f in files}, {("liquid", '["a","b","c","d"]', False)})
    same(len({f["tags"]["ZCUBE_ID"] for f in files}), 1)
    has(p.shoal("sql", "select count(*) from './tables/t' where a = 5 or c = 'item 00007'").stdout, str(duckdb.sql(f"select count(*) from ({ROWS.format(n=100000)}) where a = 5 or c = 'item 00007'").fetchone()[0]))
    p.remove()


@case
def what_lies_well_is_left_alone():
    p = with_lake()
    made(p, "tables/t", 20000)
    args = ("table", "optimize", "tables/t", "--cluster-by", "a,c", "--file-size", "0.02")
    first = p.json(*args)
    has(p.shoal(*args).stdout, "nothing to cluster")
    before = {f["path"] for f in adds(p, "tables/t")}
    p.shoal("table", "append", "tables/t", "rows.parquet")
    was = held(p, "tables/t")
    done = p.json(*args)
    assert done["files_removed"] < len(before) / 2, done  # what came, and small ones to join it with
    same(held(p, "tables/t"), was)
    assert len({f["path"] for f in adds(p, "tables/t")} & before) > len(before) / 2
    has(p.shoal(*args).stdout, "nothing to cluster")
    n = len(adds(p, "tables/t"))
    same(p.json(*args, "--full")["files_removed"], n)
    same(held(p, "tables/t"), was)
    other = p.json("table", "optimize", "tables/t", "--cluster-by", "d", "--file-size", "0.02")
    same(other["files_removed"], len(adds(p, "tables/t")) - other["files_added"] + other["files_removed"])
    ends = sorted((f["stats"]["minValues"].get("d", ""), f["stats"]["maxValues"].get("d", "")) for f in adds(p, "tables/t"))
    assert all(a[1] <= b[0] for a, b in zip(ends, ends[1:])), ends  # one column is sorted
    same(held(p, "tables/t"), was)
    assert first["files_added"] > 4, first
    p.remove()


@case
def the_same_rows_come_into_the_same_files():
    p = with_lake()
    made(p, "tables/t", 150000, appends=3)
    shutil.copytree(p.dir + "/tables/t", p.dir + "/tables/u")
    for name in ("tables/t", "tables/u"):
        p.shoal("table", "optimize", name, "--cluster-by", "a,b,c", "--file-size", "0.1")
    t, u = (sorted(json.dumps(f["stats"], sort_keys=True) for f in adds(p, name)) for name in ("tables/t", "tables/u"))
    assert len(t) > 5, len(t)
    same(t, u)
    p.remove()


@case
def tables_say_by_what_they_are_clustered():
    p = with_lake()
    for i, mode in enumerate(("none", "name")):
        name, told = f"tables/t{i}", read if i else peers  # polars maps no columns
        made(p, name, 5000, "--cluster-by", "c, a", "--property", f"delta.columnMapping.mode={mode}", "--property", VECTORS, appends=3, rows=DATELESS)
        first = {k: v for a in next(log(p, name)) for k, v in a.items()}
        fields = {f["name"]: f["metadata"].get("delta.columnMapping.physicalName", f["name"]) for f in json.loads(first["metaData"]["schemaString"])["fields"]}
        same(json.loads(first["domainMetadata"]["configuration"])["clusteringColumns"], [[fields["c"]], [fields["a"]]])
        assert {"clustering", "domainMetadata"} <= set(first["protocol"]["writerFeatures"]), first["protocol"]
        p.shoal("table", "delete", name, "--where", "id % 9 = 0")
        was = told(p, name)
        has(p.shoal("table", "optimize", name, "--file-size", "0.01").stdout, "clustered 3 files")
        same(told(p, name), was)
        same({f["tags"]["ZCUBE_ZORDER_BY"] for f in adds(p, name)}, {'["c","a"]'})
        has(p.shoal("table", "optimize", name, "--cluster-by", "b", code=1).stderr, 'clustered by ["c","a"]')
        p.shoal("table", "delete", name, "--where", "id = 1")  # a vector: the file stays where it lies
        p.shoal("table", "checkpoint", name)
        has(p.shoal("table", "optimize", name, "--cluster-by", "c,a", "--file-size", "0.01").stdout, "nothing to cluster")
        p.shoal("table", "restore", name, "--version", "3")
        same(told(p, name), was)
    p.shoal("table", "create", "tables/s", "--schema", "id BIGINT, s STRUCT(x BIGINT, y STRUCT(z VARCHAR)), \"a.b\" BIGINT", "--cluster-by", "s.y.z,a.b")
    domain = next(a["domainMetadata"] for a in next(log(p, "tables/s")) if "domainMetadata" in a)
    same(json.loads(domain["configuration"])["clusteringColumns"], [["s", "y", "z"], ["a.b"]])
    p.remove()


@case
def partitions_stay_what_they_are():
    p = with_lake()
    rows = DATELESS.replace("select range as id", "select case when range % 10 < 6 then 'x' when range % 10 = 9 then null else 'a/b' end as part, range as id")
    made(p, "tables/t", 30000, "--partition-by", "part", appends=2, rows=rows)
    was = peers(p, "tables/t")
    done = p.json("table", "optimize", "tables/t", "--cluster-by", "a,b", "--file-size", "0.05")
    same(peers(p, "tables/t"), was)
    files = adds(p, "tables/t")
    of = {v: [f for f in files if f["partitionValues"]["part"] == v] for v in ("x", "a/b", None)}
    assert len(of["x"]) > 2 and len(of["a/b"]) >= 1 and len(of[None]) == 1, {k: len(v) for k, v in of.items()}
    same((done["files_removed"], done["files_added"]), (6, len(files)))
    has(p.shoal("table", "optimize", "tables/t", "--cluster-by", "part", code=1).stderr, "partitioned by 'part'")
    large = p.json("table", "optimize", "tables/t", "--cluster-by", "a,b", "--full")  # each partition is one file
    same((large["files_added"], peers(p, "tables/t") == was), (3, True))
    p.remove()


@case
def any_type_has_an_order():
    p = with_lake()
    types = {"bo": "boolean", "ti": "tinyint", "sm": "smallint", "it": "integer", "bi": "bigint", "fl": "float", "db": "double", "d1": "decimal(9,2)", "d2": "decimal(38,4)", "tx": "varchar", "bl": "blob", "da": "date", "ts": "timestamptz", "tn": "timestamp"}
    value = {"boolean": "k % 2 = 0", "varchar": "'n' || lpad(k::varchar, 3, '0')", "blob": "encode('n' || lpad(k::varchar, 3, '0'))", "date": "date '1999-01-01' + k::int", "timestamptz": "make_timestamptz(k * 1000000000)", "timestamp": "make_timestamp(k * 1000000000)"}
    columns = ", ".join(f"case when k % 10 = 3 then null else {value.get(t, f'(k - 60)::{t}')} end as {c}" for c, t in types.items())
    rows = f"select range as id, {columns} from (select range, (hash(range + {SEED}) % 120)::bigint as k from range({{n}}))"
    made(p, "tables/t", 6000, rows=rows)
    was = held(p, "tables/t")
    for c in types:
        p.shoal("table", "optimize", "tables/t", "--cluster-by", c, "--file-size", "0.005")
        same(held(p, "tables/t"), was)
        if c not in ("bo", "bl"):  # which have no bounds
            ends = sorted((f["stats"]["minValues"][c], f["stats"]["maxValues"][c]) for f in adds(p, "tables/t") if c in f["stats"]["minValues"])
            assert len(ends) > 3 and all(a[1] <= b[0] for a, b in zip(ends, ends[1:])), (c, ends)
        nulls = [f for f in adds(p, "tables/t") if f["stats"]["nullCount"][c]]
        assert len(nulls) < len(adds(p, "tables/t")) / 2, (c, len(nulls))  # together
    p.shoal("table", "optimize", "tables/t", "--cluster-by", ",".join(types), "--file-size", "0.005")
    same(held(p, "tables/t"), was)
    p.remove()


@case
def a_clone_is_clustered_as_its_source():
    p = with_lake()
    made(p, "tables/t", 1000, "--cluster-by", "a")
    os.symlink("tables", f"{p.dir}/linked")
    p.shoal("table", "clone", "linked/t", "tables/c")
    first = next(log(p, "tables/c"))
    assert [a["domainMetadata"]["domain"] for a in first if "domainMetadata" in a] == ["delta.clustering"]
    paths = [a["add"]["path"].removeprefix("file:") for a in first if "add" in a]
    assert paths and all(os.path.dirname(f) == os.path.realpath(f"{p.dir}/tables/t") and os.path.exists(f) for f in paths), paths
    p.remove()


@case
def what_can_not_be_is_refused():
    p = with_lake()
    wide = ", ".join(f"c{i} BIGINT" for i in range(33))
    p.shoal("table", "create", "tables/t", "--schema", f"l BIGINT[], s STRUCT(x BIGINT), {wide}")
    for columns, said in (("nope", "no column 'nope'"), ("s.nope", "no column 's.nope'"), ("s", "no order"), ("l", "no order"), ("c1,C1", "named twice"), ("c32", "no statistics of 'c32'")):
        has(p.shoal("table", "optimize", "tables/t", "--cluster-by", columns, code=1).stderr, said)
    has(p.shoal("table", "create", "tables/u", "--schema", "a BIGINT, b BIGINT", "--cluster-by", "a", "--partition-by", "b", code=1).stderr, "either partitioned or clustered")
    has(p.shoal("table", "create", "tables/u", "--schema", "a BIGINT", "--cluster-by", "b", code=1).stderr, "no column 'b'")
    has(p.shoal("table", "optimize", "tables/t", "--cluster-by", "s.x", "--full").stdout, "nothing to cluster")
    has(p.shoal("table", "optimize", "tables/t", "--file-size", "0", code=1).stderr, "megabytes")
    p.remove()


print(f"SHOAL_SEED={SEED}")
main()
