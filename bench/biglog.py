#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Delta tables of very many files, as a Spark job of years leaves them: a checkpoint of nearly all of them, with pages of
1 MB as Spark's writer makes them, and some commits on top. Without `rows` the data files are missing, which a snapshot does not notice.

  biglog.py FOLDER FILES [rows]   makes the table, unless it is there
  biglog.py replace FOLDER N      one commit that takes N files of the newest days away and adds as many
  biglog.py names FOLDER          the checkpoint's columns by DuckDB, as Arrow: what a snapshot is made of
  biglog.py deltalake FOLDER      opened, and its files listed, by delta-rs"""
import datetime
import json
import os
import sys

PROTOCOL = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
FIELDS = [("id", "long"), ("name", "string"), ("at", "timestamp"), ("v", "double"), ("day", "date")]
COMMITS, PER_FILE, DAYS = 12, 10, 500
CHECKPOINT = 100


def metadata():
    schema = {"type": "struct", "fields": [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in FIELDS]}
    return {"metaData": {"id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": {"provider": "parquet", "options": {}},
                         "schemaString": json.dumps(schema), "partitionColumns": ["day"], "configuration": {}, "createdTime": 1700000000000}}


# One file's facts as DuckDB's SQL over its number `i`: ids ascend, texts and times follow them.
DAY = f"(date '2020-01-01' + (i * {DAYS} // n)::int)"
PATH = f"'day=' || {DAY} || '/part-' || lpad(i::varchar, 5, '0') || '-' || md5(i::varchar) || '-c000.zstd.parquet'"
STATS = f"""'{{"numRecords":{PER_FILE},"minValues":{{"id":' || i * {PER_FILE} || ',"name":"item ' || lpad((i * {PER_FILE})::varchar, 10, '0') || '","at":"' ||
  strftime(timestamp '2020-01-01' + to_seconds(i * 60), '%Y-%m-%dT%H:%M:%S.000Z') || '","v":' || (i % 1000) * 0.125 || '}},"maxValues":{{"id":' || i * {PER_FILE} + {PER_FILE - 1} ||
  ',"name":"item ' || lpad((i * {PER_FILE} + {PER_FILE - 1})::varchar, 10, '0') || '","at":"' || strftime(timestamp '2020-01-01' + to_seconds(i * 60 + 59), '%Y-%m-%dT%H:%M:%S.000Z') ||
  '","v":' || (i % 1000) * 0.125 + 1 || '}},"nullCount":{{"id":0,"name":0,"at":0,"v":0}}}}'"""
ADD = f"""{{path: {PATH}, partitionValues: MAP {{'day': {DAY}::varchar}}, size: SIZE, modificationTime: 1700000000000 + i, dataChange: false, stats: {STATS}}}"""


def commit(log, version, actions):
    with open(f"{log}/{version:020}.json", "w") as f:
        f.writelines(json.dumps(a) + "\n" for a in actions)


def data_files(con, folder, n):
    """Writes them; their sizes, which delta-rs goes by."""
    import pyarrow
    import pyarrow.parquet
    paths = con.execute(f"select {PATH} from (select range as i, {n} as n from range({n})) order by i").fetchall()
    start, sizes = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), []
    for i, (path,) in enumerate(paths):
        ids = range(i * PER_FILE, (i + 1) * PER_FILE)
        os.makedirs(f"{folder}/{os.path.dirname(path)}", exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table({
            "id": pyarrow.array(ids, pyarrow.int64()), "name": [f"item {k:010}" for k in ids],
            "at": pyarrow.array([start + datetime.timedelta(seconds=i * 60 + k * 59 // (PER_FILE - 1)) for k in range(PER_FILE)], pyarrow.timestamp("us", "UTC")),
            "v": [(i % 1000) * 0.125 + k / (PER_FILE - 1) for k in range(PER_FILE)]}), f"{folder}/{path}", compression="zstd")
        sizes.append(os.path.getsize(f"{folder}/{path}"))
    return sizes


def page(file):
    """Writes it anew: DuckDB's writer makes one page, of up to 100 MB, of a column in a row group."""
    import pyarrow.parquet
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(file), file, compression="snappy", row_group_size=250_000, use_dictionary=False, data_page_size=2**20)


