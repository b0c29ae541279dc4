# SPDX-License-Identifier: Apache-2.0
"""Variants that Spark writes, of every type and shape, by themselves and inside structs, arrays and maps; shredded and not, in files that mark
them as variants and in such that don't: Shoal's text of each is Spark's to_json."""
import json
import random
import re
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from spark_peers import refused_by_spark, spark  # noqa: F401
import pyarrow.parquet as pq
from harness import *  # noqa: E402,F403
from tables import with_lake

SCALARS = [
    *[f"cast({v} as {t})" for t, values in {"tinyint": (-128, 0, 127), "smallint": (-32768, 300), "int": (-2147483648, 70000), "bigint": (-9223372036854775807, 2**53 + 1),
                                            "decimal(9,2)": ("12.34", "-0.50", "0"), "decimal(18,9)": ("123456789.123456789",), "decimal(38,10)": ("-1234567890123456789012345678.0123456789", "100"),
                                            "double": ("1.0E10", "0.1", "-123.456", "1e300", "0.001", "9999999", "1e7", "0.00099", "-0.0D", "'NaN'", "'Infinity'"), "float": ("0.1", "3.4028235E38", "16777216")}.items() for v in values],
    "true", "false", "date'0001-01-01'", "date'1970-01-01'", "date'9999-12-31'", "timestamp'2024-02-29 12:34:56.789'", "timestamp'1900-01-01 00:00:00'", "timestamp'1969-12-31 23:59:59.999999'",
    "timestamp_ntz'2024-02-29 12:34:56.000001'", "timestamp_ntz'0001-01-01 00:00:00'", "timestamp_ntz'9999-12-31 23:59:59.999999'", "X''", "X'00FF10'", "X'DEADBEEF'",
    "''", "'short'", "'" + "long " * 30 + "'", "'ä€𝄞'", "'say \"hi\" \\\\ / \\n \\t \\b \\f \\r \\u0001 \\u001f \\u007f'",
]
PARSED = ["{}", "[]", "1", "-0", "1.5", "1e5", "123456789012345678901234567890", "0.000001", "1.10", '"x"', "true", '{"b": 1, "a": {"c": [1, "two", null, {"d": 2.50}]}}', '[[], [[]], {}, [{}]]', '{"": 1, "a.b": 2, "ä": 3, "𝄞": 4, "￿": 5}',
          json.dumps({f"k{i}": i for i in range(300)}), json.dumps(list(range(300))), json.dumps({"long": "x" * 70000})]
NAMES = ["a", "b", "c", "z", "Z", "ä", "a b", "metadata", "value", "typed_value", "list", "element"]


def scalar(r):
    return f"cast({r.choice(SCALARS)} as variant)" if r.random() < 0.8 else f"parse_json('{r.choice(PARSED[:11])}')"


def variant(r, depth=0):
    """An expression of a random one."""
    kind = r.random() if depth < 3 else 0
    if kind < 0.5:
        return "parse_json('null')" if r.random() < 0.1 and depth else scalar(r)
    if kind < 0.7:
        return "cast(array(" + ", ".join(variant(r, depth + 1) for _ in range(r.randint(1, 4))) + ") as variant)"
    names = r.sample(NAMES, r.randint(1, 5))
    return "to_variant_object(named_struct(" + ", ".join(f"'{n}', {variant(r, depth + 1)}" for n in names) + "))"


def alike(r):
    """Of objects that have much in common, which is what gets shredded."""
    parts = [f"'n', cast({r.randint(0, 10**6)} as bigint)", f"'d', cast({r.randint(0, 9999)}.25 as decimal(9,2))", f"'t', timestamp'2024-01-01 00:00:{r.randint(10, 59)}.5'", f"'u', timestamp_ntz'2024-01-01 00:00:{r.randint(10, 59)}'",
             f"'day', date'2024-01-{r.randint(10, 28)}'", f"'s', 'text {r.randint(0, 99)}'", f"'o', named_struct('x', {r.randint(0, 9)}, 'y', array('a', 'b{r.randint(0, 9)}'))", f"'l', array({r.randint(0, 9)}, {r.randint(0, 9)})",
             f"'f', cast({r.random()} as double)", f"'bin', X'{r.randint(16, 255):02X}'", f"'yes', {r.choice(['true', 'false'])}"]
    if r.random() < 0.3:
        parts[r.randrange(len(parts))] = f"'{r.choice(['n', 's', 'o', 'l', 'more'])}', {variant(r, 2)}"
    names = {p.split(",")[0]: p for p in parts}
    keep = [p for p in names.values() if r.random() < 0.9]
    return "to_variant_object(named_struct(" + ", ".join(keep) + "))" if keep else "parse_json('{}')"


