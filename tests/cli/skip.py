# SPDX-License-Identifier: Apache-2.0
"""Files that a query can't find a row in are not read. That they are not is seen by taking them away; that nothing is lost by
comparing with DuckDB over all files. Seed: SHOAL_SEED."""
import datetime
import decimal
import glob
import json
import os
import random
import shutil
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import deltalake
import duckdb
import pyarrow
import pyarrow.parquet
from harness import Project, case, has, main, same
from tables import described

YAML = "name: t\nsources:\n  raw.t: {delta: tables/t}\n"
SEED = int(os.environ.get("SHOAL_SEED", "0")) or random.SystemRandom().getrandbits(32)
N_FILES, N_ROWS = 24, 40


def project():
    p = Project(files={"models/gold/total.sql": "select 1 as n"})
    p.shoal("run")
    p.write({"shoal.yaml": YAML})
    return p


def table_of(file, rng):
    """Rows whose values lie near each other, as in files of a day."""
    def some(make):
        return [None if file == 7 or (file % 3 == 0 and rng.random() < .2) else make() for _ in range(N_ROWS)]
    at = datetime.datetime(2020, 1, 1) + datetime.timedelta(days=file)
    floats = [0.5, -0.0, float("nan"), float("inf"), -float("inf"), 1e300]
    texts = ["", "a'b", "ä", "z" * 40, "\U0001F41F", "x\nshoal_column_0=5\ny", "100%"]
    return pyarrow.table({
        "id": pyarrow.array(some(lambda: file * 10 + rng.randrange(12)), pyarrow.int64()),
        "name": pyarrow.array(some(lambda: rng.choice([f"n{file:02d}{rng.randrange(5)}", *texts] if file % 5 == 0 else [f"n{file:02d}{rng.randrange(5)}"])), pyarrow.string()),
        "x": pyarrow.array(some(lambda: rng.choice(floats) if file % 6 == 0 else file + rng.random()), pyarrow.float64()),
        "f": pyarrow.array(some(lambda: file + rng.randrange(10) / 10), pyarrow.float32()),
        "d": pyarrow.array(some(lambda: at.date()), pyarrow.date32()),
        "ts": pyarrow.array(some(lambda: at + datetime.timedelta(microseconds=rng.randrange(3000000))), pyarrow.timestamp("us")),
        "tz": pyarrow.array(some(lambda: at + datetime.timedelta(microseconds=rng.randrange(3000000))), pyarrow.timestamp("us", "UTC")),
        "n": pyarrow.array(some(lambda: decimal.Decimal(file * 100 + rng.randrange(100)).scaleb(-2) * (-1) ** file), pyarrow.decimal128(10, 2)),
        "file_row_number": pyarrow.array(some(lambda: -file), pyarrow.int32()),
        "s": pyarrow.array(some(lambda: {"a": file, "b": f"b{file % 4}"}), pyarrow.struct([("a", pyarrow.int32()), ("b", pyarrow.string())])),
        "b": pyarrow.array(some(lambda: file % 2 == 0), pyarrow.bool_()),
        "part": pyarrow.array([None if file == 3 else file % 8] * N_ROWS, pyarrow.int32()),
    })


def made(p, rng, partitioned=False, vectors=False):
    for file in range(N_FILES):
        if vectors:  # by Shoal's own writer
            pyarrow.parquet.write_table(table_of(file, rng), p.dir + "/raw.parquet")
            p.shoal("table", *(["append"] if file else ["create"]), "raw.t", *(["raw.parquet"] if file else ["--as", "raw.parquet", "--property", "delta.enableDeletionVectors=true"]))
            continue
        deltalake.write_deltalake(p.dir + "/tables/t", table_of(file, rng), mode="append", partition_by=["part"] if partitioned else None)


