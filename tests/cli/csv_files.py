# SPDX-License-Identifier: Apache-2.0
"""Many CSV files of one source, which differ in columns, types and dialect, give what DuckDB's own reader gives for the list of them:
the same columns and types, the same rows in the same order, or an error. Seed: SHOAL_SEED."""
import datetime
import glob
import gzip
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import duckdb
from harness import SHOAL, Project, case, has, main, same

YAML = "name: t\nsources:\n  raw.files: {files: 'raw/*.csv*', format: csv, options: {union_by_name: true}}\n"
SEED = int(os.environ.get("SHOAL_SEED", "0")) or random.SystemRandom().getrandbits(32)
ROUNDS = int(60 * float(os.environ.get("SHOAL_BUDGET", "1")))

WORDS = ["x", "a b", "ä", "007", "1e3", "NULL", "true", "-", "C536379", "2020-01-02", "it's", "#1", "%", "a\tb", "100%", " pad "]
AWKWARD = ["a,b", "a;b", 'say "hi"', "two\nlines", "a|b", "'q'", "\\", '"', ""]
DATES = ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y"]
STAMPS = ["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%d %H:%M:%S.%f"]


def values(rng, kind):
    """Something that makes the values of one column of one file: mostly of the kind that it has in the other files, too."""
    like = random.Random(kind) if rng.random() < .8 else rng
    date, stamp, some = like.choice(DATES), like.choice(STAMPS), rng.choice([0, 0, 0.2, 1])
    at = lambda: datetime.datetime(rng.randrange(1990, 2030), rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(24), rng.randrange(60), rng.randrange(60))
    make = like.choice([
        lambda: rng.randrange(-1000, 1000), lambda: rng.randrange(10 ** 17, 10 ** 21), lambda: round(rng.uniform(-9, 9), rng.randrange(4)),
        lambda: rng.choice(["true", "false"]), lambda: rng.choice(["True", "FALSE", "t"]), lambda: at().strftime(date), lambda: at().strftime(stamp),
        lambda: rng.choice(WORDS), lambda: rng.choice(WORDS + AWKWARD), lambda: f"{rng.randrange(1000):03d}", lambda: rng.choice([1, 2, "", "NULL"])])
    return lambda: "" if rng.random() < some else str(make())


def field(text, delimiter, quote, escape, always):
    if not quote:
        return text.replace(delimiter, "").replace("\n", "").replace("\r", "")
    if not always and not any(c in text for c in (delimiter, quote, "\n", escape)):
        return text
    return quote + text.replace(escape, escape + escape).replace(quote, escape + quote) + quote if escape != quote \
        else quote + text.replace(quote, quote + quote) + quote


def text_of(rng, columns, kinds, plain):
    """A file with some of the columns."""
    if not plain and rng.random() < .02:
        return rng.choice(["", "\n", "\n\n", "a", "a,b\n", "# only a comment\n", "\ufeffid,b\n1,2\n", "id,b\n1\n1,2,3\n", 'id\n"open\n'])
    delimiter = rng.choice(",,,,;|\t") if not plain else ","
    quote, escape = rng.choice([('"', '"')] * 4 + [("'", "'"), ('"', "\\"), ("", "")]) if not plain else ('"', '"')
    newline = rng.choice(["\n"] * 5 + ["\r\n", "\r"]) if not plain else "\n"
    names = [c for c in columns if plain or rng.random() < .8] or columns[:1]
    if not plain and rng.random() < .3:
        rng.shuffle(names)
    if not plain and rng.random() < .1:
        names = [n.upper() for n in names]
    if not plain and rng.random() < .05:
        names.append(names[0])
    always = not plain and rng.random() < .1
    made = [values(rng, kinds.get(n.lower(), 0)) for n in names]
    lines = [] if not plain and rng.random() < .1 else [[field(n, delimiter, quote, escape, always) for n in names]]
    for _ in range(rng.choice([0, 1, 2, 5, 30] if not plain else [3, 8])):
        lines.append([field(m(), delimiter, quote, escape, always) for m in made])
    if not plain and lines and rng.random() < .03:
        lines[-1].append("more")
    text = newline.join(delimiter.join(line) for line in lines)
    if not plain and rng.random() < .05:
        text = "# made by hand" + newline + text
    return text + (newline if plain or rng.random() < .9 else "")


def folder(p, rng):
    shutil.rmtree(p.dir + "/raw", ignore_errors=True)
    os.makedirs(p.dir + "/raw")
    plain = rng.random() < .4
    columns = rng.sample(["id", "b", "Name", "on", "at", "a b", "x\"y", "c'd", "größe", "ä", "order", "filename"], rng.randrange(1, 7))
    kinds = {c.lower(): rng.random() for c in columns}
    for i in range(rng.randrange(2, 9)):
        text = text_of(rng, list(columns), kinds, plain).encode()
        name = f"{p.dir}/raw/{i:02d}{rng.choice(['', '', ' [x]', chr(39)])}.csv"
        if rng.random() < .05:
            with gzip.open(name + ".gz", "wb") as f:
                f.write(text)
        else:
            with open(name, "wb") as f:
                f.write(text)
    return sorted(glob.glob(glob.escape(p.dir) + "/raw/*"))


