#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shoal against its peers and floors, in one run: rounds are interleaved (ours, theirs, ours, theirs …), each process's
CPU seconds and wall time are its own, and what counts is the median of the rounds' ratios. Walls depend on who else uses
the machine; CPU seconds hardly do."""
import argparse
import glob
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
DEPS = os.environ.get("SHOAL_DEPS", f"{ROOT}/.deps")
BUILD = os.path.abspath(os.environ.get("SHOAL_BUILD", f"{ROOT}/build"))
SHOAL = f"{BUILD}/bin/shoal"
CACHE = f"{BUILD}/bench"
LIBDUCKDB = f"{DEPS}/duckdb/libduckdb.so"
sys.path.insert(0, HERE)
import biglog  # noqa: E402
import gen  # noqa: E402

ROWS = 10_000_000
MODEL = f"""select range as id, (range * 7919 % 100003)::int as k, (range * 0.37)::double as v,
  'item ' || (range * 31 % 5003) as name, date '2020-01-01' + (range % 1500)::int as day from range({ROWS})"""
JOIN = "select count(*), sum(v) from (select range * 9973 as id from range(1000)) join {} using (id)"
SCAN = "select count(*), sum(id), sum(k), sum(v), max(name), min(length(name)), max(day) from {}"


class Took:
    def __init__(self, wall, cpu, rss):
        self.wall, self.cpu, self.rss = wall, cpu, rss


def call(args, cwd=None, env=None, out=subprocess.DEVNULL):
    start = time.perf_counter()
    p = subprocess.Popen(args, cwd=cwd, env={**os.environ, **(env or {})}, stdout=out, stderr=subprocess.PIPE)
    text = p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if p.returncode:
        raise SystemExit(f"{args}: {text.decode()}")
    return Took(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def many(n, *args, **kw):
    took = [call(*args, **kw) for _ in range(n)]
    return Took(*(statistics.median(getattr(t, k) for t in took) for k in ("wall", "cpu", "rss")))


MOST = 99


def rounds(n):
    return range(min(n, MOST))


def duration(s):
    return f"{s * 1e6:.1f} µs" if s < 1e-4 else f"{s * 1e3:.1f} ms" if s < 1 else f"{s:.2f} s"


class Row:
    """One line of the table, from rounds of (ours, theirs)."""

    def __init__(self, what, against, target, gate="cpu"):
        self.what, self.against, self.target, self.gate, self.rounds, self.note = what, against, target, gate, [], ""

    def add(self, ours, theirs):
        self.rounds.append((ours, theirs))

    def mid(self, side, key):
        return statistics.median(getattr(r[side], key) for r in self.rounds)

    def ratio(self, key):
        return statistics.median(getattr(a, key) / getattr(b, key) for a, b in self.rounds)

    def line(self):
        cpu, wall = self.ratio("cpu"), self.ratio("wall")
        worst = {"cpu": cpu, "wall": wall, "both": max(cpu, wall)}[self.gate]
        verdict = "yes" if worst <= self.target else "**no**"
        cells = [self.what + self.note, self.against]
        cells += [f"{duration(self.mid(i, 'cpu'))} / {duration(self.mid(i, 'wall'))}" for i in (0, 1)]
        return cells + [f"{cpu:.2f} / {wall:.2f}", f"{self.target} ({'CPU, wall' if self.gate == 'both' else self.gate})", verdict]


class Fact(Row):
    """A line that is not a ratio."""

    def __init__(self, what, against, ours, theirs, value, target, ok):
        self.cells = [what, against, ours, theirs, value, target, "yes" if ok else "**no**"]

    def line(self):
        return self.cells


PYTHON = {"PYTHONPATH": f"{BUILD}/python", "PATH": f"{DEPS}/python/bin:{os.environ['PATH']}"}


def project(n, make=None, name="s"):
    """A settled project of n models; made once."""
    folder, done = f"{CACHE}/{name}{n}", f"{CACHE}/{name}{n}/.settled"
    if not os.path.exists(done):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        (make or gen.shoal_project)(folder, n)
        call([SHOAL, "run", "-q"], cwd=folder, env=PYTHON)
        time.sleep(3)  # files younger than two seconds are not trusted
        open(done, "w").close()
    call([SHOAL, "run", "-q"], cwd=folder, env=PYTHON)
    call([SHOAL, "run", "-q"], cwd=folder, env=PYTHON)
    return folder


def ninja(n):
    folder, done = f"{CACHE}/n{n}", f"{CACHE}/n{n}/.settled"
    if not os.path.exists(done):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(f"{folder}/out")
        gen.ninja_project(folder, n)
        call(["ninja"], cwd=folder)
        open(done, "w").close()
    call(["ninja"], cwd=folder)
    return folder


def noop(n):
    ours, theirs = project(n), ninja(n)
    row = Row(f"no-op `run`, {n:,} models", "`ninja`, no-op", 0.5, "both")
    for _ in rounds(7):
        row.add(many(5, [SHOAL, "run"], cwd=ours), many(5, ["ninja"], cwd=theirs))
    peak = max(r[0].rss for r in row.rounds)
    yield row
    if n == 10_000:
        yield Fact("peak memory, 10,000 models, no-op", "–", f"{peak / 2**20:.1f} MiB", "–", "–", "64 MB", peak <= 64e6)


def noop_python():
    n = 1000
    ours, theirs = project(n, gen.python_project, "p"), project(n)
    row = Row(f"no-op `run`, {n:,} Python models", "as many SQL models", 1.2, "both")
    for _ in rounds(7):
        row.add(many(5, [SHOAL, "run"], cwd=ours, env=PYTHON), many(5, [SHOAL, "run"], cwd=theirs, env=PYTHON))
    yield row


def query_start(folder, since):
    """Seconds from `since` until the engine began with the newest result, by that result's own record."""
    newest = max(glob.glob(f"{folder}/lake/_shoal/claims/*/*/*.json"), key=os.path.getmtime)
    with open(newest) as f:
        claim = json.load(f)["result"]
    return (claim["made_us"] - claim["wall_us"]) / 1e6 - since


