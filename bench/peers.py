# SPDX-License-Identifier: Apache-2.0
"""Who reads and writes what of Delta Lake: Shoal, Spark, delta-rs, polars and DuckDB's extension, each over every golden table, every table of
the Delta Acceptance Tests, and a table for each feature, which Spark makes. Prints the tables of docs/delta.md, in Markdown; nothing in
them is written by hand. What a peer says no to is `refused`; what it gives back in other rows than it should is `WRONG`.

Usage: peers.py FOLDER_OF_DELTA_JARS; SHOAL_BUILD names the build, SHOAL_TEST_DATA the data."""
import datetime as dt
import decimal
import glob
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/tests/support")
from spark_peers import DEPS, spark
import deltalake
import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from harness import *  # noqa: E402,F403
from tables import with_lake

DATA = os.environ.get("SHOAL_TEST_DATA", "../shared/data")
PATIENCE = 300  # seconds for one reading


def plain(v):
    """A value in one form, whoever hands it out."""
    if hasattr(v, "asDict"):
        v = v.asDict()
    if isinstance(v, dict):
        return tuple(sorted((str(k), plain(x)) for k, x in v.items()))
    if isinstance(v, (list, tuple)):
        pairs = len(v) > 0 and all(isinstance(x, tuple) and len(x) == 2 for x in v)  # a map, as Arrow has it
        return tuple(sorted((str(plain(k)), plain(x)) for k, x in v)) if pairs else tuple(plain(x) for x in v)
    if isinstance(v, dt.datetime):
        return (v.astimezone(dt.timezone.utc) if v.tzinfo else v).replace(tzinfo=None).isoformat()
    if isinstance(v, (bytearray, memoryview)):
        return bytes(v)
    if isinstance(v, decimal.Decimal):
        return str(v.normalize())
    if isinstance(v, float):
        return "nan" if math.isnan(v) else float(f"{v:.6g}")
    return v


def in_order(rows):
    return sorted((tuple(plain(v) for v in r) for r in rows), key=repr)


def of_arrow(table):
    return [tuple(r) for r in zip(*(c.to_pylist() for c in table.columns))] if table.num_columns else []


class Shoal:
    def __init__(self):
        self.project = with_lake()
        self.name = "Shoal " + self.project.shoal("--version").stdout.split()[1]

    def read(self, path, columns, version=None):
        out = self.project.dir + "/out.parquet"
        at = "" if version is None else f" AT (VERSION => {version})"
        self.project.shoal("sql", f"SELECT {', '.join(chr(34) + c.replace(chr(34), chr(34) * 2) + chr(34) for c in columns)} FROM '{path}'{at}", "-o", out)
        return of_arrow(pq.ParquetFile(out).read())

    def append(self, path, row):
        self.project.write({"new.ndjson": json.dumps(row) + "\n"})
        self.project.shoal("table", "append", path, "new.ndjson")

    def delete(self, path, where):
        self.project.shoal("table", "delete", path, "--where", where)


class Spark:
    name = "Spark " + spark.version + " with Delta " + os.path.basename(glob.glob(os.path.join(DEPS, "spark/jars/delta-storage-*.jar"))[0])[14:-4]

    def read(self, path, columns, version=None):
        r = spark.read.format("delta")
        frame = (r if version is None else r.option("versionAsOf", version)).load(path)
        return [tuple(x) for x in frame.select(*["`" + c.replace("`", "``") + "`" for c in columns]).collect()]

    def append(self, path, row):
        names, values = ", ".join(row), ", ".join(repr(v) for v in row.values())
        spark.sql(f"INSERT INTO delta.`{path}` ({names}) VALUES ({values})")

    def delete(self, path, where):
        spark.sql(f"DELETE FROM delta.`{path}` WHERE {where}")


class DeltaRs:
    name = "delta-rs " + deltalake.__version__

    def read(self, path, columns, version=None):
        t = deltalake.DeltaTable(path, version=version)
        names = ", ".join('"' + c.replace('"', '""') + '"' for c in columns)
        return of_arrow(pa.table(deltalake.QueryBuilder().register("t", t).execute(f"SELECT {names} FROM t").read_all()))

    def append(self, path, row):
        deltalake.write_deltalake(path, pa.table({k: [v] for k, v in row.items()}), mode="append", schema_mode="merge" if len(deltalake.DeltaTable(path).schema().fields) > len(row) else None)

    def delete(self, path, where):
        deltalake.DeltaTable(path).delete(where)


