# SPDX-License-Identifier: Apache-2.0
"""Python models in `shoal run`: discovery, edges to and from SQL, execution in workers, and what happens when those die."""
import glob
import json
import shutil
import signal
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403

# The package as pip installs it for the tests, and the interpreter that has pandas.
PACKAGE = os.environ.get("SHOAL_PYTHON_PACKAGE", os.path.join(os.path.abspath(BUILD), "python"))
HEAD = "import shoal\nimport pandas as pd\n"


def project(files=None, yaml="name: t\n", **env):
    p = Project(files, yaml=yaml)
    p.env.update({"PYTHONPATH": PACKAGE, "PATH": os.path.dirname(sys.executable) + ":" + p.env["PATH"], **env})
    p.env.pop("VIRTUAL_ENV", None)
    return p


def model(name, body, head=HEAD):
    return f'{head}\n@shoal.data_function("/{name}")\ndef {name.split("/")[-1]}():\n' + "".join(f"    {line}\n" for line in body.split("\n"))


PIPELINE = {
    "data/flights.csv": "carrier,dep,arr\nAA,10,12\nAA,20,30\nUA,5,1\nUA,15,10\nUA,1,2\nDL,0,-3\n",
    "models/silver/features.sql": "select carrier, dep, arr from bronze.flights where dep is not null\n",
    "lib/fit.py": "STEPS = 3\n\n\ndef slope(xs, ys):\n    '''Least squares through the origin.'''\n    num = sum(x * y for x, y in zip(xs, ys))\n"
                  "    return num / sum(x * x for x in xs)\n",
    "models/ml/train.py": HEAD + "from lib.fit import slope\n\nRATE = 1.0\n\n\n@shoal.data_function('/ml/train')\ndef train():\n    '''One slope for each carrier.'''\n"
                          "    df = shoal.table('silver.features').df()\n    print('training on', len(df), 'rows')\n"
                          "    rows = [(c, RATE * slope(g.dep, g.arr)) for c, g in df.groupby('carrier') if g.dep.any()]\n"
                          "    return pd.DataFrame(rows, columns=['carrier', 'slope'])\n",
    "models/gold/predicted.sql": "select f.carrier, f.dep * t.slope as arr from silver.features f join ml.train t using (carrier)\n",
    "models/gold/counts.sql": "select carrier, count(*) as n from silver.features group by all\n",
}
SOURCES = "name: t\nsources:\n  bronze.flights: {files: data/*.csv, options: {header: true}}\n"


@case
def sql_reads_what_python_makes_and_the_other_way_round():
    p = project(PIPELINE, SOURCES)
    same(p.to_run(), ["gold.counts", "gold.predicted", "ml.train", "silver.features"])
    has(p.shoal("plan").stdout, "models/ml/train.py")
    r = p.shoal("run")
    has(r.stdout, "ml.train  2 rows", "published #1 on main: 4 datasets")
    same(p.rows("select carrier, round(slope, 3) from ml.train order by 1"), [["AA", "1.44"], ["UA", "0.625"]])
    same(p.rows("select count(*) from gold.predicted"), [["5"]])
    has(p.shoal("graph").stdout, "ml.train ← silver.features", "gold.predicted ← ml.train")
    has(p.shoal("show", "ml.train").stdout, "One slope for each carrier.", "from models/ml/train.py", "reads silver.features", "slope    double", "with python 3.")
    has(p.shoal("ls").stdout, "ml.train")
    has(p.shoal("check").stdout, "4 models are fine, 0 have errors")
    # an open Delta table, with statistics
    log = open(glob.glob(p.dir + "/lake/ml/train/_delta_log/00000000000000000000.json")[0]).read()
    has(log, '\\"minValues\\":{\\"carrier\\":\\"AA\\"')
    has(p.shoal("run").stdout, "nothing to do")
    p.remove()


@case
def the_order_of_a_models_rows_stays():
    p = project({"models/t.py": model("t", "return pyarrow.table({'i': range(1_500_000, 0, -1)})", HEAD + "import pyarrow\n")})
    p.shoal("run")
    same(p.rows("select count(*) from (select i, lag(i) over () as before from t) where before <> i + 1"), [["0"]])
    p.remove()


def signature_of(p, dataset):
    (folder,) = glob.glob(f"{p.dir}/lake/{dataset.replace('.', '/')}/_shoal/*")
    return os.path.basename(folder)


# a model that is no table, made by one function and used by another; its parameters in JSON
OBJECTS = {
    "models/silver/points.sql": "select i, 2.0 * i as y from range(5) t(i)\n",
    "models/ml/objects.py": "import shoal\nimport pandas as pd\n\nDEPTH = 2\n\n\n@shoal.data_function('/ml/params')\ndef params():\n"
                            "    df = shoal.load('/silver/points')\n    return {'depth': DEPTH, 'slope': float((df.i * df.y).sum() / (df.i * df.i).sum())}\n\n\n"
                            "@shoal.data_function('/ml/scored')\ndef scored():\n    p = shoal.load('/ml/params')\n"
                            "    return shoal.load('/silver/points').assign(score=lambda d: d.i * p['slope'] + p['depth'])\n",
    "models/gold/best.sql": "select max(score) as best from ml.scored\n",
}


@case
def objects_are_results_too():
    p = project(OBJECTS)
    p.shoal("run")
    same(p.rows("from gold.best"), [["10.0"]])
    (held,) = glob.glob(p.dir + "/lake/ml/params/_shoal/*/*/payload")
    same(open(held).read(), '{"depth":2,"slope":2.0}')
    has(p.shoal("show", "ml.params").stdout, "json")
    has(p.shoal("ls").stdout, "ml.params")
    has(p.shoal("graph").stdout, "ml.scored ← ml.params")
    has(p.shoal("check").stdout, "4 models are fine")
    has(p.shoal("run").stdout, "nothing to do")
    p.write({"models/ml/objects.py": OBJECTS["models/ml/objects.py"].replace("DEPTH = 2", "DEPTH = 3")})
    same(p.to_run(), ["gold.best", "ml.params", "ml.scored"])
    has(p.shoal("why", "gold.best").stdout, "gold.best reads ml.scored reads ml.params", "DEPTH = 2  →  DEPTH = 3")
    p.shoal("run")
    same(p.rows("from gold.best"), [["11.0"]])
    has(p.shoal("run", "--again").stdout, "4 computed again: 4 with the same content")
    # SQL can't read one
    p.write({"models/gold/no.sql": "select * from ml.params\n"})
    has(p.shoal("run", code=1).stderr, "ml.params is an object (dict), not a table")
    has(p.shoal("check", code=1).all, "ml.params is an object")
    p.remove()


