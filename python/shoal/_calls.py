# SPDX-License-Identifier: Apache-2.0
"""Calls of functions whose results are kept: what a function's decorator left for others to find, the key of a call, and
what planning needs to know of a function without calling it."""
from __future__ import annotations

import collections
import functools
import inspect
import os
import types
from typing import Any, Callable

from . import _contents, _decorated, _files, _forms
from ._forms import label_of as label_of
from ._kept import Kept, error, undecorated
from ._owners import INTERPRETER, OWN
from ._shoal import Error, Guards, call_signature, encode


class Code:
    """Of a function: the key of its canonical form, and what it does with the lake under names written in it."""

    __slots__ = ("key", "names", "packages", "_form", "_nodes")

    def __init__(self, walk: _forms.Walk, root: int) -> None:
        self.key: str = walk.form.key(root)
        self.names: _forms.LakeNames = walk.names
        self.packages: list[tuple[str, str]] = sorted(walk.packages - {INTERPRETER, OWN})
        self._form: tuple[Any, list[str], int] | None = (walk.form, walk.kinds, root)
        self._nodes: list[_forms.Node] = []

    @property
    def nodes(self) -> list[_forms.Node]:
        form = self._form
        if form is not None:
            self._nodes, self._form = _forms.nodes_of(*form), None
        return self._nodes

    @property
    def loads(self) -> list[str]:
        """What it reads that it doesn't make itself."""
        return sorted(self.names.loads - self.names.makes.keys())


class Known:
    """The key of a function's code as it was last seen, and what was made of it: good as long as the guards hold."""

    __slots__ = ("function", "key", "code", "guards", "node", "folder", "hits", "_parameters")

    def __init__(self, function: Any, key: str, code: Code | None, guards: Guards, node: int, folder: str) -> None:
        self.function, self.key, self.guards, self.node = function, key, guards, node
        self.code = code  # None: only its key was asked for, as that of something it is a part of
        self.folder = folder  # the current one: decides whose code a module is
        self.hits: dict[Any, Any] = {}  # for who keeps results: by call
        self._parameters: tuple[str, ...] | None | bool = False

    @property
    def parameters(self) -> tuple[str, ...] | None:
        """The names of its parameters, if that is all there is to say of them."""
        if self._parameters is False:
            self._parameters = _plain_parameters(self.function)
        return self._parameters  # type: ignore[return-value]


def _plain_parameters(f: Any) -> tuple[str, ...] | None:
    code = f.__code__ if type(f) is types.FunctionType and not vars(f) else None  # what is wrapped shows other parameters
    if code is None or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS) or code.co_kwonlyargcount or code.co_posonlyargcount:
        return None
    return code.co_varnames[:code.co_argcount]


_MOST = 20_000  # functions; the oldest are forgotten
looked_at: collections.OrderedDict[int, Known] = collections.OrderedDict()  # by address


def known(f: Callable[..., Any], folder: str | None = None) -> Known | None:
    found = looked_at.get(id(f))  # which holds the function, so the address is its own
    return found if found is not None and found.folder == (folder or os.getcwd()) and found.guards.hold(found.node) else None


def code_of(f: Callable[..., Any]) -> Code:
    f = undecorated(f)
    found = known(f)
    if found is not None and found.code is not None:
        return found.code
    folder = os.getcwd()
    walk, root = _forms.walk_of(f)
    code = Code(walk, root)
    if not walk.level and not walk.anywhere and walk.guards.found.hold(root):
        _know(Known(f, code.key, code, walk.guards.found, root, folder))
    for one, node, key in walk.kept_keys():
        before = known(one, folder)
        if before is None or before.key != key:
            _know(Known(one, key, None, walk.guards.found, node, folder))
    return code


def _know(one: Known) -> None:
    looked_at[id(one.function)] = one
    if len(looked_at) > _MOST:
        looked_at.popitem(last=False)


@functools.lru_cache(maxsize=4096)
def _parameters(f: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(f)
    except (TypeError, ValueError):  # some that are made in C don't tell
        return None


def bound(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
    """The values of all parameters by name, so that `f(1, b=2)` and `f(a=1, b=2)` are one call. Raises what calling would."""
    parameters = _parameters(f)
    if parameters is None:
        return [("", args), ("", kwargs)]
    values = parameters.bind(*args, **kwargs)
    values.apply_defaults()
    return list(values.arguments.items())


def arguments_key(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return arguments_of(f, args, kwargs)[0]


def arguments_of(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, dict[str, _contents.State]]:
    """The key, and the files among them."""
    values = bound(f, args, kwargs)
    try:
        return encode(values, None, None, "shoal/1/python/arguments")[0].hex(), {}
    except TypeError:
        pass  # they are not all plain
    try:
        walk, root = _forms.walk_of(values)
        return walk.signature(root).key, walk.names.files
    except Error:
        for name, value in values:  # which one it is
            _forms.walk_of(value, f"the argument {name} of {_forms.label_of(f)}")
        raise


def arguments_told(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[dict[str, str]]:
    """For people, so that they are told which argument is another: numbers as they are, other plain values by their keys only,
    for they may be secrets."""
    told = []
    for name, value in bound(f, args, kwargs):
        one = {"name": name, "type": type(value).__name__}
        if type(value) in (bool, int, float, type(None)):
            one["value"] = repr(value)[:40]
        else:
            try:
                one["key"] = encode(value, None, None, "shoal/1/python/argument")[0].hex()
            except (TypeError, RecursionError):
                pass
        told.append(one)
    return told


def call_key(code: str, arguments: str, loads: list[tuple[str, str | None]]) -> str:
    """The signature of a call: of `loads`, each dataset's name and the signature of what it holds; None: it isn't there."""
    return call_signature(code, arguments, INTERPRETER.version, loads)


def describe(f: Callable[..., Any]) -> dict[str, Any]:
    """What `shoal run` needs to know of a function to plan it as the model of a dataset."""
    kept = getattr(f, "__shoal__", None)
    function = undecorated(f)
    code = code_of(function)
    try:
        arguments = arguments_key(function, (), {})
    except TypeError as e:
        raise error("invalid", f"{_forms.label_of(function)} can't be a model: {e}",
                    "give its parameters defaults, or wrap the call in a function without parameters", code.nodes[0].path, code.nodes[0].line) from None
    file, line = code.nodes[0].path, code.nodes[0].line
    decorated = _decorated.of(f, kept.dataset) if isinstance(kept, Kept) else _decorated.NOTHING
    return {
        "dataset": kept.dataset if isinstance(kept, Kept) else None,
        "code": decorated.code(code.key),
        "args": arguments,
        "loads": code.loads,
        "calls": sorted(code.names.makes.keys() - {kept.dataset if isinstance(kept, Kept) else None}),
        "dynamic": code.names.dynamic,
        "packages": [[name, version] for name, version in code.packages],
        "python": INTERPRETER.version,
        "files": _files.below(n.path for n in code.nodes),
        "file": file,
        "line": line,
        "decorated": decorated.text,
        "doc": (inspect.getdoc(function) or "").partition("\n\n")[0],
    }