class Polars:
    name = "polars " + polars.__version__
    delete = None

    def read(self, path, columns, version=None):
        return polars.scan_delta(path, version=version).select(columns).collect().rows()

    def append(self, path, row):
        polars.DataFrame({k: [v] for k, v in row.items()}).write_delta(path, mode="append")


class DuckDB:
    name = "DuckDB " + duckdb.__version__ + ", delta extension"
    delete = None

    def run(self, *statements):
        """In a process of its own, which can be ended."""
        code = ("import duckdb, sys\ncon = duckdb.connect(config={'allow_unsigned_extensions': 'true'})\ncon.load_extension(sys.argv[1])\n"
                "for s in sys.argv[2:]:\n    con.execute(s)\n")
        r = subprocess.run([os.path.join(DEPS, "python/bin/python"), "-c", code, os.path.join(DEPS, "duckdb_delta/delta.duckdb_extension"), *statements], capture_output=True, text=True, timeout=PATIENCE)
        if r.returncode:
            raise RuntimeError(r.stderr.strip().splitlines()[-1] if r.stderr.strip() else f"exit {r.returncode}")

    def read(self, path, columns, version=None):
        at = "" if version is None else f", version => {version}"
        names = ", ".join('"' + c.replace('"', '""') + '"' for c in columns)
        with tempfile.TemporaryDirectory() as folder:
            self.run(f"COPY (SELECT {names} FROM delta_scan('{path}'{at})) TO '{folder}/out.parquet' (FORMAT parquet)")
            return of_arrow(pq.ParquetFile(folder + "/out.parquet").read())

    def append(self, path, row):
        names, values = ", ".join(row), ", ".join(repr(v) for v in row.values())
        self.run(f"ATTACH '{path}' AS t (TYPE delta)", f"INSERT INTO t ({names}) VALUES ({values})")


def too_long(*_):
    raise TimeoutError("too long")


def attempt(f, *args):
    """(True, what it gives) or (False, what it says)."""
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(PATIENCE)
    try:
        return True, f(*args)
    except (Exception, pa.ArrowException) as e:
        return False, str(e)
    except BaseException as e:  # panics of Rust are no Exceptions
        if isinstance(e, (KeyboardInterrupt, SystemExit)):
            raise
        return False, str(e)
    finally:
        signal.alarm(0)


# ---- tables with expected rows ----

def golden(folder):
    """(name, table, version, expected Parquet files; None: it must not open)"""
    for archive in sorted(glob.glob(DATA + "/delta/golden/*.tar.zst")):
        subprocess.run(["tar", "--zstd", "-xf", archive, "-C", folder], check=True)
        name = os.path.basename(archive)[:-8]
        root = f"{folder}/{name}/{name}" if os.path.isdir(f"{folder}/{name}/{name}") else f"{folder}/{name}"
        found = sorted(d[:-len("/_delta_log")] for d in glob.glob(root + "/delta/**/_delta_log", recursive=True)) or [root + "/delta"]
        files = glob.glob(root + "/expected/*.parquet")
        if len(found) == 1:
            yield name, found[0], None, files or None


def acceptance(folder):
    subprocess.run(["tar", "-xzf", DATA + "/delta/dat-v0.0.3.tar.gz", "-C", folder], check=True)
    for root in sorted(glob.glob(folder + "/out/reader_tests/generated/*")):
        for expected in sorted(glob.glob(root + "/expected/*/table_content")):
            version = os.path.basename(os.path.dirname(expected))
            yield f"{os.path.basename(root)} {version}", root + "/delta", None if version == "latest" else int(version[1:]), glob.glob(expected + "/**/*.parquet", recursive=True)


def judge_corpus(title, cases, peers):
    counts, wrong, refused, total = {p.name: {"right": 0, "refused": 0, "WRONG": 0} for p in peers}, {p.name: [] for p in peers}, {p.name: [] for p in peers}, 0
    for name, table, version, files in cases:
        total += 1
        expected = pa.concat_tables([pq.ParquetFile(f).read() for f in files], promote_options="permissive") if files else None
        columns = expected.column_names if files else ["id"]
        want = in_order(of_arrow(expected)) if files else None
        for p in peers:
            done, got = attempt(p.read, table, columns, version)
            verdict = ("right" if in_order(got) == want else "WRONG") if done and files else "WRONG" if done else "right" if not files else "refused"
            counts[p.name][verdict] += 1
            (wrong if verdict == "WRONG" else refused)[p.name] += [name] if verdict != "right" else []
            if verdict != "right":
                print(f"{name}: {p.name}: {verdict}: {str(got)[:200] if not done else ''}", file=sys.stderr)
                if verdict == "WRONG" and done:
                    print("  ", in_order(got)[:2], (want or [])[:2], file=sys.stderr)
    return [title + f" ({total})", *[", ".join(f"{n} {v}" for v, n in counts[p.name].items() if n) for p in peers]], wrong, refused


