# SPDX-License-Identifier: Apache-2.0
"""Functions whose results are kept. A function tells that it runs by printing. A first part of cases goes by the behaviours of
dds_py (its 26 groups of tests, [dds: group]), a second by what it, joblib and others get wrong ([unsound: what]), a third by what
neither has."""
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
import duckdb
import numpy
import pandas
import polars
import pyarrow
from harness import case, has, main
from lab import ENV, HEAD, lab, printed, refused
from modules import project

import shoal
import ways

def reruns(before, after, expression="f()", runs=True, **files):
    """Whether `f` runs again when a module's text becomes another."""
    with lab(**files) as run:
        assert run(expression, before)[1], "it doesn't print"
        assert not run(expression, before)[1], "it runs though nothing has changed"
        printed = run(expression, after)[1]
        assert bool(printed) == runs, (before, after, printed)


F = "@data_function('/f')\ndef f():\n    print('f')\n    return "


# ---- as dds_py ----


@case
def annotated_functions_run_once():  # [dds: annot_basic]
    with lab() as run:
        m = F + "1\n@data_function('/g')\ndef g(): print('g'); return f() + 1\n"
        assert run("f(), f(), shoal.eval(f)", m) == ((1, 1, 1), ["f"])
        assert run("g(), f()") == ((2, 1), ["g"])
        assert run("g(), shoal.eval(g)") == ((2, 2), [])


@case
def arguments_of_annotated_functions_are_part_of_the_key():  # [dds: annot_basic], which refuses them
    with lab() as run:
        m = "@data_function('/f')\ndef f(a, b=1): print('f'); return a + b\n"
        assert run("f(1), f(1, 1), f(a=1), f(2), f(1, b=2)", m) == ((2, 2, 2, 3, 3), ["f"] * 3)
        assert run("f(2), load('/f')") == ((3, 3), [])


@case
def eval_and_keep_take_arguments():  # [dds: basic] [dds: typed]
    with lab() as run:
        m = "def g(x: int, *, y: int = 0) -> int: print('g'); return x + y\ndef p(a): return keep('/g', g, a, y=2)\n"
        assert run("shoal.eval(p, 1), shoal.eval(p, a=1), keep('/g', g, x=1, y=2)", m) == ((3, 3, 3), ["g"])


@case
def expressions_as_callees():  # [dds: basic] [dds: binop]
    with lab() as run:
        m = F + "{'a': len}['a']('xyz') < (lambda: 5)() + 1 if [abs][0](-1) else 0\n"
        assert run("f(), f()", m) == ((True, True), ["f"])


@case
def a_changed_global_runs_again_and_reverting_hits():  # [dds: cache] [dds: structures]
    for values in (("1", "2"), ("[1]", "[1, 2]"), ("{'a': 1}", "{'a': 2}"), ("__import__('collections').OrderedDict(a=1)", "__import__('collections').OrderedDict(a=2)")):
        with lab() as run:
            m = "X = $\n" + F + "list(X) if not isinstance(X, int) else X\n"
            one, two = (m.replace("$", v) for v in values)
            assert [run("f()", t)[1] for t in (one, two, one, two)] == [["f"], ["f"], [], []]


@case
def one_result_under_several_paths():  # [dds: cache_nested] [dds: repeat_nested]
    with lab() as run:
        m = "def g(): print('g'); return 7\ndef p(): return keep('/a', g), keep('/b', g), keep('/a', g)\n"
        assert run("shoal.eval(p), load('/a'), load('/b')", m) == (((7, 7, 7), 7, 7), ["g"])


@case
def what_is_kept_within_comes_with_a_hit():  # [dds: cache_nested]
    with lab() as run:
        m = "def g(): return 7\n@data_function('/f')\ndef f(): print('f'); return keep('/inner', g)\n"
        run("f()", m)
        with shoal.branch("other"):
            assert run("f(), load('/inner')") == ((7, 7), [])


@case
def globals_that_methods_read_count():  # [dds: class_dep] [dds: class_simple]
    m = "X = $\nclass C:\n    def m(self): return X\n" + F + "C().m()\n"
    reruns(m.replace("$", "1"), m.replace("$", "2"))
    reruns(m.replace("$", "1"), m.replace("$", "1") + "# more\n", runs=False)


@case
def classes_of_packages_count_by_version():  # [dds: class_simple]
    with lab() as run:
        assert run("f(), f()", "import fractions\n" + F + "int(fractions.Fraction(4, 2))\n") == ((2, 2), ["f"])


@case
def an_omitted_default_is_an_explicit_one():  # [dds: default_args_basic] [dds: kargs]
    with lab() as run:
        m = "def g(a, b=2, *c, d=4, **e): print('g'); return [a, b, list(c), d, e]\n"
        assert run("keep('/g', g, 1), keep('/g', g, 1, 2), keep('/g', g, 1, d=4), keep('/g', g, a=1, b=2)", m)[1] == ["g"]
        assert run("keep('/g', g, 1, 2, 3), keep('/g', g, *[1, 2, 3]), keep('/g', g, 1, **{'x': 5})")[1] == ["g", "g"]


@case
def functions_passed_to_functions_count():  # [dds: higher_order]
    m = "def g(x): return x + $\n" + F + "list(map(g, [1, 2]))\n"
    reruns(m.replace("$", "1"), m.replace("$", "2"))
    with lab() as run:
        m = "def g(x): return x + 1\ndef h(x): return x + 2\ndef apply(g, x): print('apply'); return g(x)\n"
        assert run("keep('/a', apply, g, 1), keep('/a', apply, h, 1), keep('/a', apply, g, 1)", m) == ((2, 3, 2), ["apply"] * 2)


@case
def a_second_keep_hits():  # [dds: keep_direct_call]
    with lab() as run:
        m = "def g(): print('g'); return 1\n"
        assert run("keep('/g', g), keep('/g', g)", m) == ((1, 1), ["g"])
        assert run("keep('/g', g)") == (1, [])


@case
def lambdas_partials_closures_methods_and_callable_objects():  # [dds: lambda] [dds: nested_function]
    m = """
import functools
def make(n):
    def inner(x): print('run'); return x + n
    return inner
class C:
    def __init__(self, n): self.n = n
    def m(self, x): print('run'); return x * self.n
    def __call__(self, x): print('run'); return x - self.n
    @classmethod
    def c(cls, x): print('run'); return x
def g(x, y): print('run'); return x * y
def p():
    return [keep('/a', lambda: print('run') or 1), keep('/b', make(1), 1), keep('/b', make(2), 1), keep('/c', functools.partial(g, 3), 4), keep('/d', C(3).m, 2),
            keep('/d', C(4).m, 2), keep('/e', C(5), 7), keep('/f', C.c, 3), keep('/h', functools.partial(g, y=5), 2)]
"""
    want = [1, 2, 3, 12, 6, 8, 2, 3, 10]
    with lab() as run:
        assert run("shoal.eval(p)", m) == (want, ["run"] * 9)
        assert run("shoal.eval(p), p()") == ((want, want), [])


@case
def load_follows_its_producer():  # [dds: load_basic]
    with lab() as run:
        m = "@data_function('/p')\ndef p(): print('p'); return $\n@data_function('/c')\ndef c(): print('c'); return load('/p') + 1\ndef all(): return p(), c()\n"
        assert run("shoal.eval(all)", m.replace("$", "1")) == ((1, 2), ["p", "c"])
        assert run("shoal.eval(all), c()", m.replace("$", "1")) == (((1, 2), 2), [])
        assert run("shoal.eval(all), load('/c')", m.replace("$", "5")) == (((5, 6), 6), ["p", "c"])


