#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every function of the engine that Shoal calls pure (src/code/functions.c) gives the same for the same rows in two sessions:
other processes, other times, threads 1 and 4, other surroundings (TZ, locale, HOME, USER, folders), the queries in the opposite
order. Arguments are made up from the signatures in the engine's catalogue; SHOAL_BUDGET=n tries n times as many for each."""
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import BUILD, case, main  # noqa: E402

DRIVER = os.path.join(BUILD, "tests", "purity_driver")
BUDGET = float(os.environ.get("SHOAL_BUDGET", "1"))
TRIES = int(40 * BUDGET)  # combinations of kinds of arguments for a signature, until one is a call

# What an argument of a type may be, each kind as rows of SQL.
INTEGERS = [["0", "1", "2", "7", "3"], ["5", "1", "3", "12", "2"]]
SIGNED = [["1", "-3", "2", "40", "0"], *INTEGERS]
REALS = [["0.5", "1.0", "0.25", "0.75", "0.1"], ["2.5", "-3.75", "100.0", "0.0", "1e10"], ["2.5", "3.75", "100.0", "7.0", "1e10"]]
TEXTS = [["'abc'", "'b,ä c'", "''", "'ABC abc'", "'x'"], ["'day'", "'month'", "'hour'", "'year'", "'week'"], ["'2021-03-04'", "'1999-12-31'", "'2000-02-29'", "'2024-01-01'", "'1970-01-01'"],
         ["'%Y-%m-%d'"] * 5, ["'{\"a\": [1, {\"b\": 2}]}'", "'[1, 2]'", "'{\"a\": null}'", "'{}'", "'{\"b\": 1.5}'"], ["'1f'", "'00'", "'ab12'", "'ffff'", "'0a'"],
         ["'0101'", "'1'", "'10'", "'1111'", "'0001'"], ["'UTC'", "'Europe/Paris'", "'Asia/Tokyo'", "'America/New_York'", "'Pacific/Chatham'"], ["'$.a'", "'$'", "'$.b'", "'$.a[0]'", "'$'"],
         ["'1 KB'", "'2 MiB'", "'17 bytes'", "'3 GB'", "'0 B'"], ["'sum'", "'max'", "'min'", "'avg'", "'count'"], ["'{\"a\": \"INTEGER\"}'"] * 5, ["'a'"] * 5]
