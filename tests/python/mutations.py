# SPDX-License-Identifier: Apache-2.0
"""Mutations: real modules of the standard library and of installed packages become a project's, one token of them is changed at
random, and the key of a function that calls into them must change with it.

Two oracles know nothing of how keys are made. What runs counts: where the code object of any function that was seen running
compiles to something else, the key must differ. And what shows counts: where the result differs, the key must, wherever the
change was: a constant, a class, a default. SHOAL_SEED chooses others, SHOAL_BUDGET scales their number."""
import importlib
import io
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import warnings

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
from harness import case, main
from mutate import code_of, codes, in_child, mutate, tokens_of

import shoal
import ways

SECONDS = 14 * float(os.environ.get("SHOAL_BUDGET", "1"))
SEED = int(os.environ.get("SHOAL_SEED", "0")) or random.SystemRandom().getrandbits(32)
TEXT = "the quick brown fox jumps over the lazy dog, and then it sleeps; a-b c's \\\"d e\\\" 12 3.5"
# Copied as x_NAME; what calls into them.
MODULES = {
    "textwrap": ["x_textwrap.fill(T, 20)", "x_textwrap.dedent('  a\\n   b\\n')", "x_textwrap.shorten(T, 30)", "x_textwrap.indent(T, '> ')"],
    "shlex": ["x_shlex.split(T)", "x_shlex.quote(T)", "x_shlex.join(['a b', 'c'])"],
    "difflib": ["list(x_difflib.unified_diff(T.split(), T[5:].split()))", "x_difflib.get_close_matches('appel', ['ape', 'apple'])", "list(x_difflib.ndiff(['a b'], ['a c']))"],
    "statistics": ["x_statistics.median([3, 1, 2, 9])", "x_statistics.pstdev([1, 2, 3, 4.5])", "x_statistics.quantiles(range(10))", "x_statistics.NormalDist(1, 2).cdf(2)",
                   "x_statistics.linear_regression([1, 2, 3], [2, 4, 7])"],
    "colorsys": ["x_colorsys.rgb_to_hls(.1, .2, .3)", "x_colorsys.hsv_to_rgb(.5, .2, .3)", "x_colorsys.rgb_to_yiq(.1, .5, .2)"],
    "fnmatch": ["x_fnmatch.translate('a*[!b]?c')", "x_fnmatch.filter(['ab', 'cd'], 'a*')"],
    "string": ["x_string.Template('$a ${b} $$').substitute(a=1, b=2)", "x_string.Formatter().format('{0:>5} {a!r}', 1, a=2)", "x_string.capwords(T)"],
    "base64": ["x_base64.b85encode(T.encode())", "x_base64.b32decode(x_base64.b32encode(b'abc'))", "x_base64.a85encode(b'abcd')"],
    "calendar": ["x_calendar.month(2024, 2)", "x_calendar.monthrange(2023, 2)", "x_calendar.TextCalendar(3).formatweek([(1, 2), (3, 4)], 3)"],
    "graphlib": ["list(x_graphlib.TopologicalSorter({'a': {'b'}, 'b': {'c'}}).static_order())"],
    "copy": ["x_copy.deepcopy({'a': [1, (2, [3])]})"],
    "pprint": ["x_pprint.pformat({'b': [1] * 30, 'a': {'x': (1, 2)}}, width=30)"],
    "reprlib": ["x_reprlib.repr(list(range(20)))", "x_reprlib.repr({'a': 'b' * 50})"],
    "ipaddress": ["x_ipaddress.ip_network('10.0.0.0/30').num_addresses", "[str(a) for a in x_ipaddress.ip_network('10.0.0.0/29').subnets()]", "str(x_ipaddress.IPv6Address('::1'))"],
    "csv": ["x_csv.Sniffer().sniff('a;b\\nc;d\\n').delimiter"],
    "urllib.parse": ["x_parse.urlsplit('http://u@h:80/p;a?q#f')", "x_parse.quote(T)", "x_parse.parse_qs('a=1&b=2')", "x_parse.urljoin('http://a/b/c', '../d')"],
    "html.parser": ["(lambda p: (p.feed('<a b=c>d&amp;</a><!-- x -->'), p.get_starttag_text(), p.getpos()))(x_parser.HTMLParser())"],
    "json.encoder": ["''.join(x_encoder.JSONEncoder(indent=1, sort_keys=True).iterencode({'a': [1, 2.5, None, 'ä']}))"],
    "configparser": ["(lambda c: (c.read_string('[a]\\nb=1\\nc=%(b)s2'), dict(c['a'])))(x_configparser.ConfigParser())[1]"],
    "quopri": ["x_quopri.encodestring(b'a=b \\xe4')"],
    "dataclasses": ["x_dataclasses.make_dataclass('C', [('a', int, 3)])().__repr__()"],
    "functools": ["(lambda C: C(1) <= C(2))(x_functools.total_ordering(type('C', (), {'__init__': lambda s, v: setattr(s, 'v', v), '__lt__': lambda s, o: s.v < o.v, "
                  "'__eq__': lambda s, o: s.v == o.v})))"],
}
PACKAGES = {
    "packaging": ["packaging.version.Version('1.2.3rc1+l.1').public", "sorted(map(packaging.version.Version, ['1.10', '1.9', '1.9.post1']))[-1].base_version",
                  "packaging.specifiers.SpecifierSet('>=1.0,!=1.5').contains('1.4')", "str(packaging.requirements.Requirement('a[b]>=1; python_version<\"3\"').marker)",
                  "packaging.utils.canonicalize_name('A_b.C')"],
    "dateutil": ["str(dateutil.relativedelta.relativedelta(months=14).normalized())", "dateutil.easter.easter(2024).isoformat()",
                 "(datetime.date(2020, 1, 31) + dateutil.relativedelta.relativedelta(months=1)).isoformat()",
                 "str(dateutil.relativedelta.relativedelta(datetime.date(2024, 3, 1), datetime.date(2020, 1, 31)))"],
    "pathspec": ["sorted(pathspec.PathSpec.from_lines('gitwildmatch', ['*.py', '!a.py', 'b/']).match_files(['a.py', 'c.py', 'b/x']))"],
}
SUBMODULES = {"packaging": ("version", "specifiers", "requirements", "markers", "utils"), "dateutil": ("relativedelta", "easter"), "pathspec": ("patterns",)}


