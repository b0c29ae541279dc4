# SPDX-License-Identifier: Apache-2.0
"""Signatures of Python code: what changes a key, what doesn't, and what is refused. Each case writes modules into a folder
of its own and imports them from there."""
import contextlib
import gc
import glob
import importlib
import os
import shutil
import subprocess
import sys

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
import numpy
import pandas
import polars
import pyarrow
from harness import Skip, case, main
from modules import project

import shoal
import ways


def sign(m, expression="f", **files):
    """The signature of something in the module `m`; other modules by their names."""
    with project({"m.py": m, **{k + ".py": v for k, v in files.items()}}):
        return shoal.signature(eval(expression, vars(importlib.import_module("m"))))


def key(*args, **files):
    return sign(*args, **files).key


def same(a, b, expression="f", **files):
    assert key(a, expression, **files) == key(b, expression, **files), "they differ:\n%s\n%s" % (a, b)


def differ(a, b, expression="f", **files):
    assert key(a, expression, **files) != key(b, expression, **files), "they are the same:\n%s\n%s" % (a, b)


def each_differs(template, *choices, expression="f"):
    """The template's `$` replaced by each: all keys are different, and each is the same when asked again."""
    keys = [key(template.replace("$", c), expression) for c in choices]
    assert len(set(keys)) == len(keys), [c for c, k in zip(choices, keys) if keys.count(k) > 1]
    assert keys == [key(template.replace("$", c), expression) for c in choices]


def refused(m, *words, expression="f", **files):
    try:
        sign(m, expression, **files)
    except shoal.Error as e:
        assert all(w in str(e) for w in words), (words, str(e))
        return e
    raise AssertionError("it was not refused")


# ---- bodies ----


@case
def comments_layout_docstrings_and_annotations_of_plain_functions_dont_count():
    base = "def f(x, y=1):\n    z = x + y\n    return z\n"
    same(base, "# a comment\n\n\ndef f(x,\n      y=1):\n\n    z = (x + y)  # more\n\n    return z\n")
    same(base, 'def f(x, y=1):\n    "It adds."\n    z = x + y\n    return z\n')
    same(base, "def f(x: int, y: 'float' = 1) -> int:\n    z: int = x + y\n    return z\n")
    same(base, "import os\nclass Other: pass\ndef g(): return 1\n" + base)  # it moved
    differ(base, "def f(x, y=1):\n    z = x - y\n    return z\n")
    differ(base, "def f(x, y=2):\n    z = x + y\n    return z\n")
    differ("def f(): return 'a'", "def f(): return b'a'")
    each_differs("def f(): return $", "1", "1.0", "True", "1j", "'1'", "None", "...", "(1,)", "[1]", "-1", "0x10000000000000000", "0.0", "-0.0", "{1}", "{1: 1}")


@case
def a_function_that_moves_to_another_module_keeps_its_key():
    text = "LIMIT = 3\ndef helper(x): return x + LIMIT\ndef f(x): return helper(x)\n"
    assert key(text) == key("from other import f", other=text)


@case
def docstrings_and_annotations_count_where_something_reads_them():
    for reads in ("f.__doc__", "f.__annotations__", "getattr(f, '__doc__')", "inspect.signature(f)", "get_type_hints(f)"):
        head = "import inspect\nfrom typing import get_type_hints\n"
        text = head + "def f(x: $):\n    '%s'\n    return g(x)\ndef g(x): return " + reads
        differ(text.replace("$", "int") % "a", text.replace("$", "int") % "b")
        differ(text.replace("$", "int") % "a", text.replace("$", "str") % "a")
    same("import inspect\ndef f(x: int): return g(x).__doc__\ndef g(x): return x", "import inspect\n# text\ndef f(x: int):  # text\n    return g(x).__doc__\ndef g(x): return x")
    held = "import wrapt\ndef g(x: $): return x\n@wrapt.decorator\ndef d(wrapped, instance, args, kwargs): return wrapped(*args)\nh = d(g)\ndef f(x): return h"
    each_differs(held, "int", "float")
    decorated = "def d(f): return f\n@d\ndef f(x: $):\n    'doc'\n    return x"
    each_differs(decorated, "int", "str", "float")
    each_differs("def d(f): return f\n@d\ndef f(x):\n    '$'\n    return x", "a", "b")


@case
def in_classes_docstrings_and_annotations_always_count():
    each_differs("class C:\n    '$'\n    def m(self): return 1\ndef f(): return C().m()", "a", "b")
    each_differs("class C:\n    a: $ = 1\ndef f(): return C()", "int", "float")
    each_differs("class C:\n    def m(self) -> $: '...'\ndef f(): return C()", "int", "float")
    each_differs("from dataclasses import dataclass\n@dataclass\nclass C:\n    a: $\n    b: int = 0\ndef f(): return C(1)", "int", "float", "'int'")
    each_differs("from typing import NamedTuple\nclass C(NamedTuple):\n    a: $\ndef f(): return C(1)", "int", "float")


@case
def annotations_as_texts_count_with_what_they_name():
    for text in ("A", "list['A']", "typing.Optional['A']", "'A | None'", "dict[str, list['A']]"):
        text = text if text != "A" else "'A'"
        each_differs(f"import typing\nclass A:\n    k = $\nclass C:\n    a: {text}\ndef f(): return C()", "1", "2")


@case
def a_source_that_was_edited_meanwhile_is_not_believed():
    import linecache

    one, two = key("def f(): return 1\n"), key("def f(): return 2\n")
    with project({"m.py": "def f(): return 1\n"}) as folder:
        import m

        with open(folder + "/m.py", "w") as f:
            f.write("def f(): return 2\n")
        linecache.clearcache()
        running = shoal.signature(m.f).key
        assert running not in (one, two)  # its bytecode stands for it
        with open(folder + "/m.py", "w") as f:
            f.write("# moved\ndef f(): return 3\n")
        assert shoal.signature(m.f).key == running


@case
def functions_without_source_count_by_their_bytecode():
    each_differs("space = {'__name__': 'nowhere'}\nexec('def f(x): return x + $', space)\nf = space['f']", "1", "2", "1.0", "True")
    text = "space = {'__name__': 'nowhere'}\nexec('LIMIT = $\\ndef f(x): return x + LIMIT', space)\nf = space['f']"
    each_differs(text, "1", "2")
    each_differs("f = eval('lambda x: x $ 1')", "+", "-", "*")
    two = "f, g = lambda x: x + $, lambda x: x - 1"  # two on a line: which tree is whose is not asked
    each_differs(two, "1", "2")


@case
def exception_tables_count_in_bytecode():
    text = "exec('''def f(x):\n    try:\n        a = x()\n        $\n    except ValueError:\n        return 1\n    return a\n''')"
    each_differs(text, "b = a()", "pass")


# ---- names ----


@case
def globals_count_by_value():
    each_differs("V = $\ndef f(): return V", "1", "2", "1.0", "True", "False", "None", "(1, 2)", "(2, 1)", "[1, 2]", "{1, 2}", "{1, 3}", "frozenset({1, 2})", "'a'", "b'a'",
                 "bytearray(b'a')", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", "2**100", "-2**100", "1j", "...", "NotImplemented", "range(3)", "slice(3)", "'\\udc80'",
                 "float('inf')", "0.0", "-0.0", "float('nan')", "memoryview(b'a')")
    same("V = [1, 2]\ndef f(): return V", "V = [1]\nV.append(2)\ndef f(): return V")
    same("V = 1\nW = 1\ndef f(): return V", "V = 1\nW = 2\ndef f(): return V")
    same("V = float('nan')\ndef f(): return V", "V = -float('nan')\ndef f(): return V")
    same("V = {'x', 'y', 'z', 1, (2, 3)}\ndef f(): return V", "V = {(2, 3), 1, 'z', 'y', 'x'}\ndef f(): return V")


@case
def two_names_of_equal_values_are_not_none():
    each_differs("A = $\ndef f(): return A, B", "1; B = 1", "2; B = 2", "1; B = 2", "2; B = 1")
    differ("A = 1\nB = 1\ndef f(): return A, B", "def f(): return A, B")
    each_differs("import functools\ndef g(x, y): return x\nf = functools.partial(g, $)", "1, 1", "2, 2", "1", "1, 2", "2, 1", "x=1", "y=1")


