# SPDX-License-Identifier: Apache-2.0
"""Modules written into a folder of their own and imported from there."""
import atexit
import contextlib
import importlib
import os
import shutil
import sys
import tempfile
import textwrap

TOP = tempfile.mkdtemp(prefix="shoal-forms-", dir="/tmp")
atexit.register(shutil.rmtree, TOP, True)
START = os.getcwd()
counter = 0


@contextlib.contextmanager
def project(files):
    """The current folder, for a while: modules are imported from it, and forgotten."""
    global counter
    counter += 1
    folder = f"{TOP}/p{counter}"
    for path, text in {"shoal.yaml": "name: t\n", **files}.items():
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        with open(f"{folder}/{path}", "wb") as f:
            f.write(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    before = set(sys.modules)
    os.chdir(folder)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield folder
    finally:
        sys.path.remove(folder)
        os.chdir(START)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
                del sys.modules[name]
