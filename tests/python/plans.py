# SPDX-License-Identifier: Apache-2.0
"""What calls of kept functions would compute, and why, before anything runs. Each plan is held against the run that follows: what it
says would run does, and nothing else."""
import contextlib
import importlib
import json
import linecache
import os
import subprocess
import sys

PACKAGE = os.path.join(os.environ["SHOAL_BUILD"], "python")
os.environ["PYTHONPATH"] = PACKAGE
sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), PACKAGE]
from harness import case, has, main
from modules import project

import shoal

HEAD = "import shoal\nfrom shoal import data_function, keep, load, cache\n"


class Lab:
    """A project whose modules are edited and imported anew; what runs is in `ran`."""

    def __init__(self, folder):
        self.folder = folder

    def edit(self, text, **files):
        for name, content in {"m": HEAD + text, **files}.items():
            with open(f"{self.folder}/{name}.py", "w") as f:
                f.write(content)
        for name in [n for n, x in sys.modules.items() if str(getattr(x, "__file__", "")).startswith(self.folder)]:
            del sys.modules[name]
        importlib.invalidate_caches()
        linecache.clearcache()
        sys.dont_write_bytecode = True
        return importlib.import_module("m")


@contextlib.contextmanager
def lab(files=None):
    with project(files or {}) as folder:
        yield Lab(folder)


def plan(f, *args, runs, reused=(), depends=()):
    """The plan of a call, which must be true of the call that follows."""
    before = [d.publication for d in shoal.datasets()] if os.path.exists("lake") else []
    p = shoal.plan(f, *args)
    assert (sorted(p.runs), sorted(p.reused)) == (sorted(runs), sorted(reused)), p
    assert sorted(s.name for s in p.steps if s.action == "depends") == sorted(depends), p
    assert [d.publication for d in shoal.datasets()] == before, "planning published"
    json.dumps(p.to_dict())
    return p


def step(p, name):
    return next(s for s in p.steps if s.name == name)


A = "@data_function('/silver/a')\ndef a():\n    print('a')\n    return $\n"
B = "@data_function('/silver/b')\ndef b():\n    print('b')\n    return load('/silver/a') + 1\n"
C = "@data_function('/gold/c')\ndef c():\n    print('c')\n    return load('/silver/b') * 2\n"


def ran(f, *args):
    """What a call prints."""
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        f(*args)
    return sorted(out.getvalue().split())


@case
def what_would_run_and_why():
    with lab() as edit:
        m = edit.edit((A + B + C + "def all(): a(); b(); c()\n").replace("$", "1"))
        p = plan(m.all, runs=["silver.a", "silver.b", "gold.c"])
        assert [s.why for s in p.steps] == ["new"] * 3 and [s.name for s in p.steps] == ["silver.a", "silver.b", "gold.c"]
        has(repr(p), "+  silver.a  new", "3 to run on branch main")
        assert ran(lambda: shoal.eval(m.all)) == ["a", "b", "c"]
        p = plan(m.all, runs=[], reused=["silver.a", "silver.b", "gold.c"])
        has(repr(p), "= 3 reused", "nothing to do on branch main")
        assert ran(lambda: shoal.eval(m.all)) == []
        m = edit.edit((A + B + C + "def all(): a(); b(); c()\n").replace("$", "1").replace("* 2", "* 3"))
        p = plan(m.all, runs=["gold.c"], reused=["silver.a", "silver.b"])
        one = step(p, "gold.c")
        assert (one.why, one.place) == ("2 → 3", "m.py:14"), one
        assert one.wall_us is not None and one.rows == 0
        has(repr(p), "~  gold.c  2 → 3  m.py:14")
        has(p._repr_html_(), "<td style=\"text-align: left\">2 → 3</td>", "m.py:14")
        has(repr(shoal.why("/gold/c")), "gold.c is not as the code says:\n  m.py:14  return load('/silver/b') * 2  →  return load('/silver/b') * 3")
        assert ran(lambda: shoal.eval(m.all)) == ["c"]
        assert repr(shoal.why(m.c)) == "gold.c is as the code says"


@case
def what_reads_a_result_that_is_not_there_yet():
    """Its key is known before it is computed, so what comes back to a state that was there is found."""
    with lab() as edit:
        parts = A + B + C + "def all(): return load('/gold/c'), a, b, c\n"
        m = edit.edit(parts.replace("$", "1"))
        assert ran(lambda: shoal.eval(m.all)) == ["a", "b", "c"]
        m = edit.edit(parts.replace("$", "2"))
        p = plan(m.all, runs=["silver.a", "silver.b", "gold.c"])
        assert step(p, "silver.b").why == "reads silver.a" and step(p, "gold.c").why == "reads silver.b"
        plan(m.c, runs=[], reused=["gold.c"])  # by itself it reads what is there
        w = shoal.why("/gold/c")
        assert (w.chain, w.kind, w.words) == (["gold.c", "silver.b", "silver.a"], "code", "1 → 2"), w.to_dict()
        has(repr(w), "gold.c reads silver.b reads silver.a, and that changed:", "m.py:6  return 1  →  return 2")
        has(w._repr_html_(), "return 1  →  return 2")
        assert ran(lambda: shoal.eval(m.all)) == ["a", "b", "c"]
        m = edit.edit(parts.replace("$", "1"))
        p = plan(m.all, runs=[], reused=["silver.a", "silver.b", "gold.c"])
        assert step(p, "silver.a").reason.words == "2 → 1", "the branch holds another one"
        assert ran(lambda: shoal.eval(m.all)) == []


