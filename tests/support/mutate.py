# SPDX-License-Identifier: Apache-2.0
"""One token of a Python source changed at random, what its code objects are then, and a process of its own to look at it in."""
import io
import json
import os
import re
import select
import signal
import sys
import time
import tokenize
import types

SWAPS = {"+": "-", "-": "+", "*": "+", "/": "*", "//": "/", "%": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+=": "-=", "-=": "+=", "&": "|",
         "|": "&", "<<": ">>", ">>": "<<", "and": "or", "or": "and", "True": "False", "False": "True", "None": "0", "break": "continue", "in": "not in", "is": "is not",
         "not": "", "if": "while", "return": "yield"}
KEEP = {"def", "class", "import", "from", "as", "lambda", "with", "try", "except", "finally", "else", "elif", "for", "while", "pass", "raise", "del", "global", "nonlocal",
        "assert", "async", "await", "yield", "continue", "self"}


def code_of(code):
    """All of a code object that decides what it does."""
    consts = tuple(code_of(c) if isinstance(c, types.CodeType) else (type(c).__name__, repr(c)) for c in code.co_consts)
    return (code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags, code.co_argcount, code.co_kwonlyargcount,
            code.co_posonlyargcount, code.co_exceptiontable, code.co_name)


def codes(code, into=None):
    into = {} if into is None else into
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            into[f"{c.co_qualname}:{c.co_firstlineno}"] = c
            codes(c, into)
    return into


def tokens_of(text):
    return [t for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)]


def mutate(text, tokens, rng, lines):
    """(text, what was done), with one token of the lines changed, or None."""
    candidates = [i for i, t in enumerate(tokens) if lines is None or t.start[0] in lines]
    if not candidates:  # a function of one line
        return None
    i = rng.choice(candidates)
    t, new = tokens[i], None
    before = tokens[i - 1] if i else t
    if t.type == tokenize.STRING:
        if before.end[0] != t.start[0] or t.string.endswith(('"""', "'''")) or before.string == ":":
            return None  # docstrings
        new = re.sub(r"""^(\w*)(['"])""", r"\1\2x", t.string)
    elif t.type == tokenize.NUMBER:
        new = t.string + "1" if t.string.isdigit() and t.string != "0" else "7" if t.string == "0" else None
    elif t.string in SWAPS:
        new = SWAPS[t.string]
    elif t.type == tokenize.NAME and t.string not in KEEP:
        following = tokens[i + 2] if i + 2 < len(tokens) else t
        if tokens[min(i + 1, len(tokens) - 1)].string == "," and following.type == tokenize.NAME and following.start[0] == t.start[0] and rng.random() < .5:
            rows = text.splitlines(True)
            row = rows[t.start[0] - 1]
            rows[t.start[0] - 1] = row[:t.start[1]] + following.string + row[t.end[1]:following.start[1]] + t.string + row[following.end[1]:]
            return "".join(rows), f"line {t.start[0]}: {t.string} and {following.string} swapped"
        new = rng.choice([o.string for o in tokens if o.type == tokenize.NAME and o.string not in KEEP and o.string not in SWAPS])
    if new is None or new == t.string or t.start[0] != t.end[0]:
        return None
    rows = text.splitlines(True)
    row = rows[t.start[0] - 1]
    rows[t.start[0] - 1] = row[:t.start[1]] + new + row[t.end[1]:]
    return "".join(rows), f"line {t.start[0]}: {t.string} -> {new}"


def in_child(work, seconds, told=None):
    """What `work` gives in a forked process, as JSON; None if it takes too long or fails, which is said where `told` names it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            with os.fdopen(write, "w") as f:
                f.write(json.dumps(work()))
        except BaseException as e:
            if told:
                print(told, repr(e), file=sys.__stderr__, flush=True)
        finally:
            os._exit(0)
    os.close(write)
    data, until = b"", time.monotonic() + seconds
    with os.fdopen(read, "rb", buffering=0) as f:
        while select.select([f], [], [], max(0, until - time.monotonic()))[0]:
            more = f.read(1 << 16)
            if not more:
                break
            data += more
        else:
            os.kill(child, signal.SIGKILL)
            data = b""
    os.waitpid(child, 0)
    return json.loads(data) if data else None
