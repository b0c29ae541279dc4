#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The floor for `1,000 tiny models from nothing`: DuckDB runs the same COPYs, two workers, and after each the same
durable file operations that Shoal makes for one result (docs/lake-format.md): lease, attempt folder, data file, commit,
claim, name, table's commit. Nothing is planned, parsed for keys, or published."""
import os
import sys
import threading
import time

import duckdb

sys.path.insert(0, os.path.dirname(__file__))
from gen import edges  # noqa: E402


def fsync(path, folder=False):
    fd = os.open(path, os.O_RDONLY | (os.O_DIRECTORY if folder else 0))
    os.fsync(fd)
    os.close(fd)


def mkdirs(path, known):
    missing = []
    while path not in known and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    known.add(path)
    for p in reversed(missing):
        try:
            os.mkdir(p)
        except FileExistsError:  # the other worker's
            pass
        fsync(os.path.dirname(p), True)
        known.add(p)


def put(root, key, data, known):
    """A durable put if absent: temporary file, fsync, link, fsync of the folder, unlink."""
    final = f"{root}/{key}"
    mkdirs(os.path.dirname(final), known)
    tmp = f"{root}/tmp/{threading.get_ident()}-{time.monotonic_ns()}"
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)
    os.link(tmp, final)
    os.unlink(tmp)
    fsync(os.path.dirname(final), True)


def one(con, root, i, parents, files, known):
    sig = f"{i:064x}"
    put(root, f"leases/{sig}/1.json", b"x" * 300, known)
    home = f"s{i % 100}/m{i}/_shoal/{sig}/a"
    stage = f"{root}/tmp/stage-{i}"
    os.mkdir(stage)
    out = f"{stage}/part-{i}.parquet"
    if parents:
        a, b = (f"read_parquet(['{files[p]}'], hive_partitioning=false)" for p in parents)
        sql = f"select a.id, a.v + b.v + {i} as v from {a} a join {b} b using (id)"
    else:
        sql = f"select range as id, range * {i + 1} as v from range(10)"
    con.execute(f"COPY ({sql}) TO '{out}' (FORMAT parquet, COMPRESSION zstd, RETURN_STATS)").fetchall()
    fsync(out)
    mkdirs(f"{root}/{home}", known)
    files[i] = f"{root}/{home}/part-{i}.parquet"
    os.rename(out, files[i])
    fsync(f"{root}/{home}", True)
    os.rmdir(stage)
    put(root, f"{home}/_delta_log/{0:020d}.json", b"x" * 2500, known)
    put(root, f"claims/{sig[-2:]}/{sig}/1.json", b"x" * 900, known)
    os.unlink(f"{root}/leases/{sig}/1.json")
    os.rmdir(f"{root}/leases/{sig}")
    put(root, f"datasets/m{i}.json", b"x" * 150, known)
    put(root, f"s{i % 100}/m{i}/_delta_log/{0:020d}.json", b"x" * 2500, known)


def run(root, n, workers):
    os.makedirs(f"{root}/tmp")
    graph = dict(edges(n))
    children, waiting = {i: [] for i in graph}, {i: len(p) for i, p in graph.items()}
    for i, parents in graph.items():
        for p in parents:
            children[p].append(i)
    ready, files, known, lock, left = [i for i in graph if not waiting[i]], {}, set(), threading.Condition(), [n]

    def work():
        con = duckdb.connect()
        con.execute("SET threads=2")
        while True:
            with lock:
                while not ready and left[0]:
                    lock.wait()
                if not left[0]:
                    return
                i = ready.pop()
            one(con, root, i, graph[i], files, known)
            with lock:
                left[0] -= 1
                for c in children[i]:
                    waiting[c] -= 1
                    if not waiting[c]:
                        ready.append(c)
                lock.notify_all()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