def without(rng):
    """A condition of one column."""
    k, op = rng.randrange(-1, 26), rng.choice(["=", "<", "<=", ">", ">=", "<>"])
    day = datetime.date(2020, 1, 1) + datetime.timedelta(days=k)
    return rng.choice([
        lambda: f"id {op} {k * 10 + rng.randrange(10)}", lambda: f"name {op} 'n{k:02d}{rng.randrange(5)}'", lambda: f"name {op} '{'z' * rng.choice([31, 32, 33, 40, 41])}'",
        lambda: f"x {op} {k + .5}", lambda: f"x {op} {rng.choice(['0', '-0.0', chr(39) + 'nan' + chr(39), chr(39) + 'inf' + chr(39), '1e300'])}", lambda: f"f {op} {k}.{rng.randrange(10)}::float",
        lambda: f"d {op} date '{day}'", lambda: f"ts {op} timestamp '{day} 00:00:0{rng.randrange(3)}.{rng.randrange(1000000):06d}'", lambda: f"tz {op} timestamptz '{day} 00:00:01+00'",
        lambda: f"n {op} {k * rng.choice([1, -1])}.{rng.randrange(100):02d}", lambda: f"file_row_number {op} {-k}", lambda: f"s.a {op} {k}", lambda: f"s.b = 'b{k % 4}'", lambda: f"part {op} {k % 9}",
        lambda: f"{rng.choice(['id', 'name', 's', 's.a', 'part', 'x'])} is {rng.choice(['', 'not '])}null", lambda: "b", lambda: "not b", lambda: f"id in ({k}, {k * 10}, {k * 10 + 3})",
        lambda: f"id not in ({k}, {k * 10})", lambda: f"name like 'n{k:02d}%'", lambda: f"id between {k * 5} and {k * 10}", lambda: f"year(d) = 2020 and day(d) = {k}", lambda: f"ts::date = date '{day}'",
        lambda: f"id + 1 {op} {k * 10}", lambda: f"abs(id) {op} {k}", lambda: f"name in ('n0{k % 10}1', 'x\nshoal_column_0=5\ny')", lambda: f"coalesce(id, 5) {op} {k}", lambda: f"id = {k}.5"])()


def condition(rng, depth=2):
    if depth == 0 or rng.random() < .4:
        return without(rng)
    if rng.random() < .2:
        return f"not ({condition(rng, depth - 1)})"
    return f"({condition(rng, depth - 1)}) {rng.choice(['and', 'or'])} ({condition(rng, depth - 1)})"


def query(rng):
    c = condition(rng)
    return rng.choice([f"select count(*), sum(id), min(name) from raw.t where {c}", f"select count(*) from (select *, row_number() over (order by id) from raw.t) where {c}",
                       f"select count(*), count(a.id) from raw.t a left join (select * from raw.t where {condition(rng)}) u on a.id = u.id where a.id > 100",
                       f"with w as (select * from raw.t where {c}) select count(*), (select count(*) from w v where v.id is null) from w where {without(rng)}",
                       f"select count(*) from raw.t where id in (select id from raw.t where {c})",
                       f"select count(*) from (select id, max(x) as x from raw.t group by id) where id > {rng.randrange(200)}",
                       f"select count(*) from (select id from raw.t where {c} union all select id from raw.t where {condition(rng)})"])


def parity(partitioned, vectors):
    rng = random.Random(SEED + partitioned + 2 * vectors)
    p = project()
    made(p, rng, partitioned, vectors)
    if vectors:
        p.shoal("table", "delete", "raw.t", "--where", "id % 7 = 0 or name like '%z'")
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'; create schema raw")
    arrow = pyarrow.concat_tables(table_of(file, r) for r in [random.Random(SEED + partitioned + 2 * vectors)] for file in range(N_FILES))
    con.register("arrow", arrow)
    con.execute("create table raw.t as select * from arrow" + (" where not coalesce(id % 7 = 0 or name like '%z', false)" if vectors else ""))
    for i in range(60):
        q = query(rng)
        want = json.loads(con.sql(f"select to_json(list(q)) from ({q}) q").fetchone()[0])
        got = json.loads(p.shoal("sql", q, "--format", "json").stdout or "[]")
        got = got if isinstance(got, list) else [got]
        assert [list(map(str, r.values())) for r in got] == [list(map(str, r.values())) for r in want], (SEED, q, got, want)
    p.remove()