def edited_leaf():
    n = 10_000
    ours, theirs = project(n), ninja(n)
    starts, floors = [], []
    path = f"{ours}/models/s{(n - 1) % 100}/m{n - 1}.sql"
    for _ in rounds(7):
        with open(path) as f:
            text = f.read().split(" where")[0].rstrip()
        with open(path, "w") as f:
            f.write(f"{text} where {time.time_ns()} > 0\n")
        since = time.time()
        call([SHOAL, "run", "-q"], cwd=ours)
        starts.append(query_start(ours, since))
        floors.append(call(["ninja"], cwd=theirs).wall)
    with open(path, "w") as f:
        f.write(text + "\n")
    call([SHOAL, "run", "-q"], cwd=ours)
    extra = statistics.median(a - b for a, b in zip(starts, floors))
    yield Fact("one edited leaf of 10,000: until its query starts", "`ninja`, no-op", duration(statistics.median(starts)),
               duration(statistics.median(floors)), f"{extra * 1e3:+.0f} ms wall", "+45 ms", extra <= 0.045)


def version():
    hello = f"{CACHE}/hello"
    with open(f"{hello}.c", "w") as f:
        f.write('#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n')
    call(["cc", "-O2", "-o", hello, f"{hello}.c"])
    row = Row("`shoal version`", "a C hello world", 2, "both")
    for _ in rounds(9):
        row.add(many(30, [SHOAL, "version"]), many(30, [hello]))
    row.note = f" (wall {'within' if row.mid(0, 'wall') <= 0.003 else '**beyond**'} 3 ms)"
    yield row


def floor_program():
    out = f"{CACHE}/floor"
    call(["cc", "-O2", f"-I{DEPS}/duckdb", "-o", out, f"{HERE}/floor.c", "-ldl"])
    return out


def discard(folder):
    """Out of the way; removed at the end, since removing ten thousand files keeps the disk busy."""
    if os.path.exists(folder):
        os.makedirs(f"{CACHE}/trash", exist_ok=True)
        os.rename(folder, f"{CACHE}/trash/{time.time_ns()}")


def fresh(folder, files):
    discard(folder)
    for name, text in {"shoal.yaml": "name: big\nlake: lake\n", **files}.items():
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        with open(f"{folder}/{name}", "w") as f:
            f.write(text)


