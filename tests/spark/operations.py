# SPDX-License-Identifier: Apache-2.0
"""What each kind of Shoal's operations leaves, read by Spark, delta-rs, polars and DuckDB's extension. One table says who does not, and by
what its own message knows that limit; everybody else sees Shoal's rows."""
import glob
import os
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from spark_peers import DEPS, spark
import deltalake
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from harness import *  # noqa: E402,F403
from tables import with_lake

SCHEMA = ["--schema", "id BIGINT, n INTEGER, v VARCHAR"]
NAME_MAPPED, WIDENS, V2 = ("--property", "delta.columnMapping.mode=name"), ("--property", "delta.enableTypeWidening=true"), ("--property", "delta.checkpointPolicy=v2")
# name: (what `create` is told, the verbs behind that)
OPERATIONS = {
    "append": (SCHEMA, []),
    "partitions": ([*SCHEMA, "--partition-by", "v"], []),
    "update, delete": (SCHEMA, [["update", "T", "--set", "v = 'u'", "--where", "id % 3 = 0"], ["delete", "T", "--where", "id % 5 = 1"]]),
    "deletion vectors": ([*SCHEMA, "--property", "delta.enableDeletionVectors=true"], [["update", "T", "--set", "v = 'u'", "--where", "id % 3 = 0"], ["delete", "T", "--where", "id % 5 = 1"]]),
    "alter: a column more": (SCHEMA, [["alter", "T", "--add-column", "w DOUBLE"], ["append", "T", "more.csv"]]),
    "alter: renamed, dropped": ([*SCHEMA, *NAME_MAPPED], [["alter", "T", "--rename-column", "v=w"], ["append", "T", "renamed.csv"], ["alter", "T", "--drop-column", "n"]]),
    "alter: wider types": ([*SCHEMA, *WIDENS], [["alter", "T", "--type", "n=BIGINT"], ["append", "T", "wide.csv"]]),
    "restore": (SCHEMA, [["delete", "T", "--where", "id < 5"], ["restore", "T", "--version", "1"]]),
    "clone": (SCHEMA, [["clone", "T", "C"]]),
    "merge that adds a column": (SCHEMA, [["merge", "T", "--using", "more.csv", "--on", "id", "--when", "matched then update", "--when", "not matched then insert", "--merge-schema"]]),
    "identity": (["--schema", "k BIGINT GENERATED ALWAYS AS IDENTITY, id BIGINT, n INTEGER, v VARCHAR"], []),
    "clustering": ([*SCHEMA, "--cluster-by", "id,n"], [["optimize", "T"]]),
    "row tracking": ([*SCHEMA, "--property", "delta.enableRowTracking=true"], [["update", "T", "--set", "v = 'u'", "--where", "id % 3 = 0"]]),
    "change data": ([*SCHEMA, "--property", "delta.enableChangeDataFeed=true"], [["update", "T", "--set", "v = 'u'", "--where", "id % 3 = 0"]]),
    "in-commit timestamps": ([*SCHEMA, "--property", "delta.enableInCommitTimestamps=true"], []),
    "classic checkpoint": (SCHEMA, [["checkpoint", "T"], ["append", "T", "rows.csv"]]),
    "V2 checkpoint": ([*SCHEMA, *V2], [["checkpoint", "T"], ["append", "T", "rows.csv"]]),
    "V2 checkpoint alone": ([*SCHEMA, *V2], [["checkpoint", "T"], "forget"]),
    "cleaned log": (SCHEMA, [["checkpoint", "T"], "forget"]),
}
# Who does not read it, and a text of his message.
LIMITS = {("alter: renamed, dropped", "polars"): "columnMapping", ("alter: wider types", "delta-rs"): "TypeWidening", ("alter: wider types", "polars"): "typeWidening",
          ("clone", "polars"): "No such file",  # puts the absolute path behind the table's own
          ("clone", "DuckDB"): "Cannot open file",  # so does it with URIs
          ("V2 checkpoint", "polars"): "v2Checkpoint", ("V2 checkpoint alone", "polars"): "v2Checkpoint"}


def by_spark(path):
    spark.catalog.clearCache()
    frame = spark.read.format("delta").load(path)
    return frame.columns, [tuple(r) for r in frame.collect()]