@case
def nothing_is_lost():
    print(f"seed {SEED}")
    parity(False, False)


@case
def nothing_is_lost_in_partitions():
    parity(True, False)


@case
def nothing_is_lost_beside_deletion_vectors():
    parity(False, True)


@case
def variables_are_as_good_as_literals():
    """A query's parameters are variables; a condition on one gives what the same one on a literal does."""
    rng = random.Random(SEED + 11)
    p = project()
    made(p, rng)
    for _ in range(30):
        k = rng.randrange(-1, 26)
        day = datetime.date(2020, 1, 1) + datetime.timedelta(days=k)
        column, value, literal = rng.choice([
            ("id", k * 10, k * 10), ("name", f"n{k:02d}2", f"'n{k:02d}2'"), ("x", k + .5, k + .5), ("d", day, f"date '{day}'"), ("n", f"{k}.07", f"{k}.07"),
            ("part", k % 9, k % 9), ("s.a", k, k), ("ts", f"{day} 00:00:01", f"timestamp '{day} 00:00:01'"), ("name", "x' or true --", "'x'' or true --'")])
        op = rng.choice(["=", "<", "<=", ">", ">=", "<>"])
        q = "select count(*), sum(id), min(name) from raw.t where " + rng.choice(["{c} {op} {v}", "not ({c} {op} {v})", "{c} {op} {v} and id is not null", "id = 7 or {c} {op} {v}"])
        got = p.rows(q.format(c=column, op=op, v="getvariable('v')"), "--var", f"v={value}")
        assert got == p.rows(q.format(c=column, op=op, v=literal)), (SEED, q, column, op, literal, got)
    for f in glob.glob(p.dir + "/tables/t/*.parquet"):
        if max((i for i in pyarrow.parquet.read_table(f)["id"].to_pylist() if i is not None), default=0) < 200:
            os.unlink(f)
    same(p.rows("select count(*) > 0 from raw.t where id >= getvariable('v')", "--var", "v=215"), [["true"]])
    p.remove()


@case
def statistics_answer_as_files_do():
    rng = random.Random(SEED + 9)
    for partitioned, vectors in ((False, False), (True, False), (False, True)):
        p = project()
        made(p, rng, partitioned, vectors)
        for deleted in range(2 if vectors else 1):
            if deleted:
                p.shoal("table", "delete", "raw.t", "--where", "id % 5 = 0 or id > 230")
            for columns in (["id"], ["d"], ["id", "d"], ["name"], ["x"], ["f"], ["ts"], ["tz"], ["n"], ["file_row_number"], ["part"], ["b"], ["n", "part", "s"], ["part", "name", "id"]):
                what = ", ".join(f"{rng.choice(['min', 'MAX', 'count'])}({c})" for c in columns for _ in range(2)) + rng.choice(["", ", count(*) as n"])
                q = f"select {what} from raw.t"
                same(p.rows(q), p.rows(q + " where random() >= 0"))
            same(p.rows("select count(*) from raw.t"), p.rows("select count(*) from raw.t where random() >= 0"))
        p.remove()