def big():
    floor = floor_program()
    rows = [Row(f"a model of {ROWS // 10**6}M rows, claimed and published, {w} `rows_hash`", "DuckDB's COPY + fsync", t)
            for w, t in (("without", 1.05), ("with", 1.15))]
    folder, plain = f"{CACHE}/big", f"{CACHE}/plain"
    for _ in rounds(5):
        discard(plain)
        theirs = call([floor, "copy", LIBDUCKDB, MODEL, plain])
        for row, env in zip(rows, ({"SHOAL_NO_ROWS_HASH": "1"}, {})):
            fresh(folder, {"models/big.sql": MODEL + "\n"})
            row.add(call([SHOAL, "run", "-q"], cwd=folder, env=env), theirs)
    yield from rows
    scan = Row("`shoal sql`, full scan of it, all columns", "DuckDB over the bare files", 1.05)
    files = sorted(glob.glob(f"{folder}/lake/**/*.parquet", recursive=True))
    bare = "read_parquet([" + ", ".join(f"'{f}'" for f in files) + "])"
    join = Row("`shoal sql`, a join of 1,000 rows with it, the small side first", "DuckDB over the bare files", 1.5, "wall")
    for _ in rounds(9):
        for row, query in ((scan, SCAN), (join, JOIN)):
            row.add(many(3, [SHOAL, "sql", query.format("big")], cwd=folder), many(3, [floor, "sql", LIBDUCKDB, query.format(bare)]))
    yield from (scan, join)


def tiny():
    n, row = 1000, Row("1,000 tiny models from nothing", "bench/copies.py", 1.5, "both")
    for _ in rounds(3):
        ours, theirs = f"{CACHE}/tiny", f"{CACHE}/copies"
        for f in (ours, theirs):
            discard(f)
            os.makedirs(f)
        gen.shoal_project(ours, n)
        took = call([SHOAL, "run", "-q", "-j", "2"], cwd=ours)
        row.add(took, call([f"{DEPS}/python/bin/python", f"{HERE}/copies.py", f"{theirs}/lake", str(n), "2"]))
    row.note = f" ({n / row.mid(0, 'wall'):.0f} a second)"
    yield row


def publication():
    """Two texts of the two roots make two sets of 1,000 results. Going from one to the other computes nothing: every
    result is there and is adopted, published, and projected into its table."""
    n, folder, bare, floor = 1000, f"{CACHE}/publish", f"{CACHE}/puts", floor_program()
    row = Row("publication of 1,000 changed datasets", "1,000 durable puts", 1.5, "wall")

    def become(k):
        for i in (0, 1):
            with open(f"{folder}/models/s{i}/m{i}.sql", "w") as f:
                f.write(f"select range as id, range * {i + 1} + {k} as v from range(10)\n")

    discard(folder)
    discard(bare)
    gen.shoal_project(folder, n)
    for k in (0, 1):
        become(k)
        call([SHOAL, "run", "-q"], cwd=folder)
    for i in range(n):
        os.makedirs(f"{bare}/{i}")
    time.sleep(61)  # folders made within the last minute are fsynced again: a lake that is in use has few of these
    for k in (0, 1, 0, 1, 0, 1, 0):
        become(k)
        took = call([SHOAL, "run", "-q"], cwd=folder)
        row.add(took, call([floor, "puts", bare, str(n), "2500"]))
    yield row


def told(args, env, folder=None):
    p = subprocess.run(args, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True)
    if p.returncode:
        raise SystemExit(f"{args}: {p.stderr}")
    took = float(p.stdout)
    return Took(took, took, 0)


def python(library, *args, folder=None):
    """Seconds told by a program with a library: ours as pip installs it, joblib."""
    path = f"{BUILD}/python" if library == "shoal" else f"{DEPS}/joblib:{DEPS}/xxhash:{DEPS}/dds"
    return told([f"{DEPS}/python/bin/python", *args], {"PYTHONPATH": path}, folder)


