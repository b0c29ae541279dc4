# SPDX-License-Identifier: Apache-2.0
"""What the text of a function shows of reads that its key doesn't cover: what is found, and what is not."""
import importlib
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
import numpy  # noqa: F401  names are looked up in what is loaded
import pandas  # noqa: F401
import polars  # noqa: F401
from harness import case, main
from modules import project

import shoal  # noqa: F401
from shoal import _impure

HEAD = """import datetime, glob, io, os, pathlib, random, socket, subprocess, time, urllib.request, uuid, secrets
import datetime as dt, numpy as np, pandas as pd, polars as pl
from datetime import date, datetime as moment
from numpy.random import default_rng
from pandas import read_csv
from pathlib import Path
from random import randint
from time import time as now
from urllib.request import urlopen
import clocks, helpers
KEPT, FRAME, N, LIST = {}, pd.DataFrame({'a': [1, 2]}), 0, [1]
class C: level = 0
"""


def kinds(body, top="", **files):
    """What is found in a function of these lines."""
    text = HEAD + top + "def f(x=1):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    with project({"m.py": text, "helpers.py": "LEVEL = 1\nITEMS = []\n", "clocks.py": "\n\ndef late():\n    import time\n    return time.time()\n", "data/x.csv": "a\n1\n", **files}):
        return _impure.findings(importlib.import_module("m").f)


def each(kind, *bodies, top=""):
    for body in bodies:
        found = kinds(body, top)
        assert [x.kind for x in found] == [kind], (body, found)
        assert found[0].line and found[0].path.endswith(".py") and found[0].why and found[0].mend


def none(*bodies, top=""):
    for body in bodies:
        assert not kinds(body, top), (body, kinds(body, top))


@case
def clocks():
    each("time", "return time.time()", "return now()", "return moment.now()", "return date.today()", "return datetime.datetime.now()", "return dt.datetime.utcnow()", "return pd.Timestamp.now()",
         "return pd.Timestamp('now')", "return time.strftime('%Y')", "return time.localtime()", "return clocks.late()", "import time as t\nreturn t.time_ns()", "from datetime import datetime\nreturn datetime.today()",
         "return [g() for g in (1,) if time.time()]", "def inner(): return time.time()\nreturn inner()", "return sorted([], key=time.time)", "return np.datetime64('now')")
    none("return list(map(time.ctime, []))", "return time.strftime('%Y', (0,) * 9)", "return time.localtime(0)", "return pd.Timestamp('2020-01-01')", "return dt.datetime(2020, 1, 1)", "return time.perf_counter()", "return x.now()")


@case
def chance():
    each("chance", "return random.random()", "return randint(1, 2)", "return np.random.rand(3)", "return np.random.default_rng()", "return default_rng(None)", "return random.Random()", "return uuid.uuid4()",
         "return secrets.token_hex()", "return os.urandom(3)", "return FRAME.sample(n=1)", "return x.sample(frac=.1)", "return random.SystemRandom().random()", "return np.random.RandomState().rand()")
    none("return random.Random(7).random()", "return np.random.default_rng(7).random()", "return default_rng(seed=7)", "random.seed(3)\nreturn random.random()", "np.random.seed(3)\nreturn np.random.rand()",
         "return FRAME.sample(n=1, random_state=3)", "return x.sample(3)", "return isinstance(x, random.Random)", "return isinstance(x, np.random.Generator)")
    each("chance", "random.seed(3)\nreturn np.random.rand()", "random.seed()\nreturn random.random()")