class Scenario:
    """A project folder with copied modules, and functions that call into them."""

    def __init__(self, folder, name, expressions, submodules=()):
        self.folder = folder
        self.files = {}
        if name in PACKAGES:
            source = os.path.dirname(importlib.import_module(name).__file__)
            shutil.copytree(source, f"{folder}/{name}", ignore=shutil.ignore_patterns("*.pyc", "__pycache__", "*.so", "*.tar.gz"))
            imports = "".join(f"import {name}.{s}\n" for s in submodules)
            for at, _, names in os.walk(f"{folder}/{name}"):
                self.files.update({os.path.join(at, n): None for n in names if n.endswith(".py")})
        else:
            copied = f"{folder}/x_{name.rpartition('.')[2]}.py"
            shutil.copy(importlib.import_module(name).__file__, copied)
            imports = f"import x_{name.rpartition('.')[2]}\n"
            self.files[copied] = None
        with open(folder + "/entry.py", "w") as f:
            f.write(f'import datetime\n{imports}T = "{TEXT}"\n')
            f.writelines(f"def run{i}(): return {e}\n" for i, e in enumerate(expressions))
        with open(folder + "/shoal.yaml", "w") as f:
            f.write("name: mutated\n")
        self.n = len(expressions)
        for path in self.files:
            with open(path, encoding="utf-8") as f:
                self.files[path] = f.read()
        self.tokens = {p: tokens_of(t) for p, t in self.files.items()}
        self.codes = {p: codes(compile(t, p, "exec", dont_inherit=True)) for p, t in self.files.items()}
        self.base = self.ask(trace=True)
        assert self.base, name
        self.ran = {p: sorted({c for one in self.base for c in one["ran"].get(p, ())}) for p in self.files}
        self.mutable = [p for p in self.files if self.ran[p]]

    def ask(self, trace=False):
        """What each function's key, result and running code objects are; None: the module is broken, or it takes too long."""
        return in_child(lambda: self._answer(trace), 60 if trace else 5, self.folder if trace else None)

    def _answer(self, trace):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        os.chdir(self.folder)
        sys.path.insert(0, self.folder)
        sys.dont_write_bytecode = True
        for name in list(sys.modules):
            if name.partition(".")[0] in PACKAGES:
                del sys.modules[name]
        sys.stdout, sys.stdin = io.StringIO(), open(os.devnull)
        entry = importlib.import_module("entry")
        answers = []
        for i in range(self.n):
            f = getattr(entry, f"run{i}")
            key = shoal.signature(f).key
            ran = {}

            def seen(frame, event, arg):
                if event == "call" and frame.f_code.co_filename in self.files and frame.f_code.co_name != "<module>":
                    ran.setdefault(frame.f_code.co_filename, []).append(f"{frame.f_code.co_qualname}:{frame.f_code.co_firstlineno}")

            if trace:
                sys.setprofile(seen)
            signal.setitimer(signal.ITIMER_REAL, 1)
            signal.signal(signal.SIGALRM, _too_long)
            try:
                result = repr(f())[:10000]
            except Exception as e:
                result = f"{type(e).__name__}: {e}"
            finally:
                sys.setprofile(None)
                signal.setitimer(signal.ITIMER_REAL, 0)
            answers.append({"key": key, "result": re.sub("0x[0-9a-f]+", "0x", result), "ran": {p: sorted(set(r)) for p, r in ran.items()}})
        return answers