# ---- a table for each feature ----

TABLE = "create table delta.`{t}` (id bigint, v string) using delta"
FILL = "insert into delta.`{t}` (id, v) select id, concat('v', id) from range(100)"


def properties(**kv):
    return TABLE + " tblproperties (" + ", ".join(f"'{'delta.' + k.replace('__', '.')}' = '{v}'" for k, v in kv.items()) + ")"


CHECKPOINT = "checkpoint"
FEATURES = [
    ("plain", [TABLE, FILL]),
    ("partitions", [TABLE + " partitioned by (v)", "insert into delta.`{t}` select id, case id % 3 when 0 then 'a/b=%' when 1 then null else 'ä x' end from range(100)"]),
    ("classic checkpoint", [TABLE, FILL, CHECKPOINT]),
    ("V2 checkpoint", [properties(checkpointPolicy="v2"), FILL, CHECKPOINT]),
    ("deletion vectors", [properties(enableDeletionVectors="true"), FILL, "delete from delta.`{t}` where id % 10 = 3"]),
    ("column mapping by name", [properties(columnMapping__mode="name"), FILL, "alter table delta.`{t}` rename column v to w", "alter table delta.`{t}` rename column w to v"]),
    ("column mapping by id", [properties(columnMapping__mode="id"), FILL]),
    ("column mapping, a column dropped", [properties(columnMapping__mode="name"), FILL, "alter table delta.`{t}` add column x int", "alter table delta.`{t}` drop column x"]),
    ("change data feed", [properties(enableChangeDataFeed="true"), FILL, "update delta.`{t}` set v = 'u' where id = 5"]),
    ("append-only", [properties(appendOnly="true"), FILL]),
    ("CHECK constraint", [TABLE, FILL, "alter table delta.`{t}` add constraint small check (id < 100000)"]),
    ("NOT NULL", ["create table delta.`{t}` (id bigint not null, v string) using delta", FILL]),
    ("generated column", ["create table delta.`{t}` (id bigint, v string, g bigint generated always as (id + 1)) using delta", FILL]),
    ("column default", ["create table delta.`{t}` (id bigint, v string, d string default 'x') using delta tblproperties ('delta.feature.allowColumnDefaults' = 'supported')", FILL]),
    ("identity column", ["create table delta.`{t}` (id bigint, v string, n bigint generated always as identity) using delta", FILL]),
    ("CHAR and VARCHAR", ["create table delta.`{t}` (id bigint, v varchar(9)) using delta", FILL]),
    ("timestamp_ntz", ["create table delta.`{t}` (id bigint, v string, at timestamp_ntz) using delta", "insert into delta.`{t}` select id, concat('v', id), timestamp_ntz'2020-01-01 12:00:00.123456' from range(100)"]),
    ("type widening", ["create table delta.`{t}` (id int, v string) using delta tblproperties ('delta.enableTypeWidening' = 'true')", FILL, "alter table delta.`{t}` change column id type bigint"]),
    ("type widening to decimal, double, timestamp_ntz", ["create table delta.`{t}` (id bigint, v string, i int, n int, d date) using delta tblproperties ('delta.enableTypeWidening' = 'true')",
        "insert into delta.`{t}` select id, concat('v', id), cast(id as int), cast(id as int), date'2020-01-01' + cast(id as int) from range(100)",
        *[f"alter table delta.`{{t}}` change column {c} type {t}" for c, t in (("i", "decimal(12,2)"), ("n", "double"), ("d", "timestamp_ntz"))]]),
    ("in-commit timestamps", [properties(enableInCommitTimestamps="true"), FILL]),
    ("row tracking", [properties(enableRowTracking="true"), FILL]),
    ("liquid clustering", ["create table delta.`{t}` (id bigint, v string) using delta cluster by (id)", FILL]),
    ("variant", ["create table delta.`{t}` (id bigint, v string, j variant) using delta", "insert into delta.`{t}` select id, concat('v', id), parse_json(concat('{{\"a\": ', id, '}}')) from range(100)"]),
    ("variant, shredded", ["create table delta.`{t}` (id bigint, v string, j variant) using delta tblproperties ('delta.enableVariantShredding' = 'true')",
        "insert into delta.`{t}` select id, concat('v', id), parse_json(concat('{{\"a\": ', id, '}}')) from range(100)"]),
    ("structs, arrays, maps", ["create table delta.`{t}` (id bigint, v string, s struct<a: int, b: array<string>>, m map<string, int>) using delta",
        "insert into delta.`{t}` select id, concat('v', id), named_struct('a', cast(id as int), 'b', array('x', null)), map('k', cast(id as int)) from range(100)"]),
    ("Iceberg compatibility V2", [properties(enableIcebergCompatV2="true", columnMapping__mode="name"), FILL]),
    ("vacuum protocol check", [TABLE + " tblproperties ('delta.feature.vacuumProtocolCheck' = 'supported')", FILL]),
    ("shallow clone", [TABLE.replace("{t}", "{t}-source"), FILL.replace("{t}", "{t}-source"), "create table delta.`{t}` shallow clone delta.`{t}-source`"]),
]