def by_delta_rs(path):
    t = pa.table(deltalake.QueryBuilder().register("t", deltalake.DeltaTable(path)).execute("SELECT * FROM t").read_all())
    return t.column_names, [tuple(r.values()) for r in t.to_pylist()]


def by_polars(path):
    frame = polars.read_delta(path)
    return frame.columns, frame.rows()


def by_duckdb(path):
    out = path + "-seen.parquet"
    code = "import duckdb, sys\ncon = duckdb.connect(config={'allow_unsigned_extensions': 'true'})\ncon.load_extension(sys.argv[1])\ncon.execute(sys.argv[2])\n"
    r = subprocess.run([f"{DEPS}/python/bin/python", "-c", code, f"{DEPS}/duckdb_delta/delta.duckdb_extension", f"COPY (SELECT * FROM delta_scan('{path}')) TO '{out}' (FORMAT parquet)"], capture_output=True, text=True, timeout=120)
    if r.returncode:
        raise RuntimeError(r.stderr[-600:])
    return by_parquet(out)


def by_parquet(path):
    t = pq.ParquetFile(path).read()
    return t.column_names, [tuple(r.values()) for r in t.to_pylist()]


PEERS = {"Spark": by_spark, "delta-rs": by_delta_rs, "polars": by_polars, "DuckDB": by_duckdb}


def forget(path):
    """As if the commits before the checkpoint had been cleaned up."""
    for f in glob.glob(path + "/_delta_log/*.json"):
        if os.path.basename(f)[:20].isdigit() and len(os.path.basename(f)) == 25 and int(os.path.basename(f)[:20]) < 2:
            os.unlink(f)


def make(p, name, create, verbs):
    path = f"{p.dir}/{name.replace(' ', '_').replace(',', '').replace(':', '')}"
    p.shoal("table", "create", path, *create)
    for _ in range(2):
        p.shoal("table", "append", path, "rows.csv")
    for verb in verbs:
        if verb == "forget":
            forget(path)
        else:
            p.shoal("table", *[path if a == "T" else path + "-clone" if a == "C" else a for a in verb])
    return path + "-clone" if ["clone", "T", "C"] in verbs else path


def rows_of(columns, rows):
    order = sorted(range(len(columns)), key=lambda i: columns[i])
    return sorted(columns), sorted((tuple(r[i] for i in order) for r in rows), key=repr)


@case
def everybody_reads_what_each_operation_leaves():
    lines = lambda head, n, f: head + "\n" + "".join(f(i) + "\n" for i in range(n))  # noqa: E731
    p = with_lake({"rows.csv": lines("id,n,v", 20, lambda i: f"{i},{i * 7},{'' if i % 4 == 0 else 'text ' + str(i % 3)}"), "more.csv": lines("id,n,v,w", 5, lambda i: f"{i + 18},1,m,{i}.5"),
                   "renamed.csv": lines("id,n,w", 3, lambda i: f"{i + 50},1,w"), "wide.csv": lines("id,n,v", 3, lambda i: f"{i + 60},{2**40 + i},w")})
    said = {}
    for name, (create, verbs) in OPERATIONS.items():
        path = make(p, name, create, verbs)
        source = path[:-len("-clone")] if path.endswith("-clone") else path
        p.shoal("sql", f"SELECT * FROM '{source}'", "-o", "ours.parquet")
        want = rows_of(*by_parquet(p.dir + "/ours.parquet"))
        for peer, f in PEERS.items():
            try:
                got = rows_of(*f(path))
                verdict = "" if got == want else "other rows"
            except BaseException as e:  # noqa: BLE001, panics of Rust are no Exceptions
                if isinstance(e, KeyboardInterrupt):
                    raise
                verdict = str(e) or "no message"
            if verdict:
                said[name, peer] = verdict
    for (name, peer), why in said.items():
        print(f"    {name}: {peer}: {why[:300]!r}" if (name, peer) not in LIMITS else f"    {name}: not by {peer}")
    same({k: True if LIMITS[k] in why else why[:300] for k, why in said.items() if k in LIMITS}, {k: True for k in LIMITS})
    same([k for k in said if k not in LIMITS], [])
    p.remove()


if __name__ == "__main__":
    main()