def _too_long(*_):
    raise TimeoutError("it runs for ever")


def lines_of(codes_):
    return {line for c in codes_ for _, _, line in c.co_lines() if line and line >= c.co_firstlineno}


def one_mutation(s, rng):
    """(missed, told apart, needlessly told apart) of one changed token."""
    path = rng.choice(s.mutable)
    lines = lines_of(s.codes[path][c] for c in s.ran[path] if c in s.codes[path]) if rng.random() < .7 else None
    made = mutate(s.files[path], s.tokens[path], rng, lines)
    if not made:
        return None
    text, what = made
    try:
        now = codes(compile(text, path, "exec", dont_inherit=True))
    except (SyntaxError, ValueError):
        return None
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    try:
        answers = s.ask()
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(s.files[path])
    if not answers:
        return None
    missed, told, needless = [], 0, 0
    for i, (was, is_) in enumerate(zip(s.base, answers)):
        runs = any(c not in now or code_of(now[c]) != code_of(s.codes[path][c]) for c in was["ran"].get(path, ()))
        shows = was["result"] != is_["result"]
        changed = was["key"] != is_["key"]
        told += (runs or shows) and changed
        needless += changed and not (runs or shows)
        if (runs or shows) and not changed:
            missed.append(f"{os.path.relpath(path, s.folder)} run{i}: {what} ({'runs' if runs else ''} {'shows' if shows else ''}: {was['result'][:80]} / {is_['result'][:80]})")
    return missed, told, needless


@case
def no_change_is_missed():
    print(f"seed {SEED}")
    warnings.simplefilter("ignore")
    top = tempfile.mkdtemp(prefix="shoal-mutations-", dir="/tmp")
    until = time.monotonic() + SECONDS
    rng = random.Random(SEED)
    scenarios, missed, told, needless, made = {}, [], 0, 0, 0
    everything = [*MODULES.items(), *PACKAGES.items()]
    rng.shuffle(everything)
    try:
        turn = 0
        while time.monotonic() < until or made < 30:
            name, expressions = everything[turn % len(everything)]
            turn += 1
            if name not in scenarios:
                folder = f"{top}/{name}"
                os.mkdir(folder)
                scenarios[name] = Scenario(folder, name, expressions, SUBMODULES.get(name, ()))
            for outcome in (one_mutation(scenarios[name], rng) for _ in range(12)):
                if outcome:
                    made += 1
                    missed += outcome[0]
                    told, needless = told + outcome[1], needless + outcome[2]
                if time.monotonic() > until and made >= 30:
                    break
    finally:
        shutil.rmtree(top)
    print(f"{made} mutations of {len(scenarios)} modules; {told} changes told, {len(missed)} missed; {needless} keys changed though no result did")
    assert told >= 20, "too few to say anything"
    assert not missed, "\n".join(missed)


main()