@case
def tables_of_any_library_and_layout_cross():
    rows = "n = 300_000\nframe = pd.DataFrame({'s': ['x' * (i % 7) for i in range(n)], 'f': [i / 3 for i in range(n)], 'b': [i % 2 == 0 for i in range(n)]})\n"
    p = project({"models/ml/frame.py": model("ml/frame", rows + "frame['c'] = frame.s.astype('category')\nreturn frame"),
                 "models/ml/slice.py": model("ml/slice", "import pyarrow as pa\n" + rows + "return pa.Table.from_pandas(frame).slice(1001, 100_000)"),
                 "models/ml/polars.py": model("ml/polars", "import polars as pl\nreturn pl.DataFrame({'s': ['a', None, 'b' * 50], 'l': [[1], [], None], 't': [None, 1, 2]})[1:]"),
                 "models/ml/batches.py": model("ml/batches", "import pyarrow as pa\nfor i in range(3):\n    yield pa.record_batch({'i': list(range(i, i + 5))})[1:]"),
                 "models/gold/n.sql": "select (select count(*) from ml.frame where c = s) as f, (select sum(length(s)) from ml.slice) as s, (select max(length(s)) from ml.polars) as p,\n"
                                      "  (select sum(i) from ml.batches) as b\n"})
    p.shoal("run")
    same(p.rows("from gold.n"), [["300000", str(sum(i % 7 for i in range(1001, 101_001))), "50", str(sum(sum(range(i + 1, i + 5)) for i in range(3)))]])
    p.remove()


@case
def what_only_pickle_can_keep_needs_a_trusted_lake():
    p = project({"models/ml/m.py": "import shoal\n\nclass Model:\n    def __init__(self, a):\n        self.a = a\n\n\n@shoal.data_function('/ml/m')\ndef m():\n    return Model(7)\n"
                 "\n\n@shoal.data_function('/ml/n')\ndef n():\n    return shoal.load('/ml/m').a\n"})
    has(p.shoal("run", code=1).stderr, "only pickle could keep", "trust")
    trust = "import shoal\nshoal.set_store('lake', trust=True)\nprint(shoal.load('/ml/n'))"
    subprocess.run([sys.executable, "-c", trust.rsplit("\n", 1)[0]], cwd=p.dir, env=p.env, check=True)
    p.shoal("run")
    r = subprocess.run([sys.executable, "-c", "import shoal; print(shoal.load('/ml/n'), shoal.load('/ml/m').a)"], cwd=p.dir, env=p.env, capture_output=True, text=True)
    same(r.stdout.strip(), "7 7")
    p.remove()


@case
def what_a_call_has_made_a_run_finds_and_the_other_way_round():
    p = project(OBJECTS)
    p.shoal("run", "silver.points")
    call = "import sys; sys.path.insert(0, '.')\nfrom models.ml.objects import params, scored\nprint(params(), len(scored()))"
    python = lambda: subprocess.run([sys.executable, "-c", call], cwd=p.dir, env=p.env, capture_output=True, text=True, check=True).stdout  # noqa: E731
    same(python(), "{'depth': 2, 'slope': 2.0} 5\n")
    same(p.to_run(), ["gold.best"])
    p.shoal("run")
    p.write({"models/ml/objects.py": OBJECTS["models/ml/objects.py"].replace("DEPTH = 2", "DEPTH = 5").replace("    return {", "    print('computed')\n    return {")})
    same(p.to_run(), ["gold.best", "ml.params", "ml.scored"])
    has(p.shoal("why", "ml.params").stdout, "DEPTH = 5")
    p.shoal("run")
    same(python(), "{'depth': 5, 'slope': 2.0} 5\n")  # computed by the run: nothing is printed here
    p.remove()


@case
def a_run_and_a_call_have_one_signature():
    p = project(PIPELINE, SOURCES)
    p.shoal("run")
    call = ("import sys; sys.path.insert(0, '.')\nfrom models.ml.train import train\nfrom shoal._calls import call_key, describe\nd = describe(train)\n"
            f"print(call_key(d['code'], d['args'], [('silver.features', '{signature_of(p, 'silver.features')}')]))")
    same(subprocess.run([sys.executable, "-c", call], cwd=p.dir, env=p.env, capture_output=True, text=True, check=True).stdout.strip(), signature_of(p, "ml.train"))
    p.remove()


@case
def a_changed_parameter_reruns_training_and_what_is_below():
    p = project(PIPELINE, SOURCES)
    p.shoal("run")
    p.write({"models/ml/train.py": PIPELINE["models/ml/train.py"].replace("RATE = 1.0", "RATE = 0.5")})
    same(p.to_run(), ["gold.predicted", "ml.train"])
    has(p.shoal("why", "ml.train").stdout, "models/ml/train.py:5  RATE = 1.0  →  RATE = 0.5", "RATE")
    has(p.shoal("why", "gold.predicted").stdout, "gold.predicted reads ml.train, and that changed", "RATE = 0.5")
    has(p.shoal("run").stdout, "published #2 on main: 2 datasets")
    # a helper in a file of its own
    p.write({"lib/fit.py": PIPELINE["lib/fit.py"].replace("x * x", "x * x + 1")})
    same(p.to_run(), ["gold.predicted", "ml.train"])
    has(p.shoal("why", "ml.train").stdout, "lib/fit.py:7", "x * x + 1 for x", "lib.fit.slope")
    p.shoal("run")
    has(p.shoal("why", "ml.train", "main~1..main").stdout, "lib/fit.py:7")
    # what does not count: comments, docstrings, what is not reached
    p.write({"lib/fit.py": "# a comment\n" + PIPELINE["lib/fit.py"].replace("x * x", "x * x + 1").replace("STEPS = 3", "STEPS = 4").replace("Least", "The least")})
    same(p.to_run(), [])
    has(p.shoal("run").stdout, "nothing to do")
    p.remove()


def counted(p):
    """An environment with a stand-in that tells of each start of Python, and how often it was started."""
    fake, real = p.dir + "/.cache/bin", os.path.dirname(sys.executable) + "/python3"
    p.write({".cache/bin/python3": f"#!/bin/sh\necho started >> {p.dir}/.cache/starts\nexec {real} \"$@\"\n"})
    os.chmod(fake + "/python3", 0o755)
    return {"PATH": fake + ":/usr/bin:/bin"}, lambda: len(open(p.dir + "/.cache/starts").readlines()) if os.path.exists(p.dir + "/.cache/starts") else 0


@case
def unchanged_files_start_no_python():
    p = project(PIPELINE, SOURCES)
    p.shoal("run")
    p.write({"models/silver/other.sql": "select 1 as x\n"})  # so that the project is scanned
    env, starts = counted(p)
    p.shoal("plan", env=env)
    same(starts(), 1)  # another interpreter: asked anew
    p.shoal("run", env=env)
    p.shoal("plan", env=env)
    p.shoal("status", env=env)
    p.write({"models/silver/other.sql": "select 2 as x\n"})
    p.shoal("run", env=env)
    p.shoal("graph", env=env)
    same(starts(), 1)
    p.write({"lib/fit.py": PIPELINE["lib/fit.py"] + "# more\n"})
    p.shoal("plan", env=env)
    same(starts(), 2)
    p.write({"models/ml/other.py": model("ml/other", "return pd.DataFrame({'a': [1]})")})
    p.shoal("plan", env=env)
    same(starts(), 3)
    p.remove()