@case
def answers_open_no_file():
    p = project()
    made(p, random.Random(1))
    same(p.rows("select count(*) from raw.t"), [[str(N_FILES * N_ROWS)]])
    asked = ["min(id), max(id), min(d), max(d), count(*)", "count(id), count(name), count(x)", "min(n), max(n), count(n), count(*)", "count(b), count(tz)", "max(n)"]
    want = [p.rows(f"select {q} from raw.t where random() >= 0") for q in asked]
    for name in os.listdir(p.dir + "/tables/t"):
        if name.endswith(".parquet"):
            os.unlink(f"{p.dir}/tables/t/{name}")
    same(p.rows("select count(*) from raw.t"), [[str(N_FILES * N_ROWS)]])
    same([p.rows(f"select {q} from raw.t") for q in asked], want)
    p.write({"models/gold/n.sql": "select max(id) as top, count(*) as n from raw.t"})
    p.shoal("run", "gold.n")
    same(p.rows("select n from gold.n"), [[str(N_FILES * N_ROWS)]])
    for q in ("select count(s) from raw.t", "select count(id + 1) from raw.t", "select count(distinct id) from raw.t", "select min(id) from raw.t where id > 0", "select min(id + 1) from raw.t", "select min(name) from raw.t", "select min(ts) from raw.t", "select max(x) from raw.t",
              "select count(*) from raw.t group by id", "select min(d) from (select id as d from raw.t)", "select min(distinct id), any_value(id) from raw.t", "select min(id) filter (where id > 5) from raw.t",
              "select min(id, 2) from raw.t", "select count(*) from raw.t tablesample 10%", "select min(o.id) from raw.t as o(d, id)"):
        has(p.shoal("sql", q, code=1).all, "error")
    p.remove()


@case
def partition_columns_answer_for_themselves():
    rng, kinds = random.Random(SEED + 10), {"i": "INTEGER", "t": "VARCHAR", "d": "DATE", "n": "DECIMAL(9,2)", "b": "BOOLEAN", "ts": "TIMESTAMP", "f": "DOUBLE"}
    some = {"i": [-7, 10, 9, None], "t": ["b", "a'", "ä", "", None], "d": ["2020-01-01", "1999-12-31", None], "n": ["-0.10", "10.00", "9.99", None], "b": ["true", "false"], "ts": ["2020-01-01 00:00:00.5", None], "f": ["nan", "1e300", "-0.0"]}
    for vectors in ("false", "true"):
        p = project()
        p.shoal("table", "create", "./tables/t", "--schema", "id BIGINT, " + ", ".join(f"{n} {k}" for n, k in kinds.items()), "--partition-by", ",".join(kinds), "--property", f"delta.enableDeletionVectors={vectors}")
        for file in range(12):
            values = [rng.choice(some[n]) for n in kinds]
            p.write({"rows.csv": ",".join(["id", *kinds]) + "\n" + "".join(",".join(["" if v is None else str(v) for v in [file * 10 + i, *values]]) + "\n" for i in range(5))})
            p.shoal("table", "append", "./tables/t", "rows.csv")
        for verb in (None, ["delete", "./tables/t", "--where", "id < 10 OR id % 2 = 1"], ["delete", "./tables/t", "--where", "i IS NULL AND id < 100"], ["checkpoint", "./tables/t"]):
            if verb:
                p.shoal("table", *verb)
            for n in kinds:
                for q in (f"select min({n}), max({n}), count({n}), count(*) from raw.t", f"select max({n}) from raw.t", f"select count({n}) from raw.t"):
                    same((q, p.rows(q)), (q, p.rows(q + " where random() >= 0")))
        want = p.rows("select min(i), max(t), count(d), max(n), min(d), count(b), count(*) from raw.t where random() >= 0")
        for name in os.listdir(p.dir + "/tables/t"):
            if name.endswith(".parquet"):
                os.unlink(f"{p.dir}/tables/t/{name}")
        same(p.rows("select min(i), max(t), count(d), max(n), min(d), count(b), count(*) from raw.t"), want)
        p.remove()


@case
def decimals_with_noise_are_read():
    p = project()
    p.shoal("table", "create", "./tables/t", "--schema", "n DECIMAL(9,2)")
    p.write({"rows.csv": "n\n1.05\n7.30\n"})
    p.shoal("table", "append", "./tables/t", "rows.csv")
    log = p.dir + "/tables/t/_delta_log/00000000000000000001.json"
    with open(log) as f:
        text = f.read()
    assert '\\"n\\":7.30' in text, text
    with open(log, "w") as f:  # as who goes by way of floats may write it
        f.write(text.replace('\\"n\\":7.30', '\\"n\\":7.3000000000000007'))
    same(p.rows("select min(n), max(n) from raw.t"), [["1.05", "7.30"]])
    p.remove()


