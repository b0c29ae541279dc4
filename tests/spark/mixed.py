# SPDX-License-Identifier: Apache-2.0
"""Spark, delta-rs and Shoal take turns on one table: commits of each kind, chosen by a seed, against rows that plain Python keeps. Every
so often each reader must see those rows, and in the end those of versions in between.

SHOAL_SEED chooses another history, SHOAL_BUDGET scales its length."""
import datetime as dt
import os
import random
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from spark_peers import DEPS, spark
import deltalake
import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
from harness import *  # noqa: E402,F403
from tables import with_lake

SEED = int(os.environ.get("SHOAL_SEED", "0")) or random.SystemRandom().getrandbits(32)
COMMITS = int(100 * float(os.environ.get("SHOAL_BUDGET", "1")))  # in each of the two histories
LOOK_EVERY = 12
COLUMNS = ["id", "kind", "v", "note", "day"]
SCHEMA = pa.schema([("id", pa.int64()), ("kind", pa.string()), ("v", pa.int64()), ("note", pa.string()), ("day", pa.date32())])
KINDS = ["a", "b", "c d", "e/=%", None]  # no letters beyond ASCII: delta-rs 1.6.6 spells the paths of such partitions in its removes in another way than Spark in its adds, and the files stay


def text(v):
    return "NULL" if v is None else f"DATE '{v}'" if isinstance(v, dt.date) else "'" + v.replace("'", "''") + "'" if isinstance(v, str) else str(v)


VERBS = {"append": 3, "delete": 2, "update": 2, "merge": 2, "overwrite": 1, "replace": 1, "optimize": 1, "checkpoint": 1}  # how often, of each writer in a round


class Condition:
    """In SQL that all three understand, and in Python: NULL is None."""

    def __init__(self, sql, holds):
        self.sql, self.holds = sql, lambda r: holds(r) is True


def some_condition(rng, ids):
    n, k = rng.randrange(2, 9), rng.choice(KINDS)
    low = rng.randrange(max(ids, default=0) + 1)
    high, m = low + rng.randrange(1, 60), rng.randrange(n)
    both = lambda a, b: lambda r: False if a(r) is False or b(r) is False else None if a(r) is None or b(r) is None else True  # noqa: E731
    plain = [(f"id % {n} = {m}", lambda r: r[0] % n == m), (f"id BETWEEN {low} AND {high}", lambda r: low <= r[0] <= high),
             (f"v > {low}", lambda r: None if r[2] is None else r[2] > low), ("v IS NULL", lambda r: r[2] is None),
             (f"day < DATE '2020-01-{m + 1:02}'", lambda r: None if r[4] is None else r[4] < dt.date(2020, 1, m + 1)),
             ("kind IS NULL", lambda r: r[1] is None) if k is None else (f"kind = {text(k)}", lambda r: None if r[1] is None else r[1] == k)]
    (a, f), (b, g) = rng.sample(plain, 2)
    return rng.choice([Condition(a, f), Condition(f"{a} AND {b}", both(f, g))])


class Spark:
    name = "Spark"

    def __init__(self, path):
        self.path, self.table = path, f"delta.`{path}`"

    def view(self, rows):
        spark.createDataFrame(rows, "id bigint, kind string, v bigint, note string, day date").createOrReplaceTempView("new_rows")

    def append(self, rows):
        self.view(rows)
        spark.sql(f"INSERT INTO {self.table} SELECT * FROM new_rows")

    def delete(self, c):
        spark.sql(f"DELETE FROM {self.table} WHERE {c.sql}")

    def update(self, c, step):
        spark.sql(f"UPDATE {self.table} SET v = v + {step}, note = 'Spark' WHERE {c.sql}")

    def merge(self, rows):
        self.view(rows)
        spark.sql(f"MERGE INTO {self.table} AS target USING new_rows AS source ON target.id = source.id WHEN MATCHED AND source.v IS NULL THEN DELETE "
                  "WHEN MATCHED THEN UPDATE SET v = source.v, note = source.note WHEN NOT MATCHED THEN INSERT *")

    def overwrite(self, rows, c):
        w = spark.createDataFrame(rows, "id bigint, kind string, v bigint, note string, day date").write.format("delta").mode("overwrite")
        (w.option("replaceWhere", c.sql) if c else w).save(self.path)

    def optimize(self):
        spark.sql(f"OPTIMIZE {self.table}")

    def checkpoint(self):
        spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, self.path).checkpoint()

    def rows(self, where, version=None):
        r = spark.read.format("delta")
        frame = (r if version is None else r.option("versionAsOf", version)).load(self.path)
        return [tuple(x) for x in (frame.where(where) if where else frame).select(*COLUMNS).collect()]


