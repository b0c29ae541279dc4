# SPDX-License-Identifier: Apache-2.0
"""What the crash tests share: a tiny project over a lake beside it, the program under the recorder, and the checks that
must hold whatever happened (the numbers are those of the invariants in DESIGN section 3)."""
import concurrent.futures
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TREE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD = os.environ.get("SHOAL_BUILD", os.path.join(TREE, "build"))
SHOAL = os.path.join(BUILD, "bin", "shoal")
RECORDER = os.path.join(BUILD, "tests", "shoal_recorder.so")
BUDGET = float(os.environ.get("SHOAL_BUDGET", "1"))  # scales the time each script may take; soak raises it
SEED = int(os.environ.get("SHOAL_SEED", "1"))
WORKERS = 2
MOMENT = 5.0  # seconds: longer than any command here takes, much shorter than a lease's life (15)

try:
    import deltalake
    import pyarrow.parquet
except ImportError:  # the checks that need it are skipped by name
    deltalake = None


class Violation(Exception):
    """Something that must hold does not."""


def need(ok, text, *args):
    if not ok:
        raise Violation(text % args if args else text)


# ---- the project ----

ORDERS = "id,customer,day,amount\n" + "".join(
    f"{i},c{i % 17},2024-{i % 3 + 1:02d}-{i % 28 + 1:02d},{i * 37 % 1000}\n" for i in range(300))
FILES = {
    "shoal.yaml": "name: tiny\nlake: ../lake\nsources:\n"
                  "  bronze.orders: {files: data/orders.csv, options: {header: true}}\n"
                  "engine: {memory: 500MB, threads: 2}\n",
    "data/orders.csv": ORDERS,
    "models/silver/orders.sql": "/* shoal\nexpect:\n  - amount >= 0\n*/\n"
                                "select id, customer, day, amount from bronze.orders where amount >= 1\n",
    "models/silver/customers.sql": "select customer, count(*) as n from silver.orders group by customer\n",
    "models/gold/daily.sql": "/* shoal\npartition_by: [month]\n*/\n"
                             "select day, sum(amount)::bigint as total, month(day) as month from silver.orders group by all\n",
    "models/gold/top.sql": "select o.customer, c.n, max(o.amount) as best from silver.orders o\n"
                           "join silver.customers c using (customer) group by all\n",
}


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def edit(project, path, old, new):
    full = os.path.join(project, path)
    with open(full, encoding="utf-8") as f:
        text = f.read()
    assert old in text
    write(full, text.replace(old, new))


def make_case(folder, project="p"):
    """<folder>/<project> with models; its lake is <folder>/lake. Several projects of one case share the lake."""
    for path, text in FILES.items():
        write(os.path.join(folder, project, path), text)
    return os.path.join(folder, project)


def copy_tree(a, b):
    """A copy with the times and the hard links that were there."""
    shutil.rmtree(b, ignore_errors=True)
    subprocess.run(["cp", "-a", a, b], check=True)


def work_folder():
    """Outside any git work tree, in memory where possible: durability is simulated, not waited for."""
    for base in ("/dev/shm", "/tmp"):
        if os.path.isdir(base) and os.access(base, os.W_OK) and shutil.disk_usage(base).free > 1 << 30:
            return os.path.realpath(tempfile.mkdtemp(prefix="shoal-crash-", dir=base))
    return os.path.realpath(tempfile.mkdtemp(prefix="shoal-crash-"))


# ---- the program ----

class Ran:
    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds
        m = re.search(r"published #(\d+)", out)
        self.published = int(m.group(1)) if m else None

    def __str__(self):
        return f"exit {self.code}\n{self.out}{self.err}"


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SHOAL_", "LD_PRELOAD", "GIT_"))}
    env.update({"GIT_CEILING_DIRECTORIES": "/", "LC_ALL": "C.UTF-8"})
    env.update(more)
    return env