@case
def zeros_of_both_signs_are_equal():
    p = Project()
    p.write({"models/gold/z.sql": "select unnest(['-0.0'::double, 'nan'::double, 1.5]) as x, {'f': '-0.0'::float} as s from range(50)"})
    p.shoal("run", "gold.z")
    for where in ("x = 0", "s.f = 0"):
        same(p.rows(f"select count(*) from gold.z where {where}"), [["50" if where == "x = 0" else "150"]])
    p.shoal("sql", "select * from gold.z", "--format", "parquet", "-o", "z.parquet")
    same(duckdb.sql(f"select count(*) from '{p.dir}/z.parquet' where x = 0").fetchone(), (50,))
    p.remove()


@case
def files_without_rows_for_a_query_are_not_read():
    p = project()
    made(p, random.Random(1))
    t = deltalake.DeltaTable(p.dir + "/tables/t")
    adds = pyarrow.table(t.get_add_actions(flatten=True)).to_pylist()
    keep = {a["path"] for a in adds if a["min.id"] is not None and a["min.id"] <= 105 <= a["max.id"]}
    assert 0 < len(keep) <= 2
    for a in adds:
        if a["path"] not in keep:
            os.unlink(f"{p.dir}/tables/t/{a['path']}")
    [n] = p.rows("select count(*) from raw.t where id = 105")[0]
    assert int(n) > 0
    for where in ("id in (105, 106)", "id >= 105 and id < 107", "id = 105 and name is not null", "d = date '2020-01-11' and id = 105", "id = 105 or id = 104 or (name = 'n100' and id = 103)"):
        p.rows(f"select count(*) from raw.t where {where}")
    p.rows("with w as (select * from raw.t where id = 105) select * from w a join w b using (id)")
    p.rows("select a.id from raw.t a join raw.t b on a.id = b.id where b.id = 105")
    has(p.shoal("sql", "select count(*) from raw.t where x = 4", code=1).all, "part-")  # x has no upper bound that counts
    p.shoal("table", "delete", "raw.t", "--where", "id = 105")
    same(p.rows("select count(*) from raw.t where id = 105"), [["0"]])
    p.shoal("table", "update", "raw.t", "--set", "name = 'new'", "--where", "id = 104")
    same(p.rows("select distinct name from raw.t where id = 104"), [["new"]])
    p.remove()


@case
def what_follows_from_the_clock_leaves_nothing_out():
    p = project()
    made(p, random.Random(1))
    for name in os.listdir(p.dir + "/tables/t"):
        if name.endswith(".parquet"):
            os.unlink(f"{p.dir}/tables/t/{name}")
    same(p.rows("select count(*) from raw.t where tz > timestamptz '2030-01-01 00:00:00+00'"), [["0"]])
    for where in ("tz > now()", "d > current_date", "tz > get_current_timestamp() + interval 1 year"):
        has(p.shoal("sql", f"select count(*) from raw.t where {where}", code=1).all, ".parquet")
    p.remove()


@case
def a_model_reads_what_it_needs():
    p = project()
    made(p, random.Random(1), True)
    p.write({"models/gold/one.sql": "select sum(id) as s from raw.t where part = 2"})
    for name in os.listdir(p.dir + "/tables/t"):
        if name.startswith("part=") and name != "part=2":
            shutil.rmtree(f"{p.dir}/tables/t/{name}")
    p.shoal("run", "gold.one")
    has(p.shoal("sql", "select s from gold.one", "--format", "csv").stdout, "\n")
    p.remove()


