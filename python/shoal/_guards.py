# SPDX-License-Identifier: Apache-2.0
"""What a canonical form rests on in this process, cheap to look at again: as long as every name that was looked up leads to
the same object, and every object is as it was, the form is the same and need not be made anew. What can't be looked at
cheaply makes the guards give up: then it is made anew each time. One walk's guards serve all functions that it has met."""
from __future__ import annotations

import abc
import types
from typing import Any

from . import _contents, _environment, _shoal
from ._shoal import Form

_ATOMS = frozenset((type(None), bool, int, float, complex, str, bytes, type(...)))
# Made of functions and classes, which are looked at by themselves, or of nothing that changes.
_FIXED = frozenset((property, classmethod, staticmethod, types.MemberDescriptorType, types.GetSetDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType))


def _is_fixed(value: Any) -> bool:
    cls = type(value)
    return cls in _ATOMS or cls in _FIXED or (cls in (tuple, frozenset) and all(_is_fixed(v) for v in value))


class _Rest:
    """What is seldom needed, and belongs to all nodes."""

    __slots__ = ("abc", "variables", "files")

    def __init__(self) -> None:
        self.abc: object = None
        self.variables: list[tuple[str, bytes | None]] = []  # of the environment
        self.files: list[_contents.State] = []

    def __call__(self) -> bool:
        if self.abc is not None and self.abc != abc.get_cache_token():
            return False
        if any(_environment.value(name) != was for name, was in self.variables):
            return False
        return all(not state.racy and _contents.stands(state) for state in self.files)  # a walk is no slower than reading a racy one


class Guards:
    """Each belongs to a node of the form. `found` holds them, and tells whether they hold; the current folder is the caller's to compare."""

    __slots__ = ("found", "_rest_")

    def __init__(self, form: Form) -> None:
        self.found = _shoal.Guards(form)
        self._rest_: _Rest | None = None

    @property
    def _rest(self) -> _Rest:
        if self._rest_ is None:
            self._rest_ = _Rest()
            self.found.rest(self._rest_)
        return self._rest_

    def give_up(self, node: int) -> None:
        self.found.never(node)

    def name(self, node: int, space: Any, name: str) -> None:
        self.found.item(node, space, name)

    def _all(self, node: int, space: Any) -> None:
        for name in space:
            self.name(node, space, name) if isinstance(name, str) else self.give_up(node)
        self.found.size(node, space)

    def function(self, node: int, f: types.FunctionType) -> None:
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            self.found.attribute(node, f, name)
        for cell in f.__closure__ or ():
            self.found.attribute(node, cell, "cell_contents")
        if f.__kwdefaults__:
            self._all(node, f.__kwdefaults__)
        self.found.attribute(node, f, "__dict__")
        self._all(node, vars(f))

    def class_(self, node: int, c: type) -> None:
        self.found.attribute(node, c, "__bases__")
        self._all(node, vars(c))
        if isinstance(c, abc.ABCMeta):
            self._rest.abc = abc.get_cache_token()

    def value(self, node: int, value: Any) -> None:
        if not _is_fixed(value):
            self.found.value(node, value)

    def variable(self, name: str) -> None:
        self._rest.variables.append((name, _environment.value(name)))

    def file(self, state: _contents.State) -> None:
        self._rest.files.append(state)
