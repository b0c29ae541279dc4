# SPDX-License-Identifier: Apache-2.0
"""Tables of random columns with names and values that are hard to carry: dots, quotes, names of the engine's own, NUL, NaN, the first and the
last year, 38 digits, NULL. Random verbs of Shoal's, against rows that Python keeps; delta-rs reads them, Shoal finds each by its value.
Seed: SHOAL_SEED; SHOAL_BUDGET scales the number of tables."""
import datetime as dt
import decimal
import json
import math
import os
import random
import struct
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
from harness import case, main
from tables import FEED, VECTORS, with_lake

SEED = int(os.environ.get("SHOAL_SEED", "0")) or random.SystemRandom().getrandbits(32)
TABLES = int(4 * float(os.environ.get("SHOAL_BUDGET", "1"))) or 1
NAMES = ["a.b", 'q"uo"te', "it's", "sp ace", "file_row_number", "file_index", "filename", "ä😈", "select", "c0", "target", "source", "x/y%41", "`tick`", "_change", "null", "Upper", "rowid", "[0]", "a\\b", "t", "*"]
MAPPED_ONLY = ["a,b", "x=y", "semi;colon", "{brace}", "pa(ren)", "new\nline"]
D, UTC = decimal.Decimal, dt.timezone.utc
FIRST, LAST = dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
TYPES = {
    "BIGINT": (pa.int64(), [0, -1, 2**63 - 1, -2**63, 2**53 + 1, 7]), "INTEGER": (pa.int32(), [0, 2**31 - 1, -2**31, 5]), "TINYINT": (pa.int8(), [0, 127, -128]),
    "DOUBLE": (pa.float64(), [0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1]), "FLOAT": (pa.float32(), [0.0, math.nan, math.inf, -math.inf, 1.5, struct.unpack("f", struct.pack("f", 0.1))[0]]),
    "DECIMAL(38,10)": (pa.decimal128(38, 10), [D("9" * 28 + "." + "9" * 10), D("-" + "9" * 28 + "." + "9" * 10), D("0E-10"), D("0.0000000001")]), "DECIMAL(5,2)": (pa.decimal128(5, 2), [D("999.99"), D("-999.99"), D("0.00"), D("0.10")]),
    "VARCHAR": (pa.string(), ["", "a\0b", "a", "x" * 40, "x" * 32 + "😈", "\U0010ffff" * 40, "'", '"', "NULL", "null", " ", "é", "e\u0301", "a\nb", "%41", "__HIVE_DEFAULT_PARTITION__"]),
    "BLOB": (pa.binary(), [b"", b"\0", b"\xff\xfe", b"abc"]), "BOOLEAN": (pa.bool_(), [True, False]), "DATE": (pa.date32(), [FIRST.date(), LAST.date(), dt.date(1582, 10, 4), dt.date(1969, 12, 31), dt.date(1970, 1, 1)]),
    "TIMESTAMP": (pa.timestamp("us"), [FIRST, LAST, dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(2020, 2, 29, 1, 2, 3, 4)]),
    "TIMESTAMP WITH TIME ZONE": (pa.timestamp("us", "UTC"), [FIRST.replace(tzinfo=UTC), LAST.replace(tzinfo=UTC), dt.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), dt.datetime(2020, 2, 29, 1, 2, 3, 4, UTC)]),
    "BIGINT[]": (pa.list_(pa.int64()), [[], [1, None], [2**63 - 1]]), 'STRUCT("x.y" BIGINT, "d d" DATE)': (pa.struct([("x.y", pa.int64()), ("d d", pa.date32())]), [{"x.y": 1, "d d": LAST.date()}, {"x.y": None, "d d": None}]),
}
SIMPLE = [t for t in TYPES if "[" not in t and "STRUCT" not in t]
PARTITIONS = ["VARCHAR", "BIGINT", "DATE", "BOOLEAN", "DECIMAL(5,2)"]


def one(v):
    """A value in one form; NaN is itself, and zeros are equal."""
    if isinstance(v, float):
        return "nan" if math.isnan(v) else v + 0.0
    if isinstance(v, dict):
        return tuple((k, one(x)) for k, x in v.items())
    return tuple(one(x) for x in v) if isinstance(v, list) else v.astimezone(UTC) if isinstance(v, dt.datetime) and v.tzinfo else v


def in_order(rows):
    return sorted((tuple(one(v) for v in r) for r in rows), key=repr)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(v, t):
    if isinstance(v, bytes):
        return "'" + "".join(f"\\x{b:02x}" for b in v) + "'::BLOB"
    return "CAST('" + str(v).replace("'", "''") + f"' AS {t})"