@case
def binaries_are_found_beside_bloom_filters():
    p = project()
    values = "list_value(''::blob, '\\x00'::blob, '\\xFF\\xFE'::blob, 'abc'::blob)"
    described(p, "tables/t", [("id", "long", {}), ("b", "binary", {}), ("s", {"type": "struct", "fields": [{"name": "b", "type": "binary", "nullable": True, "metadata": {}}]}, {})])
    duckdb.sql(f"select range as id, {values}[range % 4 + 1] as b, {{'b': b}} as s from range(40)").write_parquet(p.dir + "/tables/t/x.parquet")  # with filters, as others write them
    assert duckdb.sql(f"select bloom_filter_offset from parquet_metadata('{p.dir}/tables/t/x.parquet') where path_in_schema = 'b'").fetchone()[0]
    with open(f"{p.dir}/tables/t/_delta_log/{1:020}.json", "w") as f:
        f.write(json.dumps({"add": {"path": "x.parquet", "partitionValues": {}, "size": os.path.getsize(p.dir + "/tables/t/x.parquet"), "modificationTime": 0, "dataChange": True}}))
    duckdb.sql(f"select range as id, {values}[range % 4 + 1] as b, {{'b': b}} as s from range(40, 80)").write_parquet(p.dir + "/more.parquet")
    p.shoal("table", "append", "raw.t", "more.parquet")
    for name in glob.glob(p.dir + "/tables/t/part-*.parquet"):
        same(duckdb.sql(f"select list(bloom_filter_offset) from parquet_metadata('{name}') where path_in_schema = 'b' and bloom_filter_offset is not null").fetchone()[0], None)
    for v in ("", "\\x00", "\\xFF\\xFE", "abc"):
        for c in ("b", "s.b"):
            same((v, c, p.rows(f"select count(*) from raw.t where {c} = '{v}'::blob")), (v, c, [["20"]]))
    p.remove()


@case
def a_merge_reads_what_its_source_can_meet():
    keys = [("id", "id BIGINT", lambda i: str(i), "INTEGER"), ("day", "day DATE", lambda i: str(datetime.date(2020, 1, 1) + datetime.timedelta(i)), "DATE"), ("t", "t VARCHAR", lambda i: f"k'{i:04}", "VARCHAR"),
            ("d", "d DECIMAL(12,2)", lambda i: f"{i}.25", "DECIMAL(12,2)")]
    clauses = ["--when", "matched then update set v = source.v", "--when", "not matched then insert"]
    for key, column, value, of in keys:
        p, con = project(), duckdb.connect()
        p.shoal("table", "create", "raw.t", "--schema", column + ", v BIGINT", "--property", "delta.enableDeletionVectors=true")
        for f in range(12):
            p.write({"new.csv": f"{key},v\n" + "".join(f"{value(i)},0\n" for i in range(f * 10, f * 10 + 10))})
            p.shoal("table", "append", "raw.t", "new.csv")
        con.sql(f"select cast(k as {of}) as {key}, 5::bigint as v from (values (?), (?), (NULL)) as r(k)", params=[value(43), value(57)]).write_parquet(p.dir + "/src.parquet")
        order = [os.path.basename(next(iter(json.loads(line)["add"]["path"] for line in open(f"{p.dir}/tables/t/_delta_log/{v:020}.json") if '"add"' in line))) for v in range(1, 13)]
        for on, refused in ((f"target.{key} = source.{key} and source.v > 1", None), (f'source."{key}" = TARGET."{key.upper()}"', None), (f"target.{key} = source.{key} or source.v is null", "part-"),
                            (f"target.{key} between source.{key} and source.{key}", "part-"), (f"target.{key} = source.{key}", "not matched by source and target.v = 99 then delete")):
            away = [n for n in os.listdir(p.dir + "/tables/t") if n in order and n not in order[4:6]]
            for n in away:
                os.rename(f"{p.dir}/tables/t/{n}", f"{p.dir}/{n}")
            given = [*clauses, "--when", refused] if refused and refused != "part-" else clauses
            r = p.shoal("table", "merge", "raw.t", "--using", "src.parquet", "--on", on, *given, "--dry-run", code=1 if refused else 0)
            if refused:
                has(r.all, "part-")
            for n in away:
                os.rename(f"{p.dir}/{n}", f"{p.dir}/tables/t/{n}")
        done = p.json("table", "merge", "raw.t", "--using", "src.parquet", "--on", f"target.{key} = source.{key}", *clauses)
        same((done["updated"], done["inserted"]), (2, 1))
        same(p.rows("select count(*), sum(v) from raw.t"), [["121", "15"]])
        con.sql(f"select cast(NULL as {of}) as {key}, 9::bigint as v limit 0").write_parquet(p.dir + "/none.parquet")
        same(p.json("table", "merge", "raw.t", "--using", "none.parquet", "--on", key, *clauses)["version"], -1)
        p.remove()


