# SPDX-License-Identifier: Apache-2.0
"""`%load_ext shoal`: queries and the program's verbs in notebooks and at IPython's prompt. Whoever doesn't load it needs no
IPython; it is never imported from here."""
from __future__ import annotations

import re
import shlex
from typing import Any, NamedTuple

from . import _program, _show, _tables
from ._kept import error
from ._shoal import Error

USAGE = "%shoal sql [--at REV] [--branch NAME] [-o NAME] QUERY, or %shoal status, plan, why NAME, run … as at the command line"


class Refused(Error):
    """An error whose message is all there is to see: where it was raised is nobody's concern."""

    def _render_traceback_(self) -> list[str]:
        return [f"error: {self}"]


class Answer(_tables.Table):
    """A query's rows, looked at once: the magic has shown what it could not do."""

    def __init__(self, query: str, at: str) -> None:
        super().__init__(query, at)
        preview = _show.preview_of(self)
        self._html, self._text = _show.query_html(preview), _show.query_text(preview)

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class Options(NamedTuple):
    at: str
    branch: str
    output: str
    rest: str


_OPTION = re.compile(r"""(--at|--branch|-o)(?:=|\s+)("[^"]*"|'[^']*'|[^\s"'-]\S*)(?:\s+|$)""")


def options_of(line: str) -> Options:
    """The options before a query, which itself is left as it is."""
    found, rest = {"--at": "", "--branch": "", "-o": ""}, line.strip()
    while option := _OPTION.match(rest):
        found[option[1]] = option[2].strip("\"'")
        rest = rest[option.end():]
    if re.match(r"-\S", rest) and not rest.startswith("-- "):
        word = rest.split(None, 1)[0]
        raise error("invalid", f"{word} needs a value" if word in found else f"there is no option {word}", USAGE)
    return Options(found["--at"], found["--branch"], found["-o"], rest)


def _sql(shell: Any, line: str, body: str | None) -> Any:
    options = options_of(line)
    query = "\n".join(part for part in (options.rest, body) if part and part.strip())
    if not query:
        raise error("invalid", "there is no query", USAGE)
    if options.output and not options.output.isidentifier():
        raise error("invalid", f"{options.output} is no name of a variable", USAGE)
    if not options.branch:
        answer = Answer(query, options.at)
    else:
        with _tables.branch(options.branch):
            answer = Answer(query, options.at)
    if options.output:
        shell.user_ns[options.output] = answer
        return None
    return answer


def _verb(line: str, body: str | None) -> None:
    if body:
        raise error("invalid", "only sql takes a cell", USAGE)
    code, said = _program.show(shlex.split(line), lambda text: print(text, end="", flush=True))
    if code and said.strip():
        raise Refused(said.strip().removeprefix("error: "))
    if said.strip():
        print(said, end="")


def magic(shell: Any, line: str, body: str | None = None) -> Any:
    verb, _, rest = line.strip().partition(" ")
    try:
        if not verb:
            raise error("invalid", "what is to be done?", USAGE)
        return _sql(shell, rest, body) if verb == "sql" else _verb(line, body)
    except Refused:
        raise
    except Error as e:
        raise Refused(str(e)) from None


def load_ipython_extension(shell: Any) -> None:
    def shoal(line: str, cell: str | None = None) -> Any:
        return magic(shell, line, cell)

    shoal.__doc__ = USAGE
    shell.register_magic_function(shoal, "line_cell", "shoal")


def unload_ipython_extension(shell: Any) -> None:
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("shoal", None)
