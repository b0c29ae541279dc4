# SPDX-License-Identifier: Apache-2.0
"""Reading Delta tables: by their paths, by what is remembered of them, from checkpoints of other writers."""
import datetime
import glob
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import deltalake
import duckdb
import pyarrow
from harness import SHOAL, Project, case, has, main, same

MANY = 1200  # files: as many as are remembered


def project():
    p = Project(files={"models/gold/one.sql": "select 1 as n"})
    p.shoal("run")
    return p


def ids(n, start=0):
    return pyarrow.table({"id": pyarrow.array(range(start, start + n), pyarrow.int64())})


@case
def a_table_is_read_by_its_path():
    p = project()
    t = p.dir + "/Tables/my.Orders"
    for i in range(3):
        deltalake.write_deltalake(t, ids(10, i * 10), mode="append")
    same(p.rows("select count(*), max(id) from './Tables/my.Orders'"), [["30", "29"]])
    same(p.rows(f"select count(*) from '{t}' where id > 24"), [["5"]])
    same(p.rows(f'select o.id from "{t}" o where o.id = 7'), [["7"]])
    same(p.rows("select count(*) from './Tables/my.Orders' at (version => 0)"), [["10"]])
    same(p.rows("select count(*) from './Tables/my.Orders' o at (version => 1) join './Tables/my.Orders' n on n.id = o.id + 10"), [["20"]])
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    same(p.rows(f"select count(*) from './Tables/my.Orders' at (timestamp => '{now:%Y-%m-%d %H:%M:%S}')"), [["30"]])
    same(p.rows("select count(*) from './Tables/my.Orders', gold.one"), [["30"]])
    os.makedirs(p.dir + "/sub")
    r = p.shoal("sql", "select count(*) from './Tables/my.Orders'", "--format", "csv", cwd=p.dir + "/sub")  # as files: from the project's folder
    same(r.stdout.splitlines()[1], "30")
    outside = Project()
    deltalake.write_deltalake(outside.dir + "/t", ids(4))
    same(p.rows(f"select count(*) from '{outside.dir}/t'"), [["4"]])
    outside.remove()
    p.remove()


@case
def what_is_no_table_is_said():
    p = project()
    has(p.shoal("sql", "select * from './nowhere/t'", code=1).all, "there is no Delta table at ./nowhere/t", "folder of a Delta table")
    os.makedirs(p.dir + "/empty/t")
    has(p.shoal("sql", "select * from './empty/t'", code=1).all, "no Delta table")
    deltalake.write_deltalake(p.dir + "/a/t", ids(3))
    has(p.shoal("sql", "select * from './a/t' at (version => 7)", code=1).all, "no version 7")
    has(p.shoal("sql", "select * from './a/t', './A/T' x", code=1).all, "differ in capitals only")
    has(p.shoal("sql", "select * from './a/t' at (timestamp => '1999-01-01')", code=1).all, "./a/t", "no version as old")
    p.write({"models/gold/two.sql": "select * from './a/t'"})
    r = p.shoal("run", "gold.two", code=1)
    has(r.all, "./a/t")
    p.remove()


def many(p, path="many"):
    """A table of many files, with a checkpoint, by a log alone but for what is read of it."""
    con, folder = duckdb.connect(), f"{p.dir}/{path}"
    deltalake.write_deltalake(folder, ids(1))
    template = json.loads([line for line in open(glob.glob(folder + "/_delta_log/*.json")[0]) if '"add"' in line][0])["add"]
    with open(f"{folder}/_delta_log/{1:020}.json", "w") as f:
        for i in range(1, MANY):
            name = f"part-{i}.parquet"
            con.sql(f"select {i}::bigint as id").write_parquet(f"{folder}/{name}")
            stats = json.dumps({"numRecords": 1, "minValues": {"id": i}, "maxValues": {"id": i}, "nullCount": {"id": 0}})
            f.write(json.dumps({"add": {**template, "path": name, "size": os.path.getsize(f"{folder}/{name}"), "stats": stats}}) + "\n")
    return folder


