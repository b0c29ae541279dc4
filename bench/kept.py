# SPDX-License-Identifier: Apache-2.0
"""Kept functions of Shoal, joblib or dds_py in a process of their own, for bench.py: `kept.py LIBRARY hit` prints the seconds that a
warm call takes; `kept.py LIBRARY noop KIND N` those of a pipeline of N functions whose results are all there. dds_py keeps calls with
arguments by `keep` only."""
import importlib
import os
import random
import statistics
import sys
import time

HEAD = {"shoal": "import shoal\n", "joblib": "import joblib\nmemory = joblib.Memory('cache', verbose=0)\n", "dds": "import dds\n"}
HIT = "LIMIT = 3\ndef helper(x): return x + LIMIT\n{}\ndef f(x, scale=2): return helper(x) * scale\n"


def decorator(library, name):
    return {"shoal": f"@shoal.data_function('/n/{name}')\n", "joblib": "@memory.cache\n", "dds": ""}[library]


def call(library, name, values):
    return f"dds.keep({', '.join([repr(f'/n/{name}'), name, *values])})" if library == "dds" else f"{name}({', '.join(values)})"


def parents(kind, i, chance):
    if kind == "chain" or i < 2:
        return [i - 1] if i else []
    return [i - 2, i - 1] if kind == "diamond" else sorted(chance.sample(range(i), 2))


def pipeline(library, kind, n):
    chance, parts, calls = random.Random(1), [HEAD[library]], []
    for i in range(n):
        of = parents(kind, i, chance)
        parts.append(f"{decorator(library, f'f{i}')}def f{i}({', '.join('ab'[:len(of)])}): return ({' + '.join(['1', *'ab'[:len(of)]])}) % 1000\n")
        calls.append(f"    v{i} = {call(library, f'f{i}', [f'v{p}' for p in of])}\n")
    return "".join(parts) + "def pipeline():\n" + "".join(calls) + f"    return v{n - 1}\n"


def write(name, text):
    if not os.path.exists(name + ".py"):
        with open(name + ".py", "w") as f:
            f.write(text)


def hit(library):
    write(f"{library}_hit", HEAD[library] + HIT.format("@shoal.cache" if library == "shoal" else "@memory.cache"))
    f = importlib.import_module(f"{library}_hit").f
    f(1)
    took = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(200):
            f(1)
        took.append((time.perf_counter() - start) / 200)
    return statistics.median(took)


def noop(library, kind, n):
    write(f"{library}_{kind}", pipeline(library, kind, int(n)))
    module = importlib.import_module(f"{library}_{kind}")
    run = module.pipeline
    if library == "dds":
        module.dds.set_store("local", internal_dir=os.path.abspath("dds/internal"), data_dir=os.path.abspath("dds/data"))
        module.dds.accept_module(module)
    start = time.perf_counter()
    run() if library == "joblib" else sys.modules[library].eval(run)
    return time.perf_counter() - start


sys.path.insert(0, os.getcwd())
print({"hit": hit, "noop": noop}[sys.argv[2]](sys.argv[1], *sys.argv[3:]))
