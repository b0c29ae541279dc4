# SPDX-License-Identifier: Apache-2.0
"""The Python package as its users call it: reading datasets. `tools/test` installs it, as pip does, into build/python."""
import gc
import os
import subprocess
import sys
import threading

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
import duckdb
import pandas
import polars
import pyarrow
from harness import Project, case, main

import shoal

MODELS = {
    "models/gold/a.sql": "select i, 'x' || i as t, case when i > 2 then i / 2.0 end as d from range(5) r(i)",
    "models/gold/types.sql": """select 1::tinyint as b, 3::smallint as s, 7 as n, 2::bigint as l, 1.5::float as f, 2.5 as d, 12.34::decimal(9, 2) as "dec",
        'ä' as t, 'x'::blob as bin, date '2020-02-29' as "day", timestamptz '2020-01-01 00:00:00+00' as "at", timestamp '2020-01-01' as ntz, true as flag,
        [1, null] as list, {'a': 1, 'b': 'c'} as st, map {'k': 1} as m""",
    "models/gold/big.sql": "select i, md5(i::varchar) as h from range(100000) r(i)",
}
project = Project(files=MODELS)
os.environ["XDG_DATA_HOME"] = project.dir  # no lake of the user's own there
project.shoal("run")
os.chdir(project.dir)
NEW_INTERPRETER = {**os.environ, "PYTHONPATH": os.path.join(os.environ["SHOAL_BUILD"], "python")}


@case
def a_table_is_read_as_each_library_likes_it():
    want = [(0, "x0", None), (1, "x1", None), (2, "x2", None), (3, "x3", 1.5), (4, "x4", 2.0)]
    t = shoal.table("gold.a")
    assert isinstance(t.arrow(), pyarrow.Table) and [tuple(r.values()) for r in t.arrow().to_pylist()] == want
    assert isinstance(t.polars(), polars.DataFrame) and t.polars().rows() == want
    df = t.df()
    assert isinstance(df, pandas.DataFrame) and list(df.t) == ["x0", "x1", "x2", "x3", "x4"] and df.d.isna().sum() == 3
    assert duckdb.sql("select sum(i) from t").fetchone() == (10,)  # by the capsule, with another DuckDB in the process


@case
def batches_come_one_by_one():
    reader = shoal.table("gold.big").batches()
    sizes = [b.num_rows for b in reader]
    assert sum(sizes) == 100000 and len(sizes) > 10, sizes[:3]


@case
def a_query_names_datasets_and_keeps_types():
    row = shoal.sql("select * from gold.types").arrow()
    kinds = [str(f.type) for f in row.schema]
    assert kinds[:9] == ["int8", "int16", "int32", "int64", "float", "decimal128(2, 1)", "decimal128(9, 2)", "string", "binary"], kinds
    assert kinds[9:13] == ["date32[day]", "timestamp[us, tz=UTC]", "timestamp[us]", "bool"], kinds
    assert row.to_pylist()[0]["st"] == {"a": 1, "b": "c"} and row.to_pylist()[0]["list"] == [1, None]
    assert shoal.sql("select count(*) as n from gold.a join gold.big using (i)").arrow()["n"].to_pylist() == [5]


@case
def an_older_revision_is_read():
    project.write({"models/gold/a.sql": "select 42 as i"})
    project.shoal("run")
    assert shoal.table("gold.a").arrow()["i"].to_pylist() == [42]
    assert shoal.table("gold.a", at="main~1").arrow()["i"].to_pylist() == [0, 1, 2, 3, 4]
    assert {d.name: d.rows for d in shoal.datasets()} == {"gold.a": 1, "gold.big": 100000, "gold.types": 1}
    assert {d.name: d.rows for d in shoal.datasets(at="main~1")}["gold.a"] == 5
    project.write(MODELS)
    project.shoal("run")


@case
def a_branch_is_chosen_for_a_block():
    project.git("switch", "-q", "-c", "experiment")
    project.write({"models/gold/a.sql": "select 7 as i"})
    project.shoal("run")
    project.git("switch", "-q", "-f", "main")
    assert shoal.table("gold.a").arrow().num_rows == 5
    with shoal.branch("experiment"):
        assert shoal.table("gold.a").arrow()["i"].to_pylist() == [7]
        seen = []
        t = threading.Thread(target=lambda: seen.append(shoal.table("gold.a").arrow().num_rows))
        t.start(), t.join()
        assert seen == [5]  # a block is its thread's own
    assert shoal.table("gold.a").arrow().num_rows == 5
    project.write(MODELS)


