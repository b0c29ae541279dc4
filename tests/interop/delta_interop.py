# SPDX-License-Identifier: Apache-2.0
"""Delta tables across implementations: what we write is read by delta-rs and polars, what delta-rs writes by us.

Usage: delta_interop.py BUILD/tests/delta_driver. Rows are compared as multisets by DuckDB.
"""
import datetime as dt
import decimal
import os
import subprocess
import sys
import tempfile

import deltalake
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc

driver = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ["SHOAL_BUILD"] + "/tests/delta_driver")
root = tempfile.mkdtemp(prefix="shoal-interop-")
counts = [0]
db = duckdb.connect()
db.execute("SET TimeZone='UTC'")

EVERYTHING = """SELECT i::BIGINT AS l, i::TINYINT AS b, i::SMALLINT AS s, i::INTEGER AS n, i % 2 = 0 AS flag,
  (i / 3)::DOUBLE AS d, (i / 3)::FLOAT AS f, (i * 1.25)::DECIMAL(20, 4) AS dec, 'row ' || i AS text,
  ('x' || i)::BLOB AS bin, DATE '2020-02-28' + i::INTEGER AS day,
  TIMESTAMPTZ '2020-01-01 00:00:00.123456+00' + INTERVAL (i) HOUR AS at, {'a': i, 'b': [i, NULL]} AS st,
  CASE WHEN i % 5 > 0 THEN [i, i + 1] END AS arr, MAP {'k' || i: i} AS m, NULLIF(i, 3) AS hole
  FROM range(20) t(i)"""
ODD = ["plain", "a b", "a/b", "a=b", "a%2Fb", "ä😈", "q'\"\\", "x:y", "#?[]", None]


def run(*args):
    done = subprocess.run([driver, *args], capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(args)}: {done.stderr}")
    return done.stdout.split()


def same(name, got, want):
    db.register("got_", got)
    db.register("want_", want)
    columns = ", ".join('"' + c + '"' for c in db.sql("SELECT * FROM want_").columns)
    sql = "SELECT count(*) FROM ((SELECT {c} FROM got_ EXCEPT ALL SELECT {c} FROM want_) UNION ALL (SELECT {c} FROM want_ EXCEPT ALL SELECT {c} FROM got_))"
    differ = db.sql(sql.format(c=columns)).fetchone()[0]
    assert differ == 0, f"{name}: {differ} rows differ"
    print("[       OK ]", name)
    counts[0] += 1


def arrow(sql):
    return db.sql(sql).to_arrow_table() if hasattr(db.sql("SELECT 1"), "to_arrow_table") else db.sql(sql).arrow()


def delta_rows(path, version=None):
    return pl.read_delta(path, version=version)


def delta_rs_rows(path):
    """For partitioned tables: polars takes partition values from folder names, of which we make none, not from the log."""
    query = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(path)).execute("SELECT * FROM t")
    return pl.DataFrame(pl.from_arrow(query.read_all()).struct.unnest())


def we_read(name, table, want, version=None):
    out = os.path.join(root, "out.parquet")
    run("read", root, table, out, *([] if version is None else [str(version)]))
    same(name, pl.read_parquet(out), want)


