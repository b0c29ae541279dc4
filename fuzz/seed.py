# SPDX-License-Identifier: Apache-2.0
"""Makes seed corpora anew: the objects, logs, plans and indexes of a small project's real runs, and a few texts.

  SHOAL_BUILD=$PWD/build python fuzz/seed.py        adds to fuzz/corpus/<target>/; files are named by their content
"""
import glob
import hashlib
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../tests"))
from support.harness import Project

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
MODEL = """/* shoal
description: "what: it is"
columns: {a: first}
partition_by: [k]
cluster_by: [a]
tags: [daily, x]
owner: me
expect:
  - a > 0
  - {not_null: k, severity: warn}
  - {unique: [a], severity: warn}
  - rows: "> 0"
*/
select m1(x) a, x % 2 k, getvariable('v') v, current_date d, {'s': [1, 2]} st, map {'q': 1.5} mp, 'é"x' "we""ird" from s.a where x > 0 and x in (select x from read_csv('data/*.csv')) order by all"""
YAML = "name: t\nlake: lake\nsources:\n  s.a: {files: 'data/*.csv', options: {header: true}}\nvars: {v: 2013-01-01, w: 'x'}\nengine: {memory: 1GB, threads: 2, temp: .shoal/tmp, temp_max: 5GB}\n"
MACROS = "-- c\ncreate macro m1(x, y := 2) as x + y + year(getvariable('v')::date);\ncreate or replace macro m2(a) as table select a z; create macro o(a) as a, (a, b) as a + b;"


def keep(target, data, cap=6000):
    data = data if isinstance(data, bytes) else data.encode()
    if not data or len(data) > cap:
        return
    folder = os.path.join(HERE, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, hashlib.sha1(data).hexdigest()[:16]), "wb") as f:
        f.write(data)


def objects(root):
    for folder, _, names in os.walk(root):
        for n in names:
            path = os.path.join(folder, n)
            if n.endswith(".json") and os.path.isfile(path):
                yield os.path.relpath(path, root), open(path, "rb").read()


def zero(data):
    """The signature that the target looks up."""
    return re.sub(rb"\b[0-9a-f]{64}\b", b"0" * 64, data)


def main():
    p = Project({"data/a.csv": "x,y\n1,2\n2,3\n", "models/m.sql": MODEL, "models/n.sql": "select count(*) n from m", "macros/m.sql": MACROS}, yaml=YAML)
    p.shoal("plan", "-o", "plan.json")
    keep("plan_file_fuzz", open(p.dir + "/plan.json", "rb").read())
    p.shoal("run")
    preimages = []
    p.write({"models/n.sql": "select count(*) n, max(a) b from m"})
    p.commit()
    p.shoal("run")
    p.shoal("rollback", "main.n", "--to", "main~1")
    for key, data in objects(p.dir + "/lake"):
        if "/_delta_log/" in key:
            keep("delta_fuzz", data)
            keep("lake_fuzz", key.encode() + b"\n" + data)
            for line in data.splitlines():
                a = json.loads(line)
                if "metaData" in a:
                    keep("delta_fuzz", a["metaData"]["schemaString"])
                for made in (a.get("commitInfo", {}).get("shoal"),):
                    if made and "sql" in json.dumps(made):
                        preimages.append(json.dumps(made))
        else:
            keep("lake_fuzz", key.encode() + b"\n" + data)
            if "/claims/" in key or "/leases/" in key:
                k = re.sub(r"/[0-9a-f]{2}/[0-9a-f]{64}/", "/00/" + "0" * 64 + "/", key)
                k = re.sub(r"leases/[0-9a-f]{64}/", "leases/" + "0" * 64 + "/", k)
                keep("lake_fuzz", k.encode() + b"\n" + zero(data))
        keep("json_fuzz", data, 1500)
    for a in preimages[:3]:
        for b in preimages[-2:]:
            keep("plan_file_fuzz", a + "\0" + b, 12000)
    for text in (YAML, MODEL, "vars: {v: 5}\nlake: s3://b/p\n", "a: [1, {b: c}]\nd: |\n  x\n  y\ne: 'q'\n", "/* shoal\nincremental: {by: d}\n*/ select 1"):
        keep("project_fuzz", text)
    body = MODEL[MODEL.index("*/") + 2:].strip()
    import duckdb
    tree = duckdb.connect().execute("select json_serialize_sql(?)", [body]).fetchone()[0]
    for sql in (body, "with recursive r as (select 1 a union all select a + 1 from r) select * from r tablesample 5%, x.y at (version => 3), unnest([1]) join lateral (select random()) on true",
                "from query('x')", "select now(), current_date, ?, m(1) from 'a.csv', read_csv(['a', 'b'], hive_partitioning = true)"):
        keep("sql_fuzz", sql + "\0" + duckdb.connect().execute("select json_serialize_sql(?)", [sql]).fetchone()[0], 30000)
    for text in (MACROS, body, "select $$a;$$, E'\\'', 'x''y', \"a\"\"b\", 1e-5, /* /* */ */ -- x\n a.b.c at (timestamp => '2020-01-01')", "create macro \"A b\"(\"x\") as (select 1)", "select * from a.b at (version => -1) t"):
        keep("sql_fuzz", text)
    for text in ("+a.b+", "tag:t", "path:models/*", "state:stale", "a.*", "main~1", "main@{2020-01-01 00:00:00}", "#3", "HEAD", "a/b", "4GB", "512MiB", "2 hours", "2020-01-01T00:00:00Z", "a%20b%2Fc.parquet",
                 "file:///x/../y", "../../x", "*a?b\nxxaxb", "s3://b/k", "vBn[lx{q8@P<9BNH/isA", "0" * 64, "%zz%", "k=%C3%A9/part-0"):
        keep("name_fuzz", text)
    keep("delta_fuzz", '{"storageType":"i","pathOrInlineDv":"wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L","sizeInBytes":40,"cardinality":6}')
    keep("delta_fuzz", '{"storageType":"u","pathOrInlineDv":"ab^-aqEH.-t@S}K{vb[*k^","offset":4,"sizeInBytes":40,"cardinality":6}')
    p.shoal("plan")  # the index's values, as they lie in LMDB's pages
    data = open(glob.glob(p.dir + "/.shoal/index-*/data.mdb")[0], "rb").read()
    for word in (b"models/m.sql", b"shoal.yaml\0", b"macros/m.sql"):
        at = data.find(word)
        for before in (36, 40, 44, 48, 52, 76, 80, 120):
            if at > before:
                keep("index_fuzz", data[at - before:at + 700])
    p.remove()
    print({t: len(os.listdir(os.path.join(HERE, t))) for t in sorted(os.listdir(HERE))})


main()