@case
def helpers_count_and_helpers_of_helpers():
    text = "import b\ndef f(): return b.g()"
    for c in ("def h(): return 1", "def h(): return 2", "def h(): return 2 + 0"):
        sign(text, b="import c\ndef g(): return c.h()", c=c)
    keys = {key(text, b="import c\ndef g(): return c.h()", c=c) for c in ("def h(): return 1", "def h(): return 2", "V = 1\ndef h(): return V", "V = 2\ndef h(): return V")}
    assert len(keys) == 4
    assert key(text, b="def g(): return 1") == key(text, b="# x\ndef g(): return 1\ndef unused(): return 2")


@case
def a_monkeypatched_helper_counts():
    with project({"m.py": "import b\ndef f(): return b.g()", "b.py": "def g(): return h()\ndef h(): return 1"}):
        import b
        import m

        before = shoal.signature(m.f).key
        original, b.h = b.h, lambda: 2
        assert shoal.signature(m.f).key != before
        b.h = original
        assert shoal.signature(m.f).key == before


@case
def what_the_project_puts_into_a_package_counts():
    text = "import string\ndef mine(s): return $\nstring.capwords = mine\ndef f(): return string.capwords('a')"
    import string

    original = string.capwords
    try:
        each_differs(text, "1", "2")
    finally:
        string.capwords = original


@case
def functions_that_a_package_has_no_name_for_are_told_apart():
    each_differs("import statistics, random\nV = $\ndef f(): return V", "random.Random.random", "random.Random.shuffle", "random.shuffle", "random.random")
    each_differs("import glob\ng = {'__name__': 'textwrap'}\nexec('V = lambda x: $', g)\nV = g['V']\ndef f(): return V", "1", "2")


@case
def names_that_dont_exist_count_when_they_appear():
    differ("def f(): return helper()", "def helper(): return 1\ndef f(): return helper()")
    differ("def f(): return len([])", "def len(x): return 1\ndef f(): return len([])")
    assert key("import b\ndef f(): return b.x", b="y = 1") != key("import b\ndef f(): return b.x", b="x = 1\ny = 1")


@case
def module_attributes_count_one_by_one():
    use = "import b\ndef f(): return b.A"
    assert key(use, b="A = 1\nB = 1") == key(use, b="A = 1\nB = 2")
    assert len({key(use, b=f"A = {v}") for v in ("1", "2", "True", "(1,)", "{1}")}) == 5
    chain = "import p.q.r\ndef f(): return p.q.r.A"
    files = {"p/__init__.py": "", "p/q/__init__.py": ""}

    def chained(text):
        with project({"m.py": chain, **files, "p/q/r.py": text}):
            return shoal.signature(importlib.import_module("m").f).key

    assert chained("A = 1") != chained("A = 2") and chained("A = 1\nB = 1") == chained("A = 1\nB = 2")


@case
def a_module_used_otherwise_counts_as_a_whole():
    for use in ("getattr(b, 'A')", "vars(b)['A']", "g(b)", "b.__dict__['A']", "[b][0].A", "(lambda m: m.A)(b)"):
        text = f"import b\ndef g(x): return x.A\ndef f(): return {use}"
        assert key(text, b="A = 1") != key(text, b="A = 2"), use
        assert key(text, b="import c\nA = 1", c="def g(): return 1") != key(text, b="import c\nA = 1", c="def g(): return 2"), use
    for use in ("b.__globals__['A']", "sys._getframe().f_globals['A']", "builtins.eval('A')", "duckdb.sql('from A')", "polars.sql('from A')", "globals()['A']", "eval('A')", "exec('return A')", "df.query('a > @A')", "df.eval('a')"):
        text = f"import builtins, sys, duckdb, polars\nA = $\ndef b(): pass\ndef df(): pass\ndef f(): return {use}"
        each_differs(text, "1", "2", "True")


@case
def imports_inside_functions_count():
    for text in ("def f():\n    import b\n    return b.A", "def f():\n    from b import A\n    return A", "def f():\n    import b as c\n    return c.A",
                 "def f():\n    def g():\n        from b import A as C\n        return C\n    return g()", "def f():\n    import b\n    return getattr(b, 'A')",
                 "import importlib\ndef f(): return importlib.import_module('b').A", "import sys\nimport b\ndef f(): return sys.modules['b'].A",
                 "def f(): return __import__('b').A"):
        assert key(text, b="A = 1\nB = 1") != key(text, b="A = 2\nB = 1"), text
    assert key("def f():\n    import b\n    return b.A", b="A = 1\nB = 1") == key("def f():\n    import b\n    return b.A", b="A = 1\nB = 2")
    assert key("def f():\n    import nothere\n    return 1") != key("def f():\n    import nothere\n    return 1", nothere="")
    refused("import importlib\ndef f(name): return importlib.import_module(name).A", "f", "not written", "import it at the top")


# ---- functions of all kinds ----


@case
def closures_defaults_and_keyword_only_defaults_count():
    each_differs("def make(a):\n    def f(x): return x + a\n    return f\nf = make($)", "1", "2", "True", "(1,)")
    each_differs("def f(x, a=$): return x + a", "1", "2", "1.0")
    each_differs("def f(x, *, a=$): return x + a", "1", "2", "1.0")
    same("def f(x, a=2): return x", "def f(x, a=1 + 1): return x")
    each_differs("def f(x$): return x", "", ", y", ", *y", ", **y", ", *, y", ", /", ", y=None")
    each_differs("def make(a):\n    def f(): return a\n    if $: del a\n    return f\nf = make(1)", "False", "True")


@case
def decorators_count_by_what_they_make():
    text = "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a): return f(*a) $\n    return w\n@d\ndef f(x): return x * 2"
    each_differs(text, "+ 1", "+ 2", "- 1")
    each_differs("import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a): return f(*a)\n    return w\n@d\ndef f(x): return x $", "+ 1", "+ 2")
    each_differs("import functools\n@functools.lru_cache(maxsize=$)\ndef f(x): return x", "1", "2", "None")
    each_differs("import functools\n@functools.lru_cache\ndef f(x): return x $", "+ 1", "+ 2")
    each_differs("import contextlib\n@contextlib.contextmanager\ndef f(x): yield x $", "+ 1", "+ 2")
    each_differs("import functools\n@functools.singledispatch\ndef f(x): return 1\n@f.register\ndef _(x: int): return $", "1", "2")
    each_differs("def f(x): return f.factor * x\nf.factor = $", "1", "2")


@case
def proxies_count_by_themselves_not_by_what_they_pretend_to_be():
    text = "import wrapt\n@wrapt.decorator\ndef d(wrapped, instance, args, kwargs): return wrapped(*args) $\n@d\ndef g(x): return x %s 1\ndef f(x): return g(x)"
    each_differs(text % "+", "+ 1", "+ 2")
    differ((text % "+").replace("$", ""), (text % "-").replace("$", ""))
    text = "class C:\n    __class__ = type(len if 0 else (lambda: 1))\n    def __init__(self, f): self.f = f\n    def __getattr__(self, n): return getattr(self.f, n)\n    " \
           "def __call__(self): return self.f() + $\ndef g(): return 1\nh = C(g)\ndef f(): return h()"
    each_differs(text, "1", "2")


@case
def a_cache_that_has_been_used_is_the_same_function():
    with project({"m.py": "import functools\n@functools.lru_cache\ndef f(x): return x\n@functools.singledispatch\ndef g(x): return x"}):
        import m

        before = shoal.signature(m.f).key, shoal.signature(m.g).key
        m.f(1), m.g(1), m.g("a")
        assert (shoal.signature(m.f).key, shoal.signature(m.g).key) == before


@case
def methods_partials_lambdas_and_callables_in_containers():
    each_differs("class C:\n    def __init__(self, a): self.a = a\n    def m(self): return self.a\nf = C($).m", "1", "2", "True")
    each_differs("class C:\n    @$\n    def m(*a): return a\ndef f(): return C.m()", "classmethod", "staticmethod", "property")
    each_differs("f = lambda x: x $ 1", "+", "-")
    each_differs("def g(x): return x $ 1\nSTEPS = [('a', g), {'b': (g,)}]\ndef f(): return STEPS", "+", "-")
    each_differs("def g(): return 1\ndef h(): return 2\nSTEPS = {$}\ndef f(): return STEPS", "g", "h", "g, h", "(g, h)", "(h, g)", "(g, h), (h, g)")
    each_differs("class C:\n    def __call__(self): return $\nf = C()", "1", "2")
    each_differs("f = $", "len", "sum", "'a'.join", "'b'.join", "str.upper", "str.lower", "[].append", "int", "float")
    each_differs("import math, operator\nf = $", "math.sin", "math.cos", "operator.itemgetter(1)", "operator.itemgetter(2)", "operator.attrgetter('a')")


