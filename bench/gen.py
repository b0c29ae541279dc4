#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a project of N models as a random DAG with two parents each, and the same graph for ninja."""
import os
import random
import sys


def edges(n, seed=1):
    rng = random.Random(seed)
    for i in range(n):
        yield i, sorted(rng.sample(range(i), 2)) if i >= 2 else []


def shoal_project(folder, n):
    for s in range(min(n, 100)):
        os.makedirs(f"{folder}/models/s{s}", exist_ok=True)
    with open(f"{folder}/shoal.yaml", "w") as f:
        f.write("name: bench\nlake: lake\n")
    name = lambda i: f"s{i % 100}.m{i}"
    for i, parents in edges(n):
        if parents:
            sql = f"select a.id, a.v + b.v + {i} as v from {name(parents[0])} a join {name(parents[1])} b using (id)\n"
        else:
            sql = f"select range as id, range * {i + 1} as v from range(10)\n"
        with open(f"{folder}/models/s{i % 100}/m{i}.sql", "w") as f:
            f.write(sql)


def python_project(folder, n):
    """The same graph, of Python functions."""
    shoal_project(folder, n)
    for i, parents in edges(n):
        os.remove(f"{folder}/models/s{i % 100}/m{i}.sql")
        body = [f"    {'ab'[k]} = shoal.table('s{p % 100}.m{p}').arrow()" for k, p in enumerate(parents)]
        v = f"pc.add(pc.add(a['v'], b['v']), {i})" if parents else f"[k * {i + 1} for k in range(10)]"
        with open(f"{folder}/models/s{i % 100}/m{i}.py", "w") as f:
            f.write(f"import pyarrow as pa\nimport pyarrow.compute as pc\nimport shoal\n\n\n@shoal.data_function('/s{i % 100}/m{i}')\ndef m{i}():\n"
                    + "\n".join([*body, f"    return pa.table({{'id': list(range(10)), 'v': {v}}})"]) + "\n")


def ninja_project(folder, n):
    os.makedirs(f"{folder}/in", exist_ok=True)
    with open(f"{folder}/build.ninja", "w") as f:
        f.write("rule cp\n  command = cp $first $out\n")
        for i, parents in edges(n):
            open(f"{folder}/in/m{i}.sql", "w").close()
            deps = " ".join(f"out/m{p}" for p in parents)
            f.write(f"build out/m{i}: cp in/m{i}.sql {deps}\n  first = in/m{i}.sql\n")


if __name__ == "__main__":
    kind, folder, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.makedirs(folder, exist_ok=True)
    (shoal_project if kind == "shoal" else ninja_project)(folder, n)