def ours_read_by_others():
    run("append", root, "ours", EVERYTHING)
    want = pl.from_arrow(arrow(EVERYTHING))
    stream = os.path.join(root, "ours.arrow")
    run("read", root, "ours", stream)
    with pyarrow.ipc.open_stream(stream) as reader:
        same("Arrow reads our stream", reader.read_all(), want)
    run("append", root, "long", "SELECT i, [i, NULL] AS l, 't' || i AS t FROM range(10000) t(i)")
    run("read", root, "long", stream)
    same("Arrow reads a stream of many batches", pl.read_ipc_stream(stream), pl.from_arrow(arrow("SELECT i, [i, NULL] AS l, 't' || i AS t FROM range(10000) t(i)")))
    path = os.path.join(root, "ours")
    same("polars reads our append", delta_rows(path), want)
    run("checkpoint", root, "ours")
    os.remove(os.path.join(path, "_delta_log", "0" * 20 + ".json"))
    same("polars reads our checkpoint alone", delta_rows(path), want)
    run("append", root, "ours", EVERYTHING)
    same("polars reads a commit after our checkpoint", delta_rows(path), pl.concat([want, want]))
    run("clear", root, "ours")
    same("polars reads our deletion of all rows", delta_rows(path), want.head(0))
    run("append", root, "ours", EVERYTHING + " WHERE i > 15")
    same("polars reads our append after it", delta_rows(path), want.filter(pl.col("l") > 15))
    assert deltalake.DeltaTable(path).version() == 3
    skipped = pl.scan_delta(path).filter(pl.col("l") == 17).collect()
    assert len(skipped) == 1, "skipping by our statistics lost rows"
    we_read("we read ourselves", "ours", want.filter(pl.col("l") > 15))


def partitions_of_ours():
    values = ", ".join("(" + ("NULL" if v is None else "'" + v.replace("'", "''") + "'") + f", {i})" for i, v in enumerate(ODD))
    sql = f"SELECT * FROM (VALUES {values}) t(p, i)"
    run("append", root, "parts", sql, "p")
    want = pl.from_arrow(arrow(sql))
    same("delta-rs reads our partitions", delta_rs_rows(os.path.join(root, "parts")), want)
    run("checkpoint", root, "parts")
    os.remove(os.path.join(root, "parts", "_delta_log", "0" * 20 + ".json"))
    same("delta-rs reads our partitions from a checkpoint", delta_rs_rows(os.path.join(root, "parts")), want)
    we_read("we read our partitions", "parts", want)


def refused(*args):
    done = subprocess.run([driver, *args], capture_output=True, text=True)
    assert done.returncode == 1, done
    return done.stderr


def appended_to_theirs():
    """Columns by name, in another order, cast, left out; partitions; and what the table does not allow."""
    path = os.path.join(root, "shared")
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("day", pa.date32()), pa.field("x", pa.float64()), pa.field("t", pa.string())])
    deltalake.write_deltalake(path, pa.table({"id": [1], "day": [dt.date(2020, 1, 1)], "x": [0.5], "t": ["theirs"]}, schema=schema), partition_by=["day"])
    run("append", root, "shared", "SELECT 'ours' AS T, (DATE '2020-01-02' + i::INT) AS day, i::TINYINT AS id FROM range(3) t(i);")
    want = pl.DataFrame({"id": [1, 0, 1, 2], "day": [dt.date(2020, 1, d) for d in (1, 2, 3, 4)], "x": [0.5, None, None, None], "t": ["theirs"] + ["ours"] * 3})
    same("delta-rs reads our append to its table", delta_rs_rows(path), want)
    we_read("and so do we", "shared", want)
    deltalake.write_deltalake(path, pa.table({"id": [9], "day": [None], "x": [1.5], "t": ["again"]}, schema=schema), mode="append")
    run("append", root, "shared", "SELECT 10::BIGINT AS id, NULL::DATE AS day")
    want = pl.concat([want, pl.DataFrame({"id": [9, 10], "day": [None, None], "x": [1.5, None], "t": ["again", None]}, schema=want.schema)])
    same("delta-rs and we take turns", delta_rs_rows(path), want)
    before = deltalake.DeltaTable(path).version()
    assert "'id' is NULL" in refused("append", root, "shared", "SELECT NULL::BIGINT AS id, 'x' AS t")
    assert "no column 'tt'" in refused("append", root, "shared", "SELECT 1 AS id, 'x' AS tt")
    assert "convert" in refused("append", root, "shared", "SELECT 'many' AS id")
    run("append", root, "shared", "SELECT 1 AS id WHERE false")  # nothing: no commit
    deltalake.DeltaTable(path).alter.add_constraint({"positive": "id >= 0"})
    assert "the constraint 'positive', id >= 0, does not hold for 1 row: id = -1" in refused("append", root, "shared", "SELECT -1 AS id")
    assert deltalake.DeltaTable(path).version() == before + 1
    same("what was refused left nothing", delta_rs_rows(path), want)