@case
def generators_and_async_functions():
    each_differs("$def f(x):\n    return x", "", "async ")
    each_differs("def f(x):\n    $ x", "return", "yield", "yield from")
    each_differs("async def g(): return $\nasync def f(): return await g()", "1", "2")
    each_differs("async def f(x):\n    async for y in x:\n        yield y $", "+ 1", "- 1")


@case
def recursion_and_mutual_recursion():
    each_differs("def f(n): return n and f(n - $)", "1", "2")
    each_differs("def f(n): return n and g(n - 1)\ndef g(n): return h(n)\ndef h(n): return n and f(n - $)", "1", "2")
    nodes = sign("def f(n): return n and g(n - 1)\ndef g(n): return n and f(n)").explain()
    assert [n.label for n in nodes] == ["m.f", "m.g"] and nodes[1].edges[0].target == 0, nodes
    each_differs("D = {}\ndef f(): return D\nD['f'] = f\nD['x'] = $", "1", "2")


@case
def classes_with_bases_metaclasses_and_attributes():
    each_differs("class B:\n    def m(self): return $\nclass C(B): pass\ndef f(): return C().m()", "1", "2")
    each_differs("class A:\n    X = $\nclass B(A): pass\nclass C(B): pass\ndef f(): return C.X", "1", "2", "True")
    each_differs("class M(type):\n    def __call__(c): return $\nclass C(metaclass=M): pass\ndef f(): return C()", "1", "2")
    each_differs("class A: pass\nclass B: pass\nclass C($): pass\ndef f(): return C()", "A, B", "B, A", "A", "B", "")
    each_differs("class C:\n    $\ndef f(): return C()", "a = 1; b = 2", "b = 2; a = 1", "a = 1", "__slots__ = ('a',)", "__slots__ = ('b',)")
    each_differs("class P(property): pass\nclass C:\n    @P\n    def p(self): return $\ndef f(): return C().p", "1", "2")
    each_differs("class C:\n    @property\n    def p(self): return $\ndef f(): return C().p", "1", "2")
    each_differs("import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def m(self): '$'\nclass C(A):\n    def m(self): return 1\ndef f(): return C()", "a", "b")
    each_differs("import abc\nclass A(abc.ABC): pass\n$\ndef f(x): return isinstance(x, A)", "", "A.register(list)", "A.register(dict)")
    each_differs("class C:\n    def __init_subclass__(c, **k): c.k = k\nclass D(C, a=$): pass\ndef f(): return D.k", "1", "2")
    each_differs("class C:\n    def m(self): return __class__, super().$\ndef f(): return C()", "a", "b")
    each_differs("class $:\n    def m(self): return self.__x\ndef f(o): return $.m(o)", "C", "D")


@case
def dataclasses_enums_and_named_tuples():
    text = "import dataclasses\n@dataclasses.dataclass$\nclass C:\n    a: int = 1\ndef f(): return C()"
    each_differs(text, "", "(frozen=True)", "(order=True)", "(slots=True)", "(eq=False)")
    each_differs("import dataclasses\ndef make(): return $\n@dataclasses.dataclass\nclass C:\n    a: list = dataclasses.field(default_factory=make)\ndef f(): return C()", "[1]", "[2]")
    each_differs("import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int\nV = C($)\ndef f(): return V", "1", "2", "1.0")
    each_differs("import enum\nclass C(enum.Enum):\n    A = $\ndef f(): return C.A", "1", "2", "'x'", "(1, 2)", "1; B = 2", "1; B = 1")
    each_differs("import enum\nclass C(enum.$):\n    A = 1\n    B = 2\nV = C.A\ndef f(): return V", "Enum", "IntEnum", "Flag", "IntFlag")
    each_differs("import enum\nclass C(enum.Enum):\n    A = 1\n    B = 2\n    def m(self): return 1\nV = $\ndef f(): return V", "C.A", "C.B", "[C.A]")
    each_differs("import enum\nclass C(enum.Enum):\n    A = 1\n    def m(self): return $\nV = C.A\ndef f(): return V", "1", "2")
    each_differs("import collections\nN = collections.namedtuple('N', '$')\nV = N(1, 2)\ndef f(): return V", "a b", "b a", "a c")
    each_differs("import collections\nN = collections.namedtuple('N', 'a b')\nV = $\ndef f(): return V", "N(1, 2)", "N(2, 1)", "(1, 2)")


# ---- ways to reach something ----

