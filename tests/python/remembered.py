# SPDX-License-Identifier: Apache-2.0
"""What processes remember of code for each other: it says exactly what looking anew would, for thousands of functions of others,
and is never believed of other code."""
import glob
import importlib
import os
import subprocess
import sys
import tempfile
import types

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
from harness import case, main

import shoal
from shoal import _remembered, _source

MODULES = """argparse ast asyncio.base_events asyncio.tasks asyncio.streams bdb calendar cgitb cmd codecs collections configparser contextlib copy csv dataclasses
    datetime difflib dis doctest email.message email.header email.utils enum fractions ftplib functools gettext gzip heapq html.parser http.client http.server
    imaplib inspect ipaddress json.decoder json.encoder locale logging logging.handlers mailbox mimetypes multiprocessing.pool nntplib optparse os pathlib pdb pickle
    pickletools platform plistlib pprint pydoc queue random re sched shelve shutil smtplib socket socketserver sqlite3 ssl statistics string subprocess tarfile
    tempfile textwrap threading timeit tokenize traceback turtle typing unittest.case unittest.mock urllib.parse urllib.request uuid warnings weakref
    xml.dom.minidom xml.etree.ElementTree xmlrpc.client zipfile numpy.linalg numpy.lib numpy.ma.core numpy.testing pandas.core.frame pandas.core.series
    pandas.core.generic pandas.core.groupby.groupby pandas.core.indexes.base pandas.core.reshape.merge pandas.io.formats.style pandas.io.parsers.readers
    polars.dataframe.frame polars.expr.expr pip._internal.commands.install""".split()


def functions():
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:  # not in this version of Python
            continue
        todo = list(vars(module).values())
        while todo:
            value = todo.pop()
            value = value.__func__ if type(value) in (staticmethod, classmethod) else value.fget if type(value) is property else value
            if isinstance(value, types.FunctionType) and value.__module__ == name:
                yield value
            elif isinstance(value, type) and value.__module__ == name:
                todo += [v for v in vars(value).values() if not isinstance(v, type)]


def seen(f):
    facts, source = _source.facts_of(f.__code__), _source.source_of(f)
    told = source and (source.digest(True), source.digest(False), source.in_class, source.found.decorators, source.text(), source.file.variables)
    return facts.told(), told, [type(c) for c in facts.calls[:1] + facts.imports[:1]]


def forget():
    _remembered.save()
    _source._facts.clear()
    _source._files.clear()
    _remembered._stores.clear()


class elsewhere:
    """A cache of its own."""

    def __enter__(self):
        self.was, self.folder = _remembered.FOLDER, tempfile.TemporaryDirectory()
        forget()
        _remembered.FOLDER = self.folder.name + "/cache"
        return self.folder.name

    def __exit__(self, *_):
        forget()
        _remembered.FOLDER = self.was
        self.folder.cleanup()


def never(*_):
    raise AssertionError("it was parsed, or read, again")


@case
def what_is_remembered_is_what_looking_gives():
    every = [f for f in functions() if os.path.isabs(f.__code__.co_filename)]  # not what dataclasses write
    with elsewhere():
        looked = [seen(f) for f in every]
        forget()
        parse, read = _source.Parsed, _source.Facts._read
        found = sum(1 for _, told, _ in looked if told)
        assert len(every) > 5000 and found > len(every) * 0.9, (len(every), found)
        missing = {f.__code__.co_filename for f, (_, told, _) in zip(every, looked) if told is None}  # is looked for again
        try:
            _source.Facts._read = never
            _source.Parsed = lambda name, lines: parse(name, lines) if name in missing else never()
            again = [seen(f) for f in every]
        finally:
            _source.Parsed, _source.Facts._read = parse, read
        for f, a, b in zip(every, looked, again):
            assert a == b, f