class DeltaRs:
    name = "delta-rs"

    def __init__(self, path):
        self.path = path

    def table(self, version=None):
        return deltalake.DeltaTable(self.path, version=version)

    def frame(self, rows):
        return pa.table([list(c) for c in zip(*rows)] if rows else [[] for _ in COLUMNS], schema=SCHEMA)

    def append(self, rows):
        deltalake.write_deltalake(self.path, self.frame(rows), mode="append")

    def delete(self, c):
        self.table().delete(c.sql)

    def update(self, c, step):
        self.table().update(updates={"v": f"v + {step}", "note": "'delta-rs'"}, predicate=c.sql)

    def merge(self, rows):
        (self.table().merge(self.frame(rows), "target.id = source.id", source_alias="source", target_alias="target").when_matched_delete("source.v IS NULL")
         .when_matched_update({"v": "source.v", "note": "source.note"}).when_not_matched_insert_all().execute())

    def overwrite(self, rows, c):
        deltalake.write_deltalake(self.path, self.frame(rows), mode="overwrite", predicate=c.sql if c else None)

    def optimize(self):
        self.table().optimize.compact()

    def checkpoint(self):
        self.table().create_checkpoint()

    def rows(self, where, version=None):
        sql = f"SELECT {', '.join(COLUMNS)} FROM t" + (f" WHERE {where}" if where else "")
        got = pa.table(deltalake.QueryBuilder().register("t", self.table(version)).execute(sql).read_all())
        return [tuple(r.values()) for r in got.to_pylist()]


class Shoal:
    name = "Shoal"

    def __init__(self, p, path):
        self.p, self.path = p, path

    def file(self, rows):
        pq.write_table(pa.table([list(c) for c in zip(*rows)] if rows else [[] for _ in COLUMNS], schema=SCHEMA), self.p.dir + "/new.parquet")
        return self.p.dir + "/new.parquet"

    def append(self, rows):
        self.p.shoal("table", "append", self.path, self.file(rows))

    def delete(self, c):
        self.p.shoal("table", "delete", self.path, "--where", c.sql)

    def update(self, c, step):
        self.p.shoal("table", "update", self.path, "--set", f"v = v + {step}", "--set", "note = 'Shoal'", "--where", c.sql)

    def merge(self, rows):
        self.p.shoal("table", "merge", self.path, "--using", self.file(rows), "--on", "id", "--when", "matched and source.v is null then delete",
                     "--when", "matched then update set v = source.v, note = source.note", "--when", "not matched then insert")

    def overwrite(self, rows, c):
        self.p.shoal("table", "overwrite", self.path, self.file(rows), *(["--where", c.sql] if c else ["--all"]))

    def optimize(self):
        self.p.shoal("table", "optimize", self.path)

    def checkpoint(self):
        self.p.shoal("table", "checkpoint", self.path)

    def rows(self, where, version=None):
        at = "" if version is None else f" AT (VERSION => {version})"
        out = self.p.dir + "/seen.parquet"
        self.p.shoal("sql", f"SELECT {', '.join(COLUMNS)} FROM '{self.path}'{at}" + (f" WHERE {where}" if where else ""), "-o", out)
        return [tuple(r.values()) for r in pq.ParquetFile(out).read().to_pylist()]


class Polars:
    name = "polars"

    def __init__(self, path):
        self.path = path

    def rows(self, where, version=None):
        frame = polars.scan_delta(self.path, version=version).select(*COLUMNS).collect()
        return (polars.SQLContext(t=frame).execute(f"SELECT * FROM t WHERE {where}", eager=True) if where else frame).rows()


class DuckDB:
    """Its own reader of Delta tables, an extension."""
    name = "DuckDB"

    def __init__(self, path):
        self.path = path
        self.con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        self.con.load_extension(os.path.join(DEPS, "duckdb_delta/delta.duckdb_extension"))

    def rows(self, where, version=None):
        at = "" if version is None else f", version => {version}"
        return self.con.sql(f"SELECT {', '.join(COLUMNS)} FROM delta_scan('{self.path}'{at})" + (f" WHERE {where}" if where else "")).fetchall()


def in_order(rows):
    return sorted(rows, key=lambda r: tuple((v is None, v) for v in r))


