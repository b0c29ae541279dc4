# SPDX-License-Identifier: Apache-2.0
"""Table properties that say how files are written: codecs, the form of pages, which columns statistics are of, files' sizes, and how long
applications' progress is kept. Files are read by DuckDB, rows by delta-rs and polars, too."""
import glob
import json
import os
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import duckdb
from harness import case, has, lacks, main, same
from tables import FEED, VECTORS, described, filled, peers, read, refused, with_lake

CODEC, FORMAT, SIZE = "delta.parquet.compression.codec", "delta.parquet.format.version", "delta.targetFileSize"
COLUMNS, LEAVES, CHARS = "delta.dataSkippingStatsColumns", "delta.dataSkippingNumIndexedCols", "delta.dataSkippingStringPrefixLength"
WRITTEN = {"uncompressed": "UNCOMPRESSED", "None": "UNCOMPRESSED", "snappy": "SNAPPY", "GZIP": "GZIP", "lz4_raw": "LZ4_RAW", "Zstd": "ZSTD", None: "ZSTD"}


def parquet(p, name, below=""):
    """The table's files in a folder, and further down where it is not the table's own."""
    return sorted(glob.glob(f"{p.dir}/{name}/{below}{'**/' if below else ''}*.parquet", recursive=True))


def codecs(files):
    return {c for f in files for c, in duckdb.sql(f"select distinct compression from parquet_metadata('{f}')").fetchall()}


def commits(p, name):
    for path in sorted(glob.glob(f"{p.dir}/{name}/_delta_log/*.json")):
        with open(path, encoding="utf-8") as f:
            yield [json.loads(line) for line in f]


def configuration(p, name):
    return [a["metaData"]["configuration"] for c in commits(p, name) for a in c if "metaData" in a][-1]


def stats(p, name):
    """Of the files that the last commit adds."""
    return [json.loads(a["add"]["stats"]) for a in list(commits(p, name))[-1] if "add" in a]


def says(p, name, **properties):
    """As if another writer had set them, in the commit that made the table."""
    path = f"{p.dir}/{name}/_delta_log/{0:020}.json"
    with open(path, encoding="utf-8") as f:
        actions = [json.loads(line) for line in f]
    for a in actions:
        if "metaData" in a:
            a["metaData"]["configuration"].update({{"codec": CODEC, "format": FORMAT, "size": SIZE, "columns": COLUMNS}[k]: v for k, v in properties.items()})
    with open(path, "w", encoding="utf-8") as f:
        f.write("".join(json.dumps(a) + "\n" for a in actions))


def alter(p, name, *args, code=0):
    return p.shoal("table", "alter", name, *args, code=code)


# ---- codecs ----

@case
def every_file_has_the_codec():
    p = with_lake({"m.csv": "id,v\n5,500\n1000,1\n"})
    for i, (value, want) in enumerate(WRITTEN.items()):
        name, policy = f"./t{i}", ("classic", "v2")[i % 2]
        filled(p, name, FEED, f"delta.checkpointPolicy={policy}", *([f"{CODEC}={value}"] if value else []), n=20)
        p.shoal("table", "update", name, "--set", "v = v + 1", "--where", "id % 7 = 0")
        p.shoal("table", "merge", name, "--using", "m.csv", "--on", "id", "--when", "matched then update set v = source.v", "--when", "not matched then insert")
        p.shoal("table", "overwrite", name, "m.csv", "--where", "id in (5, 1000)")
        p.shoal("table", "delete", name, "--where", "id = 3")
        p.shoal("table", "optimize", name)
        p.shoal("table", "checkpoint", name)
        data, feed, log = parquet(p, name), parquet(p, name, "_change_data/"), parquet(p, name, "_delta_log/")
        same((len(data) > 5, len(feed) > 2, len(log)), (True, True, 1))
        same(("_sidecars" in log[0], codecs(data), codecs(feed), codecs(log)), (policy == "v2", {want}, {want}, {want}))
        same(len(peers(p, name) if policy == "classic" else read(p, name)), 40)
    p.remove()


@case
def a_codec_is_of_new_files_only():
    p = with_lake()
    want = filled(p, "./t", VECTORS, f"{CODEC}=gzip", n=10)
    alter(p, "./t", "--set", f"{CODEC}=snappy")
    p.shoal("table", "append", "./t", "rows.csv")
    same(codecs(parquet(p, "t")), {"GZIP", "SNAPPY"})
    alter(p, "./t", "--unset", CODEC)
    p.shoal("table", "append", "./t", "rows.csv")
    same(codecs(parquet(p, "t")), {"GZIP", "SNAPPY", "ZSTD"})
    same(peers(p, "./t"), sorted(want + want[10:] * 2))
    p.shoal("table", "create", "./as", "--as", "rows.csv", "--property", f"{CODEC}=lz4_raw")  # made of rows
    same((codecs(parquet(p, "as")), peers(p, "./as")), ({"LZ4_RAW"}, want[10:]))
    p.remove()