@case
def names_that_lead_elsewhere():  # [dds: method_as_var] [dds: module_rename] [dds: refs]
    with lab(helpers="def h(x):\n    return x + 1\n") as run:
        m = "import helpers as other\nfrom helpers import h as renamed\nup = 'x'.upper\n" + F + "[up(), other.h(1), renamed(2)]\n"
        assert run("f(), f()", m)[1] == ["f"]
        assert run("f()", helpers="def h(x):\n    return x + 2\n") == (["X", 3, 4], ["f"])


@case
def parameters_and_locals_shadow_globals():  # [dds: refs] [dds: shadowing]
    m = "import os\nX = $\ndef g(os): return os + 1\n" + F + "(lambda X: X)(1) + g(1)\n"
    reruns(m.replace("$", "1"), m.replace("$", "2"), runs=False)
    local = "X = $\n@data_function('/f')\ndef f():\n    print('f')\n    X = 3\n    return X\n"
    reruns(local.replace("$", "1"), local.replace("$", "2"), runs=False)


@case
def what_is_not_reached_is_not_touched():  # [dds: refs]
    reruns(F + "1\ndef g(): return 1\n", F + "1\ndef g(): return 2\n", runs=False)


@case
def recursion_big_lists_and_other_things_it_refuses():  # [dds: shadowing] [dds: refs]
    with lab() as run:
        m = """
import dataclasses
@dataclasses.dataclass(frozen=True)
class D:
    a: int
X, BIG, N, B = D(3), list(range(20_000)), 2**70, b'ab'
def fact(n): return 1 if n < 2 else n * fact(n - 1)
@data_function('/f')
def f(*, k=1): print('f'); return [fact(5), X.a, len(BIG), N, len(B), k]
"""
        assert run("f(), f()", m)[1] == ["f"]
        assert run("f()", m.replace("20_000", "20_001"))[1] == ["f"]
        assert run("f()", m.replace("D(3)", "D(4)"))[1] == ["f"]
        assert run("f()", m.replace("n * fact", "n + fact"))[1] == ["f"]
        assert run("f()", m.replace("b'ab'", "b'abc'"))[1] == ["f"]


@case
def kept_functions_that_call_themselves():
    with lab() as run:
        m = "@data_function('/fib')\ndef fib(n): print('run'); return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        assert run("fib(10), load('/fib')", m) == ((55, 55), ["run"] * 11)
        assert run("fib(10), fib(7)") == ((55, 13), [])


@case
def paths_may_be_paths():  # [dds: pathlib_basic] [dds: string_paths]
    with lab() as run:
        m = "import pathlib\ndef g(): return 1\n"
        assert run("keep(pathlib.Path('/a/b'), g), load(pathlib.PurePosixPath('/a/b')), load('/a/b'), load('a.b')", m)[0] == (1,) * 4
        e = refused(lambda: run("keep('/a/b/c', g)"), "/a/b/c", "one or two parts")
        assert e.status == "invalid"


@case
def a_model_is_trained_again_only_when_it_must():  # [dds: sklearn]
    with lab() as run:
        m = """
import pandas, numpy
class Model:
    def __init__(self, depth): self.depth = depth
    def fit(self, x): self.mean = float(x.mean()); return self
def data(): print('data'); return pandas.DataFrame({'x': [1.0, 2.0, 3.0]})
def train(df, depth): print('train'); return Model(depth).fit(df.x)
def score(model): print('score'); return model.mean * model.depth
def all(depth=2):
    df = keep('/data', data)
    return keep('/score', score, keep('/model', train, df, depth))
"""
        run("shoal.set_store(trust=True)", m)
        assert run("shoal.eval(all)") == (4.0, ["data", "train", "score"])
        assert run("shoal.eval(all)") == (4.0, [])
        assert run("shoal.eval(all, depth=3)") == (6.0, ["train", "score"])


@case
def new_types_and_annotations():  # [dds: type_newtype] [dds: typed]
    with lab() as run:
        m = "import typing\nId = typing.NewType('Id', int)\ndef g(x: Id) -> Id: print('g'); return Id(x + 1)\n"
        assert run("keep('/g', g, Id(1)), keep('/g', g, x=1)", m) == ((2, 2), ["g"])


@case
def no_module_has_to_be_accepted_and_paths_do_not_overlap():  # [dds: unauthorized]
    with lab(helpers="X = 1\n") as run:
        m = "import helpers\ndef g(): print('g'); return helpers.X\n"
        assert run("keep('/f', g), keep('/f/g', g), load('/f'), load('/f/g')", m) == ((1,) * 4, ["g"])
        assert run("keep('/f', g)", helpers="X = 2\n") == (2, ["g"])


# ---- what others get wrong ----


@case
def globals_of_every_type_count():  # [unsound: bool, tuple, set globals]
    for one, two in (("True", "False"), ("(1,)", "(2,)"), ("{1}", "{2}"), ("frozenset('a')", "frozenset('b')"), ("None", "0"), ("1", "1.0"), ("b'a'", "'a'")):
        m = "X = $\n" + F + "repr(X)\n"
        reruns(m.replace("$", one), m.replace("$", two))


@case
def attributes_bases_and_decorators_count():  # [unsound: mod.ATTR, base classes, decorator implementation]
    with lab(h="LIMIT = 1\n") as run:
        m = "import h\n" + F + "h.LIMIT\n"
        assert [run("f()", m)[0], run("f()", h="LIMIT = 2\n")[0]] == [1, 2]
    m = "class A:\n    def m(self): return $\nclass B(A): pass\n" + F + "B().m()\n"
    reruns(m.replace("$", "1"), m.replace("$", "2"))
    m = "def d(g):\n    def w(): return g() + $\n    return w\n@d\ndef g(): return 1\n" + F + "g()\n"
    reruns(m.replace("$", "1"), m.replace("$", "2"))


@case
def helpers_of_helpers_and_imported_constants_count():  # [unsound: non-accepted helpers] [unsound: joblib, redun]
    with lab(a="from b import g, LIMIT\n", b="LIMIT = 1\ndef g(): return h()\ndef h(): return 1\n") as run:
        m = "import a\n" + F + "a.g() + a.LIMIT\n"
        assert run("f(), f()", m) == ((2, 2), ["f"])
        assert run("f()", b="LIMIT = 1\ndef g(): return h()\ndef h(): return 5\n") == (6, ["f"])
        assert run("f()", b="LIMIT = 2\ndef g(): return h()\ndef h(): return 5\n") == (7, ["f"])
        assert run("f()", b="LIMIT = 2\n\n# words\ndef g(): return h()\ndef h(): return 5\n") == (7, [])


@case
def globals_by_name_count():  # [unsound: globals()[...]]
    m = "X = $\n" + F + "globals()['X']\n"
    reruns(m.replace("$", "1"), m.replace("$", "2"))


@case
def loops_over_keep_and_two_arguments_at_one_path():  # [unsound: [0, 0, 0]; (4, 4)]
    with lab() as run:
        m = "def sq(x): print('sq'); return x * x\ndef p():\n    r = []\n    for i in range(3): r.append(keep('/p', sq, i))\n    return r\ndef q(): return keep('/q', sq, 2), keep('/q', sq, 3)\n"
        assert run("shoal.eval(p), load('/p')", m) == (([0, 1, 4], 4), ["sq"] * 3)
        assert run("shoal.eval(q), load('/q')") == (((4, 9), 9), ["sq"])  # 2 is known from /p
        assert run("keep('/q', sq, 2), load('/q')") == ((4, 4), [])  # the later one wins; both stay