@case
def a_lake_is_read_without_a_project():
    code = f"import shoal, os; os.chdir('/'); shoal.set_store({project.dir + '/lake'!r}); print(shoal.table('gold.a').arrow().num_rows)"
    assert subprocess.run([sys.executable, "-c", code], env=NEW_INTERPRETER, capture_output=True, text=True).stdout == "5\n"


def fails(status, *words, **call):
    try:
        shoal.sql(call["query"], at=call.get("at", "")).arrow()
    except shoal.Error as e:
        text = str(e)
        assert e.status == status, (e.status, text)
        assert all(w in text for w in words), text
        return e
    raise AssertionError("it did not fail")


@case
def errors_say_what_and_what_next():
    e = fails("not_found", "gold.aa", "did you mean gold.a", query="from gold.aa")
    assert e.hint == "did you mean gold.a?"
    fails("engine", "nope", query="select nope from gold.a")
    fails("engine", query="selec 1")
    fails("not_found", query="from gold.a", at="main~99")
    os.chdir("/")
    try:
        fails("not_found", "shoal.yaml", query="select 1")
    finally:
        os.chdir(project.dir)


@case
def errors_while_reading_are_pythons():
    reader = shoal.sql("select case when i < 90000 then 1 else error('late') end as x from gold.big").batches
    try:
        reader().read_all()
    except Exception as e:
        assert "late" in str(e), e
    else:
        raise AssertionError("it did not fail")
    assert shoal.table("gold.a").arrow().num_rows == 5


@case
def threads_read_at_once():
    wrong = []

    def read():
        for _ in range(5):
            if shoal.sql("select count(*) as n from gold.big").arrow()["n"].to_pylist() != [100000]:
                wrong.append(1)

    threads = [threading.Thread(target=read) for _ in range(6)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert not wrong


@case
def what_nobody_reads_is_freed():
    def memory():
        return int(open("/proc/self/statm").read().split()[1])

    def many(n):
        for i in range(n):
            stream = shoal.table("gold.a").__arrow_c_stream__()
            if i % 2:
                pyarrow.RecordBatchReader.from_stream(shoal.table("gold.a")).close()
            del stream
        gc.collect()

    many(60)
    before = memory()
    many(300)
    # A sanitizer keeps what was freed in quarantine.
    assert (memory() - before) * 4096 < 8 << 20 or "SHOAL_SANITIZED" in os.environ, (memory() - before) * 4096


@case
def another_interpreter_of_the_process_is_refused_or_right():
    code = ("import sys; s = __import__('_xxsubinterpreters' if sys.version_info < (3, 13) else '_interpreters'); i = s.create()\n"
            "try: told = getattr(s, 'exec', s.run_string)(i, 'import shoal; shoal.datasets()'); print('refused' if told else 'right')\n"
            "except s.RunFailedError if hasattr(s, 'RunFailedError') else ImportError: print('refused')")
    out = subprocess.run([sys.executable, "-c", code], env=NEW_INTERPRETER, cwd=project.dir, capture_output=True, text=True)
    assert out.returncode == 0 and out.stdout.strip() in ("right", "refused"), out


@case
def importing_loads_no_engine():
    code = "import shoal; m = open('/proc/self/maps').read(); print('duckdb' in m, 'pyarrow' in m, 'libcrypto' in m)"
    assert subprocess.run([sys.executable, "-c", code], env=NEW_INTERPRETER, capture_output=True, text=True).stdout == "False False False\n"


@case
def the_installed_command_line_finds_its_engine():
    env = {k: v for k, v in NEW_INTERPRETER.items() if not k.startswith("SHOAL_")}
    out = subprocess.run([os.path.join(os.environ["SHOAL_BUILD"], "python/bin/shoal"), "sql", "select 42 as x", "--format", "csv"], cwd=project.dir, env=env,
                         capture_output=True, text=True)
    assert out.stdout == "x\n42\n", out


sys.exit(main())