def ntz():
    sql = "SELECT TIMESTAMP '2020-01-01 00:00:00.5' + INTERVAL (i) DAY AS at, i FROM range(3) t(i)"
    run("append", root, "ntz", sql)
    same("polars reads our timestamps without zone", delta_rows(os.path.join(root, "ntz")), pl.from_arrow(arrow(sql)))


def theirs_read_by_us():
    path = os.path.join(root, "theirs")
    frame = pd.DataFrame({
        "i": range(6), "text": ["a", "b", None, "ä", "", "f"], "x": [1.5, None, float("inf"), -2.0, 0.0, 1e300],
        "at": pd.date_range("2021-01-01", periods=6, freq="h", tz="UTC").as_unit("us"),
        "dec": [decimal.Decimal(n) / 4 for n in range(6)], "day": [dt.date(2020, 1, n + 1) for n in range(6)]})
    first = pl.from_pandas(frame)
    deltalake.write_deltalake(path, first.to_arrow())
    we_read("we read delta-rs's table", "theirs", delta_rows(path))
    deltalake.write_deltalake(path, first.to_arrow(), mode="append")
    we_read("we read delta-rs's append", "theirs", delta_rows(path))
    deltalake.DeltaTable(path).create_checkpoint()
    os.remove(os.path.join(path, "_delta_log", "0" * 20 + ".json"))
    we_read("we read delta-rs's checkpoint", "theirs", delta_rows(path))
    deltalake.write_deltalake(path, first.head(2).to_arrow(), mode="overwrite")
    we_read("we read delta-rs's overwrite", "theirs", first.head(2))
    we_read("we travel in delta-rs's table", "theirs", delta_rows(path, 1), 1)
    deltalake.DeltaTable(path).delete("i = 1")
    we_read("we read delta-rs's delete", "theirs", first.head(1))
    deltalake.DeltaTable(path).optimize.compact()
    we_read("we read delta-rs's compaction", "theirs", first.head(1))


def theirs_partitioned():
    path = os.path.join(root, "theirs_parts")
    frame = pl.DataFrame({"p": ODD, "day": [dt.date(2020, 1, 1), None] * 5, "i": list(range(10))})
    deltalake.write_deltalake(path, frame.to_arrow(), partition_by=["p", "day"])
    we_read("we read delta-rs's partitions", "theirs_parts", frame)
    deltalake.DeltaTable(path).create_checkpoint()
    os.remove(os.path.join(path, "_delta_log", "0" * 20 + ".json"))
    we_read("we read delta-rs's partitions from a checkpoint", "theirs_parts", frame)
    run("append", root, "theirs_parts", "SELECT 'new' AS p, DATE '2021-01-01' AS day, 99::BIGINT AS i", "p,day")
    more = pl.concat([frame, pl.DataFrame({"p": ["new"], "day": [dt.date(2021, 1, 1)], "i": [99]})])
    same("delta-rs reads our append to delta-rs's table", delta_rs_rows(path), more)
    run("checkpoint", root, "theirs_parts")
    same("delta-rs reads our checkpoint of delta-rs's table", delta_rs_rows(path), more)


failed = 0
for test in (ours_read_by_others, partitions_of_ours, appended_to_theirs, ntz, theirs_read_by_us, theirs_partitioned):
    try:
        test()
    except Exception as e:  # every test is run, whatever the others do
        failed += 1
        print("[  FAILED  ]", test.__name__, type(e).__name__, e, "line", e.__traceback__.tb_next.tb_lineno)
print(f"{counts[0]} passed, {failed} failed")
print("kept:" if failed else "removed:", root)
if not failed:
    subprocess.run(["rm", "-rf", root], check=True)
sys.exit(failed > 0)
