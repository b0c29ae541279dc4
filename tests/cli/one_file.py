# SPDX-License-Identifier: Apache-2.0
"""Tables of one large file, which all threads read: whatever its columns are called, however they are mapped, and with
rows gone, changed and come, they are what a model in the engine says."""
import glob
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import duckdb
from harness import case, main, same
from tables import FEED, VECTORS, with_lake

N = 150_000  # rows: more than one row group
ROWS = f"""select range as id, (range * 7919 % 1009)::int as n, case when range % 11 = 0 then null else 'text ' || range % 97 end as t,
  {{'a': range % 13, 'b c': 'x' || range % 5}} as s, encode('b' || range % 7) as b, range % 3 = 0 as p from range({N})"""
NAMES = ("id", "n", "t", "s", "b", "p")


def made(names, properties=(), partition=None, schema=None):
    """A project with a table of one file, and a model of it."""
    p = with_lake()
    c = duckdb.connect()
    c.execute("create table m as select " + ", ".join(f'{a} as "{b}"' for a, b in zip(NAMES, names)) + f" from ({ROWS})" + (" where p" if partition else ""))
    c.execute(f"copy m to '{p.dir}/rows.parquet' (format parquet)")
    args = [x for q in properties for x in ("--property", q)] + (["--partition-by", partition] if partition else [])
    if schema:
        p.shoal("table", "create", "./t", "--schema", schema, *args)
        p.shoal("table", "append", "./t", "rows.parquet")
    else:
        p.shoal("table", "create", "./t", "--as", "rows.parquet", *args)
    return p, c


def agree(p, c):
    """All columns of all rows, and a query that needs few of them."""
    p.shoal("sql", "from './t'", "--format", "parquet", "-o", "out.parquet")
    same(c.execute(f"select count(*) from ((from '{p.dir}/out.parquet' except all from m) union all (from m except all from '{p.dir}/out.parquet'))").fetchone(), (0,))


def live(p):
    return glob.glob(f"{p.dir}/t/**/*.parquet", recursive=True)


def changed(p, c, names):
    i, n, t, s, b, _ = (f'"{x}"' for x in names)
    p.shoal("table", "delete", "./t", "--where", f"{i} % 10 = 3")
    c.execute(f"delete from m where {i} % 10 = 3")
    agree(p, c)
    p.shoal("table", "update", "./t", "--set", f"{n} = {n} + 1", "--set", f"{t} = 'new ' || {i}", "--where", f"{i} between 70000 and 80000 or {b} = 'b3'::BLOB and {i} % 50 = 1")
    c.execute(f"update m set {n} = {n} + 1, {t} = 'new ' || {i} where {i} between 70000 and 80000 or {b} = 'b3'::BLOB and {i} % 50 = 1")
    agree(p, c)
    c.execute(f"create table come as from (select * replace ({i} + 12345 as {i}, {n} * 2 as {n}) from m using sample reservoir(2000 rows) repeatable (7)) limit 2000")
    c.execute(f"copy come to '{p.dir}/come.parquet' (format parquet)")
    p.shoal("table", "merge", "./t", "--using", "come.parquet", "--on", f"target.{i} = source.{i}", "--when", "matched then update", "--when", "not matched then insert")
    c.execute(f"delete from m where {i} in (select {i} from come)")
    c.execute("insert into m from come")
    agree(p, c)
    few = f"select count(*), sum({n}) from {{}} where {s}.a = 5"
    same(p.rows(few.format("'./t'")), [[str(x) for x in c.execute(few.format("m")).fetchone()]])


@case
def rows_go_change_and_come():
    p, c = made(NAMES, [VECTORS])
    same(len(live(p)), 1)
    changed(p, c, NAMES)


@case
def without_vectors_and_with_a_feed():
    for properties in ((), (FEED,), (FEED, VECTORS), (VECTORS, "delta.enableRowTracking=true")):
        p, c = made(NAMES, properties)
        changed(p, c, NAMES)


@case
def columns_called_as_the_reader_calls_its_own():
    names = ("file_row_number", "FILE_INDEX", "filename", "c0", "shoal:note", "q")
    p, c = made(names, [VECTORS])
    changed(p, c, names)


@case
def mapped_columns():
    for mode in ("name", "id"):
        p, c = made(NAMES, [VECTORS, f"delta.columnMapping.mode={mode}"])
        changed(p, c, NAMES)
        p.shoal("table", "alter", "./t", "--rename-column", "n=file_index", "--drop-column", "t")
        c.execute("alter table m rename n to file_index")
        c.execute("alter table m drop t")
        agree(p, c)
        p.shoal("table", "delete", "./t", "--where", "file_index = 7")
        c.execute("delete from m where file_index = 7")
        agree(p, c)


@case
def a_partition_of_one_file():
    p, c = made(NAMES, [VECTORS], partition="p")
    same(len(live(p)), 1)
    changed(p, c, NAMES)


@case
def columns_that_came_or_grew_later():
    p, c = made(NAMES, [VECTORS, "delta.enableTypeWidening=true"])
    p.shoal("table", "alter", "./t", "--add-column", "more DOUBLE", "--type", "n=BIGINT")
    c.execute("alter table m add column more double")
    c.execute("alter table m alter n type bigint")
    agree(p, c)
    p.shoal("table", "update", "./t", "--set", "n = 5000000000", "--set", "more = 0.5", "--where", "id % 1000 = 0 and n < 600.5")
    c.execute("update m set n = 5000000000, more = 0.5 where id % 1000 = 0 and n < 600.5")
    agree(p, c)


main()
