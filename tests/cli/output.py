# SPDX-License-Identifier: Apache-2.0
"""Where results go: files, links to files, pipes, devices, the standard output; large ones, too."""
import stat
import sys
import threading

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
import os

from harness import SHOAL, Project, case, has, main, same, subprocess

p = Project(files={"models/a.sql": "select 1 as x", "models/big.sql": "select i, md5(i::varchar) as h from range(300000) r(i)"})
p.shoal("run")
CALLS = [("sql", "from main.a", "--format", "csv"), ("sql", "from main.a", "--format", "parquet"), ("graph",)]


def path(name):
    return os.path.join(p.dir, name)


@case
def a_file_is_replaced_and_a_link_followed():
    open(path("real.csv"), "w").close()
    os.symlink("real.csv", path("link.csv"))
    for _ in range(2):
        p.shoal("sql", "from a", "-o", "link.csv")
        assert os.path.islink(path("link.csv"))
        same(open(path("real.csv")).read(), "x\n1\n")
    assert not [f for f in os.listdir(p.dir) if f.endswith(".tmp")]


@case
def a_device_stays_a_device():
    for call in CALLS:
        os.mknod(path("null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3)) if os.geteuid() == 0 else os.symlink("/dev/null", path("null"))
        p.shoal(*call, "-o", "null")
        assert stat.S_ISCHR(os.stat(path("null")).st_mode), call
        os.remove(path("null"))


@case
def a_full_device_is_an_error():
    for call in CALLS:
        r = p.shoal(*call, "-o", "/dev/full", code=1)
        has(r.stderr, "/dev/full", "o space left")
        assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


LARGE = "select i, repeat(md5(i::varchar), 10) as h from range(2000000) r(i)"


@case
def a_large_result_takes_little_memory():
    for args in (["--format", "csv"], ["--format", "json"], ["-o", path("large.arrow")]):
        with open(path("large.out"), "wb") as out:
            child = subprocess.Popen([SHOAL, "sql", LARGE] + args, cwd=p.dir, env=p.env, stdout=out)
            _, code, usage = os.wait4(child.pid, 0)
            child.returncode = code
        same(code, 0)
        rows = os.path.getsize(path("large.arrow")) if "-o" in args else os.path.getsize(path("large.out"))
        assert rows > 600 << 20, rows
        assert usage.ru_maxrss < 300 << 10, (args, usage.ru_maxrss)
    os.remove(path("large.out"))
    os.remove(path("large.arrow"))


@case
def what_fails_late_fails():
    late = "select case when i = 900000 then error('too late') else i end as n from range(1000000) r(i)"
    for args in (["--format", "csv"], ["--format", "json"], ["--format", "box"], ["--format", "arrow"], ["-o", "late.arrow"],
                 ["-o", "late.csv"]):
        r = p.shoal("sql", late, *args, code=1)
        has(r.stderr, "too late")
    late = "with l as (from main.big) select case when i = 299000 then error('too late') else i end as n from l"
    for _ in range(5):  # the engine's threads race for who hears of it
        for args in (["--format", "csv"], ["-o", "late.arrow"]):
            has(p.shoal("sql", late, *args, code=1).stderr, "too late")
    assert not [f for f in os.listdir(p.dir) if f.startswith("late")]


TYPES = """/* shoal
partition_by: [part]
*/
select i::tinyint as tiny, i::usmallint as u2, (i * 1000003)::bigint as id, i::hugeint as huge, (i / 7)::decimal(38, 5) as dec, i::float as f,
  case i % 3 when 0 then 'nan'::double when 1 then '-inf'::double else i end as d, i % 2 = 0 as file_row_number, 'x' || i as "file_index",
  case when i % 5 = 0 then null else 'p ' || i % 5 end as part, date '0001-01-01' + i::int as day,
  timestamp '1969-12-31 23:59:59.999999' + to_microseconds(i) as at, timestamptz '2024-02-29 12:00:00+02' as tz, ('{"a": ' || i || '}')::json as j,
  uuid() is null as no, '00000000-0000-0000-0000-00000000000a'::uuid as u, (case when i % 2 = 0 then 'a' else 'b' end)::enum('a', 'b') as e,
  {'Odd "name"': i, 'l': [i, null], 'm': map {'k': i::utinyint}} as s, chr(0) || 'é' || i as text, ('\\x00\\xFF')::blob as b,
  i as filename
from (select range % 100 as i from range(ROWS))"""


@case
def large_tables_hold_what_small_ones_do():
    """They are read in another way: by the files' own columns, not by a schema given."""
    q = Project(files={f"models/{name}.sql": TYPES.replace("ROWS", str(n)) for name, n in (("large", 60000), ("small", 100))})
    q.shoal("run")
    for columns in ("*", "part, tiny"):
        small = q.shoal("sql", f"select distinct {columns} from small order by all", "--format", "csv").stdout
        large = q.shoal("sql", f"select distinct {columns} from large order by all", "--format", "csv").stdout
        same(large, small)
    types = [q.shoal("sql", f"select column_name, column_type from (describe from {t})", "--format", "csv").stdout for t in ("large", "small")]
    same(types[0], types[1])
    q.remove()


@case
def a_pipe_gets_it_all():
    os.mkfifo(path("pipe"))
    got = []
    t = threading.Thread(target=lambda: got.append(open(path("pipe"), "rb").read()))
    t.start()
    p.shoal("sql", "from big order by i", "--format", "csv", "-o", "pipe")
    t.join()
    same(got[0].count(b"\n"), 300001)
    assert stat.S_ISFIFO(os.stat(path("pipe")).st_mode)


@case
def the_standard_output_and_another_file_system():
    env = {**p.env}
    out = subprocess.run([SHOAL, "sql", "from big", "--format", "parquet"], cwd=p.dir, env=env, capture_output=True)
    assert out.stdout[:4] == b"PAR1" and out.stdout[-4:] == b"PAR1" and len(out.stdout) > 1 << 20, out
    other = "/dev/shm/shoal-output-%d.parquet" % os.getpid()
    if os.path.isdir("/dev/shm"):
        p.shoal("sql", "from big", "-o", other)
        same(open(other, "rb").read(), out.stdout)
        os.remove(other)


@case
def a_dash_is_the_standard_output():
    """In the format that is asked for, CSV if none, also on a terminal; nothing else is said there, and no file has that name."""
    env, csv = {**p.env, "TERM": "xterm"}, "x\n1\n"
    same(p.shoal("sql", "from a", "-o", "-").all, csv)
    same(p.shoal("sql", "from a", "--output=-", "--format", "json").all, '{"x":1}\n')
    same(p.shoal("sql", "from a", "-o", "-", "--json").all, '{"x":1}\n')
    has(p.shoal("sql", "from a", "-o", "-", "--format", "box").all, "x │", "1 row")
    out = subprocess.run([SHOAL, "sql", "from big", "-o", "-", "--format", "parquet"], cwd=p.dir, env=env, capture_output=True)
    same((out.stdout[:4], out.stdout[-4:], out.stderr), (b"PAR1", b"PAR1", b""))
    terminal, end = os.openpty()
    subprocess.run([SHOAL, "sql", "from a", "-o", "-"], cwd=p.dir, env=env, stdout=end, check=True)
    same(os.read(terminal, 1000).decode().replace("\r", ""), csv)
    os.close(terminal), os.close(end)
    same(p.shoal("graph", "-o", "-").all, p.shoal("graph").stdout)
    has(p.shoal("plan", "-o", "-", code=1).stderr, "ends in .json")
    p.write({"one.csv": "x\n1\n"})
    p.shoal("table", "create", "./feed", "--as", path("one.csv"), "--property", "delta.enableChangeDataFeed=true")
    has(p.shoal("table", "changes", "./feed", "--from", "0", "-o", "-").all, "_change_type", "1,insert,0,")
    assert not os.path.exists(path("-"))


@case
def a_folder_that_is_not_there_is_named():
    for call in CALLS:
        has(p.shoal(*call, "-o", "nowhere/x.csv", code=1).stderr, "nowhere/x.csv")


main()