def make(statements, path):
    for s in statements:
        if s == CHECKPOINT:
            spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path).checkpoint()
        else:
            spark.sql(s.format(t=path))


def shown(path):
    """What Spark sees, for comparisons; variants as JSON, identity columns only as they differ."""
    frame = spark.read.format("delta").load(path)
    return frame.selectExpr(*[f"to_json({f.name}) as {f.name}" if f.dataType.typeName() == "variant" else f.name for f in frame.schema])


VERBS = (("append", lambda p, t: p.append(t, {"id": 1000, "v": "new"}), "appended"), ("delete", lambda p, t: p.delete(t, "id = 7"), "deleted"))


def rows_after(change, table, who):
    """What Spark sees of a copy that somebody changes: (whether he did, whether Spark reads it, the rows or why not)."""
    copy = f"{table}-{who}"
    shutil.copytree(table, copy)
    did, why = attempt(change, copy)
    seen, got = attempt(lambda: in_order([tuple(r) for r in shown(copy).collect()])) if did else (False, why)
    shutil.rmtree(copy)
    return did, seen, got


def judge_feature(folder, name, statements, peers, sparks):
    table = f"{folder}/{name.replace(' ', '_').replace(',', '')}"
    made, why = attempt(make, statements, table)
    if not made:
        return [name] + ["Spark does not make it: " + " ".join(why[:60].split())] * len(peers)
    frame = shown(table)
    columns, want = frame.columns, in_order([tuple(r) for r in frame.collect()])
    right = {verb: rows_after(lambda t: change(sparks, t), table, "right") for verb, change, _ in VERBS}  # noqa: B023
    cells = []
    for p in peers:
        done, got = attempt(p.read, table, columns)
        if done and "variant" in name:  # whatever it is shown as
            got = [(*r[:2], json.dumps(json.loads(r[2]), separators=(",", ":")) if isinstance(r[2], str) else str(r[2]).replace("'", '"').replace(" ", "")) for r in got]
        words = [("read" if in_order(got) == want else "read WRONG") if done else "refused"]
        log = [f"{name}: {p.name}: reading: {str(got)[:160]}"] if not done or words != ["read"] else []
        for verb, change, past in VERBS:
            if not getattr(p, verb):
                continue
            did, seen, got = right[verb] if p is sparks else rows_after(lambda t: change(p, t), table, verb)  # noqa: B023
            if did:
                words.append(past if seen and (got == right[verb][2] or not right[verb][1]) else verb + " WRONG")
            if not did or not seen:
                log.append(f"{name}: {p.name}: {verb}: {str(got)[:160]}")
            if not did:
                words.append(f"no {verb}")
        for line in log:
            print(line.replace("\n", " "), file=sys.stderr)
        cells.append(", ".join(words))
    return [name] + cells


def table_of(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for r in rows:
        print("| " + " | ".join(r) + " |")
    print(flush=True)


def run():
    folder = tempfile.mkdtemp(prefix="shoal-peers-", dir="/tmp")
    sparks = Spark()
    peers = [Shoal(), sparks, DeltaRs(), Polars(), DuckDB()]
    head = ["", *[p.name for p in peers]]
    if sys.argv[1:] != ["features"]:
        corpora = [judge_corpus("golden tables", golden(folder), peers), judge_corpus("acceptance tests, each version", acceptance(folder), peers)]
        table_of(head, [row for row, _, _ in corpora])
        for p in peers:
            for what, lists in (("wrong", [w[p.name] for _, w, _ in corpora]), ("refused", [r[p.name] for _, _, r in corpora])):
                if any(lists):
                    print(f"{p.name}, {what}: " + ", ".join(f"`{n}`" for names in lists for n in names) + "\n")
    rows = []
    for name, statements in FEATURES:
        rows.append(judge_feature(folder, name, statements, peers, sparks))
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)  # it takes its time
    table_of(head, rows)
    shutil.rmtree(folder)


if __name__ == "__main__":
    run()