@case
def arguments_beyond_the_line_of_the_call_count():  # [unsound: arguments beyond call line + 1]
    m = "def g(a, b, c): print('g'); return [a, b, c]\ndef p(x):\n    return keep(\n        '/g',\n        g,\n        1,\n        2,\n        x,\n    )\n"
    with lab() as run:
        assert run("p(3), p(4)", m) == (([1, 2, 3], [1, 2, 4]), ["g"] * 2)


@case
def equal_parts_do_not_cancel_each_other():  # [unsound: XOR]
    m = "def a(): return 1\ndef b(): return $\n" + F + "[a(), b(), a(), b()]\n"
    reruns(m.replace("$", "1"), m.replace("$", "2"))


@case
def a_damaged_result_is_computed_anew_never_served():  # [unsound: blob without .meta gives None]
    for what in ("payload", "object.json"):
        for how in (lambda p: os.unlink(p), lambda p: open(p, "w").write("[1,")):
            with lab() as run:
                m = F + "[1, 2]\n"
                run("f()", m)
                for folder, _, names in os.walk(run.folder + "/lake/main/f/_shoal"):
                    if what in names:
                        os.chmod(f"{folder}/{what}", 0o600)
                        how(f"{folder}/{what}")
                value, printed = run("f()", m)
                assert value == [1, 2] and (what == "object.json" or printed == ["f"]), (what, printed)
                assert run("f()", m) == ([1, 2], [])


@case
def a_changed_argument_object_is_another_argument():
    with lab() as run:
        m = "def g(x): print('g'); return sum(x)\n"
        assert run("[keep('/g', g, x) for x in ([1, 2], [1, 3], [1, 2])]", m) == ([3, 4, 3], ["g"] * 2)
        value, printed = run("[keep('/g', g, a), a.append(1), keep('/g', g, a)][::2]", m + "a = [5]\n")
        assert (value, printed) == ([5, 6], ["g"] * 2)


@case
def values_that_change_while_the_process_runs_count():
    with lab() as run:
        m = "X, L, D = 1, [1], {'a': [1]}\nclass C:\n    k = 1\ndef helper(): return X\n@data_function('/f')\ndef f(): print('f'); return [helper(), list(L), str(D), C.k]\ndef set(name, v): globals()[name] = v\n"
        edits = ["set('X', 2)", "L.append(2)", "D['a'].append(3)", "setattr(C, 'k', 2)", "set('helper', lambda: 9)", "setattr(helper, '__code__', (lambda: 5).__code__)"]
        for edit in edits:
            value, printed = run(f"[f(), f(), {edit}, f(), f()]", m + f"# {edit}\n")
            assert value[0] == value[1] != value[3] == value[4], (edit, value)


@case
def a_result_that_the_caller_changes_is_not_the_kept_one():
    with lab() as run:
        assert run("f().append(5), f().append(6), f()", F + "[1]\n")[0][2] == [1]


@case
def upstream_edited_with_the_same_result():  # nobody below runs again: arguments count by content
    with lab() as run:
        m = "def up(): print('up'); return $\ndef down(x): print('down'); return x\ndef p(): return keep('/d', down, keep('/u', up))\n"
        assert run("shoal.eval(p)", m.replace("$", "4"))[1] == ["up", "down"]
        assert run("shoal.eval(p)", m.replace("$", "2 + 2 * 1"))[1] == ["up"]


# ---- loads ----


@case
def loads_under_names_of_the_moment_are_observed():
    with lab() as run:
        m = "def val(x): return x\n@data_function('/f')\ndef f(name='a'): print('f'); return load('/' + name)\n"
        run("keep('/a', val, 1), keep('/b', val, 10)", m)
        assert run("f(), f()") == ((1, 1), ["f"])
        assert run("keep('/b', val, 11), f()") == ((11, 1), [])
        assert run("keep('/a', val, 2), f()") == ((2, 2), ["f"])
        assert run("keep('/a', val, 1), f()") == ((1, 1), [])
        assert run("f('b')") == (11, ["f"])


@case
def observed_loads_count_for_who_calls():
    with lab() as run:
        m = "def val(x): return x\n@shoal.cache\ndef inner(name): return load('/' + name)\n@data_function('/f')\ndef f(): print('f'); return inner('a')\n"
        run("keep('/a', val, 1)", m)
        assert run("f(), f()") == ((1, 1), ["f"])
        assert run("keep('/a', val, 2), f()") == ((2, 2), ["f"])


@case
def loads_in_threads_are_observed():
    with lab() as run:
        m = """
from concurrent.futures import ThreadPoolExecutor
def val(x): return x
@data_function('/f')
def f():
    print('f')
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(load, ['/a', '/b']))
"""
        run("keep('/a', val, 1), keep('/b', val, 2)", m)
        assert run("f(), f()") == (([1, 2],) * 2, ["f"])
        assert run("keep('/b', val, 3), f()") == ((3, [1, 3]), ["f"])


@case
def what_is_loaded_is_made_before():
    with lab() as run:
        m = "@data_function('/c')\ndef c(): print('c'); return load('/p') + 1\n@data_function('/p')\ndef p(): print('p'); return 1\ndef all(): return c(), p()\n"
        assert run("shoal.eval(all)", m) == ((2, 1), ["p", "c"])
        assert run("shoal.eval(all)", m.replace("return 1\n", "return 2\n")) == ((3, 2), ["p", "c"])


@case
def a_loop_through_loads_is_refused_with_its_path():
    with lab() as run:
        m = "@data_function('/a')\ndef a(): return load('/b')\n@data_function('/b')\ndef b(): return load('/c')\n@data_function('/c')\ndef c(): return load('/a')\ndef all(): return a(), b(), c()\n"
        e = refused(lambda: run("shoal.eval(all)", m), "main.a loads main.b loads main.c loads main.a")
        assert e.status == "invalid"


@case
def what_moves_while_a_function_reads_it_is_read_again():
    with lab() as run:
        m = """
import subprocess, sys, pandas
def val(x): return pandas.DataFrame({'x': [x]})
def elsewhere():
    if load('/step').x[0] < 2:
        subprocess.run([sys.executable, '-c', "import m; m.keep('/a', m.val, 2); m.keep('/step', m.val, 2)"], check=True)
READ = {'load': lambda: load('/a').x[0], 'table': lambda: shoal.table('main.a').df().x[0], 'sql': lambda: shoal.sql('select x from main.a').df().x[0]}
@shoal.cache
def f(how, dynamic):
    print('f')
    if dynamic: READ[how]()
    elsewhere()
    return int(load('/a').x[0] if how == 'load' else READ[how]())
"""
        for how in ("load", "table", "sql"):
            for dynamic in (False, True):
                run("keep('/a', val, 1), keep('/step', val, 1)", m)
                os.environ["PYTHONPATH"] = ENV["PYTHONPATH"]
                assert run(f"f({how!r}, {dynamic}), f({how!r}, {dynamic})")[0] == (2, 2)
                assert run(f"keep('/step', val, 3), keep('/a', val, 1), f({how!r}, {dynamic}), keep('/a', val, 2), f({how!r}, {dynamic})")[0][2::2] == (1, 2), how


@case
def queries_are_reads():
    with lab() as run:
        m = "import pandas\ndef val(x): return pandas.DataFrame({'x': [x]})\n@data_function('/f')\ndef f(): print('f'); return [r['x'] for r in shoal.sql('select x from main.t').arrow().to_pylist()]\n" \
            "@data_function('/g')\ndef g(): print('g'); return shoal.table('main.t').arrow()['x'].to_pylist()\n"
        run("keep('/t', val, 1)", m)
        assert run("f(), f(), g(), g()") == (([1],) * 4, ["f", "g"])
        assert run("keep('/t', val, 2), f(), g()")[0][1:] == ([2], [2])
        assert run("f(), g()")[1] == []