@case
def tables_of_others_are_read_whatever_they_say():
    p = with_lake()
    for properties, told in (({"codec": "lz4"}, (CODEC, "'lz4'", "lz4_raw")), ({"codec": "lzo"}, (CODEC, "'lzo'")), ({"format": "3.0.0"}, (FORMAT, "'3.0.0'"))):
        name = "./" + "-".join(properties.values())
        want = filled(p, name, VECTORS, n=10)
        says(p, name, **properties)
        same(read(p, name), want)
        for verb in (["append", name, "rows.csv"], ["update", name, "--set", "v = 1", "--all"], ["optimize", name], ["overwrite", name, "rows.csv", "--all"], ["delete", name, "--where", "id = 1"]):
            has(refused(p, name, *verb), *told, "shoal table alter --set")
        p.shoal("table", "checkpoint", name)  # of which nobody is to be without
        same(codecs(parquet(p, name, "_delta_log/")), {"ZSTD"})
        alter(p, name, "--set", f"{CODEC}=zstd" if "codec" in properties else f"{FORMAT}=1.0.0")
        p.shoal("table", "delete", name, "--where", "id = 1")
        same(peers(p, name), [r for r in want if r[0] != 1])
    p.remove()


@case
def pages_are_of_version_one():
    p = with_lake()
    want = filled(p, "./t", f"{FORMAT}=1.0.0", n=10)
    has(refused(p, "./t", "alter", "./t", "--set", f"{FORMAT}=2.12.0"), "data pages of version 1", "2.12.0")
    says(p, "./t", format="2.12.0", size="some")
    p.shoal("table", "append", "./t", "rows.csv")
    encodings = {e for f in parquet(p, "t") for e, in duckdb.sql(f"select distinct unnest(string_split(encodings, ', ')) from parquet_metadata('{f}')").fetchall()}
    same((encodings <= {"PLAIN", "PLAIN_DICTIONARY", "RLE", "RLE_DICTIONARY"}, peers(p, "./t")), (True, sorted(want + want[10:])))
    p.remove()


# ---- statistics ----

SCHEMA = 'a BIGINT, b VARCHAR, s STRUCT(x BIGINT, y VARCHAR, l BIGINT[]), "we.ird" BIGINT, f DOUBLE'
ROW = "select 1::bigint a, 'abcdefghij'||repeat('z', 60) b, {'x': 2::bigint, 'y': 'q', 'l': [1::bigint]} s, 3::bigint as \"we.ird\", 1.5::double f"


def leaves(stats):
    """Names of leaves that have anything, in order."""
    def walk(v, path):
        return [x for k, w in v.items() for x in (walk(w, path + [k]) if isinstance(w, dict) else [".".join(path + [k])])]
    return walk(stats["minValues"], []), walk(stats["nullCount"], [])


@case
def statistics_are_of_the_columns_that_are_wanted():
    p = with_lake()
    duckdb.sql(f"copy ({ROW}) to '{p.dir}/r.parquet'")
    everything = ["a", "b", "s.x", "s.y", "we.ird", "f"]
    cases = [((), everything), ((f"{LEAVES}=-1",), everything), ((f"{LEAVES}=0",), []), ((f"{LEAVES}=3",), everything[:3]), ((f"{LEAVES}=5",), everything[:4]), ((f"{COLUMNS}=F, a",), ["a", "f"]),
             ((f"{COLUMNS}=s,`we.ird`", f"{LEAVES}=1"), everything[2:5]), ((f"{COLUMNS}=",), [])]
    for i, (properties, want) in enumerate(cases):
        name = f"./t{i}"
        p.shoal("table", "create", name, "--schema", SCHEMA, *[x for q in properties for x in ("--property", q)])
        for verb in (["append", name, "r.parquet"], ["update", name, "--set", "a = 2", "--all"], ["append", name, "r.parquet"], ["optimize", name]):
            p.shoal("table", *verb)
            for s in stats(p, name):
                same((properties, verb[0], leaves(s), s["numRecords"] > 0), (properties, verb[0], (want, want), True))
        same(read(p, name, "a, f", "a"), [(1, 1.5), (2, 1.5)])
        same(read(p, name, "count(*), max(a), max(\"we.ird\")", "1"), [(2, 2, 3)])
        p.shoal("fsck", name, "--content")
    p.remove()