# A text, and two things that `$` may stand for: they make two different functions.
WAYS = [
    ("D={'a': lambda x: x $ 1}\ndef f(): return D['a'](1)", "+", "-"),
    ("def f(g=lambda x: x $ 1): return g(1)", "+", "-"),
    ("class C:\n    g=staticmethod(lambda x: x $ 1)\ndef f(): return C.g(1)", "+", "-"),
    ("class B:\n    X=$\ndef f():\n    class C(B): pass\n    return C.X", "1", "2"),
    ("K=$\ndef f(): return [K for _ in range(3)]", "1", "2"),
    ("K=$\ndef f(): return sum(K for _ in range(3))", "1", "2"),
    ("K=$\ndef f():\n    def g(a=K): return a\n    return g()", "1", "2"),
    ("def d(x): return lambda g: x\nK=$\ndef f():\n    @d(K)\n    def g(): pass\n    return g", "1", "2"),
    ("K=$\ndef f():\n    def g(a: K): return a\n    return g", "1", "2"),
    ("class P:\n    __match_args__=('$',)\n    a=1;b=2\ndef f(x):\n    match x:\n        case P(1): return 1", "a", "b"),
    ("def f():\n    global K\n    K = $\n    return K", "1", "2"),
    ("class Desc:\n    def __get__(s,o,t): return $\nclass C:\n    a=Desc()\ndef f(): return C.a", "1", "2"),
    ("class C:\n    def m(self): return $\nR={'c':C()}\ndef f(): return R['c'].m()", "1", "2"),
    ("def mk(v):\n    class C:\n        def m(self): return v\n    return C\nK=mk($)\ndef f(): return K().m()", "1", "2"),
    ("K=type('K',(),{'a':$})\ndef f(): return K.a", "1", "2"),
    ("class C:\n    @property\n    def a(self): return 1\n    @a.setter\n    def a(self,v): self.x=v+$\ndef f(): C().a=1", "1", "2"),
    ("import functools\nclass C:\n    @functools.cached_property\n    def a(self): return $\ndef f(): return C().a", "1", "2"),
    ("import functools\n@functools.total_ordering\nclass C:\n    def __lt__(s,o): return $\n    def __eq__(s,o): return True\ndef f(): return C()<C()", "True", "False"),
    ("import functools\nclass C:\n    @functools.singledispatchmethod\n    def m(self,x): return 1\n    @m.register\n    def _(self,x:int): return $\ndef f(): return C().m(1)", "1", "2"),
    ("import typing\nT=typing.TypeVar('T')\nclass B(typing.Generic[T]):\n    def m(self): return $\nclass C(B[int]): pass\ndef f(): return C().m()", "1", "2"),
    ("import typing\nclass C(typing.TypedDict):\n    a: $\ndef f(): return C", "int", "str"),
    ("def mk():\n    def a(n): return b(n-1) if n else 0\n    def b(n): return a(n-$) if n else 1\n    return a\nf=mk()", "1", "2"),
    ("import numpy as np\nv=np.vectorize(lambda x: x $ 1)\ndef f(): return v([1])", "+", "-"),
    ("import pandas as pd\ndef g(x): return x $ 1\ndef f(d): return d.apply(g)", "+", "-"),
    ("class E(Exception):\n    code=$\ndef f():\n    try: pass\n    except E as e: return e.code", "1", "2"),
    ("import json\nclass E(json.JSONEncoder):\n    def default(self,o): return $\ndef f(): return json.dumps(1,cls=E)", "1", "2"),
    ("K=$\ndef f(): return f'{K!r:>{K}}'", "1", "2"),
    ("K=$\ndef f(): return (lambda: (y:=K))()", "1", "2"),
    ("K=$\nasync def f(): return [K async for _ in x()]", "1", "2"),
    ("import dataclasses\n@dataclasses.dataclass\nclass A:\n    x:int=$\n@dataclasses.dataclass\nclass B(A):\n    y:int=0\ndef f(): return B()", "1", "2"),
    ("class D:\n    def __set_name__(s,o,n): s.n=n\nclass C:\n    $=D()\ndef f(): return C", "a", "b"),
    ("class A: pass\nclass B: pass\nS=$()\ndef f(x): return x is S", "A", "B"),
    ("from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass N:\n    k: int = $\n@dataclasses.dataclass\nclass A:\n    x: N\ndef f(): return A(1)", "1", "2"),
    ("import numpy as np\nK=np.array([[1,2],[3,4]],order='$')\ndef f(): return K", "C", "F"),
    ("def f(*, a$, b=1): return a", "", "=1"),
    ("def f(a$, b): return a", "", ", /"),
    ("def f(x): return f'{x$}'", "", "!r"),
    ("def f():\n    return K\nK=1\n$", "", "del K"),
    ("class C:\n    __slots__=('a',)\n    def __init__(s): s.a=$\nV=C()\ndef f(): return V", "1", "2"),
    ("import itertools\nV=itertools.count($)\ndef f(): return next(V)", "1", "2"),
    ("V={'a':$}\ng=V.get\ndef f(): return g('a')", "1", "2"),
    ("import operator\ng=operator.methodcaller('$')\ndef f(): return g('a')", "upper", "lower"),
    ("import functools\ng=functools.partial(functools.partial(max,$),2)\ndef f(): return g()", "1", "2"),
    ("import pandas as pd\nV=pd.Index([1,2],name='$')\ndef f(): return V", "a", "b"),
    ("import pandas as pd\nV=pd.DataFrame({'a':[1]}).rename_axis(columns='$')\ndef f(): return V", "a", "b"),
    ("import pandas as pd\nV=pd.interval_range(0,$)\ndef f(): return V", "2", "3"),
    ("import pandas as pd\nV=pd.period_range('2020',periods=2,freq='$')\ndef f(): return V", "M", "D"),
    ("import pandas as pd\nV=pd.arrays.SparseArray([0,0,$])\ndef f(): return V", "2", "3"),
    ("import numpy as np\nV=np.ma.array([1,2],mask=[0,$])\ndef f(): return V", "1", "0"),
    ("import numpy as np\nV=np.random.default_rng($)\ndef f(): return V.random()", "1", "2"),
    ("import numpy as np\nV=np.poly1d([1,$])\ndef f(): return V(2)", "1", "2"),
    ("import polars as pl\nV=pl.col('a')+$\ndef f(d): return d.select(V)", "1", "2"),
    ("import polars as pl\nV=pl.LazyFrame({'a':[$]})\ndef f(): return V", "1", "2"),
    ("import polars as pl\nV=pl.Series(['a','$'],dtype=pl.Categorical)\ndef f(): return V", "b", "c"),
    ("import polars as pl\nV=pl.Enum(['a','$'])\ndef f(): return V", "b", "c"),
    ("import pyarrow as pa\nV=pa.array(['a','$']).dictionary_encode()\ndef f(): return V", "b", "c"),
    ("import pyarrow as pa\nV=pa.scalar($)\ndef f(): return V", "1", "2"),
    ("import datetime\nclass X(datetime.datetime): pass\nV=X(2020,1,$)\ndef f(): return V", "1", "2"),
    ("import collections\nV=collections.UserDict(a=$)\ndef f(): return V", "1", "2"),
    ("import collections\nV=collections.ChainMap({'a':$})\ndef f(): return V", "1", "2"),
    ("import array\nV=array.array('i',[$])\ndef f(): return V", "1", "2"),
    ("import io\nV=io.StringIO('$')\ndef f(): return V.read()", "1", "2"),
    ("import argparse\nV=argparse.Namespace(a=$)\ndef f(): return V.a", "1", "2"),
    ("V=KeyError($)\nV.x=1\ndef f(): return V", "1", "2"),
    ("import configparser\nV=configparser.ConfigParser()\nV.read_string('[a]\\nb=$')\ndef f(): return V['a']['b']", "1", "2"),
    ("import string\nV=string.Template('$$a $')\ndef f(): return V", "1", "2"),
    ("import hashlib\nV=hashlib.$\ndef f(): return V(b'').hexdigest()", "md5", "sha1"),
    ("import struct\nV=struct.Struct('<$')\ndef f(): return V.size", "i", "q"),
    ("class C: pass\nV=C()\nV.go=lambda x: x $ 1\ndef f(): return V.go(1)", "+", "-"),
    ("K = $\ndef g(): pass\ndef f(): return getattr(g, \"__globals__\")[\"K\"]", "1", "2"),
    ("K = $\nD = {'e': eval}\ndef f(): return D['e']('K')", "1", "2"),
    ("K = $\ndef f(e=eval): return e('K')", "1", "2"),
    ("import functools\nK = $\nG = functools.partial(eval, 'K')\ndef f(): return G()", "1", "2"),
    ("K = $\nE = eval\ndef f(): return E('K')", "1", "2"),
    ("K = $\ndef f(): return list(map(eval, ['K']))", "1", "2"),
    ("import types\ndef g(): return K\nf = types.FunctionType(g.__code__, {'K': $, '__name__': 'x'})", "1", "2"),
    ("def g(): return 1\ng.__code__ = g.__code__.replace(co_consts=(None, $))\ndef f(): return g()", "1", "2"),
    ("g = {'__builtins__': {'len': lambda x: $}, '__name__': 'x'}\nexec('def f(): return len([])', g)\nf = g['f']", "1", "2"),
    ("class A: k = 1\nclass B: k = 2\nV = A()\nV.__class__ = $\ndef f(): return V.k", "A", "B"),
    ("class A:\n    def m(s): return 1\nclass B:\n    def m(s): return 2\nclass D($): pass\ndef f(): return D().m()", "A, B", "B, A"),
    ("import sys\nK = $\ndef g(): return sys._getframe(1)\ndef f(): return g().f_globals['K']", "1", "2"),
]


@case
def whichever_way_something_is_reached_it_counts():
    for text, one, other in WAYS:
        differ(text.replace("$", one), text.replace("$", other))


@case
def a_name_that_does_not_tell_the_content_is_refused():
    refused("import numpy as np\ng = np.frompyfunc(lambda x: x + 1, 1, 1)\ndef f(): return g(1)", "g of m.f", "pickled as")


@case
def eval_that_is_passed_to_another_module_reads_that_modules_variables():
    text = "import b\ndef f(): return b.h(eval, 'K')"
    assert key(text, b="K = 1\ndef h(g, s): return g(s)") != key(text, b="K = 2\ndef h(g, s): return g(s)")


@case
def whichever_way_a_module_is_reached_it_counts():
    for text in ("import b\ndef f():\n    m = b\n    return m.x", "import b\nclass H:\n    mod = b\ndef f(): return H.mod.x", "import b\ndef mk(m):\n    def f(): return m.x\n    return f\nf = mk(b)",
                 "def f():\n    from b import (x as y)\n    return y", "def f():\n    import b, os\n    return b.x", "def f():\n    import b as q\n    return [q.x for _ in range(2)]",
                 "def f():\n    import b as q\n    return (lambda: getattr(q, 'x'))()", "from b import *\ndef f(): return x", "import b\ndef f(m=b): return m.x", "import b\ndef f(): return b.y.z",
                 "import b\ndef f(): return b.lazy", "import b\ndef f():\n    with b.c() as x: return x", "import b\nD = {'m': [b]}\ndef f(): return D['m'][0].x"):
        module = "import contextlib\nclass N: pass\nx = %s\ny = N()\ny.z = x\ndef __getattr__(n):\n    if n != 'lazy': raise AttributeError(n)\n    return x\n@contextlib.contextmanager\ndef c(): yield x\n"
        assert key(text, b=module % 1) != key(text, b=module % 2), text
    for text in ("def f():\n    from . import sub\n    return sub.X", "def f():\n    from .sub import X\n    return X", "def f():\n    import p.sub\n    return p.sub.X",
                 "from . import sub\ndef f(): return sub.X", "import p.sub\ndef f(): return p.sub.X",
                 "def f():\n    import p.sub as s\n    return s.X", "def f():\n    import p.sub as s\n    return getattr(s, 'X')", "def f():\n    import p.sub\n    return vars(p.sub)['X']",
                 "import p.sub\ndef g(m): return m.sub.X\ndef f(): return g(p)", "import p.sub\ndef g(m): return m.X\ndef f(): return g(p.sub)",
                 "def f():\n    try:\n        from p.sub import X\n    except ImportError:\n        X = 0\n    return X"):
        keys = []
        for value in (1, 2):
            with project({"p/__init__.py": "", "p/m.py": text, "p/sub.py": f"X = {value}"}):
                keys.append(shoal.signature(importlib.import_module("p.m").f).key)
        assert keys[0] != keys[1], text


