# SPDX-License-Identifier: Apache-2.0
"""The program `shoal`, which this package brings along: what it tells of a project, on the lake and branch of this thread."""
from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from typing import Any, Callable

from . import _tables
from ._kept import error


@functools.lru_cache(maxsize=1)
def _path() -> str:
    folders = [os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bin"), sysconfig.get_path("scripts"),
               sysconfig.get_path("scripts", f"{os.name}_user")]
    for folder in folders:
        path = os.path.join(folder, "shoal")
        if os.access(path, os.X_OK):
            return path
    path = shutil.which("shoal") or ""
    if not path:
        raise error("not_found", "the program shoal is not where this package was installed", "install the package with pip")
    return path


def _command(args: list[str]) -> list[str]:
    lake, branch = _tables.chosen()
    return [_path(), *args, *(["--lake", lake] if lake else []), *(["--branch", branch] if branch else [])]


def _environment() -> dict[str, str]:
    """Python models run as this process does, unless shoal.yaml says otherwise: kernels are started without their environment."""
    own = {"VIRTUAL_ENV": sys.prefix} if sys.prefix != sys.base_prefix else {}
    return {**os.environ, **own}


def ask(*args: str) -> dict[str, Any]:
    """What a verb answers as JSON; its error is raised."""
    done = subprocess.run(_command([*args, "--json"]), capture_output=True, text=True, errors="replace", env=_environment(), check=False)
    lines = done.stdout.splitlines()
    told: dict[str, Any] = json.loads(lines[-1]) if lines else {"event": "error", "code": "engine", "message": done.stderr.strip()}
    if told.get("event") == "error":
        raise error(told["code"], told["message"], told.get("hint", ""), told.get("path"), told.get("line", 0))
    return told


def show(args: list[str], out: Callable[[str], object]) -> tuple[int, str]:
    """Runs a verb, gives each line to `out` as it comes; its exit code, and what it said of errors. Ctrl-C is its own to handle."""
    with subprocess.Popen(_command([*args, "--no-color"]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                          env=_environment(), start_new_session=True) as child:
        assert child.stdout and child.stderr
        said: list[str] = []
        listener = threading.Thread(target=lambda pipe: said.append(pipe.read()), args=(child.stderr,))
        listener.start()
        while True:
            try:
                for line in child.stdout:
                    out(line)
                break
            except KeyboardInterrupt:
                child.send_signal(signal.SIGINT)
        listener.join()
    return child.returncode, "".join(said)