@case
def a_merge_joins_only_rows_with_its_keys():
    """Tables that are large beside the source: keys that lie together and far apart, texts, two at once, as UUIDs; rows without one; after rows
    have gone, with other names in the files, in partitions."""
    rows = "select i::integer as near, i * 1000003 as far, 'text ' || (i * 7919 % 200000) as t, case when i % 50 then i end as odd, i % 3 as part, 0 as v from range(200000) r(i)"
    few = "select near::bigint as near, far, t, odd, part, 7 as v from t where near % 400 = 8 or near % 1013 = 0 union all select 900000 + i, -1 - i, 'new ' || i, NULL, 1, 9 from range(40) r(i)"
    clauses = ["--when", "matched and source.near % 5 = 0 then delete", "--when", "matched then update set v = source.v + target.part", "--when", "not matched then insert"]
    ways = [[], ["--property", "delta.columnMapping.mode=name"], ["--partition-by", "part"]]
    for k, on in enumerate(("near", "far", "t", "odd", "part, near", "target.t = source.t and source.part = target.part", "part, far")):
        for more in (ways[k % 3], ways[(k + 1) % 3]) if k == 0 else (ways[k % 3],):
            p, con = project(), duckdb.connect()
            con.execute(f"create table t as {rows}")
            con.sql("from t where near >= 150000").write_parquet(p.dir + "/more.parquet")
            con.sql("from t where near < 150000").write_parquet(p.dir + "/rows.parquet")
            con.execute(f"create table s as {few}")
            con.sql("from s").write_parquet(p.dir + "/few.parquet")
            con.sql("from s limit 0").write_parquet(p.dir + "/none.parquet")
            p.shoal("table", "create", "raw.t", "--as", "rows.parquet", "--property", "delta.enableDeletionVectors=true", *more)
            p.shoal("table", "append", "raw.t", "more.parquet")
            same(p.json("table", "merge", "raw.t", "--using", "none.parquet", "--on", on, *clauses)["version"], -1)
            cond = on if "=" in on else " and ".join(f"target.{c.strip()} = source.{c.strip()}" for c in on.split(","))
            for _ in range(2):
                done = p.json("table", "merge", "raw.t", "--using", "few.parquet", "--on", on, *clauses)
                matched, fresh = con.sql(f"select count(*) from t as target join s as source on {cond}").fetchone()[0], con.sql(f"select count(*) from s as source anti join t as target on {cond}").fetchone()[0]
                same((done["updated"] + done["deleted"], done["inserted"]), (matched, fresh))
                con.execute(f"""create or replace table t as select target.* replace (coalesce(source.v + target.part, target.v) as v) from t as target left join s as source on {cond} where coalesce(source.near % 5, 1) <> 0
                                union all select source.* from s as source anti join t as target on {cond}""")
                what = "count(*), sum(hash(near::bigint, far, t, odd, part::bigint, v::bigint))::varchar"
                con.sql(f"copy (select near, far, t, odd, part, v from t) to '{p.dir}/want.parquet'")
                p.shoal("sql", "select * from raw.t", "-o", "got.parquet")
                same(con.sql(f"select {what} from '{p.dir}/got.parquet'").fetchone(), con.sql(f"select {what} from '{p.dir}/want.parquet'").fetchone())
            p.remove()
    p, con = project(), duckdb.connect()
    con.sql("select upper(md5(i::varchar)::uuid::varchar) as u, i as v from range(150000) r(i)").write_parquet(p.dir + "/rows.parquet")
    con.sql("select md5(i::varchar)::uuid as u, -1::bigint as v from range(0, 150000, 5000) r(i)").write_parquet(p.dir + "/few.parquet")
    p.shoal("table", "create", "raw.t", "--as", "rows.parquet")
    same(p.json("table", "merge", "raw.t", "--using", "few.parquet", "--on", "u", "--when", "matched then update set v = source.v")["updated"], 30)
    p.remove()


