# SPDX-License-Identifier: Apache-2.0
"""What the decorators of kept functions say of their tables: layout and expectations. tests/cli/python_models.py has those of models."""
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
import polars
from harness import case, has, main
from lab import lab, refused

import shoal

ROWS = "import pandas as pd\n\n\n@data_function('/t'%)\ndef t(least=1):\n    print('runs')\n    return pd.DataFrame({'c': ['y', 'x', 'y'], 'n': [3, 2, least]})\n"


def rows(what="", more=""):
    return ROWS.replace("%", ", " + what if what else "") + more


@case
def what_breaks_an_expectation_is_not_published():
    with lab() as run:
        e = refused(lambda: run("t()", rows("expect=['n > 1', {'not_null': ['c']}]")), "main.t fails an expectation, so nothing was published: n > 1 (1 row breaks it)", "m.py:6")
        assert e.status == "held"
        assert "main.t" not in run.shoal("ls")
        refused(lambda: run("t()"), "n > 1")  # its result is there, and asked again
        assert run("t().n.sum()", rows("expect='n > 0'")) == (6, [])  # no part of the key
        assert run("t().n.sum()") == (6, [])
        has(run.shoal("ls"), "main.t")
        refused(lambda: run("t()", rows("expect=[{'unique': ['c']}]")), "unique: c")  # what is published already
        refused(lambda: run("keep('/t', t)"), "unique: c")
        assert run("keep('/other', t).n.sum()") == (6, [])  # of another dataset nothing is said
        refused(lambda: run("t()", rows("expect=['zz > 0']")), "zz")
        refused(lambda: run("t()", rows("expect=[{'uniq': ['c']}]")), "m.py:6: unknown key 'uniq'")
        refused(lambda: run("t()", rows("partition_by=3.5, expect=[print]")), "texts and lists of texts")
        refused(lambda: run("t()", rows("partition_by='zz'")), 'partition_by names "zz", which is no column')


@case
def an_expectation_may_only_warn():
    import warnings

    with lab() as run, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert run("t().n.sum()", rows("expect=[{'check': 'n > 1', 'severity': 'warn'}, 'n > 0']")) == (6, ["runs"])
        assert [(str(w.message), w.lineno) for w in told] == [("main.t: n > 1 (1 row breaks it)", 6)]
        assert run("t().n.sum()") == (6, [])
        has(run.shoal("ls"), "main.t")


@case
def who_catches_a_broken_expectation_has_no_result_either():
    # its key does not cover what is expected
    outer = "\n\n@data_function('/outer')\ndef outer():\n    try:\n        return int(t().n.sum())\n    except Exception:\n        return -1\n"
    with lab() as run:
        with shoal.branch("b"):
            run("keep('/x', int)", rows())
        refused(lambda: run("outer()", rows("expect='n > 1'", outer)), "main.t fails")
        caught = "\n\ndef caught():\n    try:\n        t()\n    except Exception:\n        return keep('/y', int)\n"
        refused(lambda: run("shoal.eval(caught)", rows("expect='n > 1'", caught)), "main.t fails")
        assert "main." not in run.shoal("ls")
        assert run("outer()", rows("expect='n > 0'", outer)) == (6, [])  # what was made of the error was not kept
        with shoal.branch("b"):  # what was kept within a result that was made elsewhere
            refused(lambda: run("outer()", rows("expect='n > 2'", outer)), "main.t fails")
            assert run("outer()", rows("expect='n > 0'", outer)) == (6, [])


@case
def a_table_is_laid_out_as_the_decorator_says():
    with lab() as run:
        assert run("t().n.tolist()", rows()) == ([3, 2, 1], ["runs"])
        assert run("t().n.tolist()", rows("partition_by=['c'], cluster_by=['n']")) == ([2, 1, 3], ["runs"])  # as they lie
        assert run("t().n.tolist()") == ([2, 1, 3], [])
        assert sorted(polars.read_delta(run.folder + "/lake/main/t").rows()) == [("x", 2), ("y", 1), ("y", 3)]
        assert run("shoal.why(t).kind", rows("partition_by=['c']"))[0] == "layout"
        first = "\n\n@data_function('/first')\ndef first():\n    return int(t().n[0])\n"
        assert run("first()", rows("cluster_by='n'", first))[0] == 1
        assert run("first()", rows("cluster_by='c'", first))[0] == 2  # the layout of what is called counts
        no = rows("partition_by='c'").replace("pd.DataFrame", "dict")
        refused(lambda: run("t()", no), "main.t (dict) is no table")


main()
