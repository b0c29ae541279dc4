# SPDX-License-Identifier: Apache-2.0
"""How numbers and times look to people: as the command line says them."""
from __future__ import annotations

import time


def plural(n: int, noun: str) -> str:
    return f"{count(n)} {noun}" + ("" if n == 1 else "s")


def count(n: int) -> str:
    return f"{n:,}" if n < 10_000 else _scaled(n, ("", " k", " M", " G", " T"))


def size(n: int) -> str:
    return _scaled(n, (" B", " kB", " MB", " GB", " TB", " PB"))


def _scaled(n: int, units: tuple[str, ...]) -> str:
    value, unit = float(n), 0
    while value >= 999.5 and unit + 1 < len(units):
        value, unit = value / 1000, unit + 1
    return (f"{value:.1f}" if unit and value < 9.95 else f"{value:.0f}") + units[unit]


def span(us: int) -> str:
    s = us / 1e6
    if us < 1_000_000:
        return f"{us / 1e3:.1f} ms" if us < 1000 else f"{us / 1e3:.0f} ms" if us < 100_000 else f"{s:.1f} s"
    if s < 60:
        return f"{s:.1f} s"
    return f"{int(s) // 60} min {int(s) % 60:02d} s" if s < 3600 else f"{int(s) // 3600} h {int(s) % 3600 // 60:02d} min"


def ago(us: int) -> str:
    s = int(time.time() - us / 1e6)
    for unit, name in ((86400 * 365, "year"), (86400 * 30, "month"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if s >= unit:
            return f"{plural(s // unit, name)} ago"
    return "just now"