def recorded(root, log=None, kill=None, fault=None, count=None):
    env = {"LD_PRELOAD": RECORDER, "SHOAL_RECORD_ROOT": root}
    for key, value in (("LOG", log), ("COUNT", count)):
        if value:
            env["SHOAL_RECORD_" + key] = value
    if kill:
        env["SHOAL_KILL"] = kill
    if fault:
        env["SHOAL_FAULT"] = fault
    return env


def start(project, *args, branch="main", env=None):
    return subprocess.Popen([SHOAL, "-C", project, "--branch", branch, *args], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                            env=environment(**(env or {})))


def shoal(project, *args, branch="main", env=None, timeout=60):
    t = time.monotonic()
    p = start(project, *args, branch=branch, env=env)
    try:
        out, err = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
        raise Violation(f"shoal {' '.join(args)} hangs\n{out}{err}") from None
    return Ran(p.returncode, out, err, time.monotonic() - t)


def good(ran, what):
    need(ran.code == 0, "%s: %s", what, ran)
    return ran


# ---- what is there ----

def digest_sql(names):
    return " union all ".join(f"select '{n}' as d, count(*) as n, sum(hash(t)) as h from {n} t" for n in names)


class Head:
    """A branch as Shoal shows it: publication, dataset → (rows_hash, signature, generation, attempt)."""

    def __init__(self, listing):
        self.publication = listing["publication"]
        self.local = {d["dataset"] for d in listing["datasets"] if d["local"]}
        self.datasets = {d["dataset"]: (d["rows_hash"] + (" pinned" if d["pinned"] else ""), d["signature"], d["generation"],
                                        d["attempt"]) for d in listing["datasets"]}

    def hashes(self):
        return {name: d[0] for name, d in self.datasets.items()}


def no_lake_yet(ran):
    text = ran.out + ran.err
    return ran.code == 1 and ("there is no lake" in text or "there is no branch" in text)


def head_of(project, branch="main"):
    """None: nothing is there. Raises when what is there can't be read."""
    ran = shoal(project, "ls", "--json", branch=branch)
    if no_lake_yet(ran):
        return None
    return Head(json.loads(good(ran, "ls").out))


def rows_of(project, names, branch="main"):
    """dataset → (rows, sum of the rows' hashes), by Shoal's own reader."""
    if not names:
        return {}
    ran = good(shoal(project, "sql", digest_sql(sorted(names)), "--format", "json", branch=branch), "sql")
    rows = [json.loads(line) for line in ran.out.splitlines() if line]
    return {r["d"]: (r["n"], r["h"]) for r in rows}


def table_digest(path):
    """The rows of a Delta table as delta-rs sees them; None: there is no table."""
    log = os.path.join(path, "_delta_log")
    if not os.path.isdir(log) or not any(n.endswith(".json") for n in os.listdir(log)):
        return None
    try:
        table = deltalake.DeltaTable(path).to_pyarrow_dataset().to_table()
    except Exception as e:  # whatever it says, the table can't be opened
        raise Violation(f"delta-rs cannot read {path}: {e}") from e
    columns = sorted(table.column_names)
    rows = sorted(zip(*(table.column(c).to_pylist() for c in columns)), key=repr)
    return hashlib.sha256(repr((columns, rows)).encode()).hexdigest()


def tables_of(lake, names, prefix=""):
    """dataset → digest of its table."""
    if deltalake is None:
        return {}
    return {n: table_digest(os.path.join(lake, prefix, *n.split("."))) for n in names}