def expected(files):
    """What the engine makes of the list: columns with their types, and rows; None where it fails."""
    c = duckdb.connect()
    c.execute("set timezone = 'UTC'")
    names = ["".join(f"[{x}]" if x in "*?[" else x for x in f) for f in files]
    try:
        c.execute("create table t as select * from read_csv(?, union_by_name = true, hive_partitioning = false)", [names])
        return c.execute("describe t").fetchall(), c.execute("select columns(*)::varchar from t").fetchall()
    except duckdb.Error as e:
        return str(e)


def got(p):
    out = p.dir + "/out.parquet"
    if os.path.exists(out):
        os.remove(out)
    done = subprocess.run([SHOAL, "sql", "select * from raw.files", "-o", out], cwd=p.dir, env=p.env, capture_output=True, text=True, timeout=120)
    if done.returncode:
        same(done.returncode, 1)
        return done.stderr
    c = duckdb.connect()
    c.execute("set timezone = 'UTC'")
    return c.execute("describe select * from read_parquet(?, hive_partitioning = false)", [out]).fetchall(), \
        c.execute("select columns(*)::varchar from read_parquet(?, hive_partitioning = false)", [out]).fetchall()


@case
def rows_and_types_are_those_of_the_engine_s_own_reader():
    p = Project(files={"models/a/b.sql": "select 1 as n"}, yaml=YAML)
    failed = 0
    for i in range(ROUNDS):
        rng = random.Random(f"{SEED} {i}")
        files = folder(p, rng)
        want, have = expected(files), got(p)
        failed += isinstance(want, str)
        if (isinstance(have, str) and isinstance(want, str)) or repr(have) == repr(want):
            continue
        raise AssertionError(f"seed {SEED}, round {i}, {p.dir}:\n{have}\nis not\n{want}")
    if failed > ROUNDS / 2:
        raise AssertionError(f"{failed} of {ROUNDS} are errors, which tells little")
    p.remove()


@case
def what_lies_behind_the_sample_is_read_alike():
    """The engine looks at 20,480 rows; the next one may be written otherwise."""
    p, rng = Project(files={"models/a/b.sql": "select 1 as n"}, yaml=YAML), random.Random(SEED)
    at, others = datetime.datetime(2003, 6, 13, 15, 4, 5), [" 2003-06-13", "2003-06-13 (BC)", "infinity", "12003-06-13", "x", "", '"2003-06-13"', "1,2,3"]
    for usual in ["%Y-%m-%d", "%Y-%m-%d", *DATES, *STAMPS, "7", "7.5", "true", "x"]:
        days = [(datetime.datetime(2020, 1, 1, 13, 30) + datetime.timedelta(days=i)).strftime(usual) for i in range(100)]
        odd = rng.choice([at.strftime(rng.choice(DATES + STAMPS)), rng.choice(others)])
        p.write({"raw/1.csv": "d,x\n" + "".join(f"{d},1\n" for d in days * 210) + f"{odd},2\n", "raw/2.csv": f"d,y\n{days[0]},1\n"})
        want, have = expected(sorted(glob.glob(p.dir + "/raw/*"))), got(p)
        if not (isinstance(have, str) and isinstance(want, str)) and have != want:
            raise AssertionError(f"seed {SEED}, {odd} behind {usual}: {str(have)[:500]} is not {str(want)[:500]}")
    p.remove()


@case
def import_makes_and_appends_the_same_rows():
    p = Project(files={"raw/1.csv": "id,day,who\n1,31/12/2020,\n2,01/02/2021,\n", "raw/2.csv": "who;id\n'ann;bob';3\n", "raw/3.csv": "day,id\n2020-12-31,4.5\n",
                       "raw/4.csv": "id,day,who\n5,2020-01-01,007\n"})
    files = sorted(glob.glob(p.dir + "/raw/*"))
    (types, rows), table = expected(files), p.dir + "/t"
    same([t[:2] for t in types], [("id", "DOUBLE"), ("day", "DATE"), ("who", "VARCHAR")])
    same(rows[2:3], [("3.0", None, "ann;bob")])
    for times in (1, 2):
        p.shoal("import", *files, table)
        same(sorted(map(repr, duckdb.sql(f"select columns(*)::varchar from '{table}/*.parquet'").fetchall())), sorted(map(repr, rows * times)))
    p.write({"raw/5.csv": "id,other\n1,2\n"})
    has(p.shoal("import", *files, p.dir + "/raw/5.csv", table, code=1).stderr, "the table has no column 'other'")
    p.remove()


if __name__ == "__main__":
    main()