@case
def bounds_of_texts_are_as_long_as_is_wanted():
    p = with_lake()
    duckdb.sql(f"copy ({ROW}) to '{p.dir}/r.parquet'")
    whole = "abcdefghij" + "z" * 60
    for i, (n, low, high) in enumerate(((3, "abc", "abc\x7f"), (32, whole[:32], whole[:32] + "\x7f"), (70, whole, whole), (1000000, whole, whole))):
        name = f"./t{i}"
        p.shoal("table", "create", name, "--schema", SCHEMA, "--property", f"{CHARS}={n}")
        p.shoal("table", "append", name, "r.parquet")
        same([(s["minValues"]["b"], s["maxValues"]["b"]) for s in stats(p, name)], [(low, high)])
        same(len(read(p, name, "a", "a")), 1)
        p.shoal("fsck", name, "--content")
    p.remove()


@case
def the_list_follows_its_columns():
    p = with_lake()
    p.shoal("table", "create", "./t", "--schema", SCHEMA, "--property", f"{COLUMNS}=a, s.X,`we.ird`,F", "--property", "delta.columnMapping.mode=name")
    alter(p, "./t", "--rename-column", "a=a b", "--rename-column", '"we.ird"=w', "--rename-column", "s=t")
    same(configuration(p, "./t")[COLUMNS], "`a b`,t.X,w,F")
    duckdb.sql(f"copy (select 1::bigint \"a b\", 'b' b, {{'x': 2::bigint, 'y': 'q', 'l': [1::bigint]}} t, 3::bigint w, 1.5::double f) to '{p.dir}/r.parquet'")
    p.shoal("table", "append", "./t", "r.parquet")
    same([len(leaves(s)[0]) for s in stats(p, "./t")], [4])
    alter(p, "./t", "--drop-column", "f", "--drop-column", "a b")
    same(configuration(p, "./t")[COLUMNS], "t.X,w")
    alter(p, "./t", "--drop-column", "w", "--drop-column", "t")
    same(configuration(p, "./t")[COLUMNS], "")
    alter(p, "./t", "--set", f"{COLUMNS}=b")
    alter(p, "./t", "--unset", COLUMNS)
    lacks(str(configuration(p, "./t")), COLUMNS)
    p.remove()


@case
def columns_that_have_no_statistics_are_refused():
    p = with_lake()
    schema = SCHEMA + ", o BOOLEAN, m MAP(VARCHAR, BIGINT), day DATE"
    for value, told in (("nope", "'nope', which the table does not have"), ("s.nope", "'nope', which"), ("we.ird", "'we', which"), ("o", "'o', whose type has no bounds"), ("s.l", "'l', whose type"),
                        ("m", "'m', whose"), ("day", "'day', of which a file has one value"), ("a,A", "'a' twice"), ("s,s.x", "'x' twice"), ("a,,b", "is a list of columns"), ("a b", "is a list")):
        has(p.shoal("table", "create", "./t", "--schema", schema, "--partition-by", "day", "--property", f"{COLUMNS}={value}", code=1).stderr.lower(), COLUMNS.lower(), told)
    p.shoal("table", "create", "./t", "--schema", schema, "--partition-by", "day")
    has(refused(p, "./t", "alter", "./t", "--set", f"{COLUMNS}=nope"), "'nope', which")
    p.shoal("table", "create", "./c", "--schema", SCHEMA, "--cluster-by", "a,s.x")
    has(refused(p, "./c", "alter", "./c", "--set", f"{COLUMNS}=a"), "no statistics of 'x'")
    has(refused(p, "./c", "alter", "./c", "--set", f"{LEAVES}=2"), "no statistics of 'x'")
    alter(p, "./c", "--set", f"{COLUMNS}=a,s", "--set", f"{LEAVES}=0")
    has(refused(p, "./c", "alter", "./c", "--unset", COLUMNS), "no statistics of 'a'")
    has(p.shoal("table", "create", "./d", "--schema", SCHEMA, "--cluster-by", "b", "--property", f"{LEAVES}=1", code=1).stderr, "no statistics of 'b'")
    p.remove()


# ---- sizes ----

