# SPDX-License-Identifier: Apache-2.0
"""The datasets that a function keeps and loads, as a picture: SVG by itself, or DOT for other programs."""
from __future__ import annotations

from html import escape
from typing import Any

from . import _calls
from ._kept import Kept, error

Graph = dict[str, set[str]]  # a dataset, and those it is made of

_WIDE, _HIGH, _GAP = 180, 34, 46


def export(f: Any, path: str) -> None:
    draw = {"svg": _svg, "dot": _dot}.get(path.rpartition(".")[2])
    if draw is None:
        raise error("invalid", f"{path} is no picture that can be drawn", "name a file that ends with .svg or .dot")
    text = draw(graph_of(f))
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def graph_of(f: Any) -> Graph:
    code = _calls.code_of(f)
    makers = dict(code.names.makes)
    kept = getattr(f, "__shoal__", None)
    if isinstance(kept, Kept) and kept.dataset:
        makers[kept.dataset] = f
    reached: Graph = {}
    for name, maker in makers.items():
        names = _calls.code_of(maker).names if maker is not None else None
        reached[name] = (names.loads | names.makes.keys()) - {name} if names else set()
    for load in {load for one in reached.values() for load in one} | code.names.loads:
        reached.setdefault(load, set())
    return {name: {b for b in below if not any(b in reached[other] for other in below if other != b)} for name, below in reached.items()}


def _dot(graph: Graph) -> str:
    edges = [f'  "{below}" -> "{name}";' for name in sorted(graph) for below in sorted(graph[name])]
    return "\n".join(["digraph {", *(f'  "{name}" [shape=box];' for name in sorted(graph)), *edges, "}", ""])


def _levels(graph: Graph) -> dict[str, int]:
    level: dict[str, int] = {}

    def of(name: str, way: tuple[str, ...]) -> int:
        if name not in level:
            level[name] = 1 + max((of(b, (*way, name)) for b in graph[name] if b not in way), default=-1)
        return level[name]

    for name in sorted(graph):
        of(name, ())
    return level


def _svg(graph: Graph) -> str:
    rows: dict[int, int] = {}
    place: dict[str, tuple[int, int]] = {}
    for name, level in sorted(_levels(graph).items()):
        row = rows[level] = rows.get(level, -1) + 1
        place[name] = (10 + level * (_WIDE + _GAP), 10 + row * (_HIGH + 14))
    wide = max((x for x, _ in place.values()), default=0) + _WIDE + 10
    high = max((y for _, y in place.values()), default=0) + _HIGH + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" font-family="sans-serif" font-size="13">']
    for name in sorted(graph):
        for below in sorted(graph[name]):
            (x1, y1), (x2, y2) = place[below], place[name]
            parts.append(f'<path d="M{x1 + _WIDE} {y1 + _HIGH // 2} C{x1 + _WIDE + _GAP // 2} {y1 + _HIGH // 2} {x2 - _GAP // 2} {y2 + _HIGH // 2} {x2} {y2 + _HIGH // 2}" '
                         'fill="none" stroke="#888"/>')
    for name, (x, y) in place.items():
        parts.append(f'<rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="5" fill="#eef4fb" stroke="#4a78a8"/>'
                     f'<text x="{x + _WIDE // 2}" y="{y + _HIGH // 2 + 5}" text-anchor="middle">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