@case
def a_table_that_this_very_run_makes_is_read():
    with lab() as run:
        m = "import pandas\ndef val(x): return pandas.DataFrame({'x': [x]})\ndef all(x):\n    keep('/t', val, x)\n    return shoal.table('main.t').arrow()['x'].to_pylist(), load('/t').x.tolist()\n"
        assert run("shoal.eval(all, 1), shoal.eval(all, 2)", m)[0] == (([1], [1]), ([2], [2]))
        refused(lambda: run("shoal.eval(bad)", m + "def bad():\n    keep('/t', val, 5)\n    return shoal.sql('from main.t').arrow()\n"), "main.t", "this very run")


@case
def what_sql_makes_is_loaded_and_what_python_makes_is_queried():
    with lab() as run:
        os.makedirs(run.folder + "/models/gold")
        with open(run.folder + "/models/gold/a.sql", "w") as f:
            f.write("select 1 as i union all select 2 order by 1")
        run.shoal("run")
        m = "@data_function('/silver/b')\ndef b(): print('b'); return load('/gold/a').assign(j=lambda d: d.i * 2)\n"
        assert run("b().j.tolist(), b().j.tolist()", m) == (([2, 4],) * 2, ["b"])
        has(run.shoal("sql", "select sum(j) as s from silver.b", "--format", "csv"), "6")
        with open(run.folder + "/models/gold/a.sql", "w") as f:
            f.write("select 5 as i")
        run.shoal("run")
        assert run("b().j.tolist()") == ([10], ["b"])
        assert run.shoal("run").count("removed") == 0


@case
def a_model_of_shoal_run_is_the_same_function_here():
    with lab() as run:
        os.makedirs(run.folder + "/models/silver")
        text = "import polars\n@data_function('/silver/p')\ndef p(): print('p'); return polars.DataFrame({'a': [1], 'u': polars.Series([2], dtype=polars.UInt8)})\n" \
               "@data_function('/silver/q')\ndef q(): print('q'); return load('/silver/p').with_columns(b=polars.col('u') + 1)\n"
        with open(run.folder + "/models/silver/p.py", "w") as f:
            f.write(HEAD + text)
        with open(run.folder + "/shoal.yaml", "a") as f:
            f.write(f"python: {{interpreter: {sys.executable}}}\n")
        run.shoal("run")
        (p, q), printed = run("p(), q()", text)
        assert printed == [] and type(q) is polars.DataFrame and q.schema["u"] == q.schema["b"] == polars.UInt8 and p.rows() == [(1, 2)]
        text = text.replace("[1]", "[5]")
        with open(run.folder + "/models/silver/p.py", "w") as f:
            f.write(HEAD + text)
        assert run("shoal.eval(lambda: (q(), p()))[0].rows()", text) == ([(5, 2, 3)], ["p", "q"])
        assert "run" not in {i["action"] for i in json.loads(run.shoal("plan", "--json"))["items"]}


# ---- publications ----


@case
def an_eval_is_one_publication():
    with lab() as run:
        m = "def g(x): return x\ndef p():\n    for i in range(5): keep(f'/p{i}', g, i)\n"
        run("shoal.eval(p)", m)
        assert {d.publication for d in shoal.datasets()} == {1} and len(shoal.datasets()) == 5
        run("shoal.eval(p)")
        assert {d.publication for d in shoal.datasets()} == {1}


@case
def exceptions_pass_unchanged_and_keep_nothing():
    with lab() as run:
        m = "class Own(Exception): pass\ndef g(): print('g'); return 1\ndef bad(): print('bad'); raise Own('x', 5)\ndef p(): keep('/g', g); return keep('/bad', bad)\n" \
            "def caught(f):\n    try: f()\n    except Own as e: return e.args\n"
        assert run("caught(lambda: keep('/bad', bad)), caught(lambda: keep('/bad', bad))", m) == ((("x", 5),) * 2, ["bad", "bad"])
        assert run("caught(lambda: shoal.eval(p))")[0] == ("x", 5)
        assert shoal.datasets() == []  # a run that fails publishes nothing; what is computed is kept
        assert run("keep('/g', g)") == (1, [])


@case
def branches_are_honoured():
    with lab() as run:
        m = "def g(x): print('g'); return x\n"
        run("keep('/g', g, 1)", m)
        with shoal.branch("experiment"):
            assert run("load('/g'), keep('/g', g, 2), load('/g')") == ((1, 2, 2), ["g"])
        assert run("load('/g'), load('/g', at='experiment')") == ((1, 2), [])
        with shoal.branch("experiment"):
            assert run("keep('/g', g, 1), load('/g')") == ((1, 1), [])


@case
def the_branch_is_the_one_that_git_has_checked_out_now():
    with lab() as run:
        def git(*args):
            subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *args], cwd=run.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        git("init", "-q", "-b", "main")
        git("commit", "-q", "--allow-empty", "-m", "c")
        m = "def g(x): return x\n"
        run("keep('/g', g, 1)", m)
        git("switch", "-q", "-c", "other")
        assert run("load('/g'), keep('/g', g, 2), load('/g')")[0] == (1, 2, 2)
        git("switch", "-q", "main")
        assert run("load('/g')")[0] == 1


@case
def pinned_datasets_stay():
    with lab() as run:
        m = "def g(x): return x\n"
        run("keep('/g', g, 1), keep('/g', g, 2)", m)
        run.shoal("rollback", "main.g", "--to", "main~1")
        assert run("keep('/g', g, 3), load('/g')")[0] == (3, 1)


@case
def the_command_line_shows_objects():
    with lab() as run:
        m = "import pandas\ndef val(x): return {'a': x}\ndef tab(): return pandas.DataFrame({'x': [1]})\n@shoal.cache\ndef embed(x): return [x]\n"
        run("keep('/models/m', val, 1), keep('/t', tab), embed(1), embed(2)", m)
        has(run.shoal("ls"), "models.m", "dict", "main.t", "1 row  ")
        assert "embed" not in run.shoal("ls")
        assert run.shoal("ls", "--cache").count("m.embed") == 2
        has(run.shoal("show", "models.m"), "dict as json", "from m.val", "Python 3.")
        has(run.shoal("show", "models.m", "--json"), '"codec":"json"', '"bytes_hash"', '"arguments"')
        has(run.shoal("show", "main.t"), "x  long", "from m.tab")
        has(run.shoal("log", "models.m"), "dict")
        has(run.shoal("sql", "from models.m", code=1), "models.m is an object (dict), not a table", "shoal.load")
        run("keep('/models/m', val, 2)")
        has(run.shoal("diff", "main~1"), "models.m")
        has(run.shoal("fsck", "--all", "--content"), "all are whole")


@case
def fsck_finds_damaged_objects_and_repairs():
    with lab() as run:
        run("f()", F + "[1, 2]\n")
        for folder, _, names in os.walk(run.folder + "/lake/main/f/_shoal"):
            if "payload" in names:
                os.chmod(folder + "/payload", 0o600)
                open(folder + "/payload", "w").write("[1,3]")
        run.shoal("fsck")  # its size is right
        has(run.shoal("fsck", "--content", code=1), "main.f", "bytes")
        run.shoal("fsck", "--content", "--repair", code=1)
        assert run("f()", F + "[1, 2]\n") == ([1, 2], ["f"])


# ---- values ----