def make(folder, n, rows):
    import duckdb
    log = f"{folder}/_delta_log"
    if os.path.exists(f"{log}/_last_checkpoint"):
        return
    os.makedirs(log, exist_ok=True)
    con = duckdb.connect()
    con.execute("set integer_division = true")
    if rows:
        con.execute("set variable sizes = $1", [data_files(con, folder, n)])
    add = ADD.replace("SIZE", "getvariable('sizes')[i + 1]" if rows else "1234567 + i")
    top = min(n // 100, 100)  # files of each commit on top
    below = n - COMMITS * top
    one = f"(select range as i, {n} as n from range({{}}, {{}}))"
    con.execute(f"""copy (
        select NULL::STRUCT(minReaderVersion INT, minWriterVersion INT) as protocol, NULL::STRUCT(id VARCHAR, format STRUCT(provider VARCHAR, options MAP(VARCHAR, VARCHAR)),
          schemaString VARCHAR, partitionColumns VARCHAR[], configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT) as metaData, {add} as add from {one.format(0, below)}
        union all select {{minReaderVersion: 1, minWriterVersion: 2}}, NULL, NULL
        union all select NULL, {{id: $id, format: {{provider: 'parquet', options: MAP {{}}}}, schemaString: $schema, partitionColumns: ['day'], configuration: MAP {{}}, createdTime: 1700000000000}}, NULL)
        to '{log}/{CHECKPOINT:020}.checkpoint.parquet' (format parquet, compression zstd)""",
                {"id": metadata()["metaData"]["id"], "schema": metadata()["metaData"]["schemaString"]})
    page(f"{log}/{CHECKPOINT:020}.checkpoint.parquet")
    commit(log, CHECKPOINT, [{"commitInfo": {"timestamp": 1700000000000, "operation": "WRITE"}}, PROTOCOL, metadata()])
    for k in range(COMMITS):
        adds = con.execute(f"select to_json({add})::varchar from {one.format(below + k * top, below + (k + 1) * top)}").fetchall()
        commit(log, CHECKPOINT + 1 + k, [{"commitInfo": {"timestamp": 1700000000000 + k, "operation": "WRITE"}}] + [{"add": {**json.loads(a), "dataChange": True}} for a, in adds])
    with open(f"{log}/_last_checkpoint", "w") as f:
        json.dump({"version": CHECKPOINT, "size": below + 2}, f)


def by_duckdb(folder):
    import duckdb
    con = duckdb.connect()
    con.execute("set threads = 2")
    n = 0
    for batch in con.execute(f"""select add.path, add.size, add.modificationTime, add.partitionValues, add.stats
        from '{folder}/_delta_log/{CHECKPOINT:020}.checkpoint.parquet' where add.path is not null""").to_arrow_reader(100_000):
        n += batch.num_rows
    return n


def by_deltalake(folder):
    import deltalake
    return len(deltalake.DeltaTable(folder).file_uris())


def replace(folder, n):
    """What a day's work does: the newest files go, and others come."""
    log = f"{folder}/_delta_log"
    versions = sorted((name for name in os.listdir(log) if name[20:] == ".json"), reverse=True)
    old, new, version = [], [], int(versions[0][:20]) + 1
    for name in versions:
        with open(f"{log}/{name}") as f:
            old += [a["add"] for a in map(json.loads, f) if "add" in a]
        if len(old) >= n:
            break
    for i, add in enumerate(old[:n]):
        gone = {k: add[k] for k in ("path", "partitionValues", "size")}
        new.append({"remove": {**gone, "deletionTimestamp": 1800000000000, "dataChange": True, "extendedFileMetadata": True}})
        new.append({"add": {**add, "path": f"{os.path.dirname(add['path'])}/part-{version}-{i}.parquet"}})
    commit(log, version, [{"commitInfo": {"timestamp": 1800000000000, "operation": "WRITE"}}] + new)


if __name__ == "__main__":
    if sys.argv[1] == "names":
        print(by_duckdb(sys.argv[2]))
    elif sys.argv[1] == "replace":
        replace(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "deltalake":
        print(by_deltalake(sys.argv[2]))
    else:
        make(sys.argv[1], int(sys.argv[2]), "rows" in sys.argv[3:])