def rows_of(r, start, n, nulls=True):
    """Without `nulls` a column has no variants that are null, but for those inside of others."""
    quoted = [f"parse_json('{x}')" for x in PARSED if nulls or "￿" not in x]  # the engine has them in another order, which Spark's schema_of_variant refuses
    some = (lambda v: v) if nulls else (lambda v: "parse_json('1')" if v == "parse_json('null')" else v)
    for i in range(n):
        v = quoted[i] if i < len(quoted) else "cast(null as variant)" if r.random() < 0.05 else some("parse_json('null')") if r.random() < 0.05 else (alike if r.random() < 0.6 else variant)(r)
        nested = "null" if r.random() < 0.1 else f"named_struct('x', {alike(r)}, 'l', array({some(variant(r, 2))}, cast(null as variant), {scalar(r)}))"
        yield f"select cast({start + i} as bigint) id, {v} v, {nested} s, map('k', {alike(r)}, 'n', cast(null as variant)) m"


def number(text):
    """Java before 19 writes some floats with a digit more than they need."""
    return re.sub(r"-?\d+\.\d+(E-?\d+)?", lambda m: repr(float(m[0])) + ("E" if m[1] else ""), text) if text and re.search(r"\d\.\d{15,}|E", text) else text


def theirs(path):
    shown = "case when is_variant_null({0}) then null else to_json({0}) end"
    frame = spark.read.format("delta").load(path).selectExpr("id", shown.format("v"), shown.format("s.x"), f"transform(s.l, e -> {shown.format('e')})", f"transform(map_entries(m), e -> {shown.format('e.value')})")
    return sorted(tuple([number(y) for y in x] if isinstance(x, list) else number(x) if isinstance(x, str) else x for x in row) for row in frame.collect())


def ours(p, path, where="true"):
    p.shoal("sql", f"SELECT id, v, s.x, s.l, map_values(m) FROM '{path}' WHERE {where}", "-o", "seen.parquet")
    columns = pq.ParquetFile(p.dir + "/seen.parquet").read().columns
    return sorted(tuple([number(y) for y in x] if isinstance(x, list) else number(x) if isinstance(x, str) else x for x in row) for row in zip(*(c.to_pylist() for c in columns)))


def fill(path, r, start, n, marked, shredded, nulls=True, properties=""):
    spark.conf.set("spark.sql.parquet.variant.annotateLogicalType.enabled", str(marked).lower())
    spark.sql(f"create table if not exists delta.`{path}` (id bigint, v variant, s struct<x: variant, l: array<variant>>, m map<string, variant>) using delta"
              + f" tblproperties ('delta.enableVariantShredding' = '{str(shredded).lower()}'{properties})")
    rows = list(rows_of(r, start, n, nulls))
    frame = spark.sql(" union all ".join(rows[:60])).coalesce(1)
    for i in range(60, n, 60):
        frame = frame.unionByName(spark.sql(" union all ".join(rows[i:i + 60])).coalesce(1))
    frame.coalesce(1).write.format("delta").mode("append").save(path)


def shapes(path):
    """What the files have in the place of v: (marked, shredded) of each."""
    import glob
    out = set()
    for f in glob.glob(path + "/*.parquet"):
        text = str(pq.ParquetFile(f).schema)
        out.add(("v (Variant(1))" in text, "typed_value" in text))
    return out


@case
def variants_are_spark_s_json():
    seed = int(os.environ.get("SHOAL_SEED", random.randrange(10**6)))
    print(f"    SHOAL_SEED={seed}")
    p, r = with_lake(), random.Random(seed)
    for shredded in (False, True):
        path = p.dir + ("/shredded" if shredded else "/whole")
        for start, marked in ((0, True), (1000, False)):
            fill(path, r, start, 150, marked, shredded)
        same(shapes(path), {(True, shredded), (False, shredded)})
        want = theirs(path)
        for mine, spark_s in zip(ours(p, path), want):
            same(mine, spark_s)
        same(len(ours(p, path)), len(want))
        same(ours(p, path, "v IS NULL"), [row for row in want if row[1] is None])
        texts = [row[0] for row in want if row[1] and '"s":"text 1' in row[1]]
        same((len(texts) > 3, [row[0] for row in ours(p, path, "(v ->> '$.s') LIKE 'text 1%'")]), (True, texts))
    p.remove()


def exactly(path, of=None, more=()):
    """Each variant with its type and everything that its text does not tell, by id."""
    told = lambda v: f"struct({v} is null, is_variant_null({v}), schema_of_variant({v}), to_json({v}))"  # noqa: E731
    frame = spark.read.format("delta").load(path) if of is None else of
    frame = frame.selectExpr("id", told("v"), told("s.x"), f"transform(s.l, e -> {told('e')})", f"transform(map_entries(m), e -> struct(e.key, {told('e.value')}))", *more)
    return sorted(map(str, frame.collect()))


KINDS = [(marked, shredded) for marked in (True, False) for shredded in (False, True)]


