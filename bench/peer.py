#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What delta-rs is asked to do, for bench.py:

  peer.py commits FOLDER SECONDS WRITER   appends of one row each, as many as there is time for; prints how many
  peer.py merge FOLDER FILE               rows of a Parquet file merged into the table by id"""
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


print({"commits": commits, "merge": merge}[sys.argv[1]](*sys.argv[2:]))