VALUES = {
    "BOOLEAN": [["true", "false", "true", "true", "false"]],
    **{t: [[f"{v}::{t}" for v in vs] for vs in SIGNED] for t in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")},
    **{t: [[f"{v}::{t}" for v in vs] for vs in INTEGERS] for t in ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")},
    **{t: [[f"{v}::{t}" for v in vs] for vs in REALS] for t in ("FLOAT", "DOUBLE")},
    "DECIMAL": [[f"{v}::DECIMAL(9, 2)" for v in ("1.25", "-7.50", "0.00", "33.10", "2.00")]],
    "VARCHAR": TEXTS,
    "JSON": [[f"{v}::JSON" for v in TEXTS[4]]],
    "BLOB": [[f"{v}::BLOB" for v in TEXTS[0][:1] * 2 + ["'\\x00\\x01'", "''", "'xyz'"]]],
    "BIT": [[f"{v}::BIT" for v in ("'0101'", "'1100'", "'1111'", "'0000'", "'1001'")]],
    "UUID": [[f"'{v}-1111-4111-8111-111111111111'::UUID" for v in ("00000001", "0000000a", "ffffffff", "12345678", "00000000")]],
    "DATE": [[f"DATE '{v}'" for v in ("2021-03-04", "1999-12-31", "2000-02-29", "2024-01-01", "1970-01-01")]],
    "TIME": [[f"TIME '{v}'" for v in ("10:00:00", "23:59:59.5", "00:00:00", "12:34:56", "01:02:03")]],
    "TIME WITH TIME ZONE": [[f"TIMETZ '{v}'" for v in ("10:00:00+01", "23:59:59.5+00", "00:00:00-05", "12:34:56+02", "01:02:03+00")]],
    "TIME_NS": [[f"'{v}'::TIME_NS" for v in ("10:00:00", "23:59:59.5", "00:00:00", "12:34:56", "01:02:03")]],
    **{t: [[f"'{v}'::{t}" for v in ("2021-03-04 10:00:00", "1999-12-31 23:59:59", "2000-02-29 00:00:00", "2024-01-01 12:00:00", "1970-01-01 00:00:01")]]
       for t in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")},
    "TIMESTAMP WITH TIME ZONE": [[f"TIMESTAMPTZ '{v}+00'" for v in ("2021-03-28 00:30:00", "1999-12-31 23:59:59", "2000-02-29 00:00:00", "2024-10-27 00:30:00", "1970-01-01 00:00:01")]],
    "INTERVAL": [[f"INTERVAL '{v}'" for v in ("1 day", "3 hours", "2 months", "10 minutes", "1 year")]],
    "STRUCT": [[f"{{'a': {v}, 'b': 'x{v}'}}" for v in range(5)], [f"row({v}, 'x')" for v in range(5)]],
    "MAP": [[f"MAP {{'a': {v}, 'k{v}': 2}}" for v in range(5)]],
    "UNION": [[f"union_value(num := {v})" for v in range(5)]],
    "VARIANT": [[f"{{'a': {v}}}::VARIANT" for v in range(5)]],
    "ENUM": [["'a'::ENUM ('a', 'b')", "'b'::ENUM ('a', 'b')"] * 2 + ["'a'::ENUM ('a', 'b')"]],
    "LAMBDA": [["lambda e: e is not null"], ["lambda e: e"], ["lambda a, b: a"]],
    "GEOMETRY": [[f"'POINT ({v} {v + 1})'::GEOMETRY" for v in range(5)]],
    "TYPE": [["get_type(1)"] * 5],
    "BIGNUM": [[f"{v}::BIGNUM" for v in (1, -2, 3, 1000, 0)]],
}
LISTS = [[f"[{v}, {v + 1}, 2]" for v in range(5)], [f"['x{v}', 'b']" for v in range(5)], [f"[{v}.5, 1.0]" for v in range(5)], [f"[true, {str(v > 2).lower()}]" for v in range(5)],
         [f"[[{v}], [1, 2]]" for v in range(5)], [f"[{{'k': 'k{v}', 'v': {v}}}]" for v in range(5)]]
ARRAYS = [[f"array_value({v}.5::{t}, 1.0::{t}, 2.0::{t})" for v in range(1, 6)] for t in ("DOUBLE", "FLOAT")]
ANYTHING = [VALUES["INTEGER"][0], TEXTS[0], VALUES["DOUBLE"][0], LISTS[0], VALUES["STRUCT"][0], VALUES["MAP"][0], VALUES["BOOLEAN"][0], VALUES["DATE"][0], TEXTS[1], LISTS[1], VALUES["LAMBDA"][0]]

# Calls that no signature tells.
SUM = "FROM range(5) t(v)"
WINDOW = "OVER (ORDER BY v % 3, v) FROM range(7) t(v)"
AB = "NULL::ENUM ('b', 'a')"
LISTED = "([3, 1, 2], 'max'), {}([3, 1, 2], 'list')"
CALLS = {
    **{n: [f"{n}{LISTED.format(n)}"] for n in ("aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate")},
    **{n: [f"{n}([1, 2], 3)"] for n in ("array_append", "array_push_back")},
    **{n: [f"{n}([1, 2], '-')"] for n in ("array_to_string", "array_to_string_comma_default")},
    **{n: [f"{n}({AB})"] for n in ("enum_first", "enum_last", "enum_range")},
    **{n: [f"{n}('{{\"a\": 1}}', '{{\"a\": \"INTEGER\"}}')"] for n in ("from_json_strict", "json_transform_strict")},
    **{n: [f"{n}(v + 1) {SUM}"] for n in ("geomean", "geometric_mean", "json_group_array")},
    **{n: [f"{n}({{'a': 1}})", f"{n}({{'b': ['x', 'é'], 'c': 1.5}})"] for n in ("json_quote", "row_to_json", "to_json")},
    **{n: [f"{n}([true, false]), {n}([true])"] for n in ("list_bool_and", "list_bool_or")},
    **{n: [f"{n}(v, v + 1) {SUM}"] for n in ("wavg", "weighted_avg", "json_group_object")},
    **{n: [f"v, {n}() {WINDOW}"] for n in ("cume_dist", "dense_rank", "percent_rank", "rank", "rank_dense", "row_number")},
    **{n: [f"v, {n}(v) {WINDOW}"] for n in ("first_value", "last_value", "lag", "lead")},
    "fill": ["fill(v) OVER (ORDER BY v) FROM (VALUES (1), (NULL), (3)) t(v)"],
    "ntile": [f"v, ntile(2) {WINDOW}"],
    "nth_value": [f"v, nth_value(v, 2) {WINDOW}"],
    "array_to_json": ["array_to_json([1, 2])"],
    "cardinality": ["cardinality(MAP {'a': 1, 'b': 2})"],
    "combine": [f"finalize(combine(x, x)) FROM (SELECT sum(v) EXPORT_STATE AS x {SUM})"],
    "finalize": [f"finalize(x) FROM (SELECT avg(v) EXPORT_STATE AS x {SUM})"],
    "create_sort_key": [f"create_sort_key(v, 'ASC NULLS LAST', -v, 'DESC NULLS FIRST') {SUM}"],
    "enum_code": ["enum_code('a'::ENUM ('b', 'a'))"],
    "enum_range_boundary": [f"enum_range_boundary('b'::ENUM ('b', 'a'), {AB})"],
    "error": [f"CASE WHEN v > 9 THEN error('never') END {SUM}"],
    "json_deserialize_sql": ["json_deserialize_sql(json_serialize_sql('SELECT 1 AS a FROM t'))"],
    "json_group_structure": [f"json_group_structure({{'a': v}}::JSON) {SUM}"],
    "list_zip": ["list_zip([1, 2], ['a'])"],
    "make_type": ["make_type('DECIMAL', 9, 2)"],
    "map_contains_entry": ["map_contains_entry(MAP {'a': 1}, 'a', 1)"],
    "map_from_entries": ["map_from_entries([{'k': 'a', 'v': 1}, {'k': 'b', 'v': 2}])"],
    "parse_duckdb_log_message": ["parse_duckdb_log_message('QueryLog', 'a')"],
    "remap_struct": ["remap_struct({'i': 1, 'j': 2}, NULL::STRUCT(v1 INT, v2 INT), {'v1': 'j', 'v2': 'i'}, NULL)"],
    "st_geomfromwkb": ["st_geomfromwkb(st_aswkb('POINT (1 2)'::GEOMETRY))"],
    "struct_concat": ["struct_concat({'a': 1}, {'b': 2})"],
    "union_extract": ["union_extract(union_value(a := 1), 'a')"],
    "union_value": ["union_value(a := 1)"],
    "unlist": ["unlist([2, 1])"],
    "unnest": ["unnest([2, 1]), unnest({'a': 1})"],
    "uuid_extract_timestamp": ["uuid_extract_timestamp('017f22e2-79b0-7cc3-98c4-dc0c0c07398f'::UUID)"],
}
# Pure, and never called here.
UNCALLED = {
    "sum_no_overflow": "only the optimiser may call it: in place of sum, where the statistics allow it",
    "variant_bytes_to_variant": "takes bytes in a form of the engine's own, which no function gives",
}
# What this test must find.
KNOWN = ["random()", "now()", "gen_random_uuid()", "uuidv7()", "current_localtimestamp()"]


class Session:
    """The engine in a process of its own."""

    def __init__(self, threads, folder, **surroundings):
        os.makedirs(folder, exist_ok=True)
        env = {**os.environ, **surroundings}
        self.p = subprocess.Popen([DRIVER, str(threads), folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="surrogateescape", cwd=folder, env=env)

    def ask(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()
        answer = self.p.stdout.readline()
        if not answer:
            raise AssertionError(f"the session ended at {line}")
        return answer.rstrip("\n")

    def rows(self, sql):
        answer = self.ask(sql)
        assert answer[0] == "=", f"{sql}: {answer}"
        return [r.split("\x1f")[:-1] for r in answer[1:].split("\x1e")[:-1]]

    def end(self):
        self.p.stdin.close()
        self.p.wait(timeout=60)


def kinds(type_):
    """The kinds of arguments for a parameter's type."""
    t = (type_ or "ANY").strip()
    if t.startswith("MAP("):
        return VALUES["MAP"]
    if t.startswith("STRUCT"):
        return VALUES["STRUCT"]
    if t.startswith("UNION"):
        return VALUES["UNION"]
    if t.startswith("DECIMAL"):
        return VALUES["DECIMAL"]
    if t.endswith("[ANY]") or t.endswith("]") and not t.endswith("[]"):
        return ARRAYS
    if t.endswith("[][]"):
        return [LISTS[4]]
    if t.endswith("[]"):
        inner = t[:-2]
        return [[f"[{v}, {v}]" for v in vs] for vs in VALUES[inner]] if inner in VALUES else LISTS
    return VALUES.get(t, ANYTHING)


def combinations(types, dice):
    """Of kinds for each parameter, the first of each first, then by the dice: with the values, and how many columns are constants."""
    ways = [kinds(t) for t in types]
    first = [tuple(w[0] for w in ways)]
    rest = list(itertools.islice(itertools.product(*ways), 1, 4000))
    dice.shuffle(rest)
    yield from first + rest[:TRIES]


def query(name, aggregate, columns, constants):
    """The call over five rows and one of NULLs; from `constants` on the arguments are constants."""
    args = [f"c{i}" if i < constants and not c[0].startswith("lambda") else c[0] for i, c in enumerate(columns)]
    call = f"\"{name}\"({', '.join(args)})"
    used = [i for i in range(len(columns)) if i < constants and not columns[i][0].startswith("lambda")]
    rows = [", ".join([str(k), *(columns[i][k % len(columns[i])] for i in used)]) for k in range(5)] + [", ".join(["5", *("NULL" for _ in used)])]
    source = f"(VALUES {', '.join(f'({r})' for r in rows)}) t({', '.join(['k', *(f'c{i}' for i in used)])})"
    if aggregate:
        return f"SELECT k % 2 AS g, {call} FROM {source} GROUP BY ALL ORDER BY ALL"
    return f"SELECT k, {call} FROM {source} ORDER BY k"


def find_call(s, name, kind, types, dice):
    """A query of this signature that the engine takes, or None."""
    if not types:
        q = query(name, kind == "aggregate", [], 0)
        return q if s.ask(q)[0] == "=" else None
    for columns in combinations(types, dice):
        for constants in dict.fromkeys((len(types), 1, 0)):
            q = query(name, kind == "aggregate", columns, constants)
            if s.ask(q)[0] == "=":
                return q
    return None


def signatures(s):
    return s.rows("SELECT DISTINCT lower(function_name) AS f, function_type, array_to_string(list_transform(parameter_types, lambda p: coalesce(p, 'ANY')), ';') AS p, coalesce(varargs, '') AS v "
                  "FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro') AND regexp_matches(function_name, '^[A-Za-z_]') ORDER BY ALL")


def calls(s):
    """Name → queries, of every pure function; [] if none was found."""
    found = {}
    dice = random.Random(1)
    for name, kind, params, varargs in signatures(s):
        if s.ask("?" + name) != "pure":
            continue
        types = [p for p in params.split(";") if p] + ([varargs] * 2 if varargs else [])
        q = find_call(s, name, kind, types, dice) if name not in UNCALLED else None
        found.setdefault(name, [])
        if q:
            found[name].append(q)
    for name, queries in CALLS.items():
        assert s.ask("?" + name) == "pure", f"{name} is called here, and not pure"
        found.setdefault(name, []).extend(f"SELECT {q}" for q in queries)
    return found


folder = tempfile.mkdtemp(prefix="shoal-purity-", dir="/tmp")
here = Session(1, folder + "/here", TZ="UTC", LANG="C", LC_ALL="C", HOME=folder, USER="anna")


def there():
    return Session(4, folder + "/there", TZ="Pacific/Chatham", LANG="tr_TR.UTF-8", LC_ALL="tr_TR.UTF-8", HOME="/nonexistent", USER="bob", LOGNAME="bob", TMPDIR=folder + "/there")


@case
def every_pure_function_gives_the_same_in_two_sessions():
    found = calls(here)
    missing = sorted(n for n, qs in found.items() if not qs and n not in UNCALLED)
    stale = sorted(n for n in UNCALLED if n not in found or CALLS.get(n))
    todo = [(n, q) for n, qs in found.items() for q in qs]
    one = {q: here.ask(q) for _, q in todo}
    time.sleep(1.1)  # another second, for what has the clock in it
    other = there()
    wrong = []
    for name, q in reversed(todo):
        answer = other.ask(q)
        if answer != one[q] or answer[0] != "=":
            wrong.append(f"{name}: {q}\n  {one[q][:300]}\n  {answer[:300]}")
    other.end()
    print(f"{len(found)} names, {len(todo)} calls, {len(UNCALLED)} uncalled")
    assert len(found) > 500 and len(todo) > 800, "the catalogue was not found"
    assert not wrong, "not pure:\n" + "\n".join(wrong)
    assert not missing, f"no call of these was found; write one into CALLS, or the reason into UNCALLED: {missing}"
    assert not stale, f"listed as uncalled, and unknown or called: {stale}"


@case
def what_is_not_pure_differs():
    other = there()
    for call in KNOWN:
        q = f"SELECT {call} FROM range(3)"
        a, b = here.ask(q), other.ask(q)
        assert a[0] == b[0] == "=", (call, a, b)
        assert a != b, f"{call} does not differ: the test is blind"
    other.end()


try:
    main()
finally:
    here.end()
    shutil.rmtree(folder, ignore_errors=True)