class History:
    """Commits on one table, and the rows as they should be."""

    def __init__(self, rng, p, name, vectors, partition):
        self.rng, self.p, self.path = rng, p, f"{p.dir}/{name}"
        self.model, self.next_id, self.kept, self.told, self.deck = {}, 0, {}, {}, []
        self.spark, self.rs, self.shoal = Spark(self.path), DeltaRs(self.path), Shoal(p, self.path)
        self.writers = [self.spark, self.rs, self.shoal]
        self.readers = [self.spark, self.rs, self.shoal, DuckDB(self.path)] + ([] if partition else [Polars(self.path)])
        self.vectors, self.partition = vectors, partition
        if vectors:
            spark.sql(f"CREATE TABLE delta.`{self.path}` (id BIGINT, kind STRING, v BIGINT, note STRING, day DATE) USING delta{' PARTITIONED BY (kind)' if partition else ''} "
                      "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true', 'delta.checkpointInterval' = '17')")
        else:
            p.shoal("table", "create", self.path, "--schema", "id BIGINT, kind VARCHAR, v BIGINT, note VARCHAR, day DATE", "--property", "delta.checkpointInterval=17",
                    *(["--partition-by", "kind"] if partition else []))

    def new_rows(self, n):
        out = []
        for _ in range(n):
            i, self.next_id = self.next_id, self.next_id + 1
            out.append((i, self.rng.choice(KINDS), None if self.rng.random() < 0.1 else self.rng.randrange(200), f"new {i} \"'\n", None if self.rng.random() < 0.1 else dt.date(2020, 1, 1) + dt.timedelta(self.rng.randrange(12))))
        return out

    def step(self):
        """One verb by one writer; what it did."""
        rng = self.rng
        if not self.deck:
            self.deck = [(w, verb) for w in self.writers for verb, n in VERBS.items() for _ in range(n)]
            rng.shuffle(self.deck)
        w, verb = self.deck.pop()
        c = some_condition(rng, self.model)
        if verb == "append":
            rows = self.new_rows(rng.randrange(1, 40))
            w.append(rows)
            self.model.update({r[0]: r for r in rows})
        elif verb == "delete":
            w.delete(c)
            self.model = {i: r for i, r in self.model.items() if not c.holds(r)}
        elif verb == "update":
            step = rng.randrange(1, 100)
            w.update(c, step)
            self.model = {i: (i, r[1], None if r[2] is None else r[2] + step, w.name, r[4]) if c.holds(r) else r for i, r in self.model.items()}
        elif verb == "merge":
            old = rng.sample(sorted(self.model), min(len(self.model), rng.randrange(12)))
            rows = [(i, self.model[i][1], rng.choice([None, i, 7]), "merged", None) for i in old] + self.new_rows(rng.randrange(8))
            if not rows:
                return None
            w.merge(rows)
            for r in rows:
                before = self.model.pop(r[0], None)
                if before is None:
                    self.model[r[0]] = r
                elif r[2] is not None:
                    self.model[r[0]] = (r[0], before[1], r[2], r[3], before[4])
        elif verb == "overwrite":
            rows = self.new_rows(rng.randrange(20, 60))
            w.overwrite(rows, None)
            self.model = {r[0]: r for r in rows}
        elif verb == "replace":
            c = Condition("kind = 'b'", lambda r: None if r[1] is None else r[1] == "b")
            rows = [(r[0], "b", *r[2:]) for r in self.new_rows(rng.randrange(1, 20))]
            w.overwrite(rows, c)
            self.model = {i: r for i, r in self.model.items() if not c.holds(r)} | {r[0]: r for r in rows}
        else:
            getattr(w, verb)()
        self.told[w.name, verb] = self.told.get((w.name, verb), 0) + 1
        return f"{verb} by {w.name}" + (f" where {c.sql}" if verb in ("delete", "update") else "")

    def version(self):
        return self.rs.table().version()

    def look(self, done):
        """Every reader, all rows and some."""
        c = some_condition(self.rng, self.model)
        want, some = in_order(self.model.values()), in_order(r for r in self.model.values() if c.holds(r))
        for r in self.readers:
            for where, rows in ((None, want), (c.sql, some)):
                got = in_order(r.rows(where))
                if got != rows:
                    raise AssertionError(f"{r.name} sees {len(got)} rows, not {len(rows)}, {'where ' + where if where else ''} at version {self.version()} of {self.path}, "
                                         f"after {done[-LOOK_EVERY:]}: too many {[x for x in got if x not in set(rows)][:3]}, too few {[x for x in rows if x not in set(got)][:3]}")
        self.kept[self.version()] = want

    def go_back(self):
        for version in self.rng.sample(sorted(self.kept), min(3, len(self.kept))):
            for r in self.readers:
                same((r.name, version, in_order(r.rows(None, version))), (r.name, version, self.kept[version]))


def take_turns(name, vectors, partition):
    p = with_lake()
    rng = random.Random(f"{SEED} {name}")
    print(f"seed {SEED}: {name}", flush=True)
    h, done, began = History(rng, p, name, vectors, partition), [], time.time()
    while h.version() < COMMITS:
        try:
            what = h.step()
        except Exception as e:
            raise AssertionError(f"seed {SEED}, {name}, version {h.version()} of {h.path}, after {done[-5:]}") from e
        if what:
            done.append(what)
            if len(done) % LOOK_EVERY == 0:
                h.look(done)
    h.look(done)
    h.go_back()
    same(len(h.told), len(h.writers) * len(VERBS))  # each writer did each
    print(f"{name}: {h.version()} commits, {len(h.kept) * 2 * len(h.readers)} readings, {time.time() - began:.0f} s: "
          + ", ".join(f"{w} {sum(n for (x, _), n in h.told.items() if x == w)}" for w in ("Spark", "delta-rs", "Shoal")))
    p.remove()


@case
def writers_take_turns():
    take_turns("plain", False, False)


@case
def writers_take_turns_with_partitions_and_deletion_vectors():
    take_turns("vectors", True, True)


if __name__ == "__main__":
    main()