def kept(kind, *args, target, what, n, peer="joblib"):
    """Calls of kept functions whose results are there, beside a peer's. Walls within one process."""
    if not os.path.exists(f"{BUILD}/python/shoal/__init__.py"):
        call([f"{DEPS}/python/bin/pip", "--disable-pip-version-check", "install", "-q", "--no-build-isolation", "--no-deps", "--target", f"{BUILD}/python", ROOT])
    folder, row = f"{CACHE}/kept", Row(what, {"joblib": "joblib.Memory", "dds": "dds_py"}[peer], target, "wall")
    fresh(folder, {"shoal.yaml": "name: kept\n"})
    for library in ("shoal", peer) * 2:  # joblib computes some again, Shoal remembers what it has read
        python(library, f"{HERE}/kept.py", library, kind, *args, folder=folder)
    for _ in rounds(n):
        row.add(*(python(library, f"{HERE}/kept.py", library, kind, *args, folder=folder) for library in ("shoal", peer)))
    yield row


def warm_hit():
    yield from kept("hit", target=0.05, what="warm call of a kept function", n=7)


def noop_eval():
    for kind in ("chain", "dag", "diamond"):
        yield from kept("noop", kind, "1000", target=0.05, what=f"no-op `eval` of 1,000 functions, {kind}, new process", n=5)
    yield from kept("noop", "dag", "1000", target=0.005, what="no-op `eval` of 1,000 functions, dag, new process", n=1, peer="dds")


def large(job, kinds, peer, against, target, what):
    fresh(f"{CACHE}/large", {"shoal.yaml": "name: large\n"})
    for kind in kinds:
        row = Row(what.format(kind), against, target, "wall")
        for _ in rounds(5):
            row.add(*(python(library, f"{HERE}/large.py", job, library, kind, folder=f"{CACHE}/large") for library in ("shoal", peer)))
        discard(f"{CACHE}/large/lake")
        yield row


def keying():
    yield from large("keying", ("numpy", "arrow"), "xxhash", "XXH3 of its bytes, one thread", 1.5, "keying an argument of 1 GB, {}")


def frame():
    yield from large("frame", ("pandas", "polars", "arrow"), "pyarrow", "pyarrow's Parquet, zstd, fsync", 1.2, "storing and loading 10M rows, {}")


def library_program(name, *include):
    """The library itself, without the command line around it."""
    out = f"{CACHE}/{name}"
    call(["cc", "-O2", f"-I{ROOT}/include", *include, "-o", out, f"{HERE}/{name}.c", f"{BUILD}/whole/libshoal.a", "-lm", "-lpthread", "-ldl"])
    return out


def view_program():
    return library_program("view", f"-I{ROOT}/src", *(f"-I{DEPS}/{d}" for d in ("duckdb", "blake3", "yyjson", "roaring", "nanoarrow/src", "lmdb")))


def big_log(folder, files, rows=False):
    """In a process of its own: the memory of this one would count as that of those it starts."""
    call([f"{DEPS}/python/bin/python", f"{HERE}/biglog.py", folder, str(files), *(["rows"] if rows else [])])


def many_files():
    view, floor = view_program(), floor_program()
    log = f"{CACHE}/log1m"
    big_log(log, 10**6)
    select = f"select add.path, add.size, add.partitionValues, add.stats from '{log}/_delta_log/{biglog.CHECKPOINT:020}.checkpoint.parquet'"
    cold = Row("a snapshot of 1M files from a checkpoint, ready to leave files out", "DuckDB selecting the same columns", 2.0)
    listed = Row("the same", "delta-rs opening the table and listing its files", 0.2, "wall")
    for _ in rounds(5):
        ours = call([view, "open", LIBDUCKDB, log])
        cold.add(ours, call([floor, "sql", LIBDUCKDB, select]))
        listed.add(ours, call([f"{DEPS}/python/bin/python", f"{HERE}/biglog.py", "deltalake", log]))
    yield from (cold, listed)
    ours, theirs = listed.mid(0, "rss"), listed.mid(1, "rss")
    yield Fact("its peak memory", "delta-rs", f"{ours / 2**20:.0f} MiB", f"{theirs / 2**20:.0f} MiB", f"{ours / theirs:.2f}", "0.2", ours <= 0.2 * theirs)
    call([view, "open", LIBDUCKDB, log, f"{CACHE}/files"])
    warm = many(5, [view, "open", LIBDUCKDB, log, f"{CACHE}/files"])
    yield Fact("the same, remembered on disk", "–", f"{duration(warm.cpu)} / {duration(warm.wall)}", "–", "–", "–", True)
    text = subprocess.run([view, "plan", LIBDUCKDB, log, f"{CACHE}/files", "21"], capture_output=True, text=True, check=True).stdout
    plan, flat, left = map(int, text.split())
    assert left == 1
    yield Fact("which of 1M files one predicate wants", "the same over flat C arrays", f"{plan / 1e3:.2f} ms", f"{flat / 1e3:.2f} ms",
               f"{plan / flat:.1f}", "20, and 10 ms", plan <= min(20 * flat, 10_000))