class Table:
    def __init__(self, rng, p, n):
        self.rng, self.p, self.name, self.rows, self.next = rng, p, f"./t{n}", {}, 0
        mode = rng.choice(["none", "none", "name", "id"])
        names = rng.sample(NAMES + (MAPPED_ONLY if mode != "none" else []), rng.randrange(3, 9))
        self.columns = [("id", "BIGINT")] + [(c, rng.choice(list(TYPES))) for c in names]
        self.partition = next((c for c, t in self.columns[1:] if t in PARTITIONS and c != "*"), None) if rng.random() < 0.4 else None
        self.schema = pa.schema([(c, TYPES[t][0]) for c, t in self.columns])
        self.settings = [x for x in (VECTORS if rng.random() < 0.5 else None, FEED if rng.random() < 0.3 else None, f"delta.columnMapping.mode={mode}" if mode != "none" else None) if x]
        p.shoal("table", "create", self.name, "--schema", ", ".join(f"{quoted(c)} {t}" for c, t in self.columns), *[x for s in self.settings for x in ("--property", s)],
                *(["--partition-by", self.partition] if self.partition else []))
        self.said = f"seed {SEED}: {self.columns}, by {self.partition!r}, {self.settings}"

    def value(self, t):
        return None if self.rng.random() < 0.2 else self.rng.choice(TYPES[t][1])

    def new(self, n):
        out = []
        for _ in range(n):
            out.append((self.next, *(self.value(t) for _, t in self.columns[1:])))
            self.next += 1
        return out

    def file(self, rows):
        pq.write_table(pa.table([pa.array([r[i] for r in rows], f.type) for i, f in enumerate(self.schema)], schema=self.schema), self.p.dir + "/rows.parquet")
        return "rows.parquet"

    def seen(self, v, i):
        """As the table keeps it: an empty text in a partition is NULL."""
        return None if self.columns[i][0] == self.partition and v == "" else v

    def keep(self, rows):
        self.rows.update({r[0]: tuple(self.seen(v, i) for i, v in enumerate(r)) for r in rows})

    def step(self):
        rng, verb = self.rng, self.rng.choice(["append"] * 4 + ["delete", "update", "merge", "overwrite", "optimize", "checkpoint"])
        n = rng.randrange(2, 7)
        if verb == "append":
            rows = self.new(rng.randrange(1, 9))
            self.p.shoal("table", "append", self.name, self.file(rows))
            self.keep(rows)
        elif verb == "delete":
            self.p.shoal("table", "delete", self.name, "--where", f"id % {n} = 1")
            self.rows = {i: r for i, r in self.rows.items() if i % n != 1}
        elif verb == "update":
            at = rng.randrange(1, len(self.columns))
            c, t = self.columns[at]
            v = rng.choice([v for v in TYPES[t][1] if not (isinstance(v, str) and "\0" in v)]) if t in SIMPLE else None
            self.p.shoal("table", "update", self.name, "--set", f"{quoted(c)} = {'NULL' if v is None else literal(v, t)}", "--where", f"id % {n} = 0")
            self.rows = {i: (*r[:at], self.seen(v, at), *r[at + 1:]) if i % n == 0 else r for i, r in self.rows.items()}
        elif verb == "merge":
            old = [(i, *self.new(1)[0][1:]) for i in rng.sample(sorted(self.rows), min(3, len(self.rows)))]
            rows = old + self.new(2)
            self.p.shoal("table", "merge", self.name, "--using", self.file(rows), "--on", "id", "--when", "matched then update", "--when", "not matched then insert")
            self.keep(rows)
        elif verb == "overwrite":
            rows = [r for r in self.new(6) if r[0] % 2 == 0]
            self.p.shoal("table", "overwrite", self.name, self.file(rows), "--where", "id % 2 = 0")
            self.rows = {i: r for i, r in self.rows.items() if i % 2}
            self.keep(rows)
        else:
            self.p.shoal("table", verb, self.name)
        return verb

    def by_shoal(self):
        out = self.p.dir + "/seen.parquet"
        self.p.shoal("sql", f"select {', '.join(quoted(c) for c, _ in self.columns)} from '{self.name}'", "-o", out)
        t = pq.ParquetFile(out).read()
        return [tuple(r) for r in zip(*(c.to_pylist() for c in t.columns))]

    def by_delta_rs(self):
        t = deltalake.DeltaTable(f"{self.p.dir}/{self.name}")
        got = pa.table(deltalake.QueryBuilder().register("tt", t).execute(f"select {', '.join(quoted(c) for c, _ in self.columns)} from tt").read_all())
        return [tuple(r) for r in zip(*(c.to_pylist() for c in got.columns))]

    def look(self, done):
        want = in_order(self.rows.values())
        for who, got in (("Shoal", self.by_shoal()), ("delta-rs", self.by_delta_rs())):
            if in_order(got) != want:
                raise AssertionError(f"{self.said}: after {done}: {who} sees {[r for r in in_order(got) if r not in want][:3]} and not {[r for r in want if r not in in_order(got)][:3]}")

    def find(self):
        """Rows by their values: what is left out by statistics must not be missed. One query for all questions of a column."""
        for at, (c, t) in enumerate(self.columns):
            values = [v for v in TYPES[t][1] if not (isinstance(v, str) and "\0" in v)]
            if t not in SIMPLE:
                continue
            for v in self.rng.sample(values, min(3, len(values))):
                want = sorted(i for i, r in self.rows.items() if r[at] is not None and one(r[at]) == one(v))
                got = [json.loads(line)["id"] for line in self.p.shoal("sql", f"select id from '{self.name}' where {quoted(c)} = {literal(v, t)} order by id", "--format", "json").stdout.splitlines()]
                if got != want:
                    raise AssertionError(f"{self.said}: {c!r} = {v!r}: {got}, not {want}")


@case
def a_column_that_the_engine_takes_for_all_is_no_partition():
    """COPY … PARTITION_BY ("*") would cut by every column."""
    p = with_lake()
    p.shoal("table", "create", "./t", "--schema", '"*" DATE, id BIGINT', "--partition-by", "*")
    pq.write_table(pa.table({"*": [dt.date(2020, 1, 1)], "id": [1]}), p.dir + "/rows.parquet")
    assert "give the column another name" in p.shoal("table", "append", "./t", "rows.parquet", code=1).stderr


@case
def nothing_is_lost_or_changed():
    print(f"seed {SEED}")
    for n in range(TABLES):
        p, rng = with_lake(), random.Random(f"{SEED} {n}")
        t, done = Table(rng, p, n), []
        for _ in range(18):
            try:
                done.append(t.step())
            except AssertionError as e:
                raise AssertionError(f"{t.said}: after {done}") from e
            if len(done) % 6 == 0:
                t.look(done)
        t.find()
        p.remove()


if __name__ == "__main__":
    main()