@case
def conditions_with_or_are_joins_too():
    clauses = ["--when", "matched and source.v > 90 then delete", "--when", "matched then update set v = target.v + source.v", "--when", "not matched then insert (id, mail, v) values (source.id, source.mail, -1)"]
    ons = ["target.id = source.id or target.mail = source.mail", "((target.mail = source.mail) OR (source.id = target.id AND source.v > 3))", "target.id = source.id or target.mail = source.mail and target.v < 50 or target.v = source.other"]
    for on in ons:
        for more in ([], ["--when", "not matched by source and target.id % 7 = 0 then update set v = -5"]):
            p, con = project(), duckdb.connect()
            con.execute("create table t as select i as id, case when i % 11 then 'm' || i end as mail, i % 60 as v from range(3000) r(i)")
            con.execute("""create table s as select id, mail, v, other from (select i * 3 as id, 'm' || (i * 3) as mail, i % 100 as v, NULL::bigint as other, i from range(100) r(i)
                           union all select NULL, 'm' || (2000 + i), i % 100, NULL, i from range(50) r(i) union all select 5000 + i, 'none', 5, 77, i from range(9) r(i) union all select NULL, NULL, 8, NULL, 0)""")
            for name in "ts":
                con.sql(f"from {name}").write_parquet(f"{p.dir}/{name}.parquet")
            p.shoal("table", "create", "raw.t", "--as", "t.parquet", "--property", "delta.enableDeletionVectors=true")
            done = p.json("table", "merge", "raw.t", "--using", "s.parquet", "--on", on, *clauses, *more)
            con.execute(f"create table pairs as select target.id as t, source.v as v, source.id as sid, source.mail as smail, source.other as so from t as target join s as source on {on}")
            same(con.sql("select count(*) - count(distinct t) from pairs").fetchone()[0], 0)
            old = "case when t.id % 7 = 0 then -5 else t.v end" if more else "t.v"
            want = con.sql(f"""select id, mail, v from (select t.id, t.mail, case when pairs.t is null then {old} else t.v + pairs.v end as v, pairs.v as pv from t left join pairs on pairs.t = t.id) where coalesce(pv, 0) <= 90
                               union all select source.id, source.mail, -1 from s as source where not exists (from t as target where {on}) order by all""").fetchall()
            p.shoal("sql", "select * from raw.t", "-o", "got.parquet")
            same(con.sql(f"select id, mail, v from '{p.dir}/got.parquet' order by all").fetchall(), want)
            same(done["inserted"], con.sql(f"select count(*) from s as source where not exists (from t as target where {on})").fetchone()[0])
            p.remove()
    p = project()
    p.write({"s.csv": "id,mail\n1,b\n", "t.csv": "id,mail,v\n1,a,0\n2,b,0\n3,c,0\n"})
    p.shoal("table", "create", "raw.t", "--as", "t.csv")
    same(p.json("table", "merge", "raw.t", "--using", "s.csv", "--on", ons[0], "--when", "matched then update set v = 1")["updated"], 2)
    p.write({"s.csv": "id,mail\n1,a\n9,a\n"})
    has(p.shoal("table", "merge", "raw.t", "--using", "s.csv", "--on", ons[0], "--when", "matched then update set v = 1", code=1).stderr, "several rows of the source")
    has(p.shoal("table", "merge", "raw.t", "--using", "s.csv", "--on", ons[0], "--when", "matched and random() < 2 then update set v = 1", code=1).stderr, "side effects")
    p.remove()


main()
