# SPDX-License-Identifier: Apache-2.0
"""What notebooks and IPython's prompt are, as far as it matters here: cells are files that nobody sees, and the variables of the
user stand beside the history of what was typed and shown. Nothing is imported that isn't there."""
from __future__ import annotations

import re
import sys
from typing import Any

_HISTORY = re.compile(r"_{1,3}|_i{1,3}|_i?[0-9]+|_[iod]h|In|Out")


def shell() -> Any:
    """IPython's, if we run in one."""
    interactive = sys.modules.get("IPython.core.interactiveshell")
    return interactive.InteractiveShell._instance if interactive else None


def in_kernel() -> bool:
    found = shell()
    return found is not None and hasattr(found, "kernel")


def is_history(space: dict[str, Any], name: str) -> bool:
    """Whether a variable is not the user's: what was typed and shown grows with each cell."""
    return _HISTORY.fullmatch(name) is not None and getattr(shell(), "user_ns", None) is space


def words(text: str) -> list[str]:
    """The variables that a text may name."""
    return re.findall(r"\w+", text)


def place(path: str) -> str:
    """A file's name for people: cells are called as they are numbered, In[3]."""
    found = shell()
    try:
        named = found.compile.format_code_name(path) if found is not None else None
    except Exception:  # another IPython than those we know
        named = None
    return named[1] if named else path
