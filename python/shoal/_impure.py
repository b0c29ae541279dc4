# SPDX-License-Identifier: Apache-2.0
"""What makes a function's result depend on more than its key covers, as far as its text shows: for `shoal check`. The list below is
reviewed by hand; it warns and decides nothing, so it is short rather than complete. Not in it: clocks that measure durations
(``perf_counter``), which serve logs, and what a function writes."""
from __future__ import annotations

import ast
import builtins
import collections
import os
import sys
import types
from typing import Any, Iterator, NamedTuple

from . import _contents, _forms, _owners
from ._names import UNKNOWN, Names, what_runs
from ._owners import is_a
from ._source import facts_of, source_of


class Finding(NamedTuple):
    path: str
    line: int
    kind: str
    what: str  # as it is written
    why: str
    mend: str


class _Rule(NamedTuple):
    kind: str
    why: str
    mend: str


_CLOCK = _Rule("time", "reads the clock: the result is kept as it was then", "write the time into the code, or load it from a dataset")
_CHANCE = _Rule("chance", "draws at random, differently each time", "seed it: random.Random(7), numpy.random.default_rng(7), random_state=7")
_SECRET = _Rule("chance", "is never the same twice", "derive it from the data, or leave it to whoever reads the result")
_MACHINE = _Rule("machine", "tells of the machine or its user, which are not in the key", "write what is needed into the code, or pass it as an argument")
_FILE = _Rule("file", "reads a file, whose content is not in the key", "name it with shoal.file, which counts by the content, or make it a source in shoal.yaml and load that")
_FOLDER = _Rule("file", "looks at files, which are not in the key", "name the folder with shoal.file, which counts with all that is in it, or make them a source in shoal.yaml (files: data/*.csv) and load that")
_NETWORK = _Rule("network", "asks another machine, whose answer is not in the key", "fetch it into a source (shoal import), and load that")
_PROCESS = _Rule("process", "runs another program, whose doing is not in the key", "compute it in Python, or make what it gives a source")
_VARIABLES = _Rule("environment", "reads variables of the environment that are not written in it", 'name them: os.environ["X"]')
_GLOBAL = _Rule("global", "is changed, though the key holds what it was before: who runs later sees the change", "work on a copy, and return it")

