# SPDX-License-Identifier: Apache-2.0
"""Kept functions as `shoal run` sees them: what `_describe` says of one, and the keys of calls."""
import importlib
import os
import subprocess
import sys

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
import numpy
from harness import case, has, main
from modules import project

import shoal
import ways
from shoal._calls import arguments_key, code_of


def describe(m, name="f", **files):
    with project({"m.py": m, **{k + ".py": v for k, v in files.items()}}):
        return shoal._describe(getattr(importlib.import_module("m"), name))


def refused(call, *words):
    try:
        call()
    except shoal.Error as e:
        has(str(e), *words)
        return
    raise AssertionError("it was not refused")


HEAD = "import shoal\nfrom shoal import data_function\n"


@case
def a_function_is_described_by_what_it_is_and_where_it_stands():
    d = describe(HEAD + "@data_function('/silver/clean')\ndef f(depth=6):\n    'Cleans up.\\n\\n    More.'\n    return depth\n")
    assert (d["dataset"], d["doc"], d["line"], d["python"], d["packages"]) == ("silver.clean", "Cleans up.", 3, "%d.%d" % sys.version_info[:2], []), d
    assert os.path.basename(d["file"]) == "m.py" and len(d["code"]) == len(d["args"]) == 64 and not d["dynamic"], d
    d = describe(HEAD + "import numpy\n@data_function('/x')\ndef f(): return numpy.ones(3)\n")
    assert d["packages"] == [["numpy", numpy.__version__]], d


@case
def the_decorator_and_its_path_are_no_part_of_the_key():
    plain = describe("def f(): return 1\n")
    assert plain["dataset"] is None
    for path in ("/a", "/b/c"):
        d = describe(HEAD + f"@data_function('{path}')\ndef f(): return 1\n")
        assert (d["code"], d["args"]) == (plain["code"], plain["args"])


@case
def a_kept_function_that_is_called_counts_as_what_it_is():
    text = HEAD + "@data_function('/a')\ndef a(): return $\n@data_function('/b')\ndef f(): return a() + 1\n"
    one, two = (describe(text.replace("$", v)) for v in "12")
    assert one["code"] != two["code"] and one["calls"] == ["main.a"], one
    assert describe(text.replace("$", "1").replace("'/a'", "'/z'"))["code"] == one["code"]


@case
def datasets_that_are_loaded_by_constant_names_are_told():
    d = describe(HEAD + "def g(): return shoal.table('gold.a').df()\n@data_function('/b')\ndef f(): return shoal.load('/silver/orders'), g()\n")
    assert (d["loads"], d["dynamic"]) == (["gold.a", "silver.orders"], False), d
    d = describe("from shoal import table as l\ndef f(): return l('/a')\n")
    assert (d["loads"], d["dynamic"]) == (["main.a"], False), d
    for body in ("shoal.load(name)", "shoal.load('/' + name)", "list(map(shoal.load, ['/a']))", "shoal.sql('from gold.a')", "shoal.table('gold.a', at='main~1')"):
        assert describe(f"import shoal\nname = 'a'\ndef f(): return {body}\n")["dynamic"], body
    assert describe("def f():\n    from shoal import load\n    return load('/a')\n")["dynamic"]
    d = describe("import json\ndef f(): return json.load(open('x'))\n")
    assert (d["loads"], d["dynamic"]) == ([], False)


@case
def what_it_keeps_itself_is_no_load():
    d = describe(HEAD + "def g(): return 1\n@data_function('/b')\ndef f():\n    shoal.keep('/a', g)\n    return shoal.load('/a')\n")
    assert (d["loads"], d["calls"]) == ([], ["main.a"]), d


@case
def the_files_are_those_that_importing_it_reads():
    files = {"a": "from b import LIMIT\n", "b": "import c.d\nLIMIT = 1\n", "c/__init__": "", "c/d": "", "unrelated": ""}
    text = "import unrelated_too\nfrom a import LIMIT\ndef f(): return LIMIT\n"
    d = describe(text, unrelated_too="", **files)
    assert [os.path.basename(p) for p in d["files"]] == ["a.py", "b.py", "__init__.py", "d.py", "m.py", "unrelated_too.py"], d["files"]
    d = describe("import importlib\na = importlib.import_module('a')\ndef f(): return a.LIMIT\n", **files)
    assert {"a.py", "b.py", "m.py"} <= {os.path.basename(p) for p in d["files"]}, d["files"]


@case
def relative_imports_are_followed():
    files = {"p/__init__": "from .q import f\n", "p/q": "from . import r\nfrom .s import T\ndef f(): return T\n", "p/r": "", "p/s": "T = 1\n"}
    d = describe("from p import f\n", **files)
    assert [os.path.basename(p) for p in d["files"]] == ["__init__.py", "q.py", "r.py", "s.py"], d["files"]


@case
def what_needs_arguments_is_no_model():
    refused(lambda: describe("def f(n): return n\n"), "m.py:1", "missing a required argument: 'n'", "defaults")


@case
def a_call_has_one_key_however_it_is_written():
    def f(a, b=2, *more, c=3, **other):
        return a

    def key(*args, **kwargs):
        return arguments_key(f, args, kwargs)

    assert key(1) == key(1, 2) == key(a=1) == key(1, b=2, c=3) == key(b=2, a=1, c=3)
    keys = [key(1), key(2), key(1.0), key(True), key(1, 3), key(1, 2, 3), key(1, c=4), key(1, d=3), key("1"), key([1]), key((1,)), key(numpy.array([1])), key(f), key(len)]
    assert len(set(keys)) == len(keys)
    assert key(numpy.arange(3)) == key(numpy.arange(3))
    refused(lambda: key(open(os.devnull)), "argument a of", "no canonical form")


@case
def two_arguments_that_are_one_list_are_another_call():
    def f(a, b):
        a.append(1)
        return b

    x = []
    assert arguments_key(f, (x, x), {}) != arguments_key(f, ([], []), {})


@case
def paths_that_name_no_dataset_are_refused():
    for path in ("/a/b/c", "/Silver/x", "x", "/a-b"):
        refused(lambda: shoal.data_function(path), path)


@case
def keys_are_the_same_in_another_process():
    text = HEAD + "import helpers\n@data_function('/b')\ndef f(x={'a', 'b'}): return helpers.g(x)\n"
    with project({"m.py": text, "helpers.py": "LIMIT = frozenset('abc')\ndef g(x): return x | LIMIT\n"}):
        told = set()
        for seed in ("1", "2"):
            env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.path.join(os.environ["SHOAL_BUILD"], "python")}
            program = "import m, shoal; d = shoal._describe(m.f); print(d['code'], d['args'])"
            told.add(subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True).stdout)
        m = importlib.import_module("m")
        told.add("%s %s\n" % (code_of(m.f).key, arguments_key(m.f.__shoal__.function, (), {})))
    assert len(told) == 1, told


main()
