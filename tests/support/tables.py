# SPDX-License-Identifier: Apache-2.0
"""What the suites of `shoal table` share: tables with rows, and how Shoal, delta-rs and polars see them."""
import json
import os

import deltalake
import polars
import pyarrow
from harness import Project, same

VECTORS, FEED = "delta.enableDeletionVectors=true", "delta.enableChangeDataFeed=true"


def with_lake(files=None):
    """A project whose sources can be asked by SQL."""
    p = Project({"models/gold/one.sql": "select 1 as n", **(files or {})})
    p.shoal("run")
    return p


def delta(p, table):
    return deltalake.DeltaTable(os.path.join(p.dir, table))


def rows(p, table, *sort):
    return polars.read_delta(os.path.join(p.dir, table)).sort(*(sort or ["id"]), nulls_last=True).rows()


def filled(p, name, *properties, files=2, n=100, partition=None):
    """Rows id 0 … of `files` appends, with a kind, a number that may be NULL, and a text."""
    args = [x for q in properties for x in ("--property", q)] + (["--partition-by", partition] if partition else [])
    p.shoal("table", "create", name, "--schema", "id BIGINT, kind VARCHAR, v BIGINT, note VARCHAR", *args)
    for i in range(files):
        p.write({"rows.csv": "id,kind,v,note\n" + "".join(f"{r},{'abc'[r % 3]},{'' if r % 10 == 0 else r},n{r}\n" for r in range(i * n, (i + 1) * n))})
        p.shoal("table", "append", name, "rows.csv")
    return [(r, "abc"[r % 3], None if r % 10 == 0 else r, f"n{r}") for r in range(files * n)]


def read(p, name, what="*", order="id"):
    """By Shoal itself, as a source."""
    p.write({"shoal.yaml": f"name: t\nsources:\n  x.t: {{delta: {name}}}\n"})
    out = p.shoal("sql", f"select {what} from x.t order by {order}", "--format", "json").stdout.splitlines()
    return [tuple(json.loads(line).values()) for line in out]


def peers(p, name):
    """By delta-rs, deletion vectors and all, and, where no partitions trouble it, polars; both must agree with Shoal."""
    ours, table = read(p, name), deltalake.DeltaTable(f"{p.dir}/{name}")
    got = pyarrow.table(deltalake.QueryBuilder().register("t", table).execute("select * from t order by id").read_all())
    same([tuple(r.values()) for r in got.to_pylist()], ours)
    if not table.metadata().partition_columns:
        same(rows(p, name), ours)
    return ours


def nested(text):
    """A struct or list as Shoal's JSON has it, a text of the engine's."""
    return eval(text.replace("NULL", "None"))  # noqa: S307


def agreed(p, name, order="id"):
    """By Shoal and by delta-rs, as dicts: for tables that polars does not read."""
    p.write({"shoal.yaml": f"name: t\nsources:\n  x.t: {{delta: {name}}}\n"})
    ours = [json.loads(line) for line in p.shoal("sql", f"select * from x.t order by {order}", "--format", "json").stdout.splitlines()]
    got = pyarrow.table(deltalake.QueryBuilder().register("t", deltalake.DeltaTable(f"{p.dir}/{name}")).execute(f"select * from t order by {order}").read_all())
    same([{k: str(v) if isinstance(v, (dict, list)) else v for k, v in r.items()} for r in got.to_pylist()], [{k: v if not isinstance(v, str) or v[:1] not in "[{" else str(nested(v)) for k, v in r.items()} for r in ours])
    return ours


def described(p, name, fields, configuration=None, partitions=()):
    """A table as another writer leaves it: fields of (name, type, metadata), without rows."""
    os.makedirs(f"{p.dir}/{name}/_delta_log")
    schema = {"type": "struct", "fields": [{"name": n, "type": t, "nullable": True, "metadata": m} for n, t, m in fields]}
    features = ["checkConstraints", "generatedColumns", "allowColumnDefaults", "invariants", "identityColumns", "changeDataFeed"]
    with open(f"{p.dir}/{name}/_delta_log/{0:020}.json", "w") as f:
        for action in ({"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features}},
                       {"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps(schema), "partitionColumns": list(partitions), "configuration": configuration or {}, "createdTime": 0}}):
            f.write(json.dumps(action) + "\n")


def refused(p, name, *args):
    """What a writing verb says that changes nothing, the log and the folder included."""
    before = sorted(os.walk(f"{p.dir}/{name}"))
    err = p.shoal("table", *args, code=1).stderr
    same(sorted(os.walk(f"{p.dir}/{name}")), before)
    return err


def age(p, table, days):
    """Makes all of a table's files older, its log's tombstones too."""
    for folder, _, files in os.walk(f"{p.dir}/{table}"):
        for f in files:
            path = os.path.join(folder, f)
            if f.endswith(".json"):
                with open(path, encoding="utf-8") as log:
                    lines = [json.loads(line) for line in log]
                for a in lines:
                    if "remove" in a:
                        a["remove"]["deletionTimestamp"] -= days * 86400000
                with open(path, "w", encoding="utf-8") as log:
                    log.write("".join(json.dumps(a) + "\n" for a in lines))
            t = os.stat(path).st_mtime - days * 86400
            os.utime(path, (t, t))
