# SPDX-License-Identifier: Apache-2.0
"""What Spark can switch on in a table, one thing at a time: types that widen, identity columns, every feature of readers and writers
that this version of Delta knows. Shoal reads the rows, or refuses by name; what it writes Spark reads, and goes on."""
import datetime as dt
import decimal
import json
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from spark_peers import refused_by_spark, seen, spark
import pyarrow.parquet as pq
from harness import *  # noqa: E402,F403
from tables import with_lake

D = decimal.Decimal


def ours(p, path, columns="*", version=None, where=None):
    """Shoal's rows as Python has them."""
    at = "" if version is None else f" AT (VERSION => {version})"
    out = p.dir + "/seen.parquet"
    p.shoal("sql", f"SELECT {columns} FROM '{path}'{at}" + (f" WHERE {where}" if where else ""), "-o", out)
    table = pq.ParquetFile(out).read()
    return [tuple(r.values()) for r in table.to_pylist(maps_as_pydicts="strict")]


def theirs(path, version=None):
    r = spark.read.format("delta")
    return [tuple(plain(v) for v in row) for row in (r if version is None else r.option("versionAsOf", version)).load(path).collect()]


def plain(v):
    return {k: plain(x) for k, x in v.asDict().items()} if hasattr(v, "asDict") else {k: plain(x) for k, x in v.items()} if isinstance(v, dict) else [plain(x) for x in v] if isinstance(v, list) else v


def in_order(rows):
    return sorted(rows, key=repr)


# ---- types that widen ----

LEAST = {"tinyint": -128, "smallint": -32768, "int": -(2**31), "bigint": -(2**63)}
MOST = {t: -v - 1 for t, v in LEAST.items()}
PAIRS = ([(a, b) for i, a in enumerate(LEAST) for b in list(LEAST)[i + 1:]] + [(a, "double") for a in ("tinyint", "smallint", "int", "float")]
         + [(a, b) for a in ("tinyint", "smallint", "int") for b in ("decimal(10,0)", "decimal(14,3)")] + [("bigint", "decimal(20,0)"), ("bigint", "decimal(25,4)")]
         + [("decimal(4,1)", "decimal(9,1)"), ("decimal(4,1)", "decimal(20,5)"), ("decimal(18,2)", "decimal(38,10)"), ("date", "timestamp_ntz")])


def values_of(t):
    """The ends of a type, and something between."""
    if t in LEAST:
        return [LEAST[t], 0, 77, MOST[t]]
    if t == "date":
        return ["1900-01-01", "1969-12-31", "2020-02-29", "9999-12-31"]
    if t == "timestamp_ntz":
        return ["1900-01-01 00:00:00.000001", "1969-12-31 23:59:59.999999", "2020-02-29 12:34:56.789", "9999-12-31 23:59:59.999999"]
    if t in ("float", "double"):
        return [-1.5, 0.1, 16777217 if t == "double" else 16777216, 1e300 if t == "double" else 3e38]
    p, s = (int(x) for x in t[8:-1].split(","))
    return [D(f"-{'9' * p}E-{s}"), D(0), D(f"{12345 % 10**p}E-{s}"), D(f"{'9' * p}E-{s}")]


def literal(v, t):
    return "NULL" if v is None else f"cast('{v:f}' as {t})" if isinstance(v, D) else f"cast('{v}' as {t})"


