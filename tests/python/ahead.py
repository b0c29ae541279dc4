# SPDX-License-Identifier: Apache-2.0
"""Calls within `shoal.eval` whose results the branch holds already: they are answered by the branch's head and by keys that the walk
of the pipeline gave, and must be what they are without."""
import importlib
import os
import sys
import tempfile

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
from harness import case, main
from lab import HEAD, lab, printed, refused
from modules import project

import shoal
import ways
from shoal import _forms
from shoal._calls import code_of, known

# What functions are made of in many ways; each is kept.
KINDS = HEAD + """
import functools, json, math, os, re
from helpers import LIMIT, Base, outer
X, L, D = 1, [1, (2,)], {"a": (1, 2.5)}
P = re.compile("a+")
class C(Base):
    k = 2
    def m(self): return even(self.k)
def even(n): return True if n == 0 else odd(n - 1)
def odd(n): return False if n == 0 else even(n - 1)
def made(y):
    def inner(): return y + X
    return inner
closed = data_function("/closed")(made(5))
@data_function("/plain")
def plain(a, b=2): return (a + b) % 1000
@data_function("/values")
def values(): return [X, list(map(str, L)), D["a"], P.pattern, LIMIT]
@data_function("/cycle")
def cycle(): return even(4), C().m()
@data_function("/modules")
def modules(): return math.sqrt(4), json.dumps(outer(1)), os.path.join("a", "b")
@data_function("/laid", partition_by="a")
def laid(): return table([1])
@data_function("/inner")
def inner(): return plain(1) + closed()
@shoal.cache
def cached(x): return x + len(L)
@data_function("/lambda")
def with_lambda(): return sorted(L, key=lambda v: str(v))
@data_function("/text")
def text():
    'Not part of it.'
    x: int = 3
    return f"{x}"
def table(rows):
    import pandas
    return pandas.DataFrame({"a": rows})
def helper(): return 7
def pipeline():
    keep("/kept", helper)
    return [plain(1), values(), cycle(), modules(), laid().shape, inner(), cached(1), with_lambda(), text()]
"""
HELPERS = "LIMIT = 3\nclass Base: pass\ndef outer(x): return inner(x)\ndef inner(x): return x * LIMIT\n"


@case
def keys_from_the_walk_of_a_pipeline_are_those_of_walks_of_their_own():
    before = ways.checked
    with project({"m.py": KINDS, "helpers.py": HELPERS}):
        m = importlib.import_module("m")
        walk, _ = _forms.walk_of(m.pipeline)
        keys = walk.kept_keys()
        assert ways.checked > before, "nothing was plain"
        assert len(keys) == 11, [f.__name__ for f, *_ in keys]
        for f, node, key in keys:
            assert _forms.walk_of(f)[0].signature(0).key == key, f
            assert walk.guards.found.hold(node) == (f.__name__ != "values"), f  # a pattern can't be looked at cheaply
        code_of(m.pipeline)
        m.X = 2
        held = {f.__name__ for f, *_ in keys if known(f)}
        assert held == {"plain", "modules", "laid", "cached", "with_lambda", "text", "cycle", "helper"}, held


@case
def what_the_branch_holds_needs_no_claims():
    with lab(helpers=HELPERS) as run:
        first, _ = run("shoal.eval(pipeline)", KINDS[len(HEAD):])
        m = "@data_function('/f')\ndef f(a): print('f'); return a\ndef p(): return [f(1)]\n"
        assert run("shoal.eval(pipeline)", KINDS[len(HEAD):]) == (first, [])
        assert run("shoal.eval(p)", m) == ([1], ["f"])
        os.rename(f"{run.folder}/lake/_shoal/claims", f"{run.folder}/claims")
        assert run("shoal.eval(p)", m) == ([1], [])
        assert printed(run, "print(shoal.eval(p))") == ["[1]"]


@case
def values_of_all_kinds_come_back():
    kinds = ["None", "True", "0", "-1", "2**80", "1.5", "float('inf')", "'ä'", "b'\\0a'", "[1, [2]]", "(1, (2, 'x'))", "{'a': (1,)}", "numpy.arange(3).tolist()", "'x' * 5000", "numpy.float32(2)"]
    with lab() as run:
        m = "import numpy\n" + "".join(f"@data_function('/v{i}')\ndef f{i}(): print('f'); return {v}\n" for i, v in enumerate(kinds))
        m += f"def p(): return [{', '.join(f'f{i}()' for i in range(len(kinds)))}]\n"
        values, ran = run("shoal.eval(p)", m)
        assert len(ran) == len(kinds)
        told = printed(run, "import json; v = shoal.eval(p); print(ascii(repr(v).replace(' ', '')), *[type(x).__name__ for x in v])")
        assert told == [ascii(repr(values).replace(" ", "")), *[type(x).__name__ for x in values]], told
        assert told == printed(run, "import json; v = shoal.eval(p); print(ascii(repr(v).replace(' ', '')), *[type(x).__name__ for x in v])")