@case
def arguments_helpers_packages_and_variables():
    with lab() as edit:
        body = "import helpers\n@data_function('/f')\ndef f(depth=6, model='small'):\n    print('f')\n    return helpers.h(depth)\n"
        m = edit.edit(body, helpers="def h(x): return x + 1\n")
        assert ran(m.f) == ["f"]
        p = plan(m.f, 7, runs=["main.f"])
        assert step(p, "main.f").why == "argument depth 6 → 7"
        assert shoal.why(m.f, 6, "large").words == "another argument model"
        assert "large" not in shoal.why(m.f, 6, "large").after, "a text may be a secret"
        assert shoal.why(m.f).kind == "same" and shoal.why("/f").kind == "same" and shoal.why("main.f").kind == "same"
        m = edit.edit(body, helpers="\n\ndef h(x): return x + 2\n")
        w = shoal.why(m.f)
        assert (w.kind, w.place, w.words, w.what) == ("code", "helpers.py:3", "1 → 2", "helpers.h"), w.to_dict()
        assert ran(m.f) == ["f"]
        m = edit.edit("import os\n@data_function('/g')\ndef g(): print('g'); return os.environ.get('SHOAL_TEST_PLANS')\n")
        assert ran(m.g) == ["g"]
        os.environ["SHOAL_TEST_PLANS"] = "1"
        try:
            assert step(plan(m.g, runs=["main.g"]), "main.g").why == "$SHOAL_TEST_PLANS"
        finally:
            del os.environ["SHOAL_TEST_PLANS"]
        assert ran(m.g) == []


@case
def what_is_known_only_when_it_runs():
    with lab() as edit:
        m = edit.edit(A.replace("$", "1") + "@cache\ndef embed(t): return t\n@data_function('/d')\ndef d(x='silver'): print('d'); return load('/' + x + '/a')\n"
                      "@data_function('/e')\ndef e(): print('e'); return load('/d')\n@data_function('/w')\ndef w(n): print('w'); return n\n"
                      "def all(): a(); d(); e(); w(len(embed('x'))); keep('/k', w, 3)\n")
        p = plan(m.all, runs=["silver.a", "main.d"], depends=["main.e", "main.w", "main.k", "m.embed"])
        assert step(p, "main.e").why == "depends on main.d" and step(p, "main.w").why == "its arguments are known when it is called"
        has(repr(p), "2 to run on branch main, 4 to be seen", "?  main.e    depends on main.d")
        assert ran(lambda: shoal.eval(m.all)) == ["a", "d", "e", "w", "w"]
        p = plan(m.all, runs=[], reused=["silver.a", "main.d", "main.e"], depends=["main.w", "main.k", "m.embed"])
        m = edit.edit(open("m.py").read().removeprefix(HEAD).replace("return 1\n", "return 5\n"))  # which was loaded under a name of the moment
        assert ran(m.a) == ["a"]
        p = plan(m.d, runs=["main.d"])
        assert step(p, "main.d").why == "reads silver.a", p
        assert plan(m.w, 1, runs=[], reused=["main.w"]) and plan(m.w, 9, runs=["main.w"])
        assert plan(m.embed, "x", runs=[], reused=["m.embed"]) and plan(m.embed, "y", runs=["m.embed"])


@case
def what_is_asked_of_no_kept_function():
    with lab() as edit:
        m = edit.edit("def f(x): return x\n@data_function('/g')\ndef g(x): return x\n")
        for call, *words in ((lambda: shoal.why(m.f), "m.f is not kept", "name its dataset"), (lambda: shoal.why("/nobody"), "there is no model main.nobody"),
                             (lambda: shoal.why("/a/b/c"), "one or two parts")):
            try:
                call()
            except shoal.Error as e:
                has(str(e), *words)
            else:
                raise AssertionError("it was not refused")
        for call in (lambda: shoal.plan(m.g), lambda: shoal.plan(m.f), lambda: shoal.why("/g")):
            try:
                call()
            except TypeError as e:
                has(str(e), "missing a required argument: 'x'")
            else:
                raise AssertionError("it was not refused")
        m.g(1)
        other = subprocess.run([sys.executable, "-c", "import shoal; shoal.why('/g')"], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": PACKAGE})
        has(other.stderr, "no model makes main.g, and no function that this process knows", "import the module")


@case
def models_of_a_project():
    files = {"models/a.sql": "select 1 as x\n", "models/b.py": "import shoal\n@shoal.data_function('/b')\ndef b(): return shoal.table('a').arrow()\n"}
    with lab(files) as edit:
        p = shoal.plan()
        assert (p.runs, [s.why for s in p.steps]) == (["main.a", "main.b"], ["new", "new"]), p
        from shoal import _program

        code, said = _program.show(["run"], lambda line: None)
        assert code == 0, said
        assert shoal.plan().reused == ["main.a", "main.b"] and repr(shoal.why("main.a")) == "main.a is as the code says"
        with open("models/a.sql", "w") as f:
            f.write("select 2 as x\n")
        p = shoal.plan("main.b")
        assert p.runs == ["main.a", "main.b"] and step(p, "main.a").why == "1 → 2" and step(p, "main.b").why == "reads main.a", p
        assert step(p, "main.a").place == "models/a.sql:1" and step(p, "main.a").rows == 1
        w = shoal.why("main.b")
        assert (w.chain, w.kind) == (["main.b", "main.a"], "code")
        has(repr(w), "main.b reads main.a, and that changed:", "select 1 as x  →  select 2 as x")


if __name__ == "__main__":
    main()