def read_json(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def branch_logs(lake):
    """branch folder → the numbers in its log."""
    root = os.path.join(lake, "_shoal", "branches")
    out = {}
    for b in os.listdir(root) if os.path.isdir(root) else []:
        out[b] = sorted(int(n[:-5]) for n in os.listdir(os.path.join(root, b)) if re.fullmatch(r"\d{20}\.json", n))
    return out


def claims(lake):
    """(signature, generation) → attempt, for what is claimed."""
    out = {}
    root = os.path.join(lake, "_shoal", "claims")
    for folder, _, names in os.walk(root):
        for n in names:
            c = read_json(os.path.join(folder, n))
            if c["kind"] == "claimed":
                out[os.path.basename(folder), int(n[:-5])] = c["result"]["attempt"]
    return out


def attempts(lake):
    """signature → its attempts' folders that hold a table, below all homes."""
    out = {}
    for folder, names, _ in os.walk(lake):
        if os.path.basename(folder) == "_shoal" and folder != os.path.join(lake, "_shoal") and "_branches" not in folder:
            for sig in names:
                for a in os.listdir(os.path.join(folder, sig)):
                    out.setdefault(sig, set()).add(a)
            names[:] = []
    return out


def check_lake(lake):
    """Invariants 1 and 5 in the lake's own objects: logs without holes; what they name is what is claimed."""
    claimed = claims(lake)
    for b, numbers in branch_logs(lake).items():
        need(numbers == list(range(len(numbers))), "the log of %s has a hole: %s", b, numbers)
        for n in numbers[1:]:
            p = read_json(os.path.join(lake, "_shoal", "branches", b, f"{n:020d}.json"))
            for c in p["changes"]:
                r = c.get("result")
                if r:
                    was = claimed.get((r["signature"], r["generation"]))
                    need(was == r["attempt"], "publication %s#%d names attempt %s of %s, claimed is %s", b, n, r["attempt"],
                         c.get("name"), was)


# ---- cases ----

class Cases:
    """Prints a line for each case, counts, and ends the script."""

    def __init__(self, name):
        self.name, self.passed, self.failed, self.skipped = name, 0, 0, 0
        self.lock = threading.Lock()
        self.folder = work_folder()
        self.started = time.monotonic()

    def run(self, name, fn, *args):
        t = time.monotonic()
        try:
            note = fn(*args)
            self.ok(name, note, time.monotonic() - t)
        except Exception as e:  # a test's failure, whatever its kind
            self.fail(name, e if isinstance(e, Violation) else repr_error(e))

    def ok(self, name, note=None, seconds=None):
        with self.lock:
            self.passed += 1
            print(f"[       OK ] {name}" + (f": {note}" if note else "") + (f" ({seconds:.1f} s)" if seconds else ""), flush=True)

    def fail(self, name, why):
        with self.lock:
            self.failed += 1
            print(f"[  FAILED  ] {name}\n    " + str(why).strip().replace("\n", "\n    "), flush=True)

    def skip(self, name, why):
        with self.lock:
            self.skipped += 1
            print(f"[  SKIPPED ] {name}: {why}", flush=True)

    def end(self):
        keep = os.environ.get("SHOAL_KEEP") and self.failed
        if keep:
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(1 if self.failed else 0)


def repr_error(e):
    import traceback
    return "".join(traceback.format_exception(e))


class Sampled:
    """Runs checks in parallel until the time is over; collects violations instead of stopping at the first."""

    def __init__(self, seconds):
        self.deadline = time.monotonic() + seconds
        self.checked, self.violations = 0, []
        self.lock = threading.Lock()

    def over(self):
        return time.monotonic() >= self.deadline or len(self.violations) >= 5

    def one(self, label, fn, *args):
        if self.over():
            return
        try:
            fn(*args)
        except Violation as e:
            with self.lock:
                self.violations.append(f"{label}: {e}")
        except Exception as e:
            with self.lock:
                self.violations.append(f"{label}: {repr_error(e)}")
        with self.lock:
            self.checked += 1

    def all(self, jobs, workers=WORKERS):
        """jobs: (label, fn, args…); fn gets the worker's number first."""
        queue = iter(jobs)
        lock = threading.Lock()

        def work(number):
            while not self.over():
                with lock:
                    job = next(queue, None)
                if job is None:
                    return
                self.one(job[0], job[1], number, *job[2:])

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))

    def verdict(self):
        need(not self.violations, "%d of %d checked states are wrong:\n%s", len(self.violations), self.checked,
             "\n".join(self.violations[:5]))


def rng(*what):
    return random.Random("/".join(str(w) for w in (SEED, *what)))
