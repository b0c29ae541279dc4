# SPDX-License-Identifier: Apache-2.0
"""How tables, lists of datasets, signatures, plans and reasons look in a notebook. All text of users and of data is escaped."""
from __future__ import annotations

import json
import time
from html import escape
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple, Sequence

from . import _words
from ._kept import error
from ._shoal import Error

if TYPE_CHECKING:
    from ._forms import Node
    from ._shoal import Result, Session
    from ._tables import Datasets, Table

_MOST_ROWS, _MOST_COLUMNS, _MOST_TEXT = 10, 50, 80
_MOST_NODES = 50
_DIM = "color: var(--jp-ui-font-color2, #777)"


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = (), small: Sequence[str] = ()) -> str:
    """Of texts, which are escaped here. `small` stands below the heads."""
    align = [f' style="text-align: {"right" if i in set(right) else "left"}"' for i in range(len(head))]
    below = [f'<br><span style="font-weight: normal; {_DIM}">{escape(s)}</span>' for s in small] or [""] * len(head)
    top = "".join(f"<th{a}>{escape(h)}{b}</th>" for h, b, a in zip(head, below, align))
    body = "".join("<tr>" + "".join(f"<td{a}>{escape(cell)}</td>" for cell, a in zip(row, align)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def text_table(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> str:
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    to_right = set(right)
    lines = ("  ".join(cell.rjust(w) if i in to_right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def note(text: str) -> str:
    return f'<div style="{_DIM}">{escape(text)}</div>'


def error_html(e: Error) -> str:
    message, _, _ = str(e).partition("\n")
    return f'<div style="color: #b00">{escape(message)}</div>' + note(getattr(e, "hint", ""))


# ---- tables ----


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else repr(value) if isinstance(value, (bytes, list, dict)) else str(value)
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT - 1] + "…"


def table_html(table: Table, session: Session, query: str, at: str, whole: str | None) -> str:
    try:
        return _head(session, query, at, whole) + query_html(preview_of(table))
    except Error as e:
        return error_html(e)


def _head(session: Session, query: str, at: str, whole: str | None) -> str:
    """gold.delays @ main #12, and where that comes from."""
    name = (whole if "." in whole else f"main.{whole}") if whole else None
    result, branch, publication, pinned = session.entry(name or "", at)
    where = f"{branch} #{publication}" + (", pinned" if pinned else "")
    if name is None or result is None:  # a source belongs to no publication
        return f"<div><b>{escape(name or 'shoal.sql')}</b> @ {escape(where)}</div>" + ("" if name else note(query))
    return f"<div><b>{escape(name)}</b> @ {escape(where)} · {escape(extent(result))}</div>" + note(made(session, result))


def extent(result: Result) -> str:
    if result.codec is not None:
        return f"{result.type or result.codec}, {_words.size(result.bytes)}"
    return f"{_words.plural(result.rows, 'row')}, {_words.size(result.bytes)}"


def made(session: Session, result: Result) -> str:
    """computed in 2.1 s by anna@host on branch main, 3 minutes ago"""
    told = json.loads(session.provenance(result))
    branch = f" on branch {told['branch']}" if told.get("branch") else ""
    from_ = told.get("python", {}).get("function") or told.get("path")
    code = f" from {from_}" if from_ else ""
    return f"computed{code} in {_words.span(result.wall_us)} by {result.writer}{branch}, {_words.ago(result.made_us)}"


class Preview(NamedTuple):
    """The first rows of a table, as texts."""

    names: list[str]
    types: list[str]
    rows: list[list[str]]
    right: list[int]
    note: str


def preview_of(table: Any) -> Preview:
    started = time.monotonic_ns()
    try:
        import pyarrow
    except ImportError:
        raise error("not_found", "rows are shown by pyarrow, which is not installed", "pip install pyarrow") from None
    rows: list[list[str]] = []
    with pyarrow.RecordBatchReader.from_stream(table) as reader:
        schema, more = reader.schema, False
        fields = list(schema)[:_MOST_COLUMNS]
        for batch in reader:
            columns = [batch.column(i).slice(0, _MOST_ROWS + 1 - len(rows)).to_pylist() for i in range(len(fields))]
            rows += [[_cell(value) for value in row] for row in zip(*columns)]
            more = len(rows) > _MOST_ROWS
            if more:
                break
    us = (time.monotonic_ns() - started) // 1000
    shown = f"the first {_MOST_ROWS} rows" if more else _words.plural(len(rows), "row")
    left_out = f", {_words.plural(len(schema) - _MOST_COLUMNS, 'more column')}" if len(schema) > _MOST_COLUMNS else ""
    right = [i for i, f in enumerate(fields) if _is_number(f.type)]
    return Preview([f.name for f in fields], [str(f.type) for f in fields], rows[:_MOST_ROWS], right, f"{shown}{left_out}, read in {_words.span(us)}")


def query_html(p: Preview) -> str:
    return html_table(p.names, p.rows, p.right, p.types) + note(p.note)


def query_text(p: Preview) -> str:
    return text_table([p.names, p.types, *p.rows], p.right) + f"\n{p.note}"


def _is_number(t: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_integer(t) or pyarrow.types.is_floating(t) or pyarrow.types.is_decimal(t)


# ---- lists of datasets ----

_DATASETS = ("dataset", "holds", "bytes", "publication", "")


def _dataset_rows(datasets: Datasets) -> list[list[str]]:
    return [[d.name, d.type or _words.plural(d.rows, "row"), _words.size(d.bytes), f"#{d.publication}", "pinned" if d.pinned else ""] for d in datasets]


def datasets_text(datasets: Datasets) -> str:
    return text_table(_dataset_rows(datasets), (1, 2, 3)) or "[]"


def datasets_html(datasets: Datasets) -> str:
    return html_table(_DATASETS, _dataset_rows(datasets), (1, 2, 3)) if datasets else note("no datasets yet")


# ---- signatures ----


def signature_html(key: str, nodes: list[Node], place: Any) -> str:
    rows = [[n.label, n.kind, f"{place(n.path)}:{n.line}" if n.path and n.line else place(n.path) if n.path else "", n.key[:16]] for n in nodes[:_MOST_NODES]]
    more = note(f"and {len(nodes) - _MOST_NODES} more") if len(nodes) > _MOST_NODES else ""
    return f"<div><b>{escape(nodes[0].label)}</b> <code>{key[:16]}…</code></div>" + html_table(("reaches", "kind", "where", "key"), rows) + more


# ---- reasons ----


def lines_html(head: str, detail: str) -> str:
    return f"<div>{escape(head)}</div>" + (f"<pre>{escape(detail)}</pre>" if detail else "")