@case
def types_widen():
    p, n = with_lake({"more.csv": "id," + ",".join(f"c{i}" for i in range(len(PAIRS))) + "\n"}), len(PAIRS)
    t = f"delta.`{p.dir}/w`"
    spark.sql(f"create table {t} (id int, {', '.join(f'c{i} {a}' for i, (a, _) in enumerate(PAIRS))}, s struct<a: tinyint, b: array<struct<x: float>>>, l array<smallint>, m map<tinyint, date>) using delta "
              "tblproperties ('delta.enableTypeWidening' = 'true', 'delta.feature.timestampNtz' = 'supported')")
    nested = "named_struct('a', cast({i} as {a}), 'b', array(named_struct('x', cast({i}.5 as {x})))), array(cast({i} as {l}), null), map(cast({i} as {k}), {m})"

    def fill(which, names):
        for i in range(4):
            spark.sql(f"insert into {t} select {i + which * 10}, {', '.join(literal(values_of(pair[which])[i], pair[which]) for pair in PAIRS)}, {nested.format(i=i, **names)}")
        spark.sql(f"insert into {t} (id) values ({4 + which * 10})")
    fill(0, {"a": "tinyint", "x": "float", "l": "smallint", "k": "tinyint", "m": "date'2020-01-01'"})
    narrow = spark.sql(f"describe history {t} limit 1").collect()[0]["version"]
    for column, b in [(f"c{i}", b) for i, (_, b) in enumerate(PAIRS)] + [("s.a", "int"), ("s.b.element.x", "double"), ("l.element", "bigint"), ("m.key", "int"), ("m.value", "timestamp_ntz")]:
        spark.sql(f"alter table {t} change column {column} type {b}")
    fill(1, {"a": "int", "x": "double", "l": "bigint", "k": "int", "m": "timestamp_ntz'2020-01-01 10:11:12.131415'"})
    wide = theirs(p.dir + "/w")
    for version in (0, 2, narrow, narrow + 1, narrow + n // 2, None):
        same((version, in_order(ours(p, p.dir + "/w", version=version))), (version, in_order(theirs(p.dir + "/w", version))))
    for c, (_, b) in enumerate(PAIRS):  # what statistics of the narrower type leave out must hold of the wider
        for v in dict.fromkeys(r[c + 1] for r in wide):
            if v is None:
                continue
            for op, f in (("=", lambda x: x == v), (">", lambda x: x > v), ("<=", lambda x: x <= v)):  # noqa: B023
                got = ours(p, p.dir + "/w", "id", where=f"c{c} {op} CAST('{v!r}' AS {b})" if isinstance(v, float) else f"c{c} {op} CAST('{v:f}' AS {b})" if isinstance(v, D) else f"c{c} {op} CAST('{v}' AS {b.replace('timestamp_ntz', 'timestamp')})")
                same((PAIRS[c], op, v, sorted(i for i, in got)), (PAIRS[c], op, v, sorted(r[0] for r in wide if r[c + 1] is not None and f(r[c + 1]))))
    p.shoal("table", "update", p.dir + "/w", "--set", "id = id + 100", "--where", "id % 10 < 2")  # narrow files written anew, as wide ones
    p.shoal("table", "optimize", p.dir + "/w")
    same(in_order(theirs(p.dir + "/w")), in_order((r[0] + 100 if r[0] % 10 < 2 else r[0], *r[1:]) for r in wide))
    fill(1, {"a": "int", "x": "double", "l": "bigint", "k": "int", "m": "timestamp_ntz'2021-01-01 10:11:12.131415'"})
    same(in_order(ours(p, p.dir + "/w")), in_order(theirs(p.dir + "/w")))
    p.remove()


@case
def shoal_widens_and_spark_reads():
    p, engine = with_lake(), {"tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT", "timestamp_ntz": "TIMESTAMP"}
    path = p.dir + "/w"
    p.shoal("table", "create", path, "--schema", "id INTEGER, " + ", ".join(f"c{i} {engine.get(a, a)}" for i, (a, _) in enumerate(PAIRS)), "--property", "delta.enableTypeWidening=true")
    fill = lambda which: [spark.sql(f"insert into delta.`{path}` select {i + which * 10}, {', '.join(literal(values_of(pair[which])[i], pair[which]) for pair in PAIRS)}") for i in range(4)]  # noqa: E731
    fill(0)
    p.shoal("table", "alter", path, *[x for i, (_, b) in enumerate(PAIRS) for x in ("--type", f"c{i}={engine.get(b, b)}")])
    spark.sql(f"refresh table delta.`{path}`")
    fill(1)
    same(in_order(ours(p, path)), in_order(theirs(path)))
    p.remove()


# ---- identity columns ----

@case
def identity_columns_go_on():
    p = with_lake({"v.csv": "v\n1\n2\n", "ids.csv": "id,v\n500,9\n"})
    for name, kind in (("always", "always"), ("default", "by default"), ("ours", None)):
        path = f"{p.dir}/{name}"
        if kind:
            spark.sql(f"create table delta.`{path}` (id bigint generated {kind} as identity (start with 10 increment by 3), v bigint) using delta")
        else:
            p.shoal("table", "create", path, "--schema", "id BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 3), v BIGINT")
        for i in range(3):
            p.shoal("table", "append", path, "v.csv")
            spark.sql(f"insert into delta.`{path}` (v) values ({i})")
            p.shoal("table", "merge", path, "--using", "v.csv", "--on", "target.v = source.v + 1000", "--when", "not matched then insert")
        ids = [int(r[0]) for r in seen(path, "select id from t")]
        same((len(ids), len(set(ids)), all((i - 10) % 3 == 0 for i in ids)), (15, 15, True))
        if name == "default":
            p.shoal("table", "append", path, "ids.csv")
            spark.sql(f"insert into delta.`{path}` (id, v) values (501, 1)")
        else:
            has(p.shoal("table", "append", path, "ids.csv", code=1).stderr, "its numbers are the table's to give")
            has(refused_by_spark(f"insert into delta.`{path}` (id, v) values (501, 1)"), "IDENTITY")
        has(refused_by_spark(f"update delta.`{path}` set id = 5"), "IDENTITY")
        has(p.shoal("table", "update", path, "--set", "id = 5", "--all", code=1).stderr, "its numbers are the table's to give")
        spark.sql(f"restore table delta.`{path}` to version as of 2")
        p.shoal("table", "append", path, "v.csv")
        p.shoal("table", "restore", path, "--version", "3")
        spark.sql(f"insert into delta.`{path}` (v) values (77)")
        again = [int(r[0]) for r in seen(path, "select id from t where v = 77")]
        same(again[0] > max(i for i in ids), True)
    p.remove()


# ---- row ids ----

@case
def row_ids_are_spark_s():
    p = with_lake({"m.csv": "id,v\n3,m\n900,m\n"})
    for i, more in enumerate(("", ", 'delta.enableDeletionVectors' = 'true'", ", 'delta.columnMapping.mode' = 'name'")):
        path = f"{p.dir}/rows{i}"
        t = f"delta.`{path}`"
        spark.sql(f"create table {t} (id bigint, v string) using delta tblproperties ('delta.enableRowTracking' = 'true'{more})")
        check = lambda: same(in_order(ours(p, path, "id, _row_id, _row_commit_version")),  # noqa: E731
                             in_order(tuple(r) for r in spark.read.format("delta").load(path).selectExpr("id", "_metadata.row_id", "_metadata.row_commit_version").collect()))  # noqa: B023
        for start in range(0, 30, 10):
            spark.sql(f"insert into {t} select id, concat('v', id) from range({start}, {start + 10})")
        check()
        p.shoal("table", "update", path, "--set", "v = 'u'", "--where", "id % 7 = 1")
        spark.sql(f"update {t} set v = 's' where id % 7 = 2")
        check()
        p.shoal("table", "merge", path, "--using", "m.csv", "--on", "id", "--when", "matched then update", "--when", "not matched then insert")
        spark.sql(f"delete from {t} where id = 12")
        p.shoal("table", "delete", path, "--where", "id = 13")
        check()
        p.shoal("table", "optimize", path)
        spark.sql(f"update {t} set v = 'last' where id = 14")
        check()
    p.remove()


# ---- every feature ----

# What Shoal does where Spark lists a feature in the protocol, and nothing in the table uses it. Others of Spark's are not made for users.
READ_AND_WRITTEN = ["appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns", "columnMapping", "identityColumns", "deletionVectors", "timestampNtz", "domainMetadata", "v2Checkpoint",
                    "rowTracking", "clustering", "inCommitTimestamp", "allowColumnDefaults", "vacuumProtocolCheck", "typeWidening", "typeWidening-preview", "checkpointProtection", "variantType", "variantType-preview", "variantShredding", "variantShredding-preview"]
ONLY_READ = ["icebergCompatV1", "icebergCompatV2", "icebergCompatV3", "icebergWriterCompatV1", "materializePartitionColumns"]
REFUSED = ["catalogManaged"]


@case
def features_are_kept_or_refused_by_name():
    p, done = with_lake({"new.csv": "id,v\n1000,new\n"}), []
    for feature in READ_AND_WRITTEN + ONLY_READ + REFUSED:
        path = f"{p.dir}/{feature}"
        try:
            spark.sql(f"create table delta.`{path}` (id bigint, v string) using delta tblproperties ('delta.feature.{feature}' = 'supported')")
            spark.sql(f"insert into delta.`{path}` select id, concat('v', id) from range(50)")
        except Exception as e:  # noqa: BLE001
            has(str(e), "DELTA_")  # not of this Spark
            print(f"    {feature}: {str(e)[:150]!r}")
            continue
        done.append(feature)
        want = sorted((i, f"v{i}") for i in range(50))
        r = p.shoal("sql", f"select * from '{path}'", code=1 if feature in REFUSED else 0)
        needs = f"'{feature}'"
        if feature in REFUSED:
            has(r.stderr, needs)
        else:
            same((feature, sorted(ours(p, path))), (feature, want))
        if feature in READ_AND_WRITTEN:
            p.shoal("table", "append", path, "new.csv")
            p.shoal("table", "delete", path, "--where", "id = 7") if feature != "appendOnly" else None
            spark.sql(f"insert into delta.`{path}` values (2000, 'theirs')")
            same((feature, sorted(theirs(path))), (feature, [r for r in want if r[0] != 7 or feature == "appendOnly"] + [(1000, "new"), (2000, "theirs")]))
        else:
            has(p.shoal("table", "append", path, "new.csv", code=1).stderr, needs)
    assert len(done) > 15, done
    p.remove()


if __name__ == "__main__":
    main()
