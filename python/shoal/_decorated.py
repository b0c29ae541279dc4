# SPDX-License-Identifier: Apache-2.0
"""What a decorator says of a dataset besides its name: how its files are laid out, which counts in the key, and what its rows must
meet before they are published, which doesn't. A model in SQL says the same in its header."""
from __future__ import annotations

import json
import warnings
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from . import _cells
from ._kept import Kept, error
from ._shoal import Error, Result, Session, decorated, encode

Broken = list[tuple[str, int, bool]]  # an expectation, the rows that break it, whether it only warns
Expectation = str | Mapping[str, str | Sequence[str]]  # a SQL condition; {"not_null": ["a"], "severity": "warn"}


class Decorated(NamedTuple):
    text: str = ""  # JSON
    path: str = ""
    line: int = 0
    layout: str | None = None
    expects: str | None = None

    def code(self, key: str) -> str:
        """The key of a function's code as calls count it: one whose files lie otherwise is another result."""
        return encode((key, self.layout), None, None, "shoal/1/python/laid")[0].hex() if self.layout else key

    @property
    def place(self) -> tuple[str, str, int]:
        return self.text, self.path, self.line


NOTHING = Decorated()


def decorated_by(f: Callable[..., Any], **said: Any) -> Decorated:
    """Of the arguments that were given. What can't be meant is refused here, where the function is."""
    given = {k: v for k, v in said.items() if v is not None}
    if not given:
        return NOTHING
    code = getattr(f, "__code__", None)
    path, line = (_cells.place(code.co_filename), code.co_firstlineno) if code else ("", 0)
    try:
        text = json.dumps(given, ensure_ascii=False)
    except (TypeError, ValueError) as e:
        raise error("invalid", f"what the decorator says must be texts and lists of texts: {e}", "partition_by=['day'], expect=['n > 0', {'not_null': ['day']}]", path or None, line) from None
    return Decorated(text, path, line, *decorated(text, path or "data_function", line))


def of(f: Any, dataset: str | None) -> Decorated:
    """What the decorator of `f` says, if it is the dataset's."""
    kept = getattr(f, "__shoal__", None)
    return kept.decorated or NOTHING if isinstance(kept, Kept) and kept.dataset == dataset else NOTHING


def told(session: Session, result: Result, d: Decorated, provenance: dict[str, Any]) -> Broken:
    """What a result of the lake breaks: it is asked anew unless who computed it has asked the same."""
    return [] if provenance.get("expects") == d.expects and not result.failed else session.check(result, *d.place)


def warn(name: str, d: Decorated, broken: Broken) -> Error | None:
    """Says which expectations don't hold; an error, if one of them is more than a warning."""
    held = [one for one in broken if not one[2]]
    for text, rows, _ in (one for one in broken if one[2]):
        warnings.warn_explicit(f"{name}: {_words(text, rows)}", UserWarning, d.path or name, d.line)
    if not held:
        return None
    return error("held", f"{name} fails {'an expectation' if len(held) == 1 else f'{len(held)} expectations'}, so nothing was published: " + "; ".join(_words(t, r) for t, r, _ in held),
                 "mend the function, or what it reads, or the expectation", d.path or None, d.line)


def _words(text: str, rows: int) -> str:
    return text if text.startswith("rows: ") else f"{text} ({rows} row{'' if rows == 1 else 's'} break{'s' if rows == 1 else ''} it)"
