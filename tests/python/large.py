# SPDX-License-Identifier: Apache-2.0
"""Large arguments and results: keyed by content however they lie in memory, stored in order and without being gathered, and
calls in great number that leave nothing behind."""
import decimal
import os
import random
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
import numpy
import pandas
import polars
import pyarrow as pa
from harness import SHOAL, case, main

from shoal._calls import arguments_key


def f(x): return x


def key(value):
    return arguments_key(f, (value,), {})


def some(t, chance, n):
    if pa.types.is_boolean(t):
        values = [chance.random() < 0.5 for _ in range(n)]
    elif pa.types.is_floating(t):
        values = numpy.array([chance.random() for _ in range(n)]).astype("f2" if t == pa.float16() else "f8")
    elif pa.types.is_decimal(t):
        values = [decimal.Decimal(chance.randrange(1000)) for _ in range(n)]
    elif pa.types.is_list(t):
        values = [[chance.randrange(9)] * chance.randrange(3) for _ in range(n)]
    elif pa.types.is_dictionary(t):
        return pa.array([chance.choice("abc") for _ in range(n)]).dictionary_encode()
    elif t == pa.month_day_nano_interval():
        values = [(chance.randrange(3), 1, 2) for _ in range(n)]
    elif t in TEXTS:
        values = [("ä" * chance.randrange(4) + str(chance.randrange(99)))[chance.randrange(2):] for _ in range(n)]
        values = values if "binary" not in str(t) else [v.encode() for v in values]
    else:
        values = [chance.randrange(100) for _ in range(n)]
    return pa.array(values, t)


TEXTS = [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view()]
TYPES = TEXTS + [pa.int8(), pa.uint16(), pa.int32(), pa.int64(), pa.float16(), pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us", "UTC"), pa.time64("ns"),
                 pa.duration("s"), pa.decimal128(9, 2), pa.month_day_nano_interval(), pa.list_(pa.int8()), pa.dictionary(pa.int32(), pa.string())]


def pieces(column, chance):
    """The same values in other chunks, each a part of something larger."""
    chunks, at = [], 0
    while at < len(column):
        n = chance.randrange(1, len(column) - at + 1)
        part = column.slice(at, n)
        pad = chance.randrange(3)
        chunks.append(pa.concat_arrays([column.slice(0, pad), part, column.slice(0, 1)]).slice(pad, n) if chance.random() < 0.5 else part)
        at += n
    return pa.chunked_array(chunks + ([column.slice(0, 0)] if chance.random() < 0.5 else []), column.type)


@case
def arrow_columns_are_their_values_in_whatever_chunks():
    for seed in range(6):
        chance = random.Random(seed)
        for t in TYPES:
            column = some(t, chance, 40)
            if chance.random() < 0.6 and t != pa.string_view():
                mask = numpy.array([chance.random() < 0.3 for _ in range(40)])
                column = pa.compute.if_else(pa.array(~mask), column, pa.scalar(None, t))
            whole = key(pa.table({"a": column}))
            if t not in (pa.string_view(), pa.list_(pa.int8())):  # these tell offsets apart
                for _ in range(3):
                    assert key(pa.table({"a": pieces(column, chance)})) == whole, (t, seed)
            at = next(i for i in range(40) if column[i].is_valid and column[i] != column[0])
            order = list(range(40))
            order[0], order[at] = at, 0
            assert key(pa.table({"a": pa.array([column[i].as_py() for i in order], t)})) != whole, (t, seed)
            assert key(pa.table({"b": column})) != whole and key(pa.table({"a": column.slice(1)})) != whole, (t, seed)
            assert len({key(column), key(pa.chunked_array([column])), key(pa.record_batch({"a": column})), whole}) == 4, (t, seed)


@case
def what_lies_in_the_place_of_a_null_does_not_count():
    for values in (["a", "xyz", "c"], [1, 2, 3]):
        full = pa.array(values)
        parts = full.buffers()
        holes = pa.Array.from_buffers(full.type, 3, [pa.py_buffer(b"\x05"), *parts[1:]])
        clean = pa.array([values[0], None, values[2]])
        assert holes.equals(clean) and key(pa.table({"a": holes})) == key(pa.table({"a": clean})) != key(pa.table({"a": full}))