@case
def plain_values_come_back_as_they_were():
    values = [None, True, 0, -1, 2**80, 1.5, float("inf"), "", "ä\n", b"", b"\x00a", [], [1, [2]], (), (1, (2, "x")), {}, {"a": [1, (2,)], "b": None}, {"$": [1]} and {"x": {"y": 1.0}}]
    with lab() as run:
        m = "VALUES = None\ndef g(v): return v\n"
        run("0", m)
        g = sys.modules["m"].g
        for i, v in enumerate(values):
            for _ in range(2):
                back = shoal.keep("/v", g, v)
                assert back == v and type(back) is type(v), v
            loaded = shoal.load("/v")
            assert loaded == v and type(loaded) is type(v), v


@case
def arrays_come_back_as_they_were():
    arrays = [numpy.arange(6).reshape(2, 3), numpy.asfortranarray(numpy.ones((2, 3), "f4")), numpy.array(3.5), numpy.array(["a", "bc"]), numpy.array([1, 2], "datetime64[D]"),
              numpy.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), numpy.zeros((0, 3)), numpy.float32(1.5), numpy.int64(7), numpy.bool_(True)]
    with lab() as run:
        run("0", "def g(v): return v\n")
        for v in arrays:
            shoal.keep("/v", sys.modules["m"].g, v)
            back = shoal.load("/v")
            assert type(back) is type(v) and back.dtype == v.dtype and back.shape == v.shape and numpy.array_equal(back, v), v
            assert not isinstance(v, numpy.ndarray) or back.flags.f_contiguous == v.flags.f_contiguous


def frames():
    n = pandas.Timestamp("2020-01-01 12:00:00.123456")
    yield pandas.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, float("nan")], "d": [True, False]})
    yield pandas.DataFrame({"a": [1, 2, 3]}, index=pandas.Index([5, 6, 7], name="k"))
    yield pandas.DataFrame({"a": [1, 2]}, index=pandas.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["i", None]))
    yield pandas.DataFrame({"t": [n, None], "z": pandas.to_datetime(["2020-01-01", "2020-06-01"]).tz_localize("Europe/Berlin"), "d": pandas.to_timedelta([1, 2], "s")})
    yield pandas.DataFrame({"c": pandas.Categorical(["a", "b"], categories=["b", "a", "unused"], ordered=True), "i": pandas.array([1, None], "Int64"), "u": numpy.array([1, 255], "u1")})
    yield pandas.DataFrame({"Mean Of": [1], "mean of": [2], "x,y": [3]})
    yield pandas.DataFrame({0: [1.0], 1: [2.0]})
    yield pandas.DataFrame({"a": pandas.Series([], dtype="float32")})
    yield pandas.DataFrame(index=pandas.RangeIndex(2, 8, 2), data={"x": [1, 2, 3]})
    yield pandas.DataFrame({"l": [[1, 2], []], "n": [None, None]})


@case
def pandas_frames_come_back_as_they_were():
    with lab() as run:
        run("0", "def g(v): return v\n")
        for v in frames():
            shoal.keep("/v", sys.modules["m"].g, v)
            back = shoal.load("/v")
            if "l" in v:
                assert [list(x) for x in back.l] == [[1, 2], []] and back.n.isna().all()
            else:
                pandas.testing.assert_frame_equal(back, v)
            assert [d for d in shoal.datasets()][0].rows == len(v)
        s = pandas.Series([1.5, 2.5], index=["a", "b"], name="s")
        shoal.keep("/v", sys.modules["m"].g, s)
        pandas.testing.assert_series_equal(shoal.load("/v"), s)


@case
def what_no_table_can_hold_is_refused_or_pickled():
    with lab() as run:
        run("0", "def g(v): return v\n")
        g = sys.modules["m"].g
        bad = [pandas.DataFrame({"t": [pandas.Timestamp(1)]}), pandas.DataFrame({"o": [1, "x"]}), pandas.DataFrame([[1, 2]], columns=["a", "a"])]
        for v in bad:
            refused(lambda: shoal.keep("/v", g, v), "DataFrame", "trust=True")
        refused(lambda: shoal.keep("/v", g, {1, 2}), "set", "pickle", "trust=True", "shoal.codec")
        shoal.set_store(trust=True)
        for v in bad:
            shoal.keep("/v", g, v)
            pandas.testing.assert_frame_equal(shoal.load("/v"), v)
        shoal.keep("/v", g, {1, 2})
        assert shoal.load("/v") == {1, 2}
        refused(lambda: shoal.keep("/v", lambda: threading.Lock()), "lock", "can't be pickled")


@case
def polars_arrow_duckdb_and_batches_come_back_as_they_were():
    t = pyarrow.table({"a": pyarrow.array([1, None], "int8"), "d": pyarrow.array(["x", "y"]).dictionary_encode(), "t": pyarrow.array([1, 2], "time64[us]")})
    p = polars.DataFrame({"a": [1, 2], "c": polars.Series(["x", "y"], dtype=polars.Categorical), "u": polars.Series([1, 2], dtype=polars.UInt8)})
    with lab() as run:
        m = "import pyarrow\ndef g(v): return v\ndef batches():\n    print('run')\n    for i in range(3): yield pyarrow.record_batch({'i': [i, i]})\ndef reader(): return pyarrow.table({'i': [1, 2]}).to_reader()\n" \
            "def rel():\n    import duckdb\n    return duckdb.sql('select 1 as a, 2 as b')\n"
        run("0", m)
        g = sys.modules["m"].g
        for v in (t, p, t.to_batches()[0]):
            shoal.keep("/v", g, v)
            back = shoal.load("/v")
            assert type(back) is type(v) and back.equals(v), (back, v)
        (first, second), printed = run("[list(keep('/b', batches)) for _ in 'ab']")
        assert printed == ["run"] and [r for b in first for r in b.column(0).to_pylist()] == [0, 0, 1, 1, 2, 2] == [r for b in second for r in b.column(0).to_pylist()]
        assert run("[keep('/r', reader).read_all().num_rows for _ in 'ab']")[0] == [2, 2]
        assert run("[keep('/d', rel).fetchall() for _ in 'ab']")[0] == [[(1, 2)]] * 2
        lazy = polars.LazyFrame({"a": [1]})
        assert type(shoal.keep("/v", lambda: polars.LazyFrame({"a": [1]}))) is type(lazy) is type(shoal.load("/v"))


@case
def what_an_iterator_loads_as_it_runs_counts():
    with lab() as run:
        m = "import pyarrow\ndef put(x): return x\ndef name(): return 'n'\n" \
            "def f():\n    print('f')\n    for i in range(2): yield pyarrow.record_batch({'i': [load('/' + name())]})\n"
        both = "(keep('/n', put, $), [i for b in keep('/f', f) for i in b.column(0).to_pylist()])[1]"
        assert run(both.replace("$", "1"), m) == ([1, 1], ["f"])
        assert run(both.replace("$", "2"), m) == ([2, 2], ["f"])
        assert run(both.replace("$", "1"), m) == ([1, 1], [])


@case
def what_an_iterator_raises_passes_unchanged():
    with lab() as run:
        m = "import pyarrow\ndef f():\n    yield pyarrow.record_batch({'i': [1]})\n    raise LookupError('no more')\n"
        try:
            run("keep('/f', f)", m)
        except LookupError as e:
            assert str(e) == "no more"
        else:
            raise AssertionError("nothing was raised")
        refused(lambda: run("keep('/f', f)", m.replace("raise LookupError('no more')", "yield 3")), "an iterator of int, pyarrow.RecordBatch")