@case
def what_changes_while_the_pipeline_runs_counts():
    m = "X, Y = [1], 1\n@data_function('/f')\ndef f(): print('f'); return X[0], Y\ndef p(*edits):\n    found = [f()]\n    for e in edits:\n        exec(e, globals())\n        found.append(f())\n    return found\n"
    with lab() as run:
        assert run("shoal.eval(p)", m) == ([(1, 1)], ["f"])
        assert run("shoal.eval(p, 'X[0] = 2', 'X[0] = 1', 'Y = 2', 'Y = 1')", m) == ([(1, 1), (2, 1), (1, 1), (1, 2), (1, 1)], ["f", "f"])
        assert run("load('/f')") == ((1, 1), [])
        assert run("shoal.eval(p, 'X[0] = 2')", m) == ([(1, 1), (2, 1)], [])
        assert run("load('/f')") == ((2, 1), [])
        assert run("shoal.eval(p)", m) == ([(1, 1)], [])
        assert run("load('/f')") == ((1, 1), [])
        assert run("shoal.eval(p, 'f.__shoal__.function.__code__ = (lambda: (9, 9)).__code__')", m)[0] == [(1, 1), (9, 9)]


@case
def arguments_are_bound_as_the_interpreter_does():
    m = "@data_function('/f')\ndef f(a, b=2): print('f'); return a, b\ndef p(*args, **kwargs): return f(*args, **kwargs)\n"
    with lab() as run:
        assert run("shoal.eval(p, 1)", m) == ((1, 2), ["f"])
        for call in ("1", "1, 2", "a=1", "1, b=2", "b=2, a=1"):
            assert run(f"shoal.eval(p, {call})", m) == ((1, 2), []), call
        for call, value in (("1, 3", (1, 3)), ("2", (2, 2)), ("1.0", (1.0, 2)), ("True", (True, 2)), ("'1'", ("1", 2)), ("[1]", ([1], 2)), ("1, b=[2]", (1, [2]))):
            assert run(f"shoal.eval(p, {call})", m) == (value, ["f"]), call
        for call in ("", "1, 2, 3", "1, a=1", "1, c=3", "b=2"):
            try:
                run(f"shoal.eval(p, {call})", m)
                raise AssertionError(call)
            except TypeError:
                pass


@case
def another_value_of_a_default_is_another_call():
    m = "@data_function('/f')\ndef f(a, b=$): print('f'); return a, b\ndef p(): return f(1)\n"
    with lab() as run:
        assert run("shoal.eval(p)", m.replace("$", "2")) == ((1, 2), ["f"])
        assert run("shoal.eval(p)", m.replace("$", "3")) == ((1, 3), ["f"])
        assert run("shoal.eval(p)", m.replace("$", "3")) == ((1, 3), [])
        assert run("[shoal.eval(p), setattr(f.__shoal__.function, '__defaults__', (2,)), shoal.eval(p)][::2]", m.replace("$", "3")) == ([(1, 3), (1, 2)], [])


@case
def what_was_condemned_is_computed_anew():
    m = "@data_function('/f')\ndef f(): print('f'); return [1, 2]\n@data_function('/g')\ndef g(): print('g'); return 1\ndef p(): return f(), g()\n"
    with lab() as run:
        run("shoal.eval(p)", m)
        run("shoal.eval(p)", m)
        for folder, _, names in os.walk(run.folder + "/lake/main/f/_shoal"):
            if "payload" in names:
                os.chmod(folder + "/payload", 0o600)
                open(folder + "/payload", "w").write("[1,3]")
        run.shoal("fsck", "--content", "--repair", code=1)
        assert run("shoal.eval(p)", m) == (([1, 2], 1), ["f"])
        assert run("shoal.eval(p)", m) == (([1, 2], 1), [])


