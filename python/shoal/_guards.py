# SPDX-License-Identifier: Apache-2.0
"""What a canonical form rests on in this process, cheap to look at again: as long as every name that was looked up leads to
the same object, and every object is as it was, the form is the same and need not be made anew. What can't be looked at
cheaply makes the guards give up: then it is made anew each time."""
from __future__ import annotations

import abc
import types
from typing import Any

from . import _contents, _environment, _owners, _shoal
from ._shoal import encode

_ATOMS = frozenset((type(None), bool, int, float, complex, str, bytes, type(...)))
# Made of functions and classes, which are looked at by themselves, or of nothing that changes.
_FIXED = frozenset((property, classmethod, staticmethod, types.MemberDescriptorType, types.GetSetDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType))


def _is_fixed(value: Any) -> bool:
    cls = type(value)
    return cls in _ATOMS or cls in _FIXED or (cls in (tuple, frozenset) and all(_is_fixed(v) for v in value))


def _digest(value: Any) -> bytes | None:
    try:
        return encode(value, None, None, "shoal/1/python/guard")[0]
    except (TypeError, RecursionError):
        return None


class Guards:
    __slots__ = ("holding", "_found", "_seen", "_values", "_world", "_abc", "_variables", "_files")

    def __init__(self) -> None:
        self.holding = True
        self._found = _shoal.Guards()
        self._seen: set[tuple[int, str]] = set()
        self._values: list[tuple[Any, bytes]] = []
        self._world = _owners.epoch
        self._abc: object = None
        self._variables: list[tuple[str, bytes | None]] = []  # of the environment
        self._files: list[_contents.State] = []

    def give_up(self) -> None:
        self.holding = False

    def name(self, space: Any, name: str) -> None:
        if (id(space), name) not in self._seen:
            self._seen.add((id(space), name))
            self._found.item(space, name)

    def _all(self, space: Any) -> None:
        for name in space:
            self.name(space, name) if isinstance(name, str) else self.give_up()
        self._found.size(space)

    def function(self, f: types.FunctionType) -> None:
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            self._found.attribute(f, name)
        for cell in f.__closure__ or ():
            self._found.attribute(cell, "cell_contents")
        if f.__kwdefaults__:
            self._all(f.__kwdefaults__)
        self._found.attribute(f, "__dict__")
        self._all(vars(f))

    def class_(self, c: type) -> None:
        self._found.attribute(c, "__bases__")
        self._all(vars(c))
        if isinstance(c, abc.ABCMeta):
            self._abc = abc.get_cache_token()

    def value(self, value: Any) -> None:
        if _is_fixed(value) or not self.holding:
            return
        digest = _digest(value)
        if digest is None:
            self.give_up()
        else:
            self._values.append((value, digest))

    def variable(self, name: str) -> None:
        self._variables.append((name, _environment.value(name)))

    def file(self, state: _contents.State) -> None:
        self._files.append(state)

    def hold(self) -> bool:
        """Whether everything is as it was. The current folder is the caller's to compare."""
        if not self.holding or self._world != _owners.epoch or not self._found.hold():
            return False
        if self._abc is not None and self._abc != abc.get_cache_token():
            return False
        if self._variables and any(_environment.value(name) != was for name, was in self._variables):
            return False
        if self._files and not all(not state.racy and _contents.stands(state) for state in self._files):  # a walk is no slower than reading it
            return False
        return not self._values or all(_digest(value) == digest for value, digest in self._values)
