# SPDX-License-Identifier: Apache-2.0
"""A project of Python modules that a case edits, and functions of theirs that are called: what tests of kept functions share."""
import contextlib
import importlib
import io
import os
import subprocess
import sys

from harness import SHOAL, has
from modules import project

import shoal

HEAD = "import shoal\nfrom shoal import data_function, keep, load\n"
ENV = {**os.environ, "PYTHONPATH": os.path.join(os.environ["SHOAL_BUILD"], "python")}


class Lab:
    """A project whose modules are edited and imported anew; its lake stays."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, expression, m=None, **files):
        """The value of an expression in the module `m`, and what was printed."""
        for name, text in ({"m": HEAD + m} if m is not None else {}).items() | files.items():
            with open(f"{self.folder}/{name}.py", "w") as f:
                f.write(text)
        for name in [n for n, x in sys.modules.items() if str(getattr(x, "__file__", "")).startswith(self.folder)]:
            del sys.modules[name]
        importlib.invalidate_caches()
        import linecache

        linecache.clearcache()
        sys.dont_write_bytecode = True  # two edits within a second look alike to it
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            module = importlib.import_module("m")
            value = eval(expression, vars(module))
        return value, out.getvalue().split()

    def shoal(self, *args, code=0):
        r = subprocess.run([SHOAL, *args], cwd=self.folder, capture_output=True, text=True, env={**ENV, "NO_COLOR": "1"})
        assert r.returncode == code, (r.returncode, r.stdout, r.stderr)
        return r.stdout + r.stderr

    def program(self, text, **env):
        return subprocess.Popen([sys.executable, "-c", text], cwd=self.folder, env={**ENV, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextlib.contextmanager
def lab(**files):
    with project({k + ".py": v for k, v in files.items()}) as folder:
        yield Lab(folder)


def refused(call, *words):
    try:
        call()
    except shoal.Error as e:
        has(str(e), *words)
        return e
    raise AssertionError("it was not refused")


def printed(run, text, **env):
    """What a fresh process prints."""
    p = run.program("from m import *\n" + text, **env)
    out, err = p.communicate()
    assert p.returncode == 0, err
    return out.split()