def one_of_many_files():
    floor, query, log, project = floor_program(), library_program("query"), f"{CACHE}/log100k", f"{CACHE}/select"
    big_log(log, 10**5, True)
    fresh(project, {"models/one.sql": "select 1 as n\n"})
    call([SHOAL, "run", "-q"], cwd=project)
    where = "where id between 500000 and 500049"
    bare = f"read_parquet('{log}/day=*/*.parquet', hive_partitioning = false) {where}"  # a list is too long for an argument
    row = Row("`shoal sql`, rows of 5 of 100,000 files", "DuckDB over all of them", 0.02, "wall")
    for _ in rounds(3):
        ours = many(5, [SHOAL, "sql", f"select count(*), sum(v) from '{log}' {where}"], cwd=project)
        row.add(ours, call([floor, "sql", LIBDUCKDB, f"select count(*), sum(v) from {bare}"]))
    yield row
    sql, extension = f"select count(*), sum(v) from t {where}", f"{DEPS}/duckdb_delta/delta.duckdb_extension"
    for what, args in (("delta-rs, its table kept open", ("query",)), ("DuckDB's `delta_scan`, attached, its snapshot pinned", ("delta_scan", extension))):
        kept = Row("the same, its table kept open (`shoal_table_scan`), each query at the newest version", what, 0.5, "wall")
        alone = Row("the same, `shoal sql`, a process for each", what, 1, "wall")
        for _ in rounds(3):
            theirs = python("peer", f"{HERE}/peer.py", args[0], log, sql, "9", *args[1:])
            kept.add(told([query, log, sql, "21"], {"SHOAL_DUCKDB": LIBDUCKDB}), theirs)
            alone.add(many(5, [SHOAL, "sql", f"select count(*), sum(v) from '{log}' {where}"], cwd=project), theirs)
        yield from (kept, alone)


def full_scan():
    floor, project = floor_program(), f"{CACHE}/scan"
    fresh(project, {"models/one.sql": "select 1 as n\n"})
    call([SHOAL, "run", "-q"], cwd=project)
    for i in range(8):
        call([floor, "sql", LIBDUCKDB, f"copy (select * from ({MODEL}) where id % 8 = {i}) to '{project}/rows.parquet' (format parquet)"])
        verb = ["append", "./t", "rows.parquet"] if i else ["create", "./t", "--as", "rows.parquet", "--property", "delta.enableDeletionVectors=true"]
        call([SHOAL, "table", *verb], cwd=project)
    files = sorted(glob.glob(f"{project}/t/*.parquet"))
    bare = "read_parquet([" + ", ".join(f"'{f}'" for f in files) + "])"
    for what, target in (("no row deleted", 1.05), ("1% of the rows deleted", 1.15)):
        row = Row(f"`shoal sql`, full scan of a Delta table of {ROWS // 10**6}M rows, {what}", "DuckDB over the bare files", target)
        for _ in rounds(7):
            row.add(many(3, [SHOAL, "sql", SCAN.format("'./t'")], cwd=project), many(3, [floor, "sql", LIBDUCKDB, SCAN.format(bare)]))
        yield row
        call([SHOAL, "table", "delete", "./t", "--where", "k % 100 = 7"], cwd=project)


def commits_program():
    return library_program("commits", f"-I{DEPS}/nanoarrow/src")


SECONDS = 5  # of committing