@case
def the_order_of_a_large_tables_rows_stays():
    with lab() as run:
        run("0", "import numpy, pandas\ndef g(n): return pandas.DataFrame({'i': numpy.arange(n)[::-1].copy(), 's': numpy.arange(n).astype(str)})\n")
        g = sys.modules["m"].g
        for n in (10, 50_000):  # many batches, which threads would take
            batches = pyarrow.concat_tables(pyarrow.table({"i": [i, i]}) for i in range(n // 10))
            for k in range(20):
                assert shoal.keep("/b", lambda k: batches, k).equals(shoal.load("/b")) and shoal.load("/b").equals(batches)
        want = g(700_000)
        shoal.keep("/v", g, 700_000)
        pandas.testing.assert_frame_equal(shoal.load("/v"), want)


@case
def ones_own_codec():
    with lab() as run:
        m = "class Point:\n    def __init__(self, x): self.x = x\ndef g(x): print('g'); return Point(x)\n" \
            "shoal.codec('test-point', Point, lambda p: str(p.x).encode(), lambda b: Point(int(b)))\n"
        assert run("keep('/p', g, 3).x, keep('/p', g, 3).x, load('/p').x", m) == ((3, 3, 3), ["g"])
        refused(lambda: shoal.codec("pickle", int, bytes, int), "there already")


@case
def pickles_are_read_only_where_the_lake_is_trusted():
    with lab() as run:
        run("shoal.set_store(trust=True)", "def g(): return {1, 2}\n")
        run("keep('/s', g)")
        os.unlink(run.folder + "/lake/_shoal/trusted.json")
        refused(lambda: run("load('/s')"), "main.s", "pickled set", "trust=True")


@case
def spark_frames_are_refused():
    class DataFrame:
        pass

    DataFrame.__module__ = "pyspark.sql.dataframe"
    with lab():
        refused(lambda: shoal.keep("/s", lambda: DataFrame()), "Spark DataFrame", "toArrow")


# ---- at once, and what dies ----


@case
def coroutine_functions_are_kept():
    with lab() as run:
        m = "import asyncio\n@data_function('/a')\nasync def a(x=1):\n    print('a')\n    await asyncio.sleep(0)\n    return x\n@data_function('/b')\nasync def b(): print('b'); return await a(2) + 1\n" \
            "async def both(): return await asyncio.gather(b(), a(3), a(3))\nasync def p(): return await b()\n"
        assert run("asyncio.run(both())", m)[0] == [3, 3, 3]
        assert run("asyncio.run(both()), asyncio.run(b())") == (([3, 3, 3], 3), [])
        assert run("asyncio.run(shoal.eval(p))") == (3, [])
        assert run("asyncio.run(many())", m + "async def many(): return await asyncio.gather(*(a(9) for _ in range(40)))\n") == ([9] * 40, ["a"])
        assert run("asyncio.run(keep('/k', a.__wrapped__, 7))") == (7, ["a"])


@case
def threads_compute_once():
    with lab() as run:
        m = "import time\ndef g(x): print('g'); time.sleep(0.3); return x\ndef all():\n    from concurrent.futures import ThreadPoolExecutor\n    with ThreadPoolExecutor(4) as pool:\n        return list(pool.map(lambda _: keep('/g', g, 1), range(4)))\n"
        assert run("all()", m) == ([1] * 4, ["g"])


@case
def processes_compute_once():
    with lab() as run:
        text = HEAD + "import time\ndef g(x):\n    with open('ran', 'a') as f: f.write('x')\n    time.sleep(1)\n    return x\nprint(keep('/g', g, 1))\n"
        with open(run.folder + "/p.py", "w") as f:
            f.write(text)
        both = [run.program("import runpy; runpy.run_path('p.py', run_name='__main__')") for _ in range(3)]
        assert [p.communicate(timeout=60)[0].strip() for p in both] == ["1"] * 3
        assert open(run.folder + "/ran").read() == "x"


@case
def a_forked_child_has_a_session_of_its_own():
    with lab() as run:
        m = "def g(x): return x\n"
        run("keep('/g', g, 1)", m)
        g = sys.modules["m"].g
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if shoal.keep("/g", g, 1) == 1 and shoal.keep("/g", g, 2) == 2 else 1)
            except BaseException:
                os._exit(2)
        assert os.waitpid(pid, 0)[1] == 0
        assert run("load('/g')") == (2, [])


@case
def who_is_killed_holds_nobody_up():
    with lab() as run:
        text = HEAD + "import pandas, time\ndef g(n):\n    print('in', flush=True)\n    time.sleep(n)\n    return pandas.DataFrame({'x': range(1000)})\ndef h(): return [1]\nkeep('/h', h)\nprint(len(keep('/g', g, 1.5 if 0 else 0.4)))\n"
        with open(run.folder + "/p.py", "w") as f:
            f.write(text)
        start = "import runpy; runpy.run_path('p.py', run_name='__main__')"
        for delay in (0.0, 0.2, 0.4, 0.41, 0.43, 0.46, 0.5):
            p = run.program(start)
            assert p.stdout.readline() in ("in\n", "1000\n")
            time.sleep(delay)
            p.send_signal(signal.SIGKILL)
            p.wait()
            has(run.shoal("ls"), "main.h")
            run.shoal("fsck", "--all", "--content")
        done = run.program(start).communicate(timeout=60)[0].split()
        assert done[-1] == "1000", done
        has(run.shoal("fsck", "--all", "--content"), "all are whole")
        assert len(shoal.load("/g")) == 1000 and shoal.load("/h") == [1]


@case
def without_a_project_the_lake_is_the_users_own():
    with lab() as run:
        os.makedirs("/tmp/shoal-none-%d" % os.getpid(), exist_ok=True)
        folder = "/tmp/shoal-none-%d" % os.getpid()
        text = "import shoal\ndef g(): print('g'); return {1, 2}\nprint(shoal.keep('/g', g) == shoal.keep('/g', g) == shoal.load('/g'))\n"
        p = subprocess.run([sys.executable, "-c", text], cwd=folder, env={**ENV, "XDG_DATA_HOME": folder + "/data"}, capture_output=True, text=True)
        assert p.stdout.split() == ["g", "True"] and p.stderr.count(folder + "/data/shoal/lake") == 1, (p.stdout, p.stderr)
        assert run.shoal("ls", "--lake", folder + "/data/shoal/lake").startswith("main.g")
        import shutil

        shutil.rmtree(folder)


@case
def another_store_is_another_lake():
    with lab() as run:
        m = "def g(x): print('g'); return x\n"
        run("keep('/g', g, 1)", m)
        shoal.set_store(run.folder + "/other")
        try:
            assert run("keep('/g', g, 1), load('/g')") == ((1, 1), ["g"])
        finally:
            shoal.set_store(None)


@case
def a_graph_is_drawn_before_anything_runs():
    with lab() as run:
        m = "@data_function('/a')\ndef a(): return 1\n@data_function('/b')\ndef b(): return a() + load('/z')\n@data_function('/c')\ndef c(): return a() + b()\ndef p(): raise ValueError\n" \
            "def all(): return c(), p()\n"
        for suffix, words in ((".svg", ["<svg", "main.a", "main.b", "main.z"]), (".dot", ["digraph", '"main.a" -> "main.b"', '"main.z" -> "main.b"'])):
            try:
                run(f"shoal.eval(all, export_graph='g{suffix}')", m)
            except shoal.Error as e:
                has(str(e), "main.z")
            has(open(run.folder + "/g" + suffix).read(), *words)
        refused(lambda: run("shoal.eval(all, export_graph='g.gif')"), ".svg")


@case
def many_calls_leak_nothing():
    import gc

    with lab() as run:
        run("0", "@shoal.cache\ndef g(x): return [x]\n@data_function('/h')\ndef h(x=1): return (x,)\n")
        g, h = sys.modules["m"].g, sys.modules["m"].h
        for i in range(20):
            g(i), h()
        gc.collect()
        before = sys.getrefcount(g), sys.getrefcount(None), len(gc.get_objects())
        for i in range(2000):
            g(i % 20), h()
        gc.collect()
        after = sys.getrefcount(g), sys.getrefcount(None), len(gc.get_objects())
        assert after[0] == before[0] and after[1] - before[1] < 200 and after[2] - before[2] < 200, (before, after)

# ---- the environment ----


@case
def a_variable_of_the_environment_with_another_value_runs_again():
    m = HEAD + "import os\n\n\n@data_function('/f')\ndef f():\n    print('ran')\n    return os.environ.get('A_PLACE', 'none')\n"
    with lab(m=m) as run:
        assert printed(run, "print(f())", A_PLACE="x") == ["ran", "x"]
        assert printed(run, "print(f())", A_PLACE="x", OTHER="y") == ["x"]
        assert printed(run, "print(f())", A_PLACE="z") == ["ran", "z"]
        assert printed(run, "print(f())") == ["ran", "none"]
        assert printed(run, "print([f()])", A_PLACE="") == ["ran", "['']"]
        assert printed(run, "print(f())", A_PLACE="x") == ["x"]
        # one process, warm
        text = "import os\nfor v in 'xxqqx': os.environ['A_PLACE'] = v; print(f())\n"
        assert printed(run, text) == ["x", "x", "ran", "q", "q", "x"]


@case
def names_that_are_computed_are_seen_as_they_are_read():
    m = HEAD + ("import os\n\n\ndef setting(name, default='-'):\n    return os.environ.get('A_' + name, default)\n\n\n"
                "@data_function('/f')\ndef f(name='ONE'):\n    print('ran')\n    return setting(name)\n\n\n"
                "@data_function('/g')\ndef g():\n    print('g')\n    return f() + f('TWO')\n")
    with lab(m=m) as run:
        assert printed(run, "print(f())", A_ONE="1") == ["ran", "1"]
        assert printed(run, "print(f())", A_ONE="1", A_TWO="2") == ["1"]
        assert printed(run, "print(f())", A_ONE="3") == ["ran", "3"]
        assert printed(run, "print(f())") == ["ran", "-"]
        assert printed(run, "print([f()])", A_ONE="") == ["ran", "['']"]
        assert printed(run, "print(f('TWO'))", A_TWO="2") == ["ran", "2"]
        has(" ".join(printed(run, "print(shoal.why(f, 'TWO'))", A_TWO="3")), "$A_TWO")
        # who calls a kept function reads what it reads
        assert printed(run, "print(g())", A_ONE="1", A_TWO="2") == ["g", "12"]
        assert printed(run, "print(g())", A_ONE="1", A_TWO="2") == ["12"]
        assert printed(run, "print(g())", A_ONE="1", A_TWO="5") == ["g", "ran", "15"]
        # warm: what is looked at anew
        text = "import os\nfor v in '1177': os.environ['A_ONE'] = v; print(f())\n"
        assert printed(run, text) == ["1", "1", "ran", "7", "7"]
        # what it sets itself it doesn't read
        m = "import os\n@data_function('/h')\ndef h(n='A_OWN'):\n    print('h')\n    os.environ[n] = 'mine'\n    return os.environ[n]\n"
        assert run("h()", m) == ("mine", ["h"])
        os.environ["A_OWN"] = "x"
        assert run("h()") == ("mine", [])


@case
def the_whole_environment_is_refused():
    m = HEAD + "import os\n\n\n@data_function('/f')\ndef f(n=0):\n    try:\n        return len({**os.environ}) * 0 + n\n    except Exception:\n        return 7\n"
    with lab(m=m) as run:
        e = refused(lambda: run("f()"), "m.f reads the whole environment", "m.py:9", 'os.environ["X"]', "as arguments")
        assert e.line == 9
        # libraries that look for themselves while they are imported, and for programs, are not refused
        one = "@data_function('/g')\ndef g(name='A_ONE'):\n    import ctypes.util, subprocess\n    subprocess.run(['true'], check=True)\n    return os.environ.get(name)\n"
        assert run("g()", "import os\n" + one)[0] is None


@case
def values_of_variables_are_kept_nowhere():
    m = HEAD + "import os\n\n\n@data_function('/f')\ndef f(n='A_TOKEN'):\n    return len(os.environ['A_SECRET']) + len(os.environ[n])\n"
    with lab(m=m) as run:
        assert printed(run, "print(f())", A_SECRET="hush-hush-1", A_TOKEN="hush-hush-2") == ["22"]
        kept = 0
        for at, _, names in os.walk(run.folder):
            for name in names:
                with open(os.path.join(at, name), "rb") as f:
                    data = f.read()
                assert b"hush-hush" not in data, os.path.join(at, name)
                kept += b"A_SECRET" in data and b'"env"' in data
        assert kept, "the provenance names it"


# ---- files ----

DATA = HEAD + "\n\ndef rows(p):\n    with open(p) as f:\n        return f.read().split()\n\n\n"


def write(run, path, text):
    """Another file with the same name: neither size nor time of what was there tells."""
    full = os.path.join(run.folder, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full + ".new", "w") as f:
        f.write(text)
    os.utime(full + ".new", ns=(10**18, 10**18))
    os.replace(full + ".new", full)


@case
def a_file_counts_by_its_content():
    m = DATA + "@data_function('/f')\ndef f():\n    print('ran')\n    return rows(shoal.file('data/x.csv'))\n"
    with lab(m=m) as run:
        write(run, "data/x.csv", "a 1")
        assert printed(run, "print(f())") == ["ran", "['a',", "'1']"]
        assert printed(run, "print(f())") == ["['a',", "'1']"]
        write(run, "data/x.csv", "a 2")
        assert printed(run, "print(f())") == ["ran", "['a',", "'2']"]
        write(run, "data/x.csv", "a 1")
        assert printed(run, "print(f())") == ["['a',", "'1']"]
        # one process, warm; the same size and time of change
        text = "import os\nfor v in '1122331':\n    open('n', 'w').write('a ' + v)\n    os.utime('n', ns=(10**18, 10**18))\n    os.replace('n', 'data/x.csv')\n    print(f()[1])\n"
        assert printed(run, text) == ["1", "1", "2", "2", "ran", "3", "3", "1"]
        # in place
        text = "import os\nfor v in '44554':\n    open('data/x.csv', 'w').write('a ' + v)\n    os.utime('data/x.csv', ns=(10**18, 10**18))\n    print(f()[1])\n"
        assert printed(run, text) == ["ran", "4", "4", "ran", "5", "5", "4"]
        # it is told
        text = "[n] = [n for n in shoal.signature(f).explain() if n.kind == 'file']\nprint(n.label, n.line)\n"
        assert printed(run, text) == ["data/x.csv", "13"]


@case
def a_file_is_named_by_a_constant_or_wherever_a_path_is_held():
    head = DATA + "import shoal as s\nfrom shoal import file as named\nNAME = 'data/' + 'x.csv'\nPLACE = shoal.file('data/x.csv')\nFOLDER = shoal.file('data')\nHELD = {'p': [FOLDER / 'x.csv']}\n\n\n"
    uses = ["rows(named(NAME))", "rows(s.file(path='data' + '/x.csv'))", "rows(PLACE)", "rows(HELD['p'][0])", "rows(FOLDER / 'x.csv')", "g()", "(lambda: rows(named(NAME)))()", "h()"]
    more = "def g(p=PLACE):\n    return rows(p)\n\n\ndef h():\n    from shoal import file\n    return rows(file('data/x.csv'))\n\n\n"
    with lab() as run:
        for use in uses:
            m = head + more + "@data_function('/f')\ndef f():\n    print('ran')\n    return " + use + "\n"
            write(run, "data/x.csv", "1")
            assert run("f()", m) == (["1"], ["ran"]), use
            assert run("f()") == (["1"], []), use
            write(run, "data/x.csv", "2")
            assert run("f()") == (["2"], ["ran"]), use
        # as an argument
        m = DATA + "@data_function('/f')\ndef f(p):\n    print('ran')\n    return rows(p)\n"
        for text, ran in (("3", True), ("3", False), ("4", True)):
            write(run, "data/x.csv", text)
            assert run("f(shoal.file('data/x.csv'))", m) == ([text], ["ran"] * ran)


@case
def files_whose_names_are_computed_are_seen_as_they_are_asked_for():
    m = DATA + ("@data_function('/f')\ndef f(name='x'):\n    print('ran')\n    return rows(shoal.file(f'data/{name}.csv'))\n\n\n"
                "@data_function('/g')\ndef g():\n    print('g')\n    return f() + f('y')\n")
    with lab(m=m) as run:
        write(run, "data/x.csv", "1")
        write(run, "data/y.csv", "2")
        assert printed(run, "print(g())") == ["g", "ran", "ran", "['1',", "'2']"]
        assert printed(run, "print(g())") == ["['1',", "'2']"]
        write(run, "data/y.csv", "3")
        assert printed(run, "print(f())") == ["['1']"]
        assert printed(run, "print(g())") == ["g", "ran", "['1',", "'3']"]
        text = "import os\nfor v in '5566':\n    open('data/x.csv', 'w').write(v)\n    print(f()[0])\n"
        assert printed(run, text) == ["ran", "5", "5", "ran", "6", "6"]
        text = "print(shoal.why(f)); os.remove('data/x.csv'); print(shoal.why(f))"
        has(" ".join(printed(run, "import os\nwith open('data/x.csv', 'w') as at:\n    at.write('7')\n" + text)), "file data/x.csv changed", "file data/x.csv is gone")


@case
def what_is_not_there_counts_too():
    m = DATA + "@data_function('/f')\ndef f():\n    print('ran')\n    try:\n        return rows(shoal.file('data/no.csv'))\n    except FileNotFoundError:\n        return 'none'\n"
    m += "@data_function('/g')\ndef g():\n    return rows(shoal.file('data/no.csv'))\n"
    with lab(m=m) as run:
        assert printed(run, "print(f())") == ["ran", "none"]
        assert printed(run, "print(f())") == ["none"]
        p = run.program("from m import *\ng()")
        has(p.communicate()[1], "FileNotFoundError", "data/no.csv")
        write(run, "data/no.csv", "1")
        assert printed(run, "print(shoal.why(f)); print(f())") == "main.f is not as the code says: file data/no.csv is new ran ['1']".split()
        write(run, "data/no.csv", "")
        assert printed(run, "print(f())") == ["ran", "[]"]
        os.remove(run.folder + "/data/no.csv")
        assert printed(run, "print(f())") == ["none"]


@case
def a_folder_counts_with_all_that_is_in_it():
    m = DATA + "@data_function('/f')\ndef f():\n    print('ran')\n    return sum(len(rows(p)) for p in sorted(shoal.file('data').rglob('*.csv')))\n"
    with lab(m=m) as run:
        def ran(change):
            change()
            return "ran" in printed(run, "print(f())")

        folder = run.folder + "/data"
        write(run, "data/a/x.csv", "1 2")
        write(run, "data/y.csv", "3")
        assert ran(lambda: None) and not ran(lambda: None)
        assert ran(lambda: write(run, "data/a/x.csv", "1 3"))
        assert ran(lambda: write(run, "data/a/z.csv", ""))
        assert ran(lambda: os.rename(folder + "/a/z.csv", folder + "/a/w.csv"))
        assert ran(lambda: os.remove(folder + "/a/w.csv")) is False  # as it was before
        assert ran(lambda: os.symlink("y.csv", folder + "/l.csv"))
        assert ran(lambda: write(run, "data/y.csv", "3 4"))
        os.symlink("..", folder + "/a/up")
        refused(lambda: run("f()"), "leads back to a folder above it")
        os.remove(folder + "/a/up")
        os.mkfifo(folder + "/pipe")
        refused(lambda: run("f()"), "pipe is no regular file", "m.py:13")
        refused(lambda: run("f()", m.replace("'data'", "'data/..'")), "the project's own folder")


@case
def files_elsewhere_count_by_content_and_name():
    with project({}) as other, lab() as run:
        m = DATA + f"@data_function('/f')\ndef f():\n    print('ran')\n    return rows(shoal.file('{other}/x.csv'))\n"
        with open(other + "/x.csv", "w") as f:
            f.write("1")
        assert run("f()", m) == (["1"], ["ran"]) and run("f()") == (["1"], [])
        with open(other + "/x.csv", "w") as f:
            f.write("2")
        assert run("f()") == (["2"], ["ran"])
        # relative paths are the project's, wherever a program runs
        write(run, "data/x.csv", "3")
        m = DATA + "@data_function('/f')\ndef f():\n    print('ran')\n    return rows(shoal.file('data/x.csv'))\n"
        os.mkdir(run.folder + "/sub")
        assert run("f()", m)[1] == ["ran"]
        os.chdir(run.folder + "/sub")
        assert run("f()") == (["3"], [])


@case
def what_is_written_while_a_function_reads_is_not_kept_as_its_content():
    m = DATA + ("PUT = ['1', '2', '3']\n\n\ndef put():\n    if PUT:\n        with open('data/x.csv', 'w') as f:\n            f.write(PUT.pop(0))\n\n\n"
                "@data_function('/f')\ndef f(name):\n    print('ran')\n    p = shoal.file(name)\n    before = rows(p)\n    import m\n    getattr(m, 'pu' + 't')()\n    return before\n\n\n"
                "@data_function('/g')\ndef g():\n    print('ran')\n    before = rows(shoal.file('data/x.csv'))\n    import m\n    getattr(m, 'pu' + 't')()\n    return before\n")
    for call in ("f('data/x.csv')", "g()"):
        with lab(m=m.replace("'1', '2', '3'", "'1', '2'")) as run:
            write(run, "data/x.csv", "0")
            assert printed(run, f"print({call})") == ["ran", "ran", "ran", "['2']"], call
            assert printed(run, f"import m; m.PUT.clear(); print({call})")[-1] == "['2']"
            write(run, "data/x.csv", "0")
            assert printed(run, f"import m; m.PUT.clear(); print({call})") == ["ran", "['0']"], "of the old content nothing was kept"
        with lab(m=m) as run:
            write(run, "data/x.csv", "0")
            p = run.program(f"from m import *\n{call}")
            has(p.communicate()[1], "data/x.csv was written while m.", "each of 3 times")


@case
def forked_processes_read_what_the_code_names_and_nothing_else():
    m = """import multiprocessing
def one(x): return x
def child(q, name):
    try: q.put(["read", load('/named'), load('/' + name) if name else None])
    except shoal.Error as e: q.put(["refused", str(e)])
@data_function('/f')
def f(name=''):
    print('f')
    c = multiprocessing.get_context('fork')
    q = c.SimpleQueue()
    p = c.Process(target=child, args=(q, name))
    p.start()
    told = q.get()
    p.join()
    return told
"""
    with lab() as run:
        run("keep('/named', one, 1), keep('/other', one, 2)", m)
        assert run("f()", m) == (["read", 1, None], ["f"])
        assert run("keep('/named', one, 3), f()", m) == ((3, ["read", 3, None]), ["f"])
        (how, why), _ = run("f('other')", m)
        assert how == "refused", why
        has(why, "m.f reads main.other in a process that it has started", "pass what was read as an argument")


main()