@case
def signatures_are_the_same_with_and_without_it():
    for package in ("json", "textwrap", "argparse", "configparser", "statistics", "dataclasses", "unittest.mock"):
        shoal.accept_module(package)
    every = [f for f in functions() if f.__module__.startswith(("json", "textwrap", "argparse", "configparser", "statistics", "dataclasses", "unittest"))]

    def keys():
        for f in every:
            try:
                yield shoal.signature(f).key
            except shoal.Error as e:
                yield str(e)

    with elsewhere():
        first = list(keys())
        forget()
        assert list(keys()) == first and len(first) > 300
    _remembered_store, _remembered.store = _remembered.store, lambda name: None
    try:
        forget()
        assert list(keys()) == first
    finally:
        _remembered.store = _remembered_store


PROGRAM = "import m, shoal, sys; print(shoal.signature(m.f).key)"


def key_of(folder, text, program=PROGRAM, **more):
    with open(f"{folder}/m.py", "w") as f:
        f.write(text)
    env = {**os.environ, "PYTHONPATH": os.path.join(os.environ["SHOAL_BUILD"], "python"), "XDG_CACHE_HOME": folder + "/cache", "PYTHONDONTWRITEBYTECODE": "1", **more}
    r = subprocess.run([sys.executable, "-c", program], cwd=folder, env=env, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout.strip()


@case
def an_edit_is_seen_by_the_next_process():
    with tempfile.TemporaryDirectory() as folder:
        one = key_of(folder, "X = 1\ndef f(): return X + 1\n")
        assert len(glob.glob(folder + "/cache/shoal/python/*")) == 2
        two = key_of(folder, "X = 1\ndef f(): return X + 2\n")
        assert two != one == key_of(folder, "X = 1\ndef f(): return X + 1\n") == key_of(folder, "# more\nX = 1\n\n\ndef f():\n    return X + 1\n")
        assert key_of(folder, "X = 2\ndef f(): return X + 1\n") not in (one, two)


@case
def what_runs_is_what_counts():
    """Code that is not that of its file is not taken for it, though its file, name and line are the same."""
    with tempfile.TemporaryDirectory() as folder:
        text, other = "def f(): return 1\n", "def f(): return 2\n"
        one, two = key_of(folder, text), key_of(folder, other)
        replaced = f"import m, shoal\nexec(compile({other!r}, m.__file__, 'exec'), vars(m))\nprint(shoal.signature(m.f).key)"
        assert key_of(folder, text, replaced) not in (one, two) and key_of(folder, text) == one
        edited = f"import m, shoal\nopen('m.py', 'w').write({other!r})\nprint(shoal.signature(m.f).key)"
        assert key_of(folder, text, edited) not in (one, two) and key_of(folder, text) == one and key_of(folder, other) == two


@case
def a_damaged_or_forbidden_cache_only_costs_time():
    with tempfile.TemporaryDirectory() as folder:
        text = "def f(): return 1\n"
        one = key_of(folder, text)
        for path in glob.glob(folder + "/cache/shoal/python/*"):
            with open(path, "rb") as f:
                whole = f.read()
            for damage in (b"", whole[:40], whole[:-1], whole[:50] + b"?" + whole[51:], os.urandom(4096)):
                with open(path, "wb") as f:
                    f.write(damage)
                assert key_of(folder, text) == one
        assert key_of(folder, text, XDG_CACHE_HOME="/proc/nowhere") == one


@case
def the_cache_does_not_grow_for_ever():
    most, _remembered._MOST_FILES = _remembered._MOST_FILES, 20
    try:
        with elsewhere() as folder:
            for i in range(100):
                with open(f"{folder}/m{i}.py", "w") as f:
                    f.write("def f(): pass\n")
                space = {}
                exec(compile("def f(): pass\n", f.name, "exec"), space)
                seen(space["f"])
                _remembered.save()
            names = glob.glob(folder + "/cache/*")
            assert 10 <= len(names) <= 20 and _remembered._stores[f.name].path in names, len(names)
    finally:
        _remembered._MOST_FILES = most


if __name__ == "__main__":
    main()