def committed(program, folder, writers):
    """Commits a second of so many processes; none may fail, none may be lost."""
    before = len(glob.glob(f"{folder}/_delta_log/*.json"))
    env = {**os.environ, "SHOAL_DUCKDB": LIBDUCKDB}
    running = [subprocess.Popen([*program, folder, str(SECONDS), str(i)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) for i in range(writers)]
    told = [p.communicate() for p in running]
    failed = [err for p, (_, err) in zip(running, told) if p.returncode]
    n = sum(int(out) for p, (out, _) in zip(running, told) if not p.returncode)
    made = len(glob.glob(f"{folder}/_delta_log/*.json")) - before
    if not failed and n != made:
        raise SystemExit(f"{folder}: {n} commits acknowledged, {made} made")
    return made / SECONDS, len(failed)


def commits():
    ours, theirs = [commits_program()], [f"{DEPS}/python/bin/python", f"{HERE}/peer.py", "commits"]
    old = f"{CACHE}/commits-old"
    while len(glob.glob(f"{old}/_delta_log/*.json")) < 10_000:
        committed(ours, old, 1)
    floor, first = floor_program(), {}
    for after in (10, 10_000):
        for writers in (1, 8):
            rates, errors, bare = ([], []), [0, 0], []
            for k in rounds(3):
                for side, program in enumerate((ours, theirs)):
                    folder = f"{CACHE}/commits-now"
                    discard(folder)
                    if after == 10_000:
                        shutil.copytree(old, folder)
                    os.sync()  # what was copied is not to be written while we are
                    rate, failed = committed(program, folder, writers)
                    rates[side].append(rate)
                    errors[side] += failed
                    if side == 0 and writers == 1:
                        bare.append(int(subprocess.run([floor, "commits", folder, "2"], capture_output=True, text=True, check=True).stdout) / 2)
            a, b = (statistics.median(r) for r in rates)
            note = "" if not errors[1] else f" ({errors[1]} of its writers failed)"
            yield Fact(f"durable one-row commits a second, {writers} writer{'s' * (writers > 1)}, after {after:,}", "delta-rs" + note, f"{a:.0f}", f"{b:.0f}", f"{a / b:.1f}", "≥ 5", a >= 5 * b and not errors[0])
            if bare:
                yield Fact("the same", "two bare durable puts into the same folders", f"{a:.0f}", f"{statistics.median(bare):.0f}", f"{a / statistics.median(bare):.2f}", "–", True)
            if writers in first:
                yield Fact("the same", "from nothing", f"{a:.0f}", f"{first[writers]:.0f}", f"{a / first[writers]:.2f}", "≥ 0.95", a >= 0.95 * first[writers])
            first[writers] = a


def append():
    floor, project = floor_program(), f"{CACHE}/append"
    fresh(project, {"shoal.yaml": "name: append\n"})
    call([floor, "sql", LIBDUCKDB, f"copy ({MODEL}) to '{project}/rows.parquet' (format parquet)"])
    call([SHOAL, "table", "create", "./t", "--schema", "id BIGINT, k INTEGER, v DOUBLE, name VARCHAR, day DATE"], cwd=project)
    row = Row(f"append of {ROWS // 10**6}M rows with statistics and commit", "DuckDB's COPY + fsync", 1.05)
    for i in rounds(5):
        ours = call([SHOAL, "table", "append", "./t", "rows.parquet"], cwd=project)
        row.add(ours, call([floor, "copy", LIBDUCKDB, f"from '{project}/rows.parquet'", f"{project}/copy{i}"]))
    yield row


def merge():
    """Rows that lie scattered over the whole table, and the newest ones."""
    floor, project = floor_program(), f"{CACHE}/merge"
    fresh(project, {"shoal.yaml": "name: merge\n"})
    call([floor, "sql", LIBDUCKDB, f"copy ({MODEL}) to '{project}/rows.parquet' (format parquet)"])
    for where, chosen in (("scattered", "hash(id) % 250 = 0"), ("the newest", f"id >= {ROWS - ROWS // 250}")):
        call([floor, "sql", LIBDUCKDB, f"copy (select id, k, v + 1 as v, name, day from '{project}/rows.parquet' where {chosen}) to '{project}/new.parquet' (format parquet)"])
        rewritten = Row(f"MERGE of 0.4% of {ROWS // 10**6}M rows, {where}", "DuckDB writing the table anew", 0.1)
        deltalake = Row("the same", "delta-rs's MERGE", 0.2, "wall")
        for i in rounds(3):
            for name in ("t", "d", f"copy{i}"):
                discard(f"{project}/{name}")
            call([SHOAL, "table", "create", "./t", "--as", "rows.parquet", "--property", "delta.enableDeletionVectors=true"], cwd=project)
            call([SHOAL, "table", "create", "./d", "--as", "rows.parquet"], cwd=project)
            ours = call([SHOAL, "table", "merge", "./t", "--using", "new.parquet", "--on", "id", "--when", "matched then update", "--when", "not matched then insert"], cwd=project)
            rewritten.add(ours, call([floor, "copy", LIBDUCKDB, f"from '{project}/rows.parquet'", f"{project}/copy{i}"]))
            deltalake.add(ours, call([f"{DEPS}/python/bin/python", f"{HERE}/peer.py", "merge", f"{project}/d", f"{project}/new.parquet"]))
        yield from (rewritten, deltalake)


def checkpoint():
    floor, log = floor_program(), f"{CACHE}/log1m"
    big_log(log, 10**6)
    made = Row("checkpoint of 1M files", "DuckDB's COPY of the same rows", 1.5)
    clone = Row("shallow clone of 1M files", "that checkpoint", 1.2)
    for i in rounds(3):
        discard(f"{CACHE}/clone")
        ours = call([SHOAL, "table", "checkpoint", log])
        newest = f"{log}/_delta_log/{biglog.CHECKPOINT + biglog.COMMITS:020}.checkpoint.parquet"
        made.add(ours, call([floor, "sql", LIBDUCKDB, f"copy (from '{newest}') to '{CACHE}/copy.parquet' (format parquet, compression zstd)"]))
        clone.add(call([SHOAL, "table", "clone", log, f"{CACHE}/clone"]), ours)
        os.unlink(newest)
        with open(f"{log}/_delta_log/_last_checkpoint", "w") as f:
            json.dump({"version": biglog.CHECKPOINT, "size": 10**6}, f)
    yield from (made, clone)
    v2 = Row("V2 checkpoint of 1M files after 1,000 changes", "DuckDB's COPY of all their rows", 0.1)
    copy = f"copy (from '{log}/_delta_log/{biglog.CHECKPOINT:020}.checkpoint.parquet') to '{CACHE}/copy.parquet' (format parquet, compression zstd)"
    discard(f"{CACHE}/log1m-v2")
    shutil.copytree(log, f"{CACHE}/log1m-v2")
    call([SHOAL, "table", "alter", f"{CACHE}/log1m-v2", "--set", "delta.checkpointPolicy=v2"])
    call([SHOAL, "table", "checkpoint", f"{CACHE}/log1m-v2"])
    for i in rounds(3):
        call([f"{DEPS}/python/bin/python", f"{HERE}/biglog.py", "replace", f"{CACHE}/log1m-v2", "500"])
        v2.add(call([SHOAL, "table", "checkpoint", f"{CACHE}/log1m-v2"]), call([floor, "sql", LIBDUCKDB, copy]))
    yield v2


UNLIKE = f"""select hash(range)::ubigint % 1000000 as a, (1e9 / (1 + hash(range * 3) % 1000000))::bigint as b, 'item ' || lpad((hash(range * 7) % 900000)::varchar, 6, '0') as c,
  date '1900-01-01' + (hash(range * 11) % 45000)::int as d from range({ROWS})"""


def hilbert():
    """Files that a condition on one of four columns leaves out; and what laying rows out costs beside sorting them by one."""
    floor, project = floor_program(), f"{CACHE}/hilbert"
    fresh(project, {"shoal.yaml": "name: hilbert\n"})
    call([floor, "sql", LIBDUCKDB, f"copy (select a::bigint as a, b, c, d from ({UNLIKE})) to '{project}/rows.parquet' (format parquet)"])
    call([SHOAL, "table", "create", "./t", "--as", "rows.parquet"], cwd=project)
    size = sum(map(os.path.getsize, glob.glob(f"{project}/t/*.parquet"))) / 100 / 2**20
    ours = call([SHOAL, "table", "optimize", "./t", "--cluster-by", "a,b,c,d", "--file-size", f"{size:.4f}"], cwd=project)
    theirs = call([floor, "copy", LIBDUCKDB, f"from '{project}/rows.parquet' order by a", f"{project}/copy"])
    with open(f"{project}/t/_delta_log/{1:020}.json") as f:
        stats = [json.loads(a["add"]["stats"]) for a in map(json.loads, f) if "add" in a]
    asked = f"{project}/asked.json"
    call([floor, "sql", LIBDUCKDB, f"copy (select a, b, c, d::varchar as d from '{project}/rows.parquet' using sample 1000 rows (reservoir, 7)) to '{asked}' (format json)"])
    with open(asked) as f:
        values = [json.loads(line) for line in f]
    least = min((sum(not s["minValues"][c] <= v[c] <= s["maxValues"][c] for v in values for s in stats) / len(values) / len(stats), c) for c in "abcd")
    yield Fact(f"files of {len(stats)} that a point leaves out, by the worst of 4 columns that {ROWS // 10**6}M rows are clustered by", "-", f"{least[0]:.0%}", "-", f"{least[0]:.2f}", "≥ 0.55", least[0] >= 0.55)
    row = Row("clustering them", "DuckDB sorting and writing them by one column", 2)
    row.add(ours, theirs)
    yield row


def import_time():
    row = Row("`import shoal`", "`import json, sqlite3`", 2, "wall")
    program = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    for _ in rounds(15):
        row.add(*(python("shoal", "-c", program.format(names)) for names in ("shoal", "json, sqlite3")))
    yield row


ROWS_OF = {"noop1k": lambda: noop(1_000), "noop10k": lambda: noop(10_000), "noop100k": lambda: noop(100_000), "python": noop_python,
           "leaf": edited_leaf, "version": version, "big": big, "tiny": tiny, "publish": publication, "hit": warm_hit, "eval": noop_eval, "import": import_time,
           "keying": keying, "frame": frame, "files": many_files, "select": one_of_many_files, "scan": full_scan,
           "commits": commits, "append": append, "merge": merge, "checkpoint": checkpoint, "hilbert": hilbert}
HEAD = ["what", "against", "Shoal, CPU / wall", "peer, CPU / wall", "ratio, CPU / wall", "at most", "met"]


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    peer = subprocess.run(["ninja", "--version"], capture_output=True, text=True).stdout.strip()
    return (f"{cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} CPUs, {memory:.0f} GiB, "
            f"Linux {platform.release()}, ninja {peer}; load {os.getloadavg()[0]:.1f} at the end")


def write(text, path=f"{ROOT}/docs/benchmarks.md"):
    with open(path) as f:
        page = f.read()
    with open(path, "w") as f:
        f.write(re.sub(r"(<!-- table -->\n).*(<!-- end -->)", lambda m: m[1] + text + m[2], page, flags=re.S))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("rows", nargs="*", metavar="ROW", help="of " + ", ".join(ROWS_OF))
    p.add_argument("--full", action="store_true", help="with 100,000 models, whose first run takes minutes")
    p.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    p.add_argument("--rounds", type=int, default=MOST, help="at most so many of each row")
    a = p.parse_args()
    globals()["MOST"] = a.rounds
    os.makedirs(CACHE, exist_ok=True)
    call(["git", "init", "-q", "-b", "main", CACHE])  # the projects' branch is not this tree's
    lines = []
    for name in a.rows or [r for r in ROWS_OF if a.full or r != "noop100k"]:
        for row in ROWS_OF[name]():
            lines.append("| " + " | ".join(row.line()) + " |\n")
            print(lines[-1], end="", flush=True)
    shutil.rmtree(f"{CACHE}/trash", ignore_errors=True)
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout
    command = " ".join(["tools/bench"] + sys.argv[1:])
    text = f"`{command}` at {commit.strip()}, {time.strftime('%Y-%m-%d')}, on {machine()}.\n\n"
    text += "| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD) + "\n" + "".join(lines)
    print("\n" + text)
    if a.write:
        write(text)


if __name__ == "__main__":
    main()