# ---- values ----


@case
def values_of_the_standard_library():
    head = ("import collections, datetime, decimal, fractions, uuid, pathlib, re, types, zoneinfo, functools, typing\nfrom datetime import *\nV = $\ndef f(): return V")
    each_differs(head, "collections.OrderedDict(a=1, b=2)", "collections.OrderedDict(b=2, a=1)", "collections.defaultdict(list, a=1)", "collections.defaultdict(int, a=1)",
                 "collections.deque([1])", "collections.deque([1], 3)", "collections.Counter('a')", "dict(a=1)", "datetime(2020, 1, 1)", "datetime(2020, 1, 1, fold=1)",
                 "datetime(2020, 1, 1, tzinfo=timezone.utc)", "datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))", "date(2020, 1, 1)", "time(1)", "timedelta(1)",
                 "timezone.utc", "timezone(timedelta(hours=1))", "zoneinfo.ZoneInfo('UTC')", "decimal.Decimal('1.0')", "decimal.Decimal('1.00')", "decimal.Decimal('NaN')",
                 "fractions.Fraction(1, 2)", "uuid.UUID(int=1)", "pathlib.Path('a')", "pathlib.PurePosixPath('a')", "re.compile('a')", "re.compile('a', re.I)", "re.compile(b'a')",
                 "types.SimpleNamespace(a=1)", "types.SimpleNamespace(a=2)", "types.MappingProxyType({'a': 1})", "list[int]", "list[str]", "int | None", "typing.Optional[str]",
                 "typing.List[int]", "typing.TypeVar('T')", "typing.TypeVar('U')", "typing.Any", "functools.partial(len, 1)", "iter([1, 2])", "ValueError('a')", "ValueError('b')")


@case
def instances_count_by_class_and_state():
    each_differs("class C: pass\nV = C()\nV.a = $\ndef f(): return V", "1", "2", "[1]")
    each_differs("class C: __slots__ = ('a', 'b')\nV = C()\nV.a = $\ndef f(): return V", "1", "2")
    each_differs("class C:\n    def __init__(self): self.a = 1\n    def m(self): return $\nV = C()\ndef f(): return V", "1", "2")
    each_differs("class C(list): pass\nV = C([$])\nV.a = 1\ndef f(): return V", "1", "2", "1, 2")
    each_differs("class C(dict): pass\nV = C(a=$)\ndef f(): return V", "1", "2")
    each_differs("class C(int): pass\nV = C($)\ndef f(): return V", "1", "2")
    each_differs("class C(str): pass\nV = C('$')\ndef f(): return V", "1", "2")
    each_differs("class C:\n    def __getstate__(self): return $\nV = C()\ndef f(): return V", "1", "2")
    each_differs("class C:\n    def __init__(self): self.lock = __import__('threading').Lock()\n    def __reduce__(self): return C, (), $\nV = C()\ndef f(): return V", "{'a': 1}", "{'a': 2}")
    each_differs("import random\nV = random.Random($)\ndef f(): return V", "1", "2")


@case
def random_values_are_told_apart_exactly():
    import pickle
    import random

    from shoal._shoal import encode

    seed = int(os.environ.get("SHOAL_SEED", "0")) or random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)

    def atom():
        return rng.choice((lambda: None, lambda: rng.random() < .5, lambda: rng.randint(-3, 3), lambda: rng.randint(-3, 3) * 2.0, lambda: 1 << rng.randint(60, 70),
                           lambda: "".join(rng.choices("ab\udc80ä", k=rng.randint(0, 3))), lambda: bytes(rng.choices(range(3), k=rng.randint(0, 2))), lambda: complex(rng.randint(0, 1), 0)))()

    def value(depth):
        if depth == 0 or rng.random() < .3:
            return atom()
        n, kind = rng.randint(0, 3), rng.choice((list, tuple, dict, set, frozenset))
        if kind is dict:
            return {atom(): value(depth - 1) for _ in range(n)}
        if kind in (set, frozenset):
            return kind(x if depth < 3 or rng.random() < .5 else (x, frozenset([atom()])) for x in (atom() for _ in range(n)))
        return kind(value(depth - 1) for _ in range(n))

    def exact(v):
        """Another canonical form, by other means: types and contents as text."""
        if isinstance(v, (set, frozenset)):
            return f"{type(v).__name__}{sorted(map(exact, v))}"
        if isinstance(v, dict):
            return f"dict{[(exact(k), exact(x)) for k, x in v.items()]}"
        return f"{type(v).__name__}{[exact(x) for x in v]}" if isinstance(v, (list, tuple)) else f"{type(v).__name__} {v!r}"

    by_form, by_key = {}, {}
    for _ in range(20000):
        v = value(3)
        key, refs = encode(v, None, None, "test")
        assert not refs and encode(pickle.loads(pickle.dumps(v)), None, None, "test")[0] == key, v
        assert by_form.setdefault(exact(v), key) == key, v
        assert by_key.setdefault(key, exact(v)) == exact(v), (v, by_key[key])
    assert len(by_key) > 5000, len(by_key)


@case
def cycles_and_sharing_of_what_can_change():
    each_differs("V = [1]\nV.append($)\ndef f(): return V", "V", "[1]", "[1, V]")
    each_differs("$\ndef f(): return V", "a = []; V = [a, a]", "V = [[], []]", "V = [()] * 2")
    each_differs("class C: pass\nV = C()\nV.me = $\ndef f(): return V", "V", "C()", "[V]")
    same("a = (1, 'x' * 3); V = [a, a]\ndef f(): return V", "V = [(1, 'xxx'), tuple([1, 'xxx'])]\ndef f(): return V")
    deep = "V = []\nfor _ in range(100000): V = [V]\ndef f(): return V"
    refused(deep, "V of m.f", "nested too deeply")


@case
def arrays_and_tables_count_by_content():
    head = "import numpy as np, pandas as pd, polars as pl, pyarrow as pa\nV = $\ndef f(): return V"
    each_differs(head, "np.arange(3)", "np.arange(4)", "np.arange(3.0)", "np.arange(3, dtype='i4')", "np.arange(4).reshape(2, 2)", "np.array(['a', None], dtype=object)",
                 "np.array(['b', None], dtype=object)", "np.array(['2020-01-01'], dtype='M8[D]')", "np.array(['2020-01-01'], dtype='M8[s]')", "np.float64(1)", "np.float32(1)",
                 "np.array([(1, 2.0)], dtype=[('a', 'i4'), ('b', 'f8')])", "np.zeros(0)", "np.zeros((0, 3))", "np.sqrt", "np.sin", "np.mean", "np.float64", "np.dtype('i4')")
    each_differs(head, "pd.DataFrame({'a': [1, 2]})", "pd.DataFrame({'a': [1, 3]})", "pd.DataFrame({'b': [1, 2]})", "pd.DataFrame({'a': [1, 2]}, index=[1, 2])",
                 "pd.DataFrame({'a': ['x', None]})", "pd.DataFrame({'a': ['y', None]})", "pd.Series([1, 2])", "pd.Series([1, 2], name='x')", "pd.Series([1.0, 2.0])",
                 "pd.Series(pd.Categorical(['a', 'b']))", "pd.Series(pd.Categorical(['a', 'b'], ordered=True))", "pd.date_range('2020', periods=2)",
                 "pd.date_range('2020', periods=2, tz='UTC')", "pd.Series([1, None], dtype='Int64')", "pd.Timestamp('2020')", "pd.Timestamp('2021')",
                 "pd.MultiIndex.from_tuples([(1, 2)])", "pd.Series([pd.Timedelta(1)])")
    each_differs(head, "pl.DataFrame({'a': [1, 2]})", "pl.DataFrame({'a': [1, 3]})", "pl.DataFrame({'b': [1, 2]})", "pl.DataFrame({'a': [1.0, 2.0]})", "pl.Series('a', [1, 2])",
                 "pl.Series('b', [1, 2])", "pa.table({'a': [1, 2]})", "pa.table({'a': [1, 3]})", "pa.array([1, 2])", "pa.array([1, None])", "pa.chunked_array([[1], [2]])",
                 "pa.record_batch({'a': [1, 2]})", "pa.schema([('a', pa.int8())])", "pa.int8()", "pa.int16()")
    same(head.replace("$", "pd.DataFrame({'a': [1, 2], 'b': [3, 4]})"), head.replace("$", "pd.concat([pd.DataFrame({'a': [1, 2]}), pd.DataFrame({'b': [3, 4]})], axis=1)"))
    same(head.replace("$", "pa.table({'a': [1, 2, 3]})"), head.replace("$", "pa.concat_tables([pa.table({'a': [1]}), pa.table({'a': [9, 2, 3]}).slice(1)])"))
    same(head.replace("$", "pl.DataFrame({'a': [1, 2]})"), head.replace("$", "pl.concat([pl.DataFrame({'a': [1]}), pl.DataFrame({'a': [2]})], rechunk=False)"))
    same(head.replace("$", "np.arange(3)"), head.replace("$", "np.arange(6)[::2] // 2"))