# Names as their modules have them; "m.*" are all functions of a module.
_NAMES: dict[_Rule, tuple[str, ...]] = {
    _CLOCK: (
        "time.time", "time.time_ns", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
        "pandas.Timestamp.now", "pandas.Timestamp.today", "pandas.Timestamp.utcnow", "pandas.to_datetime.now", "time.asctime",
        "time.localtime", "time.gmtime", "time.ctime", "time.strftime", "pandas.Timestamp", "numpy.datetime64",  # in some forms, see _harmless
    ),
    _CHANCE: (
        "random.*", "numpy.random.*", "torch.rand", "torch.randn", "torch.randint", "torch.randperm", "sklearn.model_selection.train_test_split", "sklearn.utils.shuffle",
    ),
    _SECRET: ("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "secrets.*", "os.urandom", "os.getrandom", "random.SystemRandom"),
    _MACHINE: ("os.getcwd", "os.getpid", "os.getlogin", "getpass.getuser", "socket.gethostname", "platform.node", "platform.uname", "os.uname", "os.path.expanduser", "pathlib.Path.home", "pathlib.Path.cwd"),
    _FILE: (
        "builtins.open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open", "zipfile.ZipFile", "tarfile.open", "sqlite3.connect", "shelve.open",
        "pandas.read_csv", "pandas.read_table", "pandas.read_fwf", "pandas.read_parquet", "pandas.read_json", "pandas.read_excel", "pandas.read_feather", "pandas.read_orc",
        "pandas.read_pickle", "pandas.read_xml", "pandas.read_html", "pandas.read_hdf", "pandas.read_sas", "pandas.read_spss", "pandas.read_stata", "pandas.ExcelFile",
        "polars.read_csv", "polars.read_parquet", "polars.read_json", "polars.read_ndjson", "polars.read_excel", "polars.read_ipc", "polars.read_avro", "polars.read_delta",
        "polars.scan_csv", "polars.scan_parquet", "polars.scan_ndjson", "polars.scan_ipc", "polars.scan_delta",
        "pyarrow.csv.read_csv", "pyarrow.json.read_json", "pyarrow.parquet.read_table", "pyarrow.parquet.ParquetFile", "pyarrow.feather.read_table", "pyarrow.dataset.dataset",
        "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile", "numpy.memmap", "joblib.load", "torch.load", "duckdb.read_csv", "duckdb.read_parquet", "duckdb.read_json",
        "PIL.Image.open", "cv2.imread", "h5py.File",
    ),
    _FOLDER: ("glob.glob", "glob.iglob", "os.listdir", "os.scandir", "os.walk", "os.stat", "os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.getmtime", "os.path.getsize"),
    _NETWORK: (
        "requests.*", "httpx.*", "aiohttp.*", "urllib.request.*", "urllib3.*", "http.client.*", "socket.socket", "socket.create_connection", "boto3.*", "ftplib.*", "smtplib.*", "paramiko.*",
        "pandas.read_sql", "pandas.read_sql_query", "pandas.read_sql_table", "polars.read_database", "polars.read_database_uri", "sqlalchemy.create_engine", "psycopg2.connect", "psycopg.connect",
    ),
    _PROCESS: ("subprocess.*", "os.system", "os.popen", "os.posix_spawn", "os.posix_spawnp", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"),
}
# Methods that only paths have.
_PATH_METHODS = {"read_text": _FILE, "read_bytes": _FILE, "iterdir": _FOLDER, "rglob": _FOLDER, "is_file": _FOLDER, "is_dir": _FOLDER}
# What "m.*" does not mean: what seeds, what is seeded by its first argument, what only names things.
_SEEDED = frozenset(("random.Random", "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.SeedSequence", "numpy.random.PCG64", "numpy.random.MT19937", "numpy.random.Philox", "numpy.random.SFC64"))
_SEEDS = {"random.seed": "random.", "numpy.random.seed": "numpy.random.", "torch.manual_seed": "torch."}
_NONE_OF = frozenset(("numpy.random.Generator", "random.getstate", "random.setstate", "numpy.random.get_state", "numpy.random.set_state", "urllib.request.Request", "subprocess.list2cmdline"))
# These read the clock without the argument that tells the time.
_OF_A_TIME = frozenset(("time.localtime", "time.gmtime", "time.ctime", "time.asctime"))
_BY_ARGUMENT = _OF_A_TIME | {"time.strftime", "pandas.Timestamp", "numpy.datetime64"}
_MADE_HERE = frozenset(("io.StringIO", "io.BytesIO", "_io.StringIO", "_io.BytesIO"))
_MUTATORS = frozenset(("append", "appendleft", "extend", "extendleft", "insert", "add", "update", "setdefault", "pop", "popitem", "popleft", "clear", "remove", "discard", "sort", "reverse", "difference_update",
                       "intersection_update", "symmetric_difference_update"))
_CONTAINERS = (list, dict, set, bytearray, collections.deque)

_EXACT = {name: rule for rule, names in _NAMES.items() for name in names if not name.endswith(".*")}
_MODULES = {name.removesuffix(".*"): rule for rule, names in _NAMES.items() for name in names if name.endswith(".*")}


def findings(f: Any) -> list[Finding]:
    """Of a function and all of the project's code that it reaches, by file and line."""
    walk, _ = _forms.walk_of(f)
    readers = []
    for one in walk.functions:
        source = source_of(one)
        if source is not None:
            readers.append(_Reader(one, source.node))
    seeded = tuple({prefix for r in readers for prefix in r.seeds})
    found = {(x.path, x.line, x.kind, x.what): x for r in readers for x in r.found if not (x.kind == "chance" and r.dotted_of[x].startswith(seeded or ("\0",)))}
    open_ = walk.names.environment
    if open_ is not None:
        found[open_.path or "", open_.line, "", ""] = Finding(open_.path or "", open_.line, *_VARIABLES[:1], open_.label, *_VARIABLES[1:])
    return sorted(found.values())


def _names_of_objects() -> dict[int, str]:
    """The names above that lead somewhere in this process, whatever other names the code has for that."""
    known: dict[int, str] = {}
    for name in _EXACT:
        parts = name.split(".")
        for n in range(2, len(parts) + 1):
            at: Any = sys.modules.get(parts[0])
            for part in parts[1:n]:
                at = getattr(at, part, None)
            if at is not None and not is_a(at, types.ModuleType):
                known.setdefault(id(at), ".".join(parts[:n]))
    for module in _MODULES:
        for name, value in vars(sys.modules.get(module, types)).items() if module in sys.modules else ():
            if callable(value):
                known.setdefault(id(value), f"{module}.{name}")
    return known


class _Reader:
    """Reads one function's tree."""

    def __init__(self, f: types.FunctionType, tree: Any) -> None:
        self.found: list[Finding] = []
        self.dotted_of: dict[Finding, str] = {}
        self.seeds: set[str] = set()
        self._path = f.__code__.co_filename
        self._names = Names(f, facts_of(f.__code__), tree)
        self._objects = _names_of_objects()
        self._globals = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
        self._counted: set[str] = set()  # variables of the function's own that hold files whose content counts
        for part in what_runs(tree):
            for node in ast.walk(part):
                self._hold(node)
        for part in what_runs(tree):
            for node in ast.walk(part):
                self._look(node)

    def _hold(self, node: Any) -> None:
        if isinstance(node, ast.Assign):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            self._counted = self._counted | names if self._counts(node.value) else self._counted - names
        elif isinstance(node, (ast.For, ast.comprehension)) and isinstance(node.target, ast.Name) and self._counts(node.iter):
            self._counted.add(node.target.id)

    def _counts(self, node: Any) -> bool:
        """Whether it is a file that `shoal.file` names, or made of one."""
        if isinstance(node, ast.BinOp):
            return isinstance(node.op, ast.Div) and self._counts(node.left)
        if isinstance(node, ast.Call):
            if _contents.is_file(self._names, node.func):
                return True
            if isinstance(node.func, ast.Attribute) and self._counts(node.func.value):
                return True  # .glob(), .joinpath()
            made_of = isinstance(node.func, ast.Name) and node.func.id in ("str", "sorted", "list") or self._dotted(node.func) in ("os.fspath", "pathlib.Path")
            return made_of and len(node.args) > 0 and self._counts(node.args[0])
        if isinstance(node, ast.Name) and node.id in self._counted:
            return True
        return type(self._names.value(node)) is _contents.File if isinstance(node, (ast.Name, ast.Attribute)) and self._names.is_outer(node) else False

    def _add(self, node: Any, rule: _Rule, what: str, dotted: str = "", mend: str | None = None) -> None:
        one = Finding(self._path, node.lineno, rule.kind, what, rule.why, mend or rule.mend)
        self.found.append(one)
        self.dotted_of[one] = dotted

    def _dotted(self, node: Any) -> str | None:
        value = self._names.value(node)
        if value is not UNKNOWN:
            if id(value) in self._objects:
                return self._objects[id(value)]
            if is_a(value, types.ModuleType):
                return str({"posixpath": "os.path"}.get(value.__name__, value.__name__))
            if is_a(value, (type, types.FunctionType, types.BuiltinFunctionType)):
                return f"{value.__module__}.{value.__qualname__}"
        if isinstance(node, ast.Attribute):
            base = self._dotted(node.value)
            return f"{base}.{node.attr}" if base else None
        if isinstance(node, ast.Name) and self._names.is_outer(node) and hasattr(builtins, node.id) and value is UNKNOWN:
            return f"builtins.{node.id}"
        return None

    def _look(self, node: Any) -> None:
        if isinstance(node, ast.Call):
            self._call(node)
            for given in (*node.args, *(k.value for k in node.keywords)):  # map(open, paths)
                dotted = self._dotted(given) if isinstance(given, (ast.Name, ast.Attribute)) else None
                if dotted in _EXACT and dotted not in _BY_ARGUMENT:
                    self._add(node, _EXACT[dotted], ast.unparse(given), dotted)
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)):
            for target in node.targets if isinstance(node, (ast.Assign, ast.Delete)) else [node.target]:
                self._target(target)

    # ---- calls ----

    def _call(self, node: ast.Call) -> None:
        dotted = self._dotted(node.func)
        if dotted is None:
            return self._method(node)
        if dotted in _SEEDS and node.args:
            self.seeds.add(_SEEDS[dotted])
            return
        rule = _EXACT.get(dotted) or _MODULES.get(dotted.rpartition(".")[0])
        if rule and not self._harmless(dotted, rule, node):
            self._add(node, self._rule_for(rule, node), ast.unparse(node.func) + "()", dotted, self._mend_for(rule, node))
        else:
            self._method(node)

    def _method(self, node: ast.Call) -> None:
        f = node.func
        if not isinstance(f, ast.Attribute):
            return
        keywords = {k.arg for k in node.keywords}
        value = self._names.value(f.value) if self._names.is_outer(f.value) else UNKNOWN
        if f.attr in _PATH_METHODS and self._dotted(f) is None and not self._counts(f.value):
            self._add(node, _PATH_METHODS[f.attr], f".{f.attr}()", "", self._mend_for(_PATH_METHODS[f.attr], f.value))
        elif f.attr == "sample" and keywords & {"n", "frac", "fraction"} and not keywords & {"random_state", "seed"}:
            self._add(node, _CHANCE, ".sample()")
        elif value is not UNKNOWN and (f.attr in _MUTATORS and is_a(value, _CONTAINERS) or any(k.arg == "inplace" and getattr(k.value, "value", False) is True for k in node.keywords)):
            self._add(node, _GLOBAL, ast.unparse(f.value))

    def _harmless(self, dotted: str, rule: _Rule, node: ast.Call) -> bool:
        keywords = {k.arg for k in node.keywords}
        first = node.args[0] if node.args else None
        text = self._names.text(first) if first is not None else None
        if dotted in _NONE_OF or dotted in _SEEDS:
            return True
        if dotted in _SEEDED:
            return bool(node.args or keywords) and not (isinstance(first, ast.Constant) and first.value is None)
        if dotted in ("sklearn.model_selection.train_test_split", "sklearn.utils.shuffle"):
            return "random_state" in keywords
        if dotted in _OF_A_TIME:
            return bool(node.args)
        if dotted == "time.strftime":
            return len(node.args) > 1
        if dotted in ("pandas.Timestamp", "numpy.datetime64"):
            return text not in ("now", "today")
        if rule in (_FILE, _FOLDER) and any(self._counts(given) for given in (*node.args[:1], *(k.value for k in node.keywords))):
            return True
        if rule is _FILE:
            mode = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "mode"), None)
            if dotted.endswith("open") and mode is not None and set(self._names.text(mode) or "") & set("wax"):
                return True
            return isinstance(first, ast.Call) and self._dotted(first.func) in _MADE_HERE
        return False

    def _place(self, node: Any) -> str | None:
        """The file that a call names, or a Path that is made."""
        first = node.args[0] if isinstance(node, ast.Call) and node.args else None
        if isinstance(first, ast.Call):
            return self._place(first)
        return self._names.text(first) if first is not None else None

    def _rule_for(self, rule: _Rule, node: ast.Call) -> _Rule:
        return _NETWORK if rule is _FILE and "://" in (self._place(node) or "") else rule

    def _mend_for(self, rule: _Rule, node: Any) -> str | None:
        place = self._place(node)
        if rule is not _FILE or place is None:
            return None
        if "://" in place:
            return _NETWORK.mend
        full = os.path.realpath(os.path.join(_owners.root(), place))
        if os.path.exists(full) and full.startswith(_owners.root() + os.sep):
            return f'name it with shoal.file("{place}"), which counts by its content, or make {place} a source in shoal.yaml and load that'
        return None

    # ---- global variables ----

    def _target(self, target: Any) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            for one in target.elts:
                self._target(one)
        if isinstance(target, ast.Name) and target.id in self._globals:
            self._add(target, _GLOBAL, target.id)
        if not isinstance(target, (ast.Subscript, ast.Attribute)):
            return
        root = target.value
        while isinstance(root, (ast.Subscript, ast.Attribute)):
            root = root.value
        if not isinstance(root, ast.Name):
            return
        value = self._names.value(root)
        if value is UNKNOWN or not (self._names.is_outer(root) or is_a(value, types.ModuleType)):
            return
        if value is os and isinstance(target, ast.Subscript):  # os.environ["X"] = "y" is for programs that are started
            return
        self._add(target, _GLOBAL, ast.unparse(target))


def told(f: Any) -> Iterator[dict[str, Any]]:
    root = _owners.root()
    for one in findings(f):
        path = os.path.realpath(one.path)
        yield {**one._asdict(), "path": os.path.relpath(path, root) if path.startswith(root + os.sep) else one.path}