@case
def files():
    each("file", "return open('data/x.csv').read()", "return pd.read_csv('data/x.csv')", "return read_csv(x)", "return Path('data/x.csv').read_text()", "return pl.scan_parquet(x)", "return glob.glob('*')",
         "return list(map(open, x))", "return os.listdir('.')", "return [p for p in Path(x).iterdir()]", "return np.load(x)", "return io.open(x)", "return open(x, 'r+')", "return pathlib.Path(x).read_bytes()")
    none("return pd.read_csv(io.StringIO('a'))", "return open('out', 'w')", "return open('out', mode='ab')", "return os.path.join('a', 'b')", "return Path('a') / 'b'", "return x.open()")
    assert "make data/x.csv a source" in kinds("return pd.read_csv('data/x.csv')")[0].mend
    assert "make data/x.csv a source" in kinds("return Path('data/x.csv').read_text()")[0].mend
    assert "make data/x.csv a source" in kinds("return pd.read_csv(WHERE)", "WHERE = 'data/x.csv'\n")[0].mend
    assert "make it a source" in kinds("return pd.read_csv('/etc/none.csv')")[0].mend
    assert 'shoal.file("data/x.csv")' in kinds("return open('data/x.csv')")[0].mend
    # whose content counts
    top = "import shoal\nfrom shoal import file\nPLACE = shoal.file('data')\n"
    none("return open(shoal.file('data/x.csv'))", "return pd.read_csv(file('data/x.csv'), sep=';')", "return open(PLACE / 'x.csv')", "p = shoal.file('data') / x\nreturn pd.read_csv(str(p))", "return shoal.file('data/x.csv').read_text()",
         "return [open(p) for p in PLACE.glob('*')]", "for p in sorted(PLACE.iterdir()):\n    p.read_bytes()", "import os\nreturn os.listdir(PLACE)", "return read_csv(filepath_or_buffer=PLACE / 'x.csv')", top=top)
    each("file", "p = shoal.file('data/x.csv')\np = 'data/y.csv'\nreturn open(p)", "return open(x), PLACE", "return open('data/x.csv' or PLACE)", top=top)


@case
def other_machines_and_programs():
    each("network", "return urlopen('http://x')", "return urllib.request.urlopen('http://x')", "return socket.create_connection(x)", "return pd.read_csv('https://x/y.csv')", "return pd.read_sql('x', x)")
    each("process", "return subprocess.run(['true'])", "return os.system('true')", "return os.popen('true').read()", "return subprocess.check_output(x)")
    each("machine", "return os.getcwd()", "return os.path.expanduser('~')", "return Path.home()", "return socket.gethostname()")
    none("return urllib.request.Request('http://x')", "return isinstance(x, socket.timeout)")


@case
def variables_that_are_not_named():
    each("environment", "return os.environ[x]", "return dict(os.environ)", "return os.getenv(x)")
    none("return os.environ['A'], os.getenv('B', x)", "os.environ['A'] = 'x'")


@case
def changed_global_variables():
    each("global", "global N\nN += 1", "global N\nN, y = 1, 2", "KEPT[x] = 1", "KEPT.update(a=1)", "LIST.append(1)", "del KEPT[x]", "helpers.LEVEL = 2", "helpers.ITEMS.append(1)", "C.level = 1", "f.calls = 1", "FRAME['b'] = 1",
         "FRAME.drop(columns='a', inplace=True)", "KEPT['a']['b'] = 1", "pd.options.x = 1", "def inner():\n    LIST.append(1)\nreturn inner()")
    none("y = {}\ny['a'] = 1\ny.update(b=2)", "KEPT = {}\nKEPT['a'] = 1", "return FRAME.assign(b=1)", "return LIST + [1]", "return KEPT.get(1)", "y = FRAME.copy()\ny['b'] = 1", "return sorted(LIST)",
         "n = 0\ndef inner():\n    nonlocal n\n    n += 1\nreturn inner()")


@case
def what_is_found_has_its_place():
    (found,) = kinds("y = 1\nreturn clocks.late()")
    assert found.path.endswith("clocks.py") and found.line == 5 and found.what == "time.time()"
    two = kinds("return time.time(), time.time(),\\\n  random.random()")
    assert [(x.what, x.line) for x in two] == [("time.time()", HEAD.count("\n") + 2), ("random.random()", HEAD.count("\n") + 3)]
    # libraries are told by their versions
    none("return pd.DataFrame({'a': [1]}).describe()")


main()