@case
def what_has_no_canonical_form_is_refused_with_the_ways_out():
    makes = {"open('/dev/null')": "TextIOWrapper", "threading.Lock()": "lock", "socket.socket()": "socket", "(i for i in [])": "generator",
             "sqlite3.connect(':memory:')": "sqlite3.Connection", "threading.RLock()": "RLock", "{'a': [open('/dev/null')]}": "TextIOWrapper"}
    for make, name in makes.items():
        text = f"import threading, socket, sqlite3\n\nV = {make}\n\ndef g():\n    return V\n\ndef f(): return g()"
        e = refused(text, "V of m.g", name, "m.py:5:", "make it inside the function", "argument", "accept_module")
        assert e.path.endswith("m.py") and e.line == 5 and e.status == "unsupported" and "argument" in e.hint, (e.path, e.line)
    same("V = open('/dev/null')\ndef f(): return 1", "def f(): return 1")
    refused("V = open('/dev/null')\ndef f(x, y=V): return 1", "y of m.f")
    refused("def make(v):\n    def f(): return v\n    return f\nf = make(open('/dev/null'))", "v of m.make.<locals>.f")
    key("V = open('/dev/null')\ndef f(): return eval('1')")  # the module counts as a whole, and V by how it is made
    differ("V = open('/dev/null')\ndef f(): return eval('1')", "V = open('/dev/zero')\ndef f(): return eval('1')")
    refused("V = open('/dev/null')\ndef f(): return eval('1'), V", "V of m.f")


# ---- whose code it is ----


@case
def packages_count_by_version_and_the_interpreter_by_x_y():
    labels = [n.label for n in sign("import numpy as np, math\nfrom json import dumps\ndef f(): return np.sum([1]), math.sin(1), dumps(1)").explain()]
    assert f"numpy {numpy.__version__} numpy" in labels, labels
    assert any(x == "python %d.%d math" % sys.version_info[:2] for x in labels) and any("json.dumps" in x for x in labels), labels


def install(version, code, metadata=True):
    files = {"lib/site-packages/tiny.py": code}
    if metadata:
        files["lib/site-packages/tiny-1.dist-info/METADATA"] = f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
        files["lib/site-packages/tiny-1.dist-info/RECORD"] = "tiny.py,,\ntiny-1.dist-info/METADATA,,\n"
        files["lib/site-packages/tiny-1.dist-info/top_level.txt"] = "tiny\n"
    return files


USES_TINY = """
    import sys, os
    sys.path[:0] = [os.getcwd() + "/lib/site-packages", os.getcwd() + "/src"]
    import shoal, tiny
    if len(sys.argv) > 1: shoal.accept_module(tiny)
    def f(): return tiny.g()
    print(shoal.signature(f).key)
"""


