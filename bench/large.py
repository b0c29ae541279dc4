# SPDX-License-Identifier: Apache-2.0
"""Large arguments and results in a process of their own, for bench.py: `large.py keying shoal|xxhash numpy|arrow` prints the
seconds that hashing 1 GB takes, `large.py frame shoal|pyarrow pandas|polars|arrow` those that storing 10M rows durably and
loading them again takes. Both sides compress by zstd."""
import os
import statistics
import sys
import time

import numpy

ROWS = 10_000_000


def seconds(f, *args):
    start = time.perf_counter()
    f(*args)
    return time.perf_counter() - start


def numbers(kind):
    a = numpy.random.default_rng(1).integers(0, 1 << 60, size=125_000_000)
    if kind == "numpy":
        return a
    import pyarrow

    whole = pyarrow.table({"a": a[: a.size // 2], "b": a[a.size // 2 :]})
    return pyarrow.concat_tables(whole.slice(at, 1 << 20) for at in range(0, whole.num_rows, 1 << 20))


def hashing(library, value):
    if library == "shoal":
        from shoal._calls import arguments_key

        return lambda: arguments_key(lambda x: x, (value,), {})
    import xxhash

    def peer():
        h = xxhash.xxh3_128()
        if isinstance(value, numpy.ndarray):
            return h.update(value)
        for column in value.columns:
            for chunk in column.chunks:
                h.update(memoryview(chunk.buffers()[1])[chunk.offset * 8 : (chunk.offset + len(chunk)) * 8])

    return peer


def keying(library, kind):
    run = hashing(library, numbers(kind))
    return statistics.median(seconds(run) for _ in range(5))


def rows(kind):
    import pyarrow

    chance = numpy.random.default_rng(1)
    names = pyarrow.array([f"item {i}" for i in range(5003)]).take(pyarrow.array(chance.integers(0, 5003, ROWS)))
    stamps = pyarrow.array(numpy.arange(ROWS) * 1_000_000 + 1_577_836_800_000_000, pyarrow.timestamp("us"))
    table = pyarrow.table({"id": numpy.arange(ROWS), "k": chance.integers(0, 100_003, ROWS).astype("i4"), "v": chance.random(ROWS), "w": chance.normal(size=ROWS),
                           "name": names, "at": stamps})
    if kind == "polars":
        import polars

        return polars.from_arrow(table)
    return table.to_pandas() if kind == "pandas" else table


def peer_store(value, kind):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pandas(value) if kind == "pandas" else value.to_arrow() if kind == "polars" else value
    pyarrow.parquet.write_table(table, "peer.parquet", compression="zstd")
    with open("peer.parquet", "rb") as f:
        os.fsync(f.fileno())


def peer_load(kind):
    import pyarrow.parquet

    table = pyarrow.parquet.read_table("peer.parquet")
    if kind == "polars":
        import polars

        return polars.from_arrow(table)
    return table.to_pandas() if kind == "pandas" else table


def frame(library, kind):
    value = rows(kind)
    if library == "pyarrow":
        return seconds(peer_store, value, kind) + seconds(peer_load, kind)
    import shoal

    numpy.rows = value  # a package counts by its version, so the rows are no part of the key
    shoal.set_store("lake")
    shoal.keep("/warm", made, 0)
    return seconds(shoal.keep, "/t", made, time.time_ns()) + seconds(shoal.load, "/t")


def made(stamp):
    return numpy.rows if stamp else stamp


if __name__ == "__main__":
    print({"keying": keying, "frame": frame}[sys.argv[1]](*sys.argv[2:]))
