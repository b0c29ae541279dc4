# SPDX-License-Identifier: Apache-2.0
"""Mutations in large packages: functions of scikit-learn, pandas, SciPy and others, accepted by content, and one token changed anywhere in
what they reach. Where the code object of a function compiles to something else, the key of who reaches it must differ.

tests/python/mutations.py has oracles of its own for what is reached; here that is what `explain` says, and there are thousands of
functions. SHOAL_SEED chooses others, SHOAL_BUDGET scales their number."""
import ast
import gc
import importlib
import os
import pkgutil
import random
import shutil
import sys
import tempfile
import time
import types
import warnings

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
from harness import case, main
from mutate import code_of, codes, in_child, mutate, tokens_of

import shoal

SECONDS = 60 * float(os.environ.get("SHOAL_BUDGET", "1"))
SEED = int(os.environ.get("SHOAL_SEED", "0")) or random.SystemRandom().getrandbits(32)
PACKAGES = {"sklearn": ("utils", "metrics", "preprocessing", "model_selection", "linear_model", "externals", "feature_extraction", "datasets", "inspection"),
            "pandas": ("core", "io", "util", "_config", "tseries", "errors"), "joblib": ("",), "cloudpickle": ("",), "narwhals": ("",), "threadpoolctl": None,
            "scipy": ("stats", "optimize", "special", "_lib", "signal", "spatial"), "json": ("",), "email": ("",), "html": ("",), "textwrap": None, "argparse": None,
            "inspect": None, "ast": None, "tokenize": None, "statistics": None, "difflib": None, "configparser": None, "zipfile": None, "tarfile": None}
AT_ONCE = 4  # seconds of patience for a key


def copied(top):
    """The large packages below `top`, which is where they are imported from; written files are replaced, so links will do."""
    for folder in os.environ["SHOAL_SCIENCE"], os.path.dirname(os.path.dirname(importlib.util.find_spec("pandas").origin)):
        for name in os.listdir(folder):
            if name.partition("_")[0].partition(".")[0] in ("sklearn", "scikit", "scipy", "pandas", "joblib", "cloudpickle", "narwhals", "threadpoolctl") and not os.path.exists(f"{top}/{name}"):
                source = f"{folder}/{name}"
                shutil.copytree(source, f"{top}/{name}", ignore=shutil.ignore_patterns("tests")) if os.path.isdir(source) else shutil.copy(source, top)
    sys.path.insert(0, top)


def functions_of(name, parts):
    """Functions that the modules of a package define."""
    module = importlib.import_module(name)
    modules = [module]
    for part in parts or ():
        below = importlib.import_module(f"{name}.{part}") if part else module
        modules.append(below)
        for info in pkgutil.iter_modules(getattr(below, "__path__", []), below.__name__ + "."):
            if "test" not in info.name and not info.name.endswith(".this") and not info.name.endswith("__main__"):
                try:
                    modules.append(importlib.import_module(info.name))
                except Exception:
                    pass
    shoal.accept_module(module)
    return [f for m in modules for f in vars(m).values() if isinstance(f, types.FunctionType) and f.__module__ == m.__name__]


def key(f):
    s = shoal.signature(f)
    return {"key": s.key, "reached": [(n.path, n.line, n.label) for n in s.explain() if n.path and n.line and n.kind == "function"]}


def refusal_or_key(f):
    try:
        return key(f)
    except shoal.Error as e:
        return {"refused": str(e)}


class Unannotated(ast.NodeTransformer):
    """Plain functions without annotations, which are no part of a key."""

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        if not node.decorator_list:
            node.returns = None
            for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, *filter(None, (node.args.vararg, node.args.kwarg))):
                a.annotation = None
        return node

    visit_AsyncFunctionDef = visit_FunctionDef


def what_runs(text, path):
    return codes(compile(Unannotated().visit(ast.parse(text)), path, "exec", dont_inherit=True))


class Files:
    """The parsed sources of what is mutated, and the function objects that run them."""

    def __init__(self):
        self.known = {}
        self.running = {}
        for f in gc.get_objects():
            if isinstance(f, types.FunctionType):
                c = f.__code__
                self.running.setdefault((c.co_filename, c.co_qualname, c.co_firstlineno), []).append(f)

    def __getitem__(self, path):
        if path not in self.known:
            with open(path, encoding="utf-8") as f:
                text = f.read()
            self.known[path] = text, tokens_of(text), codes(compile(text, path, "exec", dont_inherit=True)), what_runs(text, path)
        return self.known[path]


def one_mutation(f, base, files, rng, top):
    """(what was done, the key that follows), or None where nothing that runs was changed."""
    path, line, label = rng.choice(base["reached"] or [("", 0, "")])
    if not path.startswith(top):
        return None
    text, tokens, was, ran = files[path]
    at = [c for c in was.values() if abs(c.co_firstlineno - line) <= 3 and label.endswith(c.co_qualname) and (path, c.co_qualname, c.co_firstlineno) in files.running]
    if not at:
        return None
    code = rng.choice(at)
    made = mutate(text, tokens, rng, {n for _, _, n in code.co_lines() if n and n > code.co_firstlineno})
    if not made:
        return None
    try:
        now = codes(compile(made[0], path, "exec", dont_inherit=True))
    except (SyntaxError, ValueError):
        return None
    name = f"{code.co_qualname}:{code.co_firstlineno}"
    new = now.get(name)
    if new is None or code_of(what_runs(made[0], path)[name]) == code_of(ran[name]) or len(new.co_freevars) != len(code.co_freevars):
        return None

    def work():
        for g in files.running[path, code.co_qualname, code.co_firstlineno]:
            g.__code__ = new
        return refusal_or_key(f)

    os.unlink(path)
    with open(path, "w", encoding="utf-8") as out:
        out.write(made[0])
    try:
        answer = in_child(work, AT_ONCE)
    finally:
        os.unlink(path)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
    return f"{os.path.relpath(path, top)} {code.co_qualname} {made[1]}, reached by {f.__module__}.{f.__qualname__}", answer


@case
def no_change_in_large_packages_is_missed():
    print(f"seed {SEED}")
    warnings.simplefilter("ignore")
    rng = random.Random(SEED)
    top = os.path.realpath(tempfile.mkdtemp(prefix="shoal-large-", dir="/tmp"))
    until = time.monotonic() + SECONDS
    signed, refused, slow, made, missed = set(), {}, 0, 0, []
    try:
        copied(top)
        every = {name: found for name, parts in PACKAGES.items() if (found := functions_of(name, parts))}
        files = Files()
        while time.monotonic() < until or made < 20:
            f = rng.choice(every[rng.choice(list(every))])
            base = in_child(lambda: refusal_or_key(f), AT_ONCE)
            if base is None or "refused" in base:
                slow += base is None
                if base:
                    refused[f"{f.__module__}.{f.__qualname__}"] = base["refused"].splitlines()[0]
                continue
            signed.add(f"{f.__module__}.{f.__qualname__}")
            for _ in range(8):
                outcome = one_mutation(f, base, files, rng, top)
                if outcome and outcome[1]:
                    made += 1
                    if outcome[1].get("key") == base["key"]:
                        missed.append(outcome[0])
    finally:
        shutil.rmtree(top, ignore_errors=True)
    print(f"{made} mutations, {len(signed)} functions of {sum(map(len, every.values()))}; {len(missed)} missed; {len(refused)} functions refused, {slow} took longer than {AT_ONCE} s")
    if os.environ.get("SHOAL_VERBOSE"):
        print("\n".join(f"{k}: {v}" for k, v in refused.items()))
    assert not missed, "\n".join(missed)


main()