@case
def what_is_damaged_is_never_served():
    m = "@data_function('/f')\ndef f(): print('f'); return $\ndef p(): return f()\n"
    for how in (os.unlink, lambda path: open(path, "w").write("[1,")):
        for value in ("[1, 2]", "'" + "x" * 5000 + "'"):
            with lab() as run, tempfile.TemporaryDirectory() as cache:
                run("shoal.eval(p)", m.replace("$", value))
                for folder, _, names in os.walk(run.folder + "/lake/main/f/_shoal"):
                    if "payload" in names:
                        os.chmod(folder + "/payload", 0o600)
                        how(folder + "/payload")
                assert printed(run, f"assert shoal.eval(p) == {value}", XDG_CACHE_HOME=cache) == ["f"]
                assert printed(run, f"assert shoal.eval(p) == {value}", XDG_CACHE_HOME=cache) == []


@case
def a_damaged_cache_of_values_only_costs_time():
    m = HEAD + "@data_function('/f')\ndef f(): print('f'); return [1, 2]\ndef p(): return f()\n"
    with lab() as run, tempfile.TemporaryDirectory() as cache:
        run("shoal.eval(p)", m)
        assert printed(run, "assert shoal.eval(p) == [1, 2]", XDG_CACHE_HOME=cache) == []
        files = [f"{cache}/shoal/python/{n}" for n in os.listdir(cache + "/shoal/python") if n.startswith("values-")]
        assert len(files) == 1, files
        with open(files[0], "rb") as f:
            whole = f.read()
        for damage in (b"", whole[:40], whole[:-1], whole[:50] + b"?" + whole[51:], os.urandom(4096)):
            with open(files[0], "wb") as f:
                f.write(damage)
            assert printed(run, "assert shoal.eval(p) == [1, 2]", XDG_CACHE_HOME=cache) == []


@case
def bytes_that_are_not_the_claims_are_not_taken():
    from shoal import _inline

    m = "@data_function('/f')\ndef f(): print('f'); return [1, 2]\ndef p(): return f()\n"
    with lab() as run:
        run("shoal.eval(p)", m)
        run("shoal.eval(p)", m)
        for values in _inline._values.values():
            for digest, payload in list(values.found.items()):
                values.found[digest] = payload.replace(b"2", b"3")
        assert run("shoal.eval(p)", m) == ([1, 2], [])


@case
def who_publishes_meanwhile_is_overtaken_with_what_is_kept_within():
    m = "import subprocess, sys\n@data_function('/c')\ndef c(): print('c'); return 1\n@data_function('/f')\ndef f(): print('f'); return c() + 1\n"
    m += "def p(other):\n    v = f()\n    subprocess.run([sys.executable, '-c', other], check=True)\n    return v\n"
    other = "import shoal\ndef g(v): return v\nshoal.keep('/f', g, 10); shoal.keep('/c', g, 20)"
    with lab() as run:
        env = dict(os.environ)
        os.environ["PYTHONPATH"] = os.path.join(os.environ["SHOAL_BUILD"], "python")
        try:
            assert run("shoal.eval(p, 'pass')", m) == (2, ["f", "c"])
            assert run(f"shoal.eval(p, {other!r})", m) == (2, [])
            assert run("load('/f'), load('/c')") == ((2, 1), [])
        finally:
            os.environ.clear()
            os.environ.update(env)


@case
def other_branches_and_folders_are_asked_themselves():
    m = "@data_function('/f')\ndef f(): print('f'); return 1\ndef p():\n    a = f()\n    with shoal.branch('b'):\n        return a, f(), load('/f')\n"
    with lab() as run:
        run("shoal.eval(f)", m)
        run.shoal("branch", "b")
        assert run("shoal.eval(p)", m) == ((1, 1, 1), [])
        assert run("shoal.load('/f', at='b')") == (1, [])


@case
def errors_pass_and_nothing_is_published():
    m = "@data_function('/f')\ndef f(): print('f'); return 1\n@data_function('/g')\ndef g(): print('g'); return 2\ndef p(fail):\n    f(); g()\n    if fail: raise ValueError('no')\n    return 3\n"
    with lab() as run:
        try:
            run("shoal.eval(p, True)", m)
            raise AssertionError("it passed")
        except ValueError:
            pass
        refused(lambda: run("load('/f')"), "there is no dataset main.f")
        assert run("shoal.eval(p, False)", m) == (3, [])
        assert run("load('/f'), load('/g')") == ((1, 2), [])


main()
