#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What delta-rs is asked to do, for bench.py:

  peer.py commits FOLDER SECONDS WRITER   appends of one row each, as many as there is time for; prints how many
  peer.py merge FOLDER FILE               rows of a Parquet file merged into the table by id
  peer.py query FOLDER SQL N              a query over the table t, which stays open, N times after the first; prints the median's seconds

and DuckDB's extension, in the file named:

  peer.py delta_scan FOLDER SQL N EXTENSION   the same query, the table attached with its snapshot pinned"""
import statistics
import sys
import time

import deltalake
import pyarrow
import pyarrow.parquet


def commits(folder, seconds, writer):
    until, n = time.monotonic() + float(seconds), 0
    while time.monotonic() < until:
        row = pyarrow.table({"writer": pyarrow.array([int(writer)], pyarrow.int64()), "n": pyarrow.array([n], pyarrow.int64())})
        deltalake.write_deltalake(folder, row, mode="append")
        n += 1
    return n


def merge(folder, file):
    table = deltalake.DeltaTable(folder)
    done = table.merge(pyarrow.parquet.read_table(file), "target.id = source.id", source_alias="source", target_alias="target")
    return done.when_matched_update_all().when_not_matched_insert_all().execute()


def median(run, n):
    took = []
    for _ in range(int(n) + 1):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return statistics.median(took[1:])


def query(folder, sql, n):
    tables = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(folder))
    return median(lambda: pyarrow.table(tables.execute(sql).read_all()), n)


def delta_scan(folder, sql, n, extension):
    import duckdb
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.load_extension(extension)
    con.execute(f"ATTACH '{folder}' AS t (TYPE delta, PIN_SNAPSHOT)")
    return median(lambda: con.execute(sql).fetchall(), n)


print({"commits": commits, "merge": merge, "query": query, "delta_scan": delta_scan}[sys.argv[1]](*sys.argv[2:]))