@case
def where_one_text_ends_and_the_next_begins_counts():
    columns = [["ab", "c"], ["a", "bc"], ["", "abc"], ["abc", ""], ["abc", None], [None, "abc"], ["abc"]]
    assert len({key(pa.table({"a": pa.array(c, pa.string())})) for c in columns}) == len(columns)
    frames = [polars.DataFrame({"a": c}, schema={"a": polars.String}) for c in columns] + [pandas.DataFrame({"a": pandas.array(c, "str")}) for c in columns]
    assert len({key(v) for v in frames}) == 2 * len(columns)
    assert key(polars.concat([frames[0], frames[0]], rechunk=False)) == key(polars.concat([frames[0], frames[0]], rechunk=True))
    enum = [polars.DataFrame({"a": polars.Series(["x"], dtype=polars.Enum(c))}) for c in (["x"], ["x", "y"])] + [polars.DataFrame({"a": polars.Series(["x"], dtype=polars.Categorical)})]
    assert len({key(v) for v in enum}) == 3


@case
def a_byte_anywhere_in_a_large_array_counts():
    a = numpy.zeros(9 << 20, "u1")
    seen = {key(a)}
    for at in (0, 1, 1023, 1024, (1 << 20) - 1, 1 << 20, 5_000_000, 8 << 20, (9 << 20) - 1):
        a[at] = 1
        seen.add(key(a))
        a[at] = 0
    assert len(seen) == 10 and key(a) in seen and key(a[:-1]) not in seen


# ---- results ----


STREAM = """
import sys, threading, numpy, pyarrow as pa, shoal
from shoal import _lake
shoal.set_store("lake")
def batches(n):
    for i in range(n):
        yield pa.record_batch({"i": numpy.arange(i * 100_000, (i + 1) * 100_000), "v": numpy.random.random(100_000), "w": numpy.random.random(100_000)})
def rows(kind, n):
    return batches(n) if kind == "generator" else pa.RecordBatchReader.from_batches(next(batches(1)).schema, batches(n))
def held():  # what the kernel could not take away; pages of files it can
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("RssAnon"))
shoal.keep("/t", rows, sys.argv[1], 1)
_lake.load = lambda *a: None  # it gives all of them
done, most, before = threading.Event(), [0], held()
def watch():
    while not done.wait(0.01):
        most[0] = max(most[0], held())
thread = threading.Thread(target=watch)
thread.start()
shoal.keep("/t", rows, *sys.argv[1:2], int(sys.argv[2]))
done.set()
thread.join()
print(most[0] - before)
"""


@case
def rows_of_an_iterator_pass_through():
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPATH": os.path.join(os.environ["SHOAL_BUILD"], "python")}
        for kind in ("generator", "reader"):
            r = subprocess.run([sys.executable, "-c", STREAM, kind, "500"], cwd=folder, env=env, capture_output=True, text=True)
            assert r.returncode == 0, r.stderr
            assert int(r.stdout) < 600, r.stdout  # of 1,200 MB
        rows = subprocess.run([SHOAL, "--lake", "lake", "sql", "select count(*), sum(i) from t", "--format", "csv"], cwd=folder, capture_output=True, text=True).stdout
        assert rows.splitlines()[1] == f"50000000,{50_000_000 * 49_999_999 // 2}", rows


# ---- calls in great number ----

MANY = """
import gc, resource, sys, numpy, pyarrow, shoal
shoal.set_store("lake")
@shoal.cache
def f(x, y=2): return [type(x).__name__, y]
word = "a text of some length " * 3
array, table = numpy.arange(20_000), pyarrow.table({"a": ["x", None, "y"], "b": [1, 2, None]})
def some(n):
    for i in range(n):
        f(word, y=3)
        if i % 100 == 0:
            f(word, y=i % 7)
            f(array)
            f(table)
        if i % 500 == 0:
            try:
                f(sys.stdin.buffer.raw)
            except shoal.Error:
                pass
def counts():
    gc.collect()
    return [sys.getrefcount(v) for v in (word, array, table, f, f.__shoal__.function, None, True, type(array))], len(gc.get_objects())
some(4_000)
refs, objects, rss = *counts(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
some(100_000)
after, left = counts()
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss
assert all(abs(a - b) < 50 for a, b in zip(refs, after)), (refs, after)
assert left - objects < 200 and grown < 8192, (objects, left, grown)
"""


@case
def a_hundred_thousand_calls_leave_nothing_behind():
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPATH": os.path.join(os.environ["SHOAL_BUILD"], "python")}
        with open(folder + "/many.py", "w") as f:
            f.write(MANY)
        r = subprocess.run([sys.executable, "many.py"], cwd=folder, env=env, capture_output=True, text=True)
        assert r.returncode == 0, r.stderr


if __name__ == "__main__":
    main()