def run(folder, *args, env=None, script="m.py"):
    env = {**os.environ, "PYTHONPATH": os.path.join(os.environ["SHOAL_BUILD"], "python"), **(env or {})}
    out = subprocess.run([sys.executable, script, *args], cwd=folder, env=env, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return out.stdout


def tiny(files, *args):
    with project({"m.py": USES_TINY, **files}) as folder:
        return run(folder, *args)


@case
def a_packages_version_counts_and_its_content_only_if_accepted():
    one, two = "def g(): return 1", "def g(): return 2"
    assert tiny(install("1", one)) == tiny(install("1", two))
    assert tiny(install("1", one)) != tiny(install("2", one))
    assert tiny(install("1", one), "accept") != tiny(install("1", two), "accept")
    assert tiny(install("1", one), "accept") == tiny(install("2", one), "accept")
    assert tiny(install("1", one, metadata=False)) != tiny(install("1", two, metadata=False))

    def editable(code):
        files = install("1", code)
        files["src/tiny.py"] = files.pop("lib/site-packages/tiny.py")
        return files

    assert tiny(editable(one)) != tiny(editable(two))


@case
def what_a_packages_metaclass_keeps_in_a_class_is_made_of_the_class():
    code = "class Core:\n    def __reduce_ex__(s, p): raise TypeError('never')\nclass Meta(type):\n    def __init__(c, *a): c.%s = Core()\nclass Base(metaclass=Meta): pass\n"
    uses = USES_TINY.replace("def f(): return tiny.g()", "class C(tiny.Base):\n        a = %s\n    def f(): return C.a")

    def signed(name, value):
        with project({"m.py": uses % value, **install("1", code % name)}) as folder:
            return run(folder)

    assert signed("__core__", 1) == signed("__core__", 1) != signed("__core__", 2)
    try:
        signed("core", 1)
    except AssertionError as e:
        assert "core of __main__.C" in str(e) and "tiny.Core" in str(e), e
    else:
        raise AssertionError("it was not refused")


@case
def threads_sign_at_once():
    import threading

    with project({"m.py": "import b, numpy as np\nX = np.zeros(10**6)\ndef f(n): return n and b.g(n - 1), X", "b.py": "import m\nV = {1, 'a', (2, 3)}\ndef g(n): return m.f(n), V"}):
        import m

        want, got = shoal.signature(m.f).key, []
        threads = [threading.Thread(target=lambda: got.extend(shoal.signature(m.f).key for _ in range(30))) for _ in range(4)]
        [t.start() for t in threads], [t.join() for t in threads]
        assert got == [want] * 120, len(got)


@case
def a_compiled_module_of_the_project_counts_by_its_file():
    import _queue

    with open(_queue.__file__, "rb") as f:
        content = f.read()

    def compiled(extra):
        code = "import importlib.util as u, shoal, sys\ns = u.spec_from_file_location('_queue', 'fast/_queue.so')\nm = u.module_from_spec(s)\n" \
               "s.loader.exec_module(m)\nsys.modules['_queue'] = m\ndef f(): return m.SimpleQueue()\nprint(shoal.signature(f).key)"
        with project({"m.py": code, "fast/_queue.so": content + extra}) as folder:
            return run(folder)

    assert compiled(b"") != compiled(b"\0") and compiled(b"") == compiled(b"")


# ---- everywhere the same ----

EVERYWHERE = """
    import sys
    first, second = ("a", "b") if len(sys.argv) < 2 else ("b", "a")
    __import__(first), __import__(second)
    import dataclasses, enum, os, pathlib, logging
    from sys import stderr
    import a, b
    LOG = logging.getLogger(__name__)
    HERE = pathlib.Path(__file__).resolve().parent
    DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data.csv")
    NAMES = {"x", "y", "z", b"w", 3, None, (1, 2)}
    class Color(enum.Enum):
        RED = {"p", "q"}
    @dataclasses.dataclass
    class P:
        a: int = 1
        c: Color = Color.RED
    def helper(x): return a.g(x), b.g(x), NAMES, P(), HERE, DATA, a.FILE, LOG, stderr
    def f(x): return helper(x)
    def main():
        import shoal
        print(shoal.signature(f).key)
    if __name__ == "__main__": main()
"""
OTHERS = {"a.py": "import b\nFILE = __file__\nS = frozenset('abcdef')\ndef g(x): return b.V, S, x", "b.py": "V = {1: {'u', 'v', 'w'}}\ndef g(x): import a; return a.S"}


@case
def keys_are_the_same_in_every_process_folder_and_import_order():
    with project({"m.py": EVERYWHERE, "n.py": "import m\nm.main()", **OTHERS}) as folder:
        keys = {run(folder, env={"PYTHONHASHSEED": seed}) for seed in ("0", "1", "2")}
        keys |= {run(folder, "other order"), run(folder, script="n.py"), run(folder, env={"PYTHONDONTWRITEBYTECODE": "1"})}
        shutil.copytree(folder, folder + "-copied")
        keys.add(run(folder + "-copied"))
        keys.add(run(folder + "-copied", script="n.py"))
        assert len(keys) == 1, keys


ALIKE = """
    import functools, sys
    import other
    LIMIT = 3
    T = (1, 2.5, "x", None, True, b"y", frozenset({1, 2}), range(3), {"a": [1 << 70, 1j]})
    class Base:
        def m(self): return LIMIT
    class C(Base):
        X = 3
        def __init__(self): self.v = [T]
        @property
        def p(self): return super().m() + self.X
        @staticmethod
        def s(x): return x
        @classmethod
        def c(cls): return cls.X
    def helper(x, *, y=2): return [i for i in range(x) if i % y] + [LIMIT, other.K]
    def plain(a, b=1, /, *c, d: int = 2, **e): return helper(a) + [b, T]
    def closure(n):
        def inner(x): return x + n + LIMIT
        return inner
    inner = closure(4)
    lam = lambda x: helper(x)
    def gen(n):
        for i in range(n):
            yield from helper(i)
    async def co(x):
        async with x as y:
            return [z async for z in y]
    def rec(n): return 1 if n < 2 else n * rec(n - 1)
    def classes(): return C().p, C.s
    def match(x):
        match x:
            case {"a": [1, *r]}: return r
            case C(X=1) | None: return 2
    def caught():
        try: return f"{LIMIT!r:>5}"
        except* ValueError as e: raise
    def comprehensions(): return {k: [v for v in range(k) if v > LIMIT] for k in range(3)}
    def print_all():
        import shoal
        for f in (plain, inner, lam, gen, co, rec, classes, match, caught, comprehensions): print(f.__name__, shoal.signature(f).key)
    if __name__ == "__main__": print_all()
"""


@case
def keys_of_the_projects_own_code_are_the_same_in_other_interpreters():
    """What reaches the standard library (an instance's copyreg, too) counts by x.y; so does what has no source."""
    versions = [f"3.{minor}" for minor in range(11, 20) if minor != sys.version_info.minor]
    at_hand = [shutil.which(f"python{v}") for v in versions] + [p for v in versions for p in glob.glob(os.path.expanduser(f"~/.pyenv/versions/{v}.*/bin/python{v}"))]
    others = [p for p in at_hand if p and subprocess.run([p, "-c", "0"], capture_output=True).returncode == 0]
    if not others:
        raise Skip("there is one interpreter only")
    with project({"m.py": ALIKE, "other.py": "K = 5"}) as folder:
        want = run(folder)
        for python in others:
            got = subprocess.run([python, "m.py"], cwd=folder, env={**os.environ, "PYTHONPATH": os.path.join(os.environ["SHOAL_BUILD"], "python")}, capture_output=True, text=True)
            assert (got.stdout, got.returncode) == (want, 0), (python, got.stderr, got.stdout, want)


@case
def what_a_project_commonly_has_can_be_signed():
    for text in ("import logging\nL = logging.getLogger(__name__)\ndef f(): L.info('x')", "import argparse\nP = argparse.ArgumentParser()\nP.add_argument('--x')\ndef f(): return P.parse_args([])",
                 "from os import environ\ndef f(): return environ['HOME']", "import multiprocessing as mp\ndef f():\n    with mp.Pool(2) as p: return p.map(str, [1])",
                 "import asyncio\nasync def g(): await asyncio.sleep(0)\ndef f(): asyncio.run(g())", "import deltalake\ndef f(p): return deltalake.DeltaTable(p)",
                 "import duckdb\ndef f(): return duckdb.sql('select 1').fetchall()", "import shoal\ndef f(): return shoal.table('a').df()",
                 "from collections.abc import Mapping\nclass C(Mapping):\n    def __getitem__(s, k): return 1\n    def __iter__(s): return iter(())\n    def __len__(s): return 0\nV = C()\n"
                 "def f(): return V", "from typing import *\nA = Annotated[int, 'x']\nT = TypeVar('T')\nP = ParamSpec('P')\nclass C(Generic[T]):\n    a: A\n    b: Literal['a', 'b']\n"
                 "    c: ClassVar[int] = 1\n    d: 'Optional[C]' = None\n    e: Callable[P, T]\ndef f(): return C()",
                 "import enum\nclass C(enum.IntFlag, boundary=enum.KEEP):\n    A = 1\ndef f(): return C(7)", "class D:\n    def __init__(s, f): s.f = f\n    def __call__(s, *a): return s.f(*a)\n@D\n"
                 "def f(): return 1", "class E(ExceptionGroup): pass\ndef f(): raise E('a', [ValueError(1)])"):
        assert key(text) == key(text), text


@case
def notebook_cells_and_main():
    import linecache

    def cell(text, n):
        name = f"/tmp/ipykernel_1/{n}.py"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        space = {"__name__": "__main__", "__builtins__": __builtins__}
        exec(compile(text, name, "exec"), space)
        return shoal.signature(space["f"])

    first = cell("V = 1\ndef f(): return V", 1)
    assert first.key == cell("# a comment\nV = 1\n\ndef f():\n    'doc'\n    return V", 2).key  # by its tree
    assert first.key != cell("V = 2\ndef f(): return V", 3).key
    assert first.explain()[0].path == "/tmp/ipykernel_1/1.py"


@case
def explain_lists_what_is_reached():
    nodes = sign("import b\nLIMIT = 3\n\ndef f(x):\n    return b.g(x) + LIMIT", b="\ndef g(x): return len(x)").explain()
    found = {n.label: n for n in nodes}
    assert nodes[0].label == "m.f" and nodes[0].kind == "function" and nodes[0].line == 4 and nodes[0].path.endswith("/m.py"), nodes[0]
    assert found["b.g"].line == 2 and found["LIMIT"].kind == "value" and found["LIMIT"].line == 2, nodes
    symbols = {(e.kind, e.symbol, nodes[e.target].label) for e in nodes[0].edges}
    assert ("global", "LIMIT", "LIMIT") in symbols and ("global", "b.g", "b.g") in symbols, symbols
    assert ("builtin", "len") in {(e.kind, e.symbol) for e in found["b.g"].edges}
    s = sign("def f(): pass")
    assert len(s.key) == 64 and s == sign("def f(): pass") and hash(s) == hash(sign("def f(): pass")) and "m.f" in repr(s)


# ---- the extension ----


@case
def ten_thousand_signatures_leak_nothing():
    sanitized = "SHOAL_SANITIZED" in os.environ  # what is freed stays in quarantine
    def memory():
        gc.collect()
        return int(open("/proc/self/statm").read().split()[1]) * 4096

    text = """
        import enum, functools, numpy as np
        class C:
            def __init__(self): self.a = [1, {2: {3, 'x'}}, (4.5, b'y', bytearray(3))]; self.me = self
        class E(enum.Enum): A = 1
        V = C(); W = {len, C, E.A}; X = np.arange(10)
        def g(x): return V, W, X
        f = functools.partial(g, 1)
    """
    with project({"m.py": text}):
        import m

        reached = [m.V, m.W, m.X, m.g, m.C, m.E, m.f, m.V.a, m.V.a[1], m.V.a[2], m.E.A, m.g.__code__]
        want = shoal.signature(m.f).key
        for _ in range(1000):
            shoal.signature(m.f)
        before, counts = memory(), [sys.getrefcount(o) for o in reached]
        for _ in range(9000):
            assert shoal.signature(m.f).key == want
        grown = memory() - before
        after = [sys.getrefcount(o) for o in reached]
        assert after == counts, list(zip(after, counts))
        assert grown < 1 << 20 or sanitized, grown
        m.V.a.append(open("/dev/null"))
        for _ in range(1000):  # refusals neither
            try:
                shoal.signature(m.f)
            except shoal.Error:
                pass
        del m.V.a[-1]
        assert [sys.getrefcount(o) for o in reached] == counts


@case
def the_extension_refuses_what_it_is_not_made_for():
    from shoal._shoal import Form, code, encode, tree
    import ast

    def fails(kind, f):
        try:
            f()
        except kind:
            return
        raise AssertionError("it did not fail")

    form = Form()
    node, fresh = form.node(b"a", "a", None, 0)
    assert fresh and form.node(b"a", "a", None, 0) == (node, False)
    fails(shoal.Error, lambda: Form().node(b"x", "x", None, 0) and None or _finished_without_body(Form))
    fails(IndexError, lambda: form.edge(node, "k", "s", 7))
    fails(ValueError, lambda: form.body(node, b"short"))
    fails(ValueError, lambda: form.key(node))
    form.body(node, bytes(32)), form.finish()
    fails(ValueError, form.finish)
    fails(IndexError, lambda: form.key(5))
    fails(TypeError, lambda: encode(object(), None, None, "d"))
    fails(TypeError, lambda: encode(object(), lambda v: ("a",), None, "d"))
    fails(TypeError, lambda: tree(ast.parse("1"), 5, True))
    fails(AttributeError, lambda: code(5, "v"))
    grows = [object()]
    fails(RuntimeError, lambda: encode(grows, lambda v: grows.append(1) or ("a", 1, False), None, "d"))


def _finished_without_body(form):
    f = form()
    f.node(b"x", "x", None, 0)
    f.finish()

# ---- the environment ----


def variables(m, **files):
    return {n.label for n in sign(m, **files).explain() if n.kind == "environment"}


@contextlib.contextmanager
def environment(**values):
    """Variables set for a while; None: not there."""
    before = {name: os.environ.get(name) for name in values}
    try:
        for name, value in values.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


READS = (
    "import os\ndef f(): return os.environ['A_ONE']",
    "import os\ndef f(): return os.environ.get('A_ONE')",
    "import os\ndef f(x=1): return os.environ.get('A_ONE', 'x' + str(x) if x else f(2))",
    "import os\ndef f(): return 'A_ONE' in os.environ",
    "import os\ndef f(): return 'A_ONE' not in os.environ",
    "import os\ndef f(): return os.getenv('A_ONE') or os.getenv(key='A_ONE', default='')",
    "import os as o\ndef f(): return o.getenv('A_ONE', 1)",
    "from os import environ\ndef f(): return environ['A_ONE']",
    "from os import environ as e, getenv as g\ndef f(): return e.get('A_ONE')",
    "from os import environ as e, getenv as g\ndef f(): return g('A_ONE', 'b')",
    "def f():\n    import os\n    return os.environ['A_ONE']",
    "def f():\n    from os import environ as e\n    return e['A_ONE']",
    "import os\nget = os.environ.get\ndef f(): return get('A_ONE')",
    "import os\nNAME = 'A_ONE'\ndef f(): return os.environ[NAME]",
    "import os\nPREFIX = 'A_'\ndef f(): return os.environ[PREFIX + 'ONE']",
    "import os\ndef f(): return [os.environ['A_ONE'] for _ in range(3)]",
    "import os\ndef f(): return (lambda: os.environ['A_ONE'])()",
    "import os\ndef g(): return os.environ['A_ONE']\ndef f(): return g()",
    "import os\nclass C:\n    def m(self): return os.environ['A_ONE']\ndef f(): return C().m()",
    "import helpers\ndef f(): return helpers.environ['A_ONE']",
    "import helpers\ndef f(): return helpers.os.getenv('A_ONE')",
    "import os, helpers\ndef f(): return os.environ[helpers.NAME]",
    "from helpers import E\ndef f(): return E['A_ONE']",
    "def f():\n    from helpers import E\n    return E['A_ONE']",
    "import os\ndef f():\n    os.environ['A_ONE'] += 'x'",
    "import os\ndef f(): del os.environ['A_ONE']",
    "import os\ndef f(): return os.environ.setdefault('A_ONE', 'x')",
    "import os\ndef f(): return os.environb[b'A_ONE']",
    "import os\ndef f(): return os.path.expandvars('$A_ONE/x')",
    "import os\ndef made():\n    name = 'A_ONE'\n    def f(): return os.environ[name]\n    return f\nf = made()",
)
HELPERS = "import os\nfrom os import environ\nE = os.environ\nNAME = 'A_ONE'\n"


@case
def variables_of_the_environment_count_by_their_values():
    for m in READS:
        keys = []
        for value in ("1", "2", "", None, "1"):
            with environment(A_ONE=value):
                assert variables(m, helpers=HELPERS) == {"A_ONE"}, m
                keys.append(key(m, helpers=HELPERS))
        assert len(set(keys[:4])) == 4 and keys[0] == keys[4], m
        with environment(A_TWO="other"):
            assert key(m, helpers=HELPERS) == key(m, helpers=HELPERS)


@case
def what_is_written_or_is_no_environment_does_not_count():
    for m in ("import os\ndef f(): os.environ['A_ONE'] = 'x'",
              "import os\ndef f(): os.environ.update(A_ONE='x')",
              "import os\ndef f(): os.putenv('A_ONE', 'x')",
              "import os\ndef f(request): return request.environ['A_ONE'], os.path.join('a', 'b')",
              "import os\ndef f(environ): return environ['A_ONE'], os.getcwd()",
              "import os\ndef f(x=os.environ.get('A_TWO')): return x",
              "import os\ndef f(): return getattr(os, 'sched_getaffinity', None)"):
        with environment(A_ONE="1"):
            before = key(m)
        with environment(A_ONE="2"):
            assert key(m) == before and not variables(m) and not reads_openly(m), m


def reads_openly(m, **files):
    from shoal import _forms

    with project({"m.py": m, **{k + ".py": v for k, v in files.items()}}):
        return _forms.walk_of(importlib.import_module("m").f)[0].names.environment


@case
def uses_of_the_environment_that_name_no_variable_are_noticed():
    for m in ("import os\ndef f(name): return os.environ[name]",
              "import os\ndef f(name): return os.getenv('A' + name)",
              "import os\ndef f(name): return os.environ.get(f'{name}_A', 'x')",
              "import os\ndef f(name): return name in os.environ",
              "import os\ndef f(): return dict(os.environ)",
              "import os\ndef f(): return {**os.environ}",
              "import os\ndef f():\n    e = os.environ\n    return e['A_ONE']",
              "import os\ndef f(g): return g(os.environ)",
              "import os\ndef f(g): return g(os)",
              "import os\ndef f(): return list(map(os.getenv, ['A']))",
              "import os\ndef f(): return getattr(os, 'environ')",
              "import os\ndef f(): return os.environ.copy()",
              "import os\ndef f(): return [v for v in os.environ]",
              "import os\nfrom functools import partial\nget = partial(os.getenv, 'A_ONE')\ndef f(): return get()",
              "import os\nclass C: env = os.environ\ndef f(): return C.env['A_ONE']",
              "import os\nE = [os.environ]\ndef f(): return E[0]['A_ONE']",
              "import os\ndef f(e=os.environ): return e['A_ONE']",
              "from helpers import environ as e\ndef f(): return e.items()",
              "import os\ndef f():\n    def a(n): return os.environ[n]\n    def b(): return n\n    return a('B'), b\nn = 'A_ONE'",
              "import os\nn = 'A'\ndef f():\n    global n\n    n = 'B'\n    return os.environ[n]",
              "import os\ndef f(p): return os.path.expandvars(p)",
              "import os\nexec('def f(): return os.environ[\"A\"]')"):
        found = reads_openly(m, helpers=HELPERS)
        assert found and found.line >= 0, m


@case
def what_copyreg_leaves_on_a_class_is_no_part_of_it():
    text = "class C:\n    def __init__(self): self.k = 1\nc = C()\ndef f(): return c, C\n"
    with project({"m.py": text}):
        m = importlib.import_module("m")
        first = shoal.signature(m.f).key
        m.c.__reduce_ex__(4)
        assert "__slotnames__" in vars(m.C) and shoal.signature(m.f).key == shoal.signature(m.f).key == first


main()
