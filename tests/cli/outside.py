# SPDX-License-Identifier: Apache-2.0
"""Delta tables and files where there is no project: read, imported into, checked, by their paths."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import SHOAL, Project, case, has, lacks, main, same


class Folder(Project):
    """A folder with one file, and no project."""

    def __init__(self):
        super().__init__(git=False)
        os.unlink(self.dir + "/shoal.yaml")
        os.unlink(self.dir + "/.gitignore")
        self.write({"people.csv": "id,name\n1,Ada\n2,Bo\n3,Cy\n"})

    def left(self):
        return sorted(set(os.listdir(self.dir)) - {".cache"})


@case
def a_table_needs_no_project():
    p = Folder()
    has(p.shoal("import", "people.csv", "./people").all, "made ./people: 3 rows")
    lacks(p.shoal("import", "people.csv", "./people").all, "shoal plan")
    same(p.rows("select count(*), max(name) from './people'"), [["6", "Cy"]])
    same(p.rows("from './people' at (version => 0) where id = 2"), [["2", "Bo"]])
    same(p.rows("select n.name from 'people.csv' n join './people' p using (id) where id = 3 limit 1"), [["Cy"]])
    same(p.rows(f"select count(*) from '{p.dir}/people'", "-C", "/"), [["6"]])
    has(p.shoal("fsck", "./people").all, "version 1: 2 files")
    has(p.shoal("table", "history", "people", code=1).stderr, "told by its path, ./people")
    same(p.left(), ["people", "people.csv"])  # nothing is made that nobody asked for
    p.remove()


@case
def output_goes_into_files():
    p = Folder()
    p.shoal("import", "people.csv", "./people")
    for ending in ("parquet", "csv", "json"):
        p.shoal("sql", "from './people' order by id", "-o", "out." + ending)
        same(p.rows(f"select count(*), max(name) from 'out.{ending}'"), [["3", "Cy"]])
    same(os.listdir(p.dir + "/.cache/shoal/tmp"), [])
    p.remove()


@case
def names_are_explained():
    p = Folder()
    has(p.shoal("sql", "from people", code=1).all, "there is no dataset people", "FROM './people'", "-C DIR")
    has(p.shoal("import", "people.csv", "people", code=1).all, "no shoal.yaml")
    has(p.shoal("fsck", "people", code=1).all, "no such folder")
    has(p.shoal("fsck", code=1).all, "no shoal.yaml")
    has(p.shoal("sql", "from './people.csv/x'", code=1).all, "people.csv/x")
    outside = tempfile.mkdtemp()
    with open(outside + "/secret.csv", "w") as f:
        f.write("a\n1\n")
    has(p.shoal("sql", f"from '{outside}/secret.csv'", code=1).all, "secret.csv")  # only the folder one is in
    shutil.rmtree(outside)
    p.remove()


@case
def what_does_not_fit_into_memory_is_spilled():
    p = Folder()
    p.write({"shoal.yaml": "name: t\nengine: {memory: 100MB, temp: a/b/c}\n"})
    q = "select count(*), sum(r % 7) from (select h, row_number() over (order by h) as r from (select hash(i) as h, repeat('x', 40) as t from range(3000000) r(i)))"
    same(p.rows(q)[0][0], "3000000")  # there is no lake yet, and none is needed
    has(p.shoal("sql", "from gold.x", code=1).all, "no dataset gold.x", "shoal run")
    p.shoal("import", "people.csv", "./people")
    p.shoal("sql", "from './people'", "-o", "out.parquet")
    same(p.rows("select count(*) from 'out.parquet'"), [["3"]])
    same(glob.glob(p.dir + "/a/b/c/*"), [])
    p.remove()


def interrupted(p, *args):
    """Ctrl-C as soon as the program listens; what it says then."""
    child = subprocess.Popen([SHOAL, *args], cwd=p.dir, env=p.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    caught = 0
    while not caught & 1 << signal.SIGINT - 1:
        with open(f"/proc/{child.pid}/status") as f:
            caught = next(int(line.split()[1], 16) for line in f if line.startswith("SigCgt"))
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    same(child.returncode, 1)
    return err


@case
def an_interrupt_stops_what_works_on_a_table():
    p = Folder()
    p.shoal("import", "people.csv", "./t")
    before = sorted(os.walk(p.dir + "/t"))
    forever = "(select count(*) from range(100000000) a, range(1000000) b where a.range * b.range % 7 = 3)"
    for args in (["delete", "./t", "--where", f"id < {forever}"], ["update", "./t", "--set", f"name = {forever}", "--all"],
                 ["merge", "./t", "--using", "people.csv", "--on", f"target.id < {forever}", "--when", "matched then delete"]):
        has(interrupted(p, "table", *args), "cancelled")
        same(sorted(os.walk(p.dir + "/t")), before)
    p.remove()


main()