@case
def files_are_about_as_large_as_is_wanted():
    p = with_lake()
    duckdb.sql(f"copy (select hash(i) as id, i as v from range(1000000) t(i)) to '{p.dir}/r.parquet'")  # 8 MB that don't shrink
    duckdb.sql(f"copy (select 1::ubigint as id, 1::bigint as v from range(10)) to '{p.dir}/few.parquet'")
    sizes = lambda: [a["add"]["size"] for a in list(commits(p, "./t"))[-1] if "add" in a]  # noqa: E731
    p.shoal("table", "create", "./t", "--schema", "id DECIMAL(20, 0), v BIGINT", "--property", f"{SIZE}=3mb", "--property", f"{CODEC}=uncompressed")
    p.shoal("table", "append", "./t", "r.parquet")
    same((3 <= len(sizes()) <= 10, max(sizes()) < 9 << 20), (True, True))
    alter(p, "./t", "--set", f"{SIZE}=1gb")
    p.shoal("table", "optimize", "./t")
    same(len(sizes()), 1)
    p.shoal("table", "append", "./t", "few.parquet")
    p.shoal("table", "append", "./t", "few.parquet")
    alter(p, "./t", "--set", f"{SIZE}=4194304")
    p.shoal("table", "optimize", "./t")  # the large one is well
    same(len(sizes()), 1)
    same(sizes()[0] < 1 << 20, True)
    p.shoal("table", "optimize", "./t", "--file-size", "1000")  # who says it counts
    same((len(sizes()), sizes()[0] > 4 << 20), (1, True))
    p.shoal("table", "update", "./t", "--set", "v = -v", "--all")
    same(len(sizes()) > 2, True)
    same(read(p, "./t", "count(*), min(v), max(v)", "1"), [(1000020, -999999, 0)])
    p.remove()


# ---- progress of applications ----

@case
def old_progress_is_left_out_of_checkpoints():
    p = with_lake()
    now = int(time.time() * 1000)
    seen = lambda name: sorted(duckdb.sql(f"select txn.appId from '{p.dir}/{name}/_delta_log/*.checkpoint.parquet' where txn is not null").fetchall())  # noqa: E731
    for name, retention, want in (("u", None, ["new", "none", "old"]), ("t", "interval 1 day", ["new", "none"]), ("w", "interval 4 weeks", ["new", "none", "old"])):
        described(p, name, [("id", "long", {})], {"delta.setTransactionRetentionDuration": retention} if retention else {})
        with open(f"{p.dir}/{name}/_delta_log/{1:020}.json", "w", encoding="utf-8") as f:
            for app, at in (("old", now - 3 * 86400000), ("new", now - 3600000), ("none", None)):
                f.write(json.dumps({"txn": {"appId": app, "version": 1, **({"lastUpdated": at} if at else {})}}) + "\n")
        p.shoal("table", "checkpoint", "./" + name)
        same([app for app, in seen(name)], want)
        p.shoal("fsck", "./" + name)
    with open(f"{p.dir}/t/_delta_log/{1:020}.crc", "w", encoding="utf-8") as f:  # as one left it who looked before
        f.write(json.dumps({"tableSizeBytes": 0, "numFiles": 0, "setTransactions": [{"appId": a, "version": 1} for a in ("old", "new", "none")]}))
    for version in (0, 1):  # the checkpoint is all there is
        os.remove(f"{p.dir}/t/_delta_log/{version:020}.json")
    p.shoal("fsck", "./t")
    p.remove()


# ---- what is kept ----

@case
def values_are_looked_at_when_they_are_set():
    p = with_lake()
    filled(p, "./t", n=1, files=1)
    for pair, told in ((f"{CODEC}=lz4", "lz4_raw"), (f"{CODEC}=fast", "'fast'"), (f"{FORMAT}=2", "2.MINOR.PATCH"), (f"{LEAVES}=-2", "-1 or more"), (f"{LEAVES}=all", "a whole number"), (f"{CHARS}=-1", "0 or more"),
                       (f"{SIZE}=0", "a number of bytes"), (f"{SIZE}=big", "'big'"), ("delta.checkpointInterval=0", "1 or more"), ("delta.logRetentionDuration=interval 1 month", "without months"),
                       ("delta.deletedFileRetentionDuration=interval -1 day", "a duration"), ("delta.setTransactionRetentionDuration=soon", "a duration"), ("delta.autoOptimize.optimizeWrite=maybe", "true or false"),
                       ("delta.dataSkippingAll=1", "does not keep"), ("targetFileSize=1mb", "delta.targetFileSize")):
        has(refused(p, "./t", "alter", "./t", "--set", pair), pair.split("=")[0], told)
        has(p.shoal("table", "create", "./new", "--schema", "id BIGINT", "--property", pair, code=1).stderr, told)
    tuned = {"delta.autoOptimize": "true", "delta.autoOptimize.optimizeWrite": "true", "delta.autoOptimize.autoCompact": "false", "delta.randomizeFilePrefixes": "true", "delta.randomPrefixLength": "4",
             "delta.tuneFileSizesForRewrites": "true", "delta.setTransactionRetentionDuration": "interval 1 week 2 days", SIZE: "64mb"}
    alter(p, "./t", *[x for k, v in tuned.items() for x in ("--set", f"{k}={v}")])
    same({k: v for k, v in configuration(p, "./t").items() if k in tuned}, tuned)
    p.shoal("table", "append", "./t", "rows.csv")
    same(len(peers(p, "./t")), 2)
    alter(p, "./t", *[x for k in tuned for x in ("--unset", k)])
    same(configuration(p, "./t"), {})
    p.remove()


main()