def tiny(p, version):
    """An installed package; the project's Python finds it."""
    site = p.dir + "-env/site-packages"
    os.makedirs(site + "/tiny", exist_ok=True)
    for old in glob.glob(site + "/tiny-*.dist-info"):
        shutil.rmtree(old)
    info = f"tiny-{version}.dist-info"
    os.makedirs(f"{site}/{info}")
    for path, text in ((info + "/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"), (info + "/RECORD", "tiny/__init__.py,,\n"),
                       (info + "/top_level.txt", "tiny\n"), ("tiny/__init__.py", f"def f():\n    return '{version}'\n")):
        with open(f"{site}/{path}", "w") as f:
            f.write(text)
    p.env["PYTHONPATH"] = PACKAGE + ":" + site


TINY = {"models/ml/a.py": "import tiny\n" + model("ml/a", "return pd.DataFrame({'a': [tiny.f()]})"), "models/ml/b.py": model("ml/b", "return pd.DataFrame({'a': [1]})")}


@case
def a_package_with_another_version_counts():
    p = project(TINY)
    tiny(p, "1.0.0")
    p.shoal("run")
    same(p.rows("from ml.a"), [["1.0.0"]])
    tiny(p, "1.1.0")
    same(p.to_run(), ["ml.a"])
    has(p.shoal("plan").stdout, "tiny 1.0.0 → 1.1.0")
    has(p.shoal("why", "ml.a").stdout, "tiny 1.0.0  →  1.1.0")
    p.shoal("run")
    same(p.rows("from ml.a"), [["1.1.0"]])
    shutil.rmtree(p.dir + "-env")
    p.remove()


@case
def how_versions_count_is_a_matter_of_policy():
    p = project(TINY, "name: t\npython: {env: minor}\n")
    tiny(p, "1.0.0")
    p.shoal("run")
    tiny(p, "1.0.1")
    same(p.to_run(), [])
    tiny(p, "1.1.0")
    same(p.to_run(), ["ml.a"])
    has(p.shoal("why", "ml.a").stdout, "tiny 1.0  →  1.1")
    p.write({"shoal.yaml": "name: t\npython: {env: {default: exact, tiny: ignore}}\n"})
    p.shoal("run")
    tiny(p, "2.0.0")
    same(p.to_run(), [])
    has(p.shoal("config").stdout, "python.env.tiny", "ignore")
    p.write({"shoal.yaml": "name: t\npython: {env: {tiny: sometimes}}\n"})
    has(p.shoal("plan", code=1).stderr, "shoal.yaml:2", "python.env must be exact, minor or ignore")
    shutil.rmtree(p.dir + "-env")
    p.remove()


@case
def a_file_that_importing_reads_counts():
    p = project({"conf.json": '{"n": 3}', "models/ml/a.py": "import json\nN = json.load(open('conf.json'))['n']\n" + model("ml/a", "return pd.DataFrame({'a': [N]})")})
    p.shoal("run")
    p.write({"conf.json": '{"n": 4}'})
    p.shoal("run")
    same(p.rows("from ml.a"), [["4"]])
    p.remove()


@case
def functions_that_call_each_other_are_one_graph():
    p = project({"models/ml/both.py": HEAD + "\n@shoal.data_function('/ml/first')\ndef first():\n    return pd.DataFrame({'a': [1, 2]})\n"
                 "\n@shoal.data_function('/ml/second')\ndef second():\n    return first().assign(b=7)\n"})
    has(p.shoal("graph").stdout, "ml.second ← ml.first")
    p.shoal("run")
    same(p.rows("from ml.second order by 1"), [["1", "7"], ["2", "7"]])
    p.remove()


@case
def what_is_wrong_with_a_model_is_said_with_file_and_line():
    good = model("ml/a", "return pd.DataFrame({'a': [1]})")
    cases = [
        ({"models/ml/a.py": good, "models/ml/b.py": good}, ["two models are named ml.a", "models/ml/a.py:4", "models/ml/b.py:4"]),
        ({"models/ml/a.py": good, "models/ml/a.sql": "select 1 as x\n"}, ["two models are named ml.a", "models/ml/a.sql:1", "models/ml/a.py:4"]),
        ({"models/ml/a.py": "import shoal\nimport lib.x\n", "lib/x.py": "\n\nboom()\n"}, ["lib/x.py:3", "NameError: name 'boom' is not defined"]),
        ({"models/ml/a.py": "import shoal\n\ndef f(:\n"}, ["models/ml/a.py:3", "SyntaxError"]),
        ({"models/ml/a.py": "import nowhere_to_be_found\n"}, ["models/ml/a.py:1", "No module named 'nowhere_to_be_found'"]),
        ({"models/ml/a.py": good.replace("def a()", "def a(x, y=1)")}, ["models/ml/a.py:4", "can't be a model", "give its parameters defaults"]),
        ({"models/ml/a.py": good.replace("/ml/a", "/ml/A b")}, ["models/ml/a.py:4", "names no dataset"]),
        ({"models/ml/a.py": model("ml/a", "return shoal.table('ml.nothere').df()")}, ["models/ml/a.py:4", "there is no dataset ml.nothere"]),
        ({"models/ml/a.py": model("ml/a", "return shoal.table('ml.b').df()"), "models/ml/b.sql": "select * from ml.a\n"}, ["a cycle", "ml.a reads ml.b"]),
        ({"models/ml/a.py": "import os\nos._exit(3)\n"}, ["importing models/ml/a.py", "exit code 3"]),
    ]
    for files, wanted in cases:
        p = project(files)
        has(p.shoal("plan", code=1).all, *wanted)
        p.remove()


@case
def a_models_exception_is_its_error():
    p = project({"models/ml/a.py": model("ml/a", "print('about to')\nreturn helper(3)") + "\n\ndef helper(x):\n    raise ValueError(f'bad {x}')\n",
                 "models/ml/b.py": model("ml/b", "return pd.DataFrame({'a': [1]})")})
    r = p.shoal("run", "--keep-going", code=1)
    has(r.stderr, "models/ml/a.py:11: ml.a: ValueError: bad 3", "| about to", "return helper(3)", "nothing was published")
    has(r.stdout, "ml.b  1 row  ")
    # what it printed is kept
    (log,) = glob.glob(p.dir + "/.shoal/output/*/ml.a.log")
    has(open(log).read(), "about to", "ValueError: bad 3")
    same(p.to_run(), ["ml.a"])
    p.remove()


@case
def a_workers_end_is_its_models_error_and_the_others_go_on():
    bodies = {"segv": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "exits": "import os\nprint('bye', flush=True)\nos._exit(7)",
              "leaves": "raise SystemExit('no')", "handle": "return open(__file__)"}
    p = project({**{f"models/ml/{n}.py": model("ml/" + n, b) for n, b in bodies.items()},
                 **{f"models/ml/good{i}.py": model(f"ml/good{i}", f"return pd.DataFrame({{'a': [{i}]}})") for i in range(4)}})
    r = p.shoal("run", "--keep-going", code=1)
    has(r.stderr, "ml.segv: its process was killed by signal 11 (SIGSEGV)", "ml.exits: its process ended with exit code 7", "| bye", "SystemExit: no", "ml.handle gives an iterator of str, which can't be kept")
    same(p.to_run(), ["ml.exits", "ml.handle", "ml.leaves", "ml.segv"])
    p.remove()


