# SPDX-License-Identifier: Apache-2.0
"""Notebooks, run as Jupyter runs them: cells that are executed again, edited and reloaded, kernels that start anew, what is shown
of tables, the magics, and the line that moves. A function tells that it runs by printing."""
import contextlib
import os
import pty
import subprocess
import sys
import tempfile

BUILD = os.environ["SHOAL_BUILD"]
NOTEBOOK = os.path.join(os.environ["SHOAL_DEPS"], "notebook")
sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(BUILD, "python"), NOTEBOOK]
os.environ.update(PYTHONPATH=os.path.join(BUILD, "python") + os.pathsep + NOTEBOOK, PYTHONDONTWRITEBYTECODE="1",
                  **{name: tempfile.mkdtemp(prefix="shoal-nb-") for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")})
import nbclient
import nbformat
from harness import case, has, main
from modules import project


class Answer:
    """What a cell has shown: what it printed, its value as text and as HTML, its error."""

    def __init__(self, outputs):
        self.printed = "".join(o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout").split()
        self.warned = "".join(o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == "stderr")
        shown = [o["data"] for o in outputs if o["output_type"] in ("execute_result", "display_data")]
        self.text = shown[-1].get("text/plain") if shown else None
        self.html = shown[-1].get("text/html") if shown else None
        errors = [o for o in outputs if o["output_type"] == "error"]
        self.error = "\n".join(errors[0]["traceback"]) if errors else None


class Book:
    def __init__(self, client):
        self.client = client

    def __call__(self, text, fails=False):
        cell = nbformat.v4.new_code_cell(text)
        self.client.nb.cells.append(cell)
        with contextlib.suppress(nbclient.exceptions.CellExecutionError):
            self.client.execute_cell(cell, len(self.client.nb.cells) - 1)
        answer = Answer(cell.outputs)
        assert bool(answer.error) == fails, (text, answer.error)
        return answer


@contextlib.contextmanager
def kernel(folder, *cells):
    """A kernel that starts in a folder; `cells` are executed first."""
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=60, kernel_name="python3", resources={"metadata": {"path": folder}})
    with client.setup_kernel(stderr=subprocess.DEVNULL):
        book = Book(client)
        for cell in ("import shoal", *cells):
            book(cell)
        yield book


def write(folder, name, text):
    with open(f"{folder}/{name}", "w") as f:
        f.write(text)


F = "@shoal.data_function('/f')\ndef f():\n    print('f')\n    return "


@case
def cells_that_are_run_again_and_edited():
    with project({}) as folder:
        with kernel(folder, "def helper(x): return x + 1") as run:
            assert run(F + "helper(1)\nf()").printed == ["f"]
            again = run(F + "helper(1)\nf()")
            assert (again.printed, again.text) == ([], "2"), "the same cell runs again though nothing has changed"
            assert run("# a comment\n" + F + "helper(1)  # another\nf()").printed == []
            run("def helper(x): return x + 2")
            edited = run("f()")
            assert (edited.printed, edited.text) == (["f"], "3"), "a helper in another cell is another"
            run("def helper(x): return x + 1")
            assert run("f()").printed == [], "what was computed before is there"
            run("unused = 1; helper2 = helper")
            assert run("f()").printed == []
        with kernel(folder, "def helper(x):\n    return x + 1") as run:  # a kernel that is started anew numbers its cells anew
            again = run(F + "helper(1)\nf()")
            assert (again.printed, again.text) == ([], "2")


@case
def the_history_of_a_notebook_is_no_part_of_its_code():
    queried = "@shoal.data_function('/q')\ndef q():\n    print('q')\n    return pd.DataFrame({'a': [1, 5]}).query($)"
    with project({}) as folder:
        start = ("import pandas as pd", "LIMIT = 3")
        with kernel(folder, *start) as run:
            run(queried.replace("$", "'a > @LIMIT'"))
            assert run("q()").printed == ["q"]
            run("1 + 1"), run("_")
            assert run("q()").printed == [], "what other cells show counts"
            run("LIMIT = 4")
            assert run("q()").printed == ["q"]
            run("LIMIT = 3")
            assert run("q()").printed == []
            run("4")
            run(queried.replace("$", "'a > @_'"))  # unless a text names it
            assert run("q()").printed == ["q"]
            run("0")
            assert run("len(q())").text == "2"
        with kernel(folder, *start) as run:
            run("'another cell'")
            run(queried.replace("$", "'a > @LIMIT'"))
            assert run("q()").printed == []


@case
def autoreload_and_modules():
    head = "import shoal\ndef helper(): return $\n@shoal.data_function('/g')\ndef g(): print('g'); return helper()\n"
    with project({"m.py": head.replace("$", "1"), "lib.py": "def plus(x): return x + 1\n"}) as folder:
        with kernel(folder, "%load_ext autoreload\n%autoreload 2", "import m, lib\nfrom m import g\nfrom lib import plus\nheld = [g]", F + "plus(1)") as run:
            assert run("m.g(), f()").printed == ["g", "f"]
            write(folder, "m.py", head.replace("$", "1") + "# a comment\n")
            assert run("m.g(), g(), held[0]()").printed == []
            write(folder, "m.py", head.replace("$", "22"))
            edited = run("m.g(), g(), held[0]()")
            assert (edited.printed, edited.text) == (["g"], "(22, 22, 22)"), (edited.printed, edited.text)
            write(folder, "m.py", head.replace("$", "22").replace("helper()\n", "helper() + 300\n"))
            edited = run("held[0](), g(), m.g()")
            assert (edited.printed, edited.text) == (["g"], "(322, 322, 322)"), (edited.printed, edited.text)
            write(folder, "lib.py", "def plus(x): return x + 1000\n")
            edited = run("f()")
            assert (edited.printed, edited.text) == (["f"], "1001")
            write(folder, "lib.py", "def plus(x): return x + 1\n")
            assert run("f()").printed == []
        with kernel(folder, "import m, lib\nfrom lib import plus", F + "plus(1)") as run:
            assert run("m.g(), f()").printed == []


@case
def tables_lists_and_signatures_are_shown():
    with project({}) as folder, kernel(folder, "import pandas as pd") as run:
        run("@shoal.data_function('/silver/people')\ndef people(n=12):\n    return pd.DataFrame({'name': ['<script>x</script>'] * n, 'a&b': range(n)})\n_ = people()")
        run("_ = shoal.keep('/model', lambda: {'a': 1})")
        table = run("shoal.table('silver.people')")
        assert table.text == "shoal.Table('silver.people')"
        has(table.html, "<b>silver.people</b> @ main #1", "12 rows", "computed from __main__.people in", "on branch main", "just now", "&lt;script&gt;", "a&amp;b", "int64", "string",
            "the first 10 rows, read in")
        assert "<script>" not in table.html and table.html.count("<tr>") == 11
        assert run("shoal.table('silver.people', at='main~1')").text == "shoal.Table('silver.people', at='main~1')"
        query = run("shoal.sql('select count(*) as n from silver.people where name <> \\'<i>\\'')")
        has(query.html, "<b>shoal.sql</b> @ main #2", "&lt;i&gt;", "<td style=\"text-align: right\">12</td>", "1 row, read in")
        missing = run("shoal.table('silver.nobody')")
        has(missing.html, "there is no dataset silver.nobody on main", "shoal ls shows what there is")
        listed = run("shoal.datasets()")
        assert listed.text.split("\n")[0].split() == ["main.model", "dict", "7", "B", "#2"], listed.text
        has(listed.text, "silver.people  12 rows")
        has(listed.html, "<td style=\"text-align: left\">silver.people</td>", "12 rows")
        assert run("[type(shoal.datasets()) is list, isinstance(shoal.datasets(), list), shoal.datasets()[1].rows]").text == "[False, True, 12]"
        signature = run("shoal.signature(people)")
        has(signature.html, "<b>__main__.people</b>", "In[3]:1", "pandas")
        run("def people2(): return 1\n@shoal.data_function('/people2')\ndef kept(): return people2()\nkept()\ndef people2(): return '<2>'")
        plan = run("shoal.plan(kept)")
        has(plan.html, "main.people2", "1 → &#x27;&lt;2&gt;&#x27;", "In[", "1 to run on branch main")
        has(plan.text, "~  main.people2  1 → '<2>'  In[")
        has(run("shoal.why('/people2')").html, "return &#x27;&lt;2&gt;&#x27;", "that is in __main__.people2")
        refused = run("import threading\nlock = threading.Lock()\nshoal.keep('/x', lambda: lock)", fails=True)
        has(refused.error, "In[", "has no canonical form")


@case
def the_magics():
    sql = "select 1 as x, '<b>' as y\n"
    with project({"models/a.sql": sql, "models/b.sql": "select x + 1 as x from a\n"}) as folder, kernel(folder, "%load_ext shoal") as run:
        has(" ".join(run("%shoal status").printed), "stale main.a (new), main.b (new)")
        has(" ".join(run("%shoal plan").printed), "2 to run on branch main")
        has(" ".join(run("%shoal run").printed), "published #1 on main")
        shown = run("%%shoal sql\nselect x, y\nfrom a -- a comment")
        has(shown.html, "&lt;b&gt;", "1 row, read in")
        assert shown.text.split("\n")[:3] == ["    x  y", "int32  string", "    1  <b>"], shown.text
        bound = run("%%shoal sql -o found\nfrom b")
        assert (bound.text, run("found.arrow().to_pylist()").text) == (None, "[{'x': 2}]")
        assert run("%shoal sql -o line select x * 10 as x from b") and run("line.arrow()['x'][0].as_py()").text == "20"
        write(folder, "models/a.sql", sql.replace("1", "7"))
        has(" ".join(run("%shoal why main.b").printed), "main.b reads main.a", "select 7 as x")
        run("%shoal run")
        assert run("%shoal sql from b").text.split()[2] == "8"
        for option in ("--at main~1", "--at=main~1", "--at 'main~1'"):
            assert run(f"%shoal sql {option} from b").text.split()[2] == "2"
        assert run("with shoal.branch('main'):\n    x = get_ipython().run_line_magic('shoal', 'sql --branch main from b')\nx").text.split()[2] == "8"
        for line, *words in (("%shoal sql from nobody", "there is no dataset nobody on main", "shoal ls"), ("%shoal sql --at main~9 from a", "main has only"),
                             ("%shoal sql selct", "elct"), ("%shoal why main.c", "there is no model main.c", "did you mean"), ("%shoal", "what is to be done"),
                             ("%shoal sql --att x from a", "there is no option --att"), ("%shoal sql --at", "needs a value"), ("%shoal sql -o a.b from a", "no name of a variable"),
                             ("%%shoal status\nx", "only sql takes a cell"), ("%shoal dance", "dance")):
            error = run(line, fails=True).error
            has(error, "error: ", *words)
            assert "Traceback" not in error and "shoal/" not in error and len(error.splitlines()) < 12, error
        run("%unload_ext shoal")
        has(run("%shoal status", fails=False).warned, "not found")


@case
def the_extension_imports_no_ipython():
    program = "import shoal, sys; shoal.load_ipython_extension; shoal.keep; assert not [m for m in sys.modules if m.split('.')[0] == 'IPython']"
    subprocess.run([sys.executable, "-c", program], check=True)


SLOW = "import shoal, time\n@shoal.data_function('/slow')\ndef slow(n): time.sleep(n); return n\ndef all(): slow(1.3); time.sleep(0.3)\n"


def on_a_terminal(folder, program):
    """What a program writes where it has one."""
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", program], cwd=folder, stderr=slave, stdout=subprocess.DEVNULL) as child:
        os.close(slave)
        said = b""
        with contextlib.suppress(OSError):
            while part := os.read(master, 4096):
                said += part
    os.close(master)
    assert child.returncode == 0, said
    return said.decode()


@case
def what_takes_long_says_so():
    with project({}) as folder:
        piped = subprocess.run([sys.executable, "-c", SLOW + "shoal.eval(all)"], cwd=folder, capture_output=True, text=True, check=True)
        assert (piped.stdout, piped.stderr) == ("", "")
        said = on_a_terminal(folder, SLOW + "slow(1.4)")
        has(said, "main.slow …  1.", "main.slow computed in 1.")
        assert said.endswith("\r\n") and said.count("\n") == 1, said
        said = on_a_terminal(folder, SLOW + "shoal.eval(all)")
        assert said == "", "reused, in no time"
        assert on_a_terminal(folder, SLOW + "shoal.eval(slow, 0.1)") == "", "nothing to say within a second"
        with kernel(folder, SLOW) as run:
            has(run("slow(1.5)").warned, "main.slow …  1.", "main.slow computed in 1.")
            assert run("slow(1.5)").warned == ""


if __name__ == "__main__":
    main()