def remembered(p):
    return glob.glob(p.dir + "/.shoal/index-*/delta/*.files")


@case
def large_tables_are_remembered():
    p = project()
    t = many(p)
    q = "select count(*), min(id), max(id), sum(id) from './many' where id >= 5"
    want = [[str(MANY - 5), "5", str(MANY - 1), str(sum(range(5, MANY)))]]
    same(p.rows(q), want)
    [file] = remembered(p)
    was = os.stat(file)
    same(p.rows(q), want)
    same(os.stat(file).st_ino, was.st_ino)
    deltalake.write_deltalake(t, ids(2, MANY), mode="append")
    same(p.rows("select count(*), max(id) from './many'"), [[str(MANY + 2), str(MANY + 1)]])
    same(os.stat(file).st_ino, was.st_ino)  # the commit came on top
    p.shoal("table", "delete", "./many", "--where", "id = 17")
    same(p.rows("select count(*) from './many' where id in (16, 17, 18)"), [["2"]])
    for cut in (0, 10, 1000, was.st_size - 1):
        with open(file, "r+b") as f:
            f.truncate(cut)
        same(p.rows("select count(*) from './many' where id in (16, 17, 18)"), [["2"]])
        assert os.stat(file).st_size > 1000
    runs = [subprocess.Popen([SHOAL, "sql", "select count(*) from './many'", "--format", "csv"], cwd=p.dir, env=p.env, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for r in runs:
        same(r.communicate()[0].splitlines()[1:], [str(MANY + 1)])
    p.shoal("cache", "clear")
    same(remembered(p), [])
    same(p.rows("select count(*) from './many'"), [[str(MANY + 1)]])
    p.remove()


@case
def a_table_made_again_is_another_one():
    p = project()
    t = many(p)
    same(p.rows("select count(*) from './many'"), [[str(MANY)]])
    assert remembered(p)
    log = f"{t}/_delta_log/{1:020}.json"
    with open(log) as f:
        lines = f.readlines()
    os.rename(log, log + ".old")
    with open(log, "w") as f:
        f.writelines(lines[:-1] + [lines[-1].replace(f"part-{MANY - 1}.", f"part-{MANY - 2}.")])
    shutil.copystat(log + ".old", log)
    same(os.path.getsize(log), os.path.getsize(log + ".old"))
    os.unlink(log + ".old")
    same(p.rows("select count(*) from './many' where id > 0"), [[str(MANY - 2)]])
    p.remove()


@case
def nothing_to_remember_by_is_no_error():
    p = project()
    many(p)
    for folder in glob.glob(p.dir + "/.shoal/index-*"):
        os.makedirs(folder + "/delta", exist_ok=True)
        shutil.rmtree(folder + "/delta")
        open(folder + "/delta", "w").close()  # where a folder should be
    for _ in range(2):
        same(p.rows("select count(*) from './many'"), [[str(MANY)]])
    p.remove()


@case
def statistics_that_only_stand_in_parquet_are_seen():
    p = project()
    t = many(p)
    con = duckdb.connect()
    adds = [json.loads(line)["add"] for v in (0, 1) for line in open(f"{t}/_delta_log/{v:020}.json") if '"add"' in line]
    meta = [json.loads(line) for line in open(f"{t}/_delta_log/{0:020}.json") if '"metaData"' in line or '"protocol"' in line]
    m, proto = [next(x[k] for x in meta if k in x) for k in ("metaData", "protocol")]
    with open(p.dir + "/adds.json", "w") as f:
        f.writelines(json.dumps({"path": a["path"], "size": a["size"], "stats": json.loads(a["stats"])}) + "\n" for a in adds)
    con.execute(f"""copy (
        select {{path: path, partitionValues: MAP {{}}::MAP(VARCHAR, VARCHAR), size: size, modificationTime: 1::BIGINT, dataChange: false,
          stats_parsed: {{numRecords: stats.numRecords::BIGINT, minValues: {{id: stats.minValues.id::BIGINT}}, maxValues: {{id: stats.maxValues.id::BIGINT}}, nullCount: {{id: stats.nullCount.id::BIGINT}}}}}} as add,
          NULL::STRUCT(minReaderVersion INT, minWriterVersion INT) as protocol, NULL::STRUCT(id VARCHAR, format STRUCT(provider VARCHAR), schemaString VARCHAR, partitionColumns VARCHAR[], configuration MAP(VARCHAR, VARCHAR)) as metaData from read_json('{p.dir}/adds.json')
        union all select NULL, {{minReaderVersion: {proto['minReaderVersion']}, minWriterVersion: {proto['minWriterVersion']}}}, NULL
        union all select NULL, NULL, {{id: '{m['id']}', format: {{provider: 'parquet'}}, schemaString: $schema, partitionColumns: []::VARCHAR[], configuration: MAP {{}}::MAP(VARCHAR, VARCHAR)}})
        to '{t}/_delta_log/{1:020}.checkpoint.parquet' (format parquet)""", {"schema": m["schemaString"]})
    for i in range(0, MANY - 1):
        if i not in (700, 701):
            for f in glob.glob(f"{t}/part-{i}.parquet"):
                os.unlink(f)
    same(p.rows("select id from './many' where id between 700 and 701 order by id"), [["700"], ["701"]])
    p.remove()


def hand_made(folder, sql, columns, rows):
    """A table of one file, which a query makes, and of columns that need not be the file's."""
    os.makedirs(folder + "/_delta_log")
    duckdb.sql(f"copy ({sql}) to '{folder}/one.parquet' (format parquet)")
    fields = [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in columns]
    actions = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
               {"metaData": {"id": "m", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": [], "configuration": {}}},
               {"add": {"path": "one.parquet", "partitionValues": {}, "size": os.path.getsize(folder + "/one.parquet"), "modificationTime": 0, "dataChange": True, "stats": json.dumps({"numRecords": rows})}}]
    with open(folder + "/_delta_log/00000000000000000000.json", "w") as f:
        f.write("\n".join(json.dumps(a) for a in actions))


@case
def one_large_file_need_not_be_as_its_table_is():
    p = project()
    n = 70_000  # so many that the engine looks at the file before it plans
    point = {"type": "struct", "fields": [{"name": "x", "type": "long", "nullable": True, "metadata": {}}]}
    for i, (sql, columns, asked, want) in enumerate([
            ("range as a, range % 7 as b", [("a", "long"), ("b", "long")], "sum(a), max(b)", [str(n * (n - 1) // 2), "6"]),
            ("range % 7 as b, 'x' as file_row_number, range as a", [("a", "long"), ("b", "long")], "sum(a), max(b)", [str(n * (n - 1) // 2), "6"]),
            ("(range % 100)::int as a", [("a", "long"), ("later", "string")], "sum(a + 3000000000), count(later)", [str(sum(i % 100 for i in range(n)) + n * 3000000000), "0"]),
            ("range::int as a", [("a", "long")], "max(a * 1000000)", [str((n - 1) * 1000000)]),
            ("range as A", [("a", "long")], "max(a)", [str(n - 1)]),
            ("struct_pack(x := range::int) as s", [("s", point)], "max(s.x) * 1000000", [str((n - 1) * 1000000)]),
            ("struct_pack(x := range) as s", [("s", point)], "max(s.x)", [str(n - 1)]),
            ("timestamp '2020-01-01' + interval (range) second as t", [("t", "timestamp")], "max(t)::varchar", ["2020-01-01 19:26:39+00"]),
            ("range as a, time '10:00' as odd", [("a", "long")], "max(a)", [str(n - 1)])]):
        hand_made(f"{p.dir}/t{i}", f"select {sql} from range({n})", columns, n)
        same(p.rows(f"select {asked} from './t{i}'"), [want])
    same(p.rows("select count(*) from './t0' a join './t1' b on a.a = b.a where b.b = 3"), [[str(n // 7)]])
    p.remove()


if __name__ == "__main__":
    main()