@case
def time_and_memory_are_limited():
    p = project({"models/ml/slow.py": model("ml/slow", "import time\ntime.sleep(60)"), "models/ml/big.py": model("ml/big", "return bytearray(8 << 30)"),
                 "models/ml/good.py": model("ml/good", "return pd.DataFrame({'a': [1]})")}, "name: t\npython: {timeout: 2s, memory: 2GB}\n")
    start = time.time()
    r = p.shoal("run", "--keep-going", code=1)
    has(r.stderr, "ml.slow: it took longer than 2 s and was stopped", "ml.big: MemoryError")
    assert time.time() - start < 30
    has(p.shoal("config").stdout, "python.timeout", "2s", "shoal.yaml:2")
    p.write({"shoal.yaml": "name: t\npython: {timeout: soon}\n"})
    has(p.shoal("plan", code=1).stderr, "shoal.yaml:2", "python.timeout must be a time")
    p.remove()


@case
def an_interpreter_that_can_not_run_models_is_said():
    p = project({"models/ml/a.py": model("ml/a", "return pd.DataFrame({'a': [1]})")})
    has(p.shoal("plan", code=1, env={"PYTHONPATH": ""}).stderr, "has no package shoal", "pip install shoal==")
    p.write({"shoal.yaml": "name: t\npython: {interpreter: nowhere/python}\n"})
    has(p.shoal("plan", code=1).stderr, "there is no interpreter", "nowhere/python")
    # another version
    p.write({"old/shoal/__init__.py": "", "old/shoal/worker.py": "import json, os, struct\nt = json.dumps({'shoal': '0.0.1', 'protocol': 1}).encode()\n"
             "os.write(3, struct.pack('<I', len(t)) + t)\nos.read(3, 1)\n", "shoal.yaml": "name: t\n"})
    has(p.shoal("plan", code=1, env={"PYTHONPATH": p.dir + "/old"}).stderr, "has version 0.0.1 of the package shoal")
    # a folder of the project's is not the package
    p.write({"shoal/__init__.py": "raise Exception\n"})
    p.shoal("plan")
    p.remove()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def started(p, dataset):
    """A run in the background, and the pid of the worker that the model has written."""
    run = subprocess.Popen([SHOAL, "run"], cwd=p.dir, env=p.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    path = f"{p.dir}/.cache/{dataset}.pid"
    until = time.time() + 60
    while not (os.path.exists(path) and os.path.getsize(path)) and time.time() < until and run.poll() is None:
        time.sleep(0.02)
    return run, int(open(path).read())


def gone(pid):
    until = time.time() + 20
    while alive(pid) and time.time() < until:
        time.sleep(0.02)
    assert not alive(pid), f"{pid} is still there"


# holds the interpreter's lock all the while
BUSY = "import os\nos.makedirs('.cache', exist_ok=True)\nwith open('.cache/ml.busy.pid', 'w') as f:\n    f.write(str(os.getpid()))\nreturn pd.DataFrame({'a': [sum(range(1 << 40))]})"


@case
def no_worker_outlives_a_killed_run():
    p = project({"models/ml/busy.py": model("ml/busy", BUSY)})
    run, worker = started(p, "ml.busy")
    run.kill()
    run.wait()
    gone(worker)
    p.write({"models/ml/busy.py": model("ml/busy", "return pd.DataFrame({'a': [1]})")})
    has(p.shoal("run").stdout, "published #1")
    p.remove()


@case
def a_killed_worker_is_its_models_error():
    p = project({"models/ml/busy.py": model("ml/busy", BUSY)})
    run, worker = started(p, "ml.busy")
    os.kill(worker, signal.SIGKILL)
    out, err = run.communicate(timeout=60)
    same(run.returncode, 1)
    has(err, "ml.busy: its process was killed by signal 9 (SIGKILL)")
    p.remove()


@case
def cancelling_ends_the_workers():
    p = project({"models/ml/busy.py": model("ml/busy", BUSY)})
    run, worker = started(p, "ml.busy")
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    has(err, "cancelled")
    gone(worker)
    same(os.listdir(p.dir + "/.shoal/tmp"), [])
    p.remove()


@case
def a_model_that_changes_what_another_reads_does_not_reach_it():
    state = "STATE = {'n': 1}\n"
    p = project({"lib/state.py": state, "models/ml/a.py": "from lib import state\n" + model("ml/a", "n = state.STATE['n']\nstate.STATE['n'] += 1\nreturn pd.DataFrame({'n': [n]})"),
                 "models/ml/b.py": "from lib import state\n" + model("ml/b", "n = state.STATE['n']\nstate.STATE['n'] += 1\nreturn pd.DataFrame({'n': [n]})")})
    p.shoal("run", "-j", "1")
    same(p.rows("select n from ml.a union all select n from ml.b"), [["1"], ["1"]])
    p.remove()


@case
def what_an_edit_during_the_run_would_spoil_is_discarded():
    p = project({"lib/x.py": "N = 1\n", "models/ml/a.py": "from lib.x import N\n" + model("ml/a", "with open('lib/x.py', 'w') as f:\n    f.write('N = 2\\n')\nreturn pd.DataFrame({'n': [N]})")})
    has(p.shoal("run", code=4).stderr, "lib/x.py changed while it was run")
    p.remove()


@case
def one_edited_file_is_all_that_is_asked_about():
    p = project({"conf.txt": "3", **{f"models/ml/m{i}.py": "N = open('conf.txt').read()\n" * (i == 0) + model(f"ml/m{i}", "return pd.DataFrame({'a': [1]})") for i in range(5)}})
    p.shoal("run")
    # importing leaves a trace of each file that is asked about
    trace = "import os\nwith open(os.environ['TRACE'], 'a') as f:\n    f.write(__file__ + '\\n')\n"
    files = {f"models/ml/m{i}.py": trace + model(f"ml/m{i}", "return pd.DataFrame({'a': [1]})") for i in range(5)}
    env = {"TRACE": p.dir + "/.cache-trace"}
    p.write(files)
    p.shoal("plan", env=env)
    same(len(open(env["TRACE"]).readlines()), 5)
    p.write({"models/ml/m3.py": files["models/ml/m3.py"] + "# more\n"})
    p.shoal("plan", env=env)
    has("".join(open(env["TRACE"]).readlines()[5:]), "models/ml/m3.py")
    same(len(open(env["TRACE"]).readlines()), 6)
    p.remove()


@case
def outputs_of_old_runs_go():
    p = project({"models/ml/a.py": model("ml/a", "return pd.DataFrame({'a': [1]})")})
    for i in range(25):
        os.makedirs(f"{p.dir}/.shoal/output/0000-{i:02}")
    p.shoal("run")
    left = sorted(os.listdir(p.dir + "/.shoal/output"))
    same(left[:2], ["0000-06", "0000-07"])
    same(len(left), 20)
    p.remove()


@case
def what_is_loaded_under_names_of_the_moment_is_planned_with_next_time():
    a = model("ml/a", "name = 'silver.' + 'x'.lower()\nreturn shoal.table(name).df()")
    p = project({"models/silver/x.sql": "select 1 as x\n", "models/ml/a.py": a, "models/gold/b.sql": "select x + 1 as x from ml.a\n"})
    r = p.shoal("run")
    has(r.stdout, "ml.a reads silver.x under names that its code does not tell: planned again on that")
    same(p.rows("from gold.b"), [["2"]])
    has(p.shoal("run").stdout, "nothing to do")
    has(p.shoal("graph").stdout, "ml.a ← silver.x")
    same([i["name"] for i in p.json("show", "ml.a")["provenance"]["inputs"]], ["silver.x"])
    # what it was seen to read counts from now on, before anything runs
    p.write({"models/silver/x.sql": "select 5 as x\n"})
    same(p.to_run(), ["gold.b", "ml.a", "silver.x"])
    r = p.shoal("run")
    lacks(r.stdout, "planned again")
    same(p.rows("from gold.b"), [["6"]])
    has(p.shoal("why", "ml.a", "main~1..main").stdout, "silver.x")
    # so it does for somebody who has seen nothing of that, but has the lake
    shutil.rmtree(p.dir + "/.shoal")
    same(p.to_run(), [])
    shutil.rmtree(p.dir + "/.shoal")
    p.write({"models/silver/x.sql": "select 6 as x\n"})
    same(p.to_run(), ["gold.b", "ml.a", "silver.x"])
    p.remove()


@case
def what_is_there_is_read_at_once_and_what_is_not_yet_there_makes_the_model_run_again():
    several = "names = ['x%d' % i for i in range(3)]\nwith open(os.environ['TRACE'], 'a') as f:\n    f.write('ran\\n')\nreturn pd.DataFrame({'s': [int(sum(shoal.table('silver.' + n).df().x[0] for n in names))]})"
    files = {f"models/silver/x{i}.sql": f"select {i} as x\n" for i in range(3)}
    p = project(files)
    p.shoal("run")
    p.env["TRACE"] = p.dir + "/.cache-trace"
    p.write({"models/ml/a.py": model("ml/a", several, HEAD + "import os\n"), "models/ml/b.py": model("ml/b", "return int(shoal.load('ml.a').s[0]) * 2")})
    r = p.shoal("run")
    has(r.stdout, "ml.a reads silver.x0 and more under names")
    same(len(open(p.env["TRACE"]).readlines()), 1)
    same(p.rows("from ml.a"), [["3"]])
    # one that is made by this very run is waited for
    p.write({"models/silver/x1.sql": "select 10 as x\n", "models/ml/a.py": model("ml/a", several.replace("range(3)", "range(2)"), HEAD + "import os\n")})
    p.shoal("run")
    same(p.rows("from ml.a"), [["10"]])
    same(p.to_run(), [])
    # under one code, other names each time: what was is found again
    p.remove()


@case
def which_names_are_loaded_may_depend_on_data():
    body = "which = shoal.table('silver.config').df().name[0]\nwith open(os.environ['TRACE'], 'a') as f:\n    f.write(which + '\\n')\nreturn shoal.table('silver.' + which).df()"
    config = "select '{}' as name\n"
    p = project({"models/silver/config.sql": config.format("a"), "models/silver/a.sql": "select 1 as x\n", "models/silver/b.sql": "select 2 as x\n",
                 "models/ml/t.py": model("ml/t", body, HEAD + "import os\n"), "models/gold/g.sql": "select x from ml.t\n"})
    p.env["TRACE"] = p.dir + "/.cache-trace"
    ran = lambda: open(p.env["TRACE"]).read().split()  # noqa: E731
    p.shoal("run")
    same(p.rows("from gold.g"), [["1"]])
    p.write({"models/silver/config.sql": config.format("b")})
    p.shoal("run")
    same(p.rows("from gold.g"), [["2"]])
    # what is no longer read no longer counts
    p.write({"models/silver/a.sql": "select 100 as x\n"})
    same(p.to_run(), ["silver.a"])
    p.shoal("run")
    p.write({"models/silver/a.sql": "select 1 as x\n", "models/silver/config.sql": config.format("a")})
    before = ran()
    p.shoal("run")
    same(p.rows("from gold.g"), [["1"]])
    same(ran(), before)  # it was computed before: found by what it was seen to read then
    has(p.shoal("run").stdout, "nothing to do")
    p.remove()


@case
def names_of_the_moment_that_lead_nowhere_or_back():
    p = project({"models/ml/a.py": model("ml/a", "try:\n    return shoal.load('silver.' + 'nope'.lower())\nexcept shoal.Error:\n    return 1")})
    has(p.shoal("run", code=1).stderr, "models/ml/a.py:7", "there is no dataset silver.nope")
    p.write({"models/ml/a.py": model("ml/a", "return shoal.load('ml.' + 'b'.lower())"), "models/ml/b.py": model("ml/b", "return shoal.load('ml.a')")})
    has(p.shoal("run", code=1).stderr, "a cycle: ml.a reads ml.b reads ml.a")
    p.write({"models/ml/a.py": model("ml/a", "return shoal.load('ml.' + 'a'.lower())")})
    os.unlink(p.dir + "/models/ml/b.py")
    p.shoal("run", code=1)
    # what was read once may make a loop by now
    p.write({"models/ml/a.py": model("ml/a", "return shoal.load('ml.' + 'b'.lower())"), "models/ml/b.py": model("ml/b", "return 3")})
    p.shoal("run")
    p.write({"models/ml/b.py": model("ml/b", "return shoal.load('ml.a')")})
    has(p.shoal("run", code=1).stderr, "ml.a", "ml.b")
    for read in ("shoal.sql('from silver.x').df()", "shoal.table('silver.x', at='main~1').df()", "shoal.load('/silver/x', at='main')", "shoal.datasets()"):
        p.write({"models/ml/a.py": model("ml/a", "return " + read)})
        has(p.shoal("run", code=1).stderr, "models/ml/a.py:6", "loads datasets by their names")
    p.remove()


@case
def sources_are_loaded_under_names_of_the_moment_too():
    p = project({"data/f.csv": "a\n1\n2\n", "models/ml/n.py": model("ml/n", "return len(shoal.table('bronze.' + 'f'.lower()).df())")}, "name: t\nsources:\n  bronze.f: {files: data/*.csv}\n")
    p.shoal("run")
    has(p.shoal("show", "ml.n").stdout, "bronze.f")
    p.write({"data/f.csv": "a\n1\n2\n3\n"})
    same(p.to_run(), ["ml.n"])
    p.remove()


@case
def a_run_and_a_call_find_each_others_results_of_loads_of_the_moment():
    body = "both = shoal.table('silver.' + 'x'.lower()).df().x[0] + shoal.table('silver.y').df().y[0]\nwith open(os.environ['TRACE'], 'a') as f:\n    f.write('ran\\n')\nreturn int(both)"
    p = project({"models/silver/x.sql": "select 1 as x\n", "models/silver/y.sql": "select 2 as y\n", "models/ml/a.py": model("ml/a", body, HEAD + "import os\n")})
    p.env["TRACE"] = p.dir + "/.cache-trace"
    call = "import sys\nsys.path.insert(0, '.')\nfrom models.ml.a import a\nprint(a())\n"
    python = lambda: subprocess.run([sys.executable, "-c", call], cwd=p.dir, env=p.env, capture_output=True, text=True, check=True).stdout  # noqa: E731
    p.shoal("run")
    same(python().split(), ["3"])
    same(len(open(p.env["TRACE"]).readlines()), 1)
    p.write({"models/silver/x.sql": "select 5 as x\n"})
    p.shoal("run", "silver.x")
    same(python().split(), ["7"])
    p.shoal("run")
    same(len(open(p.env["TRACE"]).readlines()), 2)
    same(p.to_run(), [])
    p.remove()


@case
def variables_of_the_environment_that_models_read():
    body = "mode = os.environ.get('A_MODE', 'none')\nreturn pd.DataFrame({'mode': [mode]})"
    p = project({"models/ml/mode.py": model("ml/mode", body, HEAD + "import os\n"), "models/ml/top.py": model("ml/top", "return LEVEL", HEAD + "import os\nLEVEL = os.environ.get('A_LEVEL')\n"),
                 "models/ml/other.py": model("ml/other", "return 1")}, A_MODE="quick-and-secret")
    p.shoal("run")
    same(p.rows("from ml.mode"), [["quick-and-secret"]])
    p.env["UNRELATED"] = "1"
    has(p.shoal("run").stdout, "nothing to do")
    # another value, none, empty: each is computed, and what was is found again
    p.env["A_MODE"] = "slow-and-secret"
    same(p.to_run(), ["ml.mode"])
    has(p.shoal("plan").stdout, "environment variable A_MODE")
    r = p.shoal("why", "ml.mode")
    has(r.stdout, "the environment variable A_MODE has another value")
    same(json.loads(p.shoal("why", "ml.mode", "--json").stdout)["kind"], "environment variable")
    p.shoal("run")
    same(p.rows("from ml.mode"), [["slow-and-secret"]])
    del p.env["A_MODE"]
    same(p.to_run(), ["ml.mode"])
    p.shoal("run")
    p.env["A_MODE"] = ""
    same(p.to_run(), ["ml.mode"])
    p.shoal("run")
    same(p.rows("select length(mode) from ml.mode"), [["0"]])
    p.env["A_MODE"] = "quick-and-secret"
    same(p.to_run(), [])
    p.shoal("run")
    same(p.rows("from ml.mode"), [["quick-and-secret"]])
    # what importing a file reads
    p.env["A_LEVEL"] = "5"
    same(p.to_run(), ["ml.top"])
    p.shoal("run")
    # no value is written down
    p.shoal("run")
    for at, _, names in os.walk(p.dir + "/.shoal"):
        for name in names:
            assert b"and-secret" not in open(os.path.join(at, name), "rb").read(), name
    p.remove()


@case
def variables_that_a_model_does_not_name_are_refused_as_it_runs():
    one = "def setting(name):\n    return os.environ.get('A_' + name, '')\n\n"
    p = project({"models/ml/a.py": model("ml/a", "try:\n    return setting('ONE')\nexcept Exception:\n    return 'caught'", HEAD + "import os\n" + one)}, A_ONE="1")
    r = p.shoal("run", code=1)
    has(r.stderr, "reads the environment variable A_ONE, whose name is not written in it", "models/ml/a.py:5", 'os.environ["X"]')
    # named somewhere in what the model reaches, it counts
    p.write({"models/ml/a.py": model("ml/a", "return setting('ONE') if 'A_ONE' in os.environ else None", HEAD + "import os\n" + one)})
    p.shoal("run")
    p.env["A_ONE"] = "2"
    same(p.to_run(), ["ml.a"])
    p.write({"models/ml/a.py": model("ml/a", "return dict(os.environ)", HEAD + "import os\n")})
    has(p.shoal("run", code=1).stderr, "ml.a", "reads the whole environment", "models/ml/a.py:7")
    # a whole copy made while importing is no model's, until it is read; the file is imported again under another environment
    p.write({"models/ml/a.py": model("ml/a", "return COPY.get('A_ONE')", HEAD + "import os\nCOPY = {k: v for k, v in os.environ.items() if k.startswith('A_')}\n")})
    p.shoal("run")
    same(p.to_run(), [])
    p.env["A_NEW"] = "3"
    same(p.to_run(), ["ml.a"])
    p.remove()


@case
def check_tells_what_models_read_besides_their_inputs():
    helper = "import time\n\n\ndef stamp():\n    return time.time()\n"
    p = project({"lib/when.py": helper, "data/x.csv": "a\n1\n",
                 "models/ml/a.py": model("ml/a", "return pd.read_csv('data/x.csv').assign(t=stamp())", HEAD + "from lib.when import stamp\n"),
                 "models/ml/b.py": model("ml/b", "return stamp()", HEAD + "from lib.when import stamp\n"), "models/ml/c.py": model("ml/c", "return 1")})
    r = p.shoal("check")
    has(r.stdout, "lib/when.py:5: time.time() reads the clock", "models/ml/a.py:7: pd.read_csv() reads a file, whose content is not in the key", "make data/x.csv a source in shoal.yaml")
    same(r.stdout.count("time.time()"), 1)  # once, whoever reaches it
    models = {m["dataset"]: m for m in json.loads(p.shoal("check", "--json").stdout)["models"]}
    same([f["kind"] for f in models["ml.a"]["findings"]], ["time", "file"])
    same({k: models["ml.b"]["findings"][0][k] for k in ("path", "line", "what")}, {"path": "lib/when.py", "line": 5, "what": "time.time()"})
    same(models["ml.c"]["findings"], [])
    same(p.shoal("check", "ml.c").stdout.count("reads the clock"), 0)
    p.remove()


@case
def what_a_model_does_besides_reading_its_inputs_is_seen():
    body = ("import os, subprocess, socket, tempfile\nrows = open('data/x.csv').read()\nsubprocess.run(['true'], check=True)\n"
            "s = socket.socket()\ns.settimeout(0.2)\ns.connect_ex(('127.0.0.1', 1))\nwith tempfile.NamedTemporaryFile('w+') as f:\n    f.write('mine')\n    f.flush()\n"
            "    open(f.name).read()\nimport decimal, zoneinfo\nzoneinfo.ZoneInfo('Europe/Oslo')\nreturn pd.DataFrame({'n': [len(rows)]})")
    p = project({"data/x.csv": "a\n1\n", "models/ml/a.py": model("ml/a", body), "models/ml/b.py": model("ml/b", "return shoal.table('ml.a').df().assign(m=1)"),
                 "lib/help.py": "def read():\n    with open('data/y.csv') as f:\n        return f.read()\n", "data/y.csv": "b\n"})
    r = p.shoal("run")
    same(sorted(line for line in r.stderr.splitlines() if "warning" in line),
         ["warning: ml.a connects to 127.0.0.1:1 (models/ml/a.py:11), which is not in its key", "warning: ml.a reads data/x.csv (models/ml/a.py:7), which is not in its key",
          "warning: ml.a runs true (models/ml/a.py:8), which is not in its key"])
    events = [json.loads(line) for line in p.shoal("run", "ml.a", "--again", "--json").stdout.splitlines()]
    same(len([e for e in events if e.get("event") == "warning"]), 3)
    # what strict says; a folder of the project is the project's though it is on the path
    p.env["PYTHONPATH"] += f":{p.dir}/lib"
    p.write({"shoal.yaml": "name: t\npython: {strict: true}\n", "models/ml/a.py": model("ml/a", "return pd.DataFrame({'n': [len(read())]})", HEAD + "from lib.help import read\n")})
    r = p.shoal("run", code=1)
    has(r.stderr, "lib/help.py:2: it reads data/y.csv, which is not in its key", "make it a source in shoal.yaml", "strict: false")
    same(p.rows("select count(*) from ml.a"), [["1"]])
    p.write({"shoal.yaml": "name: t\npython: {strict: maybe}\n"})
    has(p.shoal("run", code=1).stderr, "python.strict must be true or false", "shoal.yaml:2")
    p.write({"shoal.yaml": "name: t\npython: {strict: false}\n"})
    has(p.shoal("run").stderr, "warning: ml.a reads data/y.csv (lib/help.py:2)")
    p.remove()


@case
def files_that_models_name_count_by_their_content():
    lib = "import shoal\nLATE = shoal.file('data/late.csv')\nEARLY = open('data/early.csv').read()\n"
    body = "from lib.places import LATE, EARLY\nrows = [open(p).read() for p in (shoal.file('data/x.csv'), LATE)]\nreturn pd.DataFrame({'rows': rows + [EARLY]})"
    p = project({"data/x.csv": "x1", "data/late.csv": "l1", "data/early.csv": "e1", "lib/places.py": lib, "models/ml/a.py": model("ml/a", body),
                 "models/ml/all.py": model("ml/all", "return sorted(f.name for f in shoal.file('data').iterdir())"), "models/ml/other.py": model("ml/other", "return 1")},
                "name: t\npython: {strict: true}\n")
    env, starts = counted(p)
    p.env.update(env)
    lacks(p.shoal("run").stderr, "warning")
    same(p.rows("from ml.a"), [["x1"], ["l1"], ["e1"]])
    before = starts()
    p.write({"models/other.sql": "select 1 as x\n"})  # so that the project is scanned
    same(p.to_run(), ["main.other"])
    p.shoal("run")
    has(p.shoal("run").stdout, "nothing to do")
    same(starts(), before)
    for file, text, row in (("data/x.csv", "x2", 0), ("data/late.csv", "l2", 1), ("data/early.csv", "e2", 2)):
        p.write({file: text})
        same(p.to_run(), ["ml.a", "ml.all"])
        if row < 2:
            has(p.shoal("plan").stdout, f"file {file} changed")
            has(p.shoal("why", "ml.a").stdout, f"file {file} changed", "everything else in its key is the same")
            same(json.loads(p.shoal("why", "ml.a", "--json").stdout)["kind"], "file")
        p.shoal("run")
        same(p.rows("from ml.a")[row], [text])
    # a file more in the folder, and one less
    p.write({"data/more/y.csv": ""})
    same(p.to_run(), ["ml.all"])
    shutil.rmtree(p.dir + "/data/more")
    same(p.to_run(), [])
    # what is not there yet
    os.remove(p.dir + "/data/x.csv")
    same(p.to_run(), ["ml.a", "ml.all"])
    has(p.shoal("why", "ml.a").stdout, "file data/x.csv is gone")
    has(p.shoal("run", code=1).stderr, "FileNotFoundError", "models/ml/a.py")
    p.write({"data/x.csv": "x2"})
    same(p.to_run(), [])
    p.remove()


@case
def files_that_models_can_not_name_are_refused():
    p = project({"data/x.csv": "x1", "models/ml/a.py": model("ml/a", "name = 'x'\ntry:\n    return open(shoal.file(f'data/{name}.csv')).read()\nexcept Exception:\n    return ''")})
    has(p.shoal("run", code=1).stderr, "names the file data/x.csv, which is not written in it", "models/ml/a.py:8")
    p.write({"models/ml/a.py": model("ml/a", "name = 'x'\nreturn open(shoal.file('data') / f'{name}.csv').read()")})
    p.shoal("run")
    p.write({"data/x.csv": "x2"})
    same(p.to_run(), ["ml.a"])
    for path in ("/etc/hostname", "../x.csv"):
        p.write({"models/ml/a.py": model("ml/a", f"return open(shoal.file('{path}')).read()")})
        has(p.shoal("plan", code=1).stderr, f"names the file {path}, which is not in the project's folder", "models/ml/a.py:6")
    p.remove()


@case
def a_file_that_is_written_while_a_model_reads_it_is_a_conflict():
    body = "import shutil\nrows = open(shoal.file('data/x.csv')).read()\nshutil.copy('data/new.csv', 'data/x.csv')\nreturn rows"
    p = project({"data/x.csv": "old", "data/new.csv": "new", "models/ml/a.py": model("ml/a", body)})
    has(p.shoal("run", code=4).stderr, "data/x.csv changed while it was run")
    same(p.to_run(), ["ml.a"])
    p.remove()


@case
def what_signing_reads_while_a_model_runs_is_not_the_models():
    p = project({"models/ml/a.py": model("ml/a", "return len(shoal.signature(json.load).key) + len(shoal.signature(help).key)", HEAD + "import json\nfrom lib.more import help\n"),
                 "lib/more.py": "def help():\n    return 1\n"}, "name: t\npython: {strict: true}\n")
    for _ in range(2):
        lacks(p.shoal("run", "--again").stderr, "warning")
    p.remove()


@case
def protected_branches_are_strict():
    p = project({"data/x.csv": "a\n1\n", "models/ml/a.py": model("ml/a", "return open('data/x.csv').read()")})
    p.shoal("run", "--branch", "dev")
    (path,) = glob.glob(p.dir + "/lake/_shoal/format.json")
    format_ = json.load(open(path))
    format_["protected"] = ["dev"]
    os.chmod(path, 0o644)
    with open(path, "w") as f:
        json.dump(format_, f)
    p.write({"models/ml/a.py": model("ml/a", "return open('data/x.csv').read() * 2")})
    has(p.shoal("run", "--branch", "dev", code=1).stderr, "it reads data/x.csv, which is not in its key")
    p.remove()


@case
def objects_are_told_by_kind_and_size():
    p = project({"models/m.py": model("m", "return {'a': 1}")})
    has(p.shoal("run").stdout, "[1/1] main.m  object, 7 B (json)", "published #1 on main: 1 dataset, 7 B in")
    has(p.shoal("ls").stdout, "main.m  dict  7 B")
    has(p.shoal("show", "main.m").stdout, "dict as json, 7 B")
    p.write({"models/m.py": model("m", "return {'a': 12}"), "models/t.py": model("t", "return pd.DataFrame({'a': [1]})")})
    has(re.sub(" +", " ", p.shoal("plan").stdout), "object 7 B")
    assert p.json("plan")["items"][0]["codec"] == "json"
    r = p.shoal("run").stdout
    has(r, "object, 8 B (json)", "main.t  1 row  ", "2 datasets, 1 row, ")
    assert "rows" not in r, r
    p.remove()


FEATURES = HEAD + "@shoal.data_function('/silver/features')\ndef features(n=2):\n    print('features runs')\n    return pd.DataFrame({'a': [$] * n})\n"
TRAIN = (HEAD + "from models.silver.features import features\n@shoal.data_function('/ml/train')\ndef train():\n    print('train runs')\n    df = features(%)\n"
         "    df['a'] += 1\n    return {'sum': int(df.a.sum() + features(%).a.sum())}\n")


@case
def a_model_that_another_one_calls_is_computed_once():
    p = project({"models/silver/features.py": FEATURES.replace("$", "5"), "models/ml/train.py": TRAIN.replace("%", "")})

    def printed(dataset):
        logs = sorted(glob.glob(f"{p.dir}/.shoal/output/*/{dataset}.log"), key=os.path.getmtime)
        return open(logs[-1]).read()

    p.shoal("run", "ml.train")
    same(printed("silver.features"), "features runs\n")
    same(printed("ml.train"), "train runs\n")
    same(p.json("show", "ml.train")["entry"]["bytes"], len('{"sum":22}'))
    has(p.shoal("run").stdout, "nothing to do")
    p.write({"models/silver/features.py": FEATURES.replace("$", "7")})  # it counts by its code
    same(p.to_run(), ["ml.train", "silver.features"])
    p.shoal("run")
    same(printed("ml.train"), "train runs\n")
    p.shoal("rollback", "silver.features", "--to", "main~1")  # what it is held at is not what its code gives
    p.shoal("run", "ml.train", "--again")
    same(printed("ml.train"), "train runs\nfeatures runs\nfeatures runs\n")
    p.shoal("rollback", "--release", "silver.features")
    p.write({"models/ml/train.py": TRAIN.replace("%", "3")})  # another call than that of the model
    p.shoal("run")
    same(printed("ml.train"), "train runs\nfeatures runs\nfeatures runs\n")
    # what has no key runs within, and so does what is called by a process of the model's own
    p.write({"models/ml/train.py": FORKS})
    p.shoal("run")
    same(p.json("show", "ml.train")["entry"]["bytes"], len("[14,14,7]"))
    p.remove()


FORKS = (HEAD + "import io, multiprocessing\nfrom models.silver.features import features\n\n\ndef total(_):\n    return int(features().a.sum())\n\n\n"
         "@shoal.data_function('/ml/train')\ndef train():\n    with multiprocessing.get_context('fork').Pool(2) as pool:\n"
         "        made = pool.map(total, range(2))\n    class One(int):\n        def __reduce__(self): raise TypeError\n        def __index__(self): return 1\n"
         "    return made + [int(features(One(1)).a.sum())]\n")


@case
def what_a_called_model_made_of_a_pinned_one_is_not_taken_for_the_call():
    base = model("base", "return {'b': %}")
    p = project({"models/base.py": base.replace("%", "1"), "models/features.py": model("features", "return {'f': shoal.load('/base')['b']}"),
                 "models/train.py": HEAD + "from models.base import base\nfrom models.features import features\n@shoal.data_function('/train')\n"
                                    "def train():\n    return {'sum': base()['b'] + features()['f']}\n"})
    p.shoal("run")
    p.write({"models/base.py": base.replace("%", "20")})
    p.shoal("run")
    same(p.json("show", "main.train")["entry"]["bytes"], len('{"sum":40}'))
    p.shoal("rollback", "main.base", "--to", "main~1")
    p.shoal("run")
    # the key of main.train holds the code of main.base, which is not what it is held at
    r = p.shoal("run", "main.train", "--again", code=1)
    has(r.stderr, "it reads main.base under names that its code does not tell", "is pinned")
    p.remove()


TABLE = HEAD + "@shoal.data_function('/t'%)\ndef t():\n    return pd.DataFrame({'c': ['y', 'x', 'y'], 'n': [3, 2, 1]})\n"


def decorated(what):
    return {"models/t.py": TABLE.replace("%", ", " + what if what else "")}


@case
def what_a_model_expects_holds_its_publication_back():
    p = project({**decorated("expect=['n > 1', {'unique': ['c'], 'severity': 'warn'}]"), "models/u.sql": "select n from t\n"})
    r = p.shoal("run", code=3)
    has(r.all, "n > 1", "unique: c", "main.t fails an expectation, so nothing was published")
    assert "main.t" not in p.shoal("ls").stdout
    has(p.shoal("run", code=3).all, "n > 1")  # its result is there and still fails
    p.write(decorated("expect=['n > 0', {'rows': '= 3'}, {'not_null': ['c', 'n']}]"))
    has(p.shoal("run").stdout, "published #1 on main: 2 datasets")
    same(len(glob.glob(f"{p.dir}/lake/main/t/_shoal/*")), 1)  # expectations are no part of the key
    has(p.shoal("run").stdout, "nothing to do")
    p.write(decorated("expect='n < 3'"))  # on a result that is published already
    has(p.shoal("run", code=3).all, "n < 3")
    p.write(decorated("expect=[{'not_nul': ['c']}]"))
    has(p.shoal("run", code=1).stderr, "models/t.py:3: unknown key 'not_nul' in expect")
    p.write(decorated("expect=['zz > 0']"))
    has(p.shoal("run", code=1).stderr, "models/t.py", "zz")
    p.write(decorated("expect=[{1}]"))
    has(p.shoal("run", code=1).stderr, "models/t.py:3", "texts and lists of texts")
    p.remove()


@case
def a_models_table_is_laid_out_as_its_decorator_says():
    p = project(decorated(""))
    p.shoal("run")
    p.write(decorated("partition_by=['c'], cluster_by='n'"))
    same(p.to_run(), ["main.t"])  # it is part of the files, so of the key
    has(p.shoal("why", "main.t").stdout, "partition_by or cluster_by")
    p.shoal("run")
    import polars

    same(sorted(polars.read_delta(p.dir + "/lake/main/t").rows()), [("x", 2), ("y", 1), ("y", 3)])
    log = sorted(glob.glob(f"{p.dir}/lake/main/t/_delta_log/*.json"))[-1]
    has(open(log).read(), '"partitionColumns":["c"]', '"partitionValues":{"c":"x"}')
    # a call has the same key
    script = f"import sys; sys.path[:0] = [{p.dir!r}]\nfrom models.t import t\nprint(t().n.tolist())"
    r = subprocess.run([sys.executable, "-c", script], cwd=p.dir, env=p.env, capture_output=True, text=True)
    same((r.stdout, r.stderr), ("[2, 1, 3]\n", ""))
    same(len(glob.glob(f"{p.dir}/lake/main/t/_shoal/*/*")), 2)
    p.write(decorated("partition_by='zz'"))
    has(p.shoal("run", code=1).stderr, 'partition_by names "zz", which is no column')
    p.write({"models/t.py": TABLE.replace("%", ", partition_by='c'").replace("pd.DataFrame", "dict")})
    has(p.shoal("run", code=1).stderr, "models/t.py", "(dict) is no table, so partition_by means nothing")
    p.remove()


@case
def the_layout_of_what_is_called_counts():
    first = HEAD + "from models.t import t\n@shoal.data_function('/first')\ndef first():\n    return {'n': int(t().n[0])}\n"
    p = project({**decorated("cluster_by='n'"), "models/first.py": first})
    p.shoal("run")
    same(p.json("show", "main.first")["entry"]["bytes"], len('{"n":1}'))
    p.write(decorated("cluster_by='c'"))
    same(p.to_run(), ["main.first", "main.t"])
    p.write(decorated("cluster_by='n', expect='n > 0'"))
    same(p.to_run(), [])
    p.remove()


if __name__ == "__main__":
    main()