@case
def rows_that_are_written_anew_are_spark_s_own():
    """No value changes its type; what a marked file has of NULLs can be told where it has no variants that are null."""
    seed = int(os.environ.get("SHOAL_SEED", random.randrange(10**6)))
    print(f"    SHOAL_SEED={seed}")
    p, r = with_lake(), random.Random(seed)
    for marked, shredded in KINDS:
        path = f"{p.dir}/t{marked}{shredded}"
        for start in (0, 1000):
            fill(path, r, start, 90, marked, shredded, not marked, ", 'delta.enableChangeDataFeed' = 'true'")
        want = exactly(path)
        seen = lambda: (spark.sql("clear cache"), exactly(path))[1]  # noqa: E731
        p.shoal("table", "optimize", path)
        same(seen(), want)
        p.shoal("table", "update", path, "--set", "id = id", "--where", "id % 7 = 3")
        same(seen(), want)
        p.shoal("table", "delete", path, "--where", "id = 5 OR id = 1005")
        want = [row for row in want if "(id=5," not in row and "(id=1005," not in row]
        same(seen(), want)
        p.write({"gone.csv": "id\n6\n1006\n"})
        p.shoal("table", "merge", path, "--using", "gone.csv", "--on", "target.id = source.id", "--when", "matched then update set id = target.id + 5000")
        want = sorted(row.replace("(id=6,", "(id=5006,").replace("(id=1006,", "(id=6006,") for row in want)
        same(seen(), want)
        feed = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 3).load(path)
        before, after = (exactly(path, feed.where(f"_change_type = 'update_{image}image'")) for image in ("pre", "post"))
        rest = lambda rows, *ids: sorted(row.split(",", 1)[1] for row in rows if any(f"(id={i}," in row for i in ids))  # noqa: E731
        same(rest(before, 6, 1006), rest(after, 5006, 6006))
        same(len(rest(after, 5006, 6006)), 2)
        same(len(exactly(path, feed.where("_change_type = 'delete'"))), 2)
        p.shoal("table", "overwrite", path, "gone.csv", "--where", "id IN (4, 6, 1004, 1006)")
        same([row for row in seen() if "(id=6," not in row and "(id=1006," not in row], [row for row in want if "(id=4," not in row and "(id=1004," not in row])
        spark.sql(f"insert into delta.`{path}` select id + 20000, v, s, m from delta.`{path}` where id < 30")
        same(len(ours(p, path, "id >= 20000")), len(ours(p, path, "id < 30")))
    p.remove()


@case
def new_variants_are_what_parse_json_makes():
    p = with_lake()
    texts = [*PARSED, "null", "-1", "127", "128", "-32769", "2147483648", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1" * 38, "1" * 39, "0." + "1" * 38, "0." + "1" * 39, "-0.0", "-0", "1e400", "-1E-400", "1.5e3", "0e0", "0.00",
             "100000000000000000000.5", "999999999", "999999999.9", "9999999999.9", "123456789012345678.9", '"' + "x" * 63 + '"', '"' + "x" * 64 + '"', '"\\u0000\\ud834\\udd1e\\n"', " [ 1 , 2 ] ", json.dumps({f"k{i:05}" * 20: [i] for i in range(3000)}), json.dumps([[i] * 3 for i in range(9000)]), "[" * 500 + "]" * 500]
    import pyarrow as pa
    pq.write_table(pa.table({"id": range(len(texts)), "v": texts}), p.dir + "/new.parquet")
    p.shoal("table", "create", "./t", "--schema", "id BIGINT, v VARIANT, s STRUCT(x VARIANT, l VARIANT[]), m MAP(VARCHAR, VARIANT)")
    p.shoal("table", "append", "./t", "new.parquet")
    told = "id, v is null, is_variant_null({0}) nothing, schema_of_variant({0}) type, to_json({0}) text"
    got = spark.read.format("delta").load(p.dir + "/t").selectExpr(*told.format("v").split(", ")).orderBy("id").collect()
    want = spark.read.parquet(p.dir + "/new.parquet").selectExpr(*told.format("parse_json(v)").split(", ")).orderBy("id").collect()
    for text, mine, spark_s in zip(texts, got, want):
        same((text[:50], mine["nothing"], mine["type"], mine["text"]), (text[:50], spark_s["nothing"], spark_s["type"], spark_s["text"]))
    same(len(got), len(texts))
    same(spark.read.format("delta").load(p.dir + "/t").selectExpr("variant_get(v, '$.k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007k00007[0]', 'int') x").where("x is not null").collect()[0][0], 7)
    spark.sql(f"update delta.`{p.dir}/t` set s = named_struct('x', v, 'l', array(v)), m = map('k', v) where id > 3")
    same(ours(p, p.dir + "/t")[4][1:3], tuple(ours(p, p.dir + "/t")[4][1] for _ in range(2)))
    p.remove()


if __name__ == "__main__":
    main()
