# SPDX-License-Identifier: Apache-2.0
"""What the command-line tests share: a temporary project, runs of the real program, cases that print their outcome."""
import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

BUILD = os.environ.get("SHOAL_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
SHOAL = os.path.join(BUILD, "bin/shoal")
CASES = []
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="shoal-cache-")  # the package writes into the user's; before it is imported
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], True)


def case(f):
    CASES.append(f)
    return f


class Project:
    """A project in a folder of its own, with a git repository."""

    def __init__(self, files=None, git=True, yaml="name: t\n"):
        self.dir = tempfile.mkdtemp(prefix="shoal-cli-", dir="/tmp")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("SHOAL_BRANCH", "GIT_"))}
        self.env.update(GIT_CONFIG_NOSYSTEM="1", HOME=self.dir, NO_COLOR="1", XDG_CACHE_HOME=self.dir + "/.cache")
        self.write({"shoal.yaml": yaml, ".gitignore": "/.shoal/\n/lake/\n/.cache/\n", **(files or {})})
        if git:
            self.git("init", "-q", "-b", "main")
            self.commit("start")

    def write(self, files):
        for path, text in files.items():
            full = os.path.join(self.dir, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as f:
                f.write(text if isinstance(text, bytes) else text.encode())

    def git(self, *args):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *args], cwd=self.dir, env=self.env, check=True, stdout=subprocess.DEVNULL)

    def commit(self, message="c"):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def shoal(self, *args, code=0, cwd=None, env=None, input=None):
        r = subprocess.run([SHOAL, *args], cwd=cwd or self.dir, env={**self.env, **(env or {})}, capture_output=True, text=True, errors="replace", timeout=120, input=input)
        if r.returncode != code:
            raise AssertionError(f"shoal {' '.join(args)}: exit {r.returncode}, not {code}\n{r.stdout}{r.stderr}")
        r.all = r.stdout + r.stderr
        return r

    def json(self, *args, code=0):
        return json.loads(self.shoal(*args, "--json", code=code).stdout.splitlines()[-1])

    def rows(self, sql, *args):
        return [line.split(",") for line in self.shoal("sql", sql, "--format", "csv", *args).stdout.splitlines()[1:]]

    def plan(self):
        return {i["dataset"]: i["action"] for i in self.json("plan")["items"]}

    def to_run(self):
        return sorted(d for d, a in self.plan().items() if a == "run")

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def has(text, *wanted):
    for w in wanted:
        if w not in text:
            raise AssertionError(f"{w!r} is not in\n{text}")


def lacks(text, *unwanted):
    for w in unwanted:
        if w in text:
            raise AssertionError(f"{w!r} is in\n{text}")


def same(got, want):
    if got != want:
        raise AssertionError(f"{got!r} is not {want!r}")


class Skip(Exception):
    """Raised by a case that can't run here; its text says what is missing."""


def main():
    only = sys.argv[1:]
    passed = failed = skipped = 0
    for f in CASES:
        if only and f.__name__ not in only:
            continue
        try:
            f()
            print(f"[       OK ] {f.__name__}", flush=True)
            passed += 1
        except Skip as e:
            print(f"[  SKIPPED ] {f.__name__}: {e}", flush=True)
            skipped += 1
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"[  FAILED  ] {f.__name__}", flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(failed != 0)


__all__ = ["BUILD", "CASES", "SHOAL", "Project", "Skip", "case", "has", "lacks", "main", "re", "same", "os", "subprocess"]
