# SPDX-License-Identifier: Apache-2.0
"""The prompt of shoal sql, through a pseudo-terminal, and AT clauses."""
import pty
import select
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403

BASE = {
    "models/bronze/a.sql": "select range as id, range * 2 as velocity from range(10)\n",
    "models/gold/delays.sql": "select count(*) as n, sum(velocity)::bigint as total_speed from bronze.a\n",
}


class Prompt:
    """shoal sql on a terminal of its own."""

    def __init__(self, p, *args):
        env = {**p.env, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(p.dir)
            os.execve(SHOAL, [SHOAL, "sql", *args], env)
        self.raw, self.text = b"", ""

    def wait(self, wanted, seconds=20):
        """Reads until the text is there; what was read up to its end."""
        end = time.monotonic() + seconds
        while wanted not in self.text:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"{wanted!r} did not come in\n{self.text}")
            try:
                part = os.read(self.fd, 65536)
            except OSError:
                part = b""
            if not part:
                raise AssertionError(f"the prompt ended before {wanted!r}\n{self.text}")
            self.raw += part
            self.text = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", self.raw.decode(errors="replace"))
        at = self.text.index(wanted) + len(wanted)
        got, self.text = self.text[:at], self.text[at:]
        self.raw = self.text.encode()
        return got

    def send(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """The exit code."""
        while True:
            if not select.select([self.fd], [], [], 20)[0]:
                raise AssertionError("the prompt does not end")
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def with_publications():
    p = Project(BASE)
    p.shoal("run")
    p.write({"models/bronze/a.sql": "select range as id, range * 3 as velocity from range(20)\n"})
    p.shoal("run")
    return p


@case
def statements_end_with_a_semicolon_and_errors_do_not_end_the_prompt():
    p = with_publications()
    t = Prompt(p)
    t.wait("2 datasets on main")
    t.wait("shoal> ")
    t.send("select n + 1 as m,\n")
    t.wait("...> ")
    t.send("'a;b' as word from gold.delays;\n")
    has(t.wait("1 row"), "21", "a;b")
    t.wait("shoal> ")
    t.send("from nowhere.at_all;\n")
    t.wait("there is no dataset nowhere.at_all")
    t.send("selec 1;\n")
    t.wait("error:")
    t.send("select 7 as x; select 8 as y;\n")
    has(t.wait("1 row"), "7")
    has(t.wait("1 row"), "8")
    t.send(".nonsense\n")
    t.wait("'.nonsense' is no command")
    t.send(".help\n")
    t.wait("Tab completes")
    t.send(".tables\n")
    t.wait("bronze.a")
    t.send(".quit\n")
    same(t.end(), 0)
    p.remove()


@case
def tab_completes_datasets_and_columns_and_history_stays():
    p = with_publications()
    t = Prompt(p)
    t.wait("shoal> ")
    t.send("from gold.d\t")
    t.wait("elays ")
    t.send(";\n")
    t.wait("1 row")
    t.wait("shoal> ")
    t.send("from bronze.a select\n")
    t.wait("...> ")
    t.send("sum(vel\t")
    t.wait("ocity ")
    t.send(") as s;\n")
    has(t.wait("1 row"), "570")
    t.wait("shoal> ")
    t.send(chr(4))
    same(t.end(), 0)
    has(open(p.dir + "/.local/state/shoal/sql_history").read(), "gold.delays")
    t = Prompt(p)
    t.wait("shoal> ")
    t.send("\033[A")  # up
    t.send("\n")
    has(t.wait("1 row"), "570")
    t.send(".quit\n")
    same(t.end(), 0)
    p.remove()


@case
def ctrl_c_drops_a_line_and_cancels_a_query():
    p = with_publications()
    t = Prompt(p)
    t.wait("shoal> ")
    t.send("select 'never', \n")
    t.wait("...> ")
    t.send("rubbish")
    t.wait("rubbish")
    t.send("\003")
    t.wait("shoal> ")
    t.send("select 41 + 1 as answer;\n")
    has(t.wait("1 row"), "42")
    for _ in range(2):
        t.send("select count(*) as slow from range(1000000000) a, range(1000000) b where (a.range * b.range) % 7 = 3;\n")
        t.wait("= 3;")
        time.sleep(0.3)  # so that the engine is in the middle of it; earlier is right as well
        t.send("\003")
        t.wait("cancelled")
        t.send("select 5 * 5 as next;\n")
        has(t.wait("1 row"), "25")
    t.send(".quit\n")
    same(t.end(), 0)
    p.remove()


@case
def ctrl_c_ends_a_query_of_the_command_line():
    import signal
    p = with_publications()
    child = subprocess.Popen([SHOAL, "sql", "select count(*) from range(1000000000) a, range(1000000) b where (a.range * b.range) % 7 = 3"],
                             cwd=p.dir, env=p.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)  # a signal before main has its handler ends the process too, with another code
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    same(child.returncode, 1)
    has(err, "cancelled")
    p.remove()


@case
def at_reads_a_dataset_as_it_was():
    p = with_publications()
    same(p.rows("from gold.delays at (version => 1)"), [["10", "90"]])
    same(p.rows("from gold.delays AT (VERSION => 2)"), [["20", "570"]])
    same(p.rows("select delays.n, now.n from gold.delays at (version => 1), gold.delays as now"), [["10", "20"]])
    same(p.rows("select a.n, b.n from gold.delays as a at (version => 1), gold.delays b at (version => 2)"), [["10", "20"]])
    same(p.rows("with x as (from gold.delays at (version => 1)) select n, 'at (version => 1)' from x"), [["10", "at (version => 1)"]])
    same(p.rows("select x from gold.delays as a(x, y) at (version => 1) join gold.delays at (version => 2) on (x = n)"), [])
    same(p.rows("select x, y from gold.delays as a(x, y) at (version => 1)"), [["10", "90"]])
    same(p.rows("select n from \"gold\".\"delays\" at (version => 1)"), [["10"]])
    same(p.rows("select n from gold.delays at (timestamp => '2199-01-01')"), [["20"]])
    r = p.shoal("sql", "from gold.delays at (timestamp => '2001-01-01')", code=1)
    has(r.stderr, "gold.delays", "2001-01-01")
    has(p.shoal("sql", "from gold.delays at (version => 9)", code=1).stderr, "main has no publication #9")
    has(p.shoal("sql", "from gold.delays at (version => 1 + 1)", code=1).stderr, "AT takes a constant version or time", "AT (VERSION => 3)")
    has(p.shoal("sql", "from gold.nothing at (version => 1)", code=1).stderr, "there was no dataset gold.nothing on main in version 1")
    has(p.shoal("sql", "select\nnone from gold.delays at (version => 1)", code=1).stderr, "none")
    p.remove()


@case
def at_is_a_clause_only_behind_a_table():
    p = Project({**BASE, "macros/at.sql": 'create macro "at"(version := 1) as version * 2', "models/gold/times.sql": 'select n as "at", n as version from gold.delays'})
    p.shoal("run")
    p.write({"models/bronze/a.sql": "select range as id, range * 3 as velocity from range(20)\n"})
    p.shoal("run")
    old = "gold.times at (version => 1)"
    for table in ("gold.times as", "gold.times"):  # other words with that meaning
        same(p.rows(f'select "at" from {table} "at" at (version => 1)'), [["10"]])
        same(p.rows(f"select version.version from {table} version at (version => 1)"), [["10"]])
    same(p.rows(f'with "at" as (from {old}) select "at"."at" from "at"'), [["10"]])
    same(p.rows(f'select min("at"), times.at, at(version => 4) from {old} group by all'), [["10", "10", "8"]])
    same(p.rows("select at(version => 4)"), [["8"]])
    for before in ("where at(version => 4) = 8", "where true and at(version => 4) = 8", "order by at(version => 4)", "group by \"at\" having at(version => 4) = 8"):
        same(p.rows(f"select count(*) from {old} join (select 1 as n from range(2)) on true {before}"), [["2"]])
    same(p.rows(f"select case when at(version => 1) = 2 then at(version => 4) else at(version => 5) end from {old}"), [["8"]])
    same(p.rows(f"pivot {old} on \"at\" in (10, 20) using sum(version)"), [["10", ""]])
    same(p.rows(f"unpivot {old} on \"at\", version order by name"), [["at", "10"], ["version", "10"]])
    same(p.rows(f"select a.version from gold.times a semi join {old} using (version)"), [])
    same(p.rows(f"select (select max(version) from {old}) as was from gold.times"), [["10"]])
    for wrong in ("select min(at) from gold.times", "select at from gold.times", "select at, n from gold.times", "from gold.times order by at", "from gold.times as at",
                  "with at as (from gold.times) from at", "from gold.times select at", "select n at from gold.times"):
        has(p.shoal("sql", wrong, code=1).stderr, "syntax error", 'write "at"')  # the engine's grammar has it so
    lacks(p.shoal("sql", f"select from {old}, 'at' 'at'", code=1).stderr, 'write "at"')
    p.remove()


@case
def a_model_may_not_read_another_time():
    p = Project({**BASE, "models/gold/old.sql": "select n\nfrom gold.delays at (version => 1)\n"})
    r = p.shoal("plan", code=1)
    has(r.stderr, "models/gold/old.sql:2", "a model can't read gold.delays AT another time", "AT is for shoal sql")
    p.remove()


if __name__ == "__main__":
    main()
