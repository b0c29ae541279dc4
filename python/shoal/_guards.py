# SPDX-License-Identifier: Apache-2.0
"""What a canonical form rests on in this process, cheap to look at again: as long as every name that was looked up leads to
the same object, and every object is as it was, the form is the same and need not be made anew. What can't be looked at
cheaply makes the guards give up: then it is made anew each time."""
from __future__ import annotations

import abc
import os
import types
from typing import Any

from . import _owners
from ._shoal import encode

_ATOMS = frozenset((type(None), bool, int, float, complex, str, bytes, type(...)))
# Made of functions and classes, which are looked at by themselves, or of nothing that changes.
_FIXED = frozenset((property, classmethod, staticmethod, types.MemberDescriptorType, types.GetSetDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType))


class _Absent:
    pass


_ABSENT = _Absent()


def _is_fixed(value: Any) -> bool:
    cls = type(value)
    return cls in _ATOMS or cls in _FIXED or (cls in (tuple, frozenset) and all(_is_fixed(v) for v in value))


def _digest(value: Any) -> bytes | None:
    try:
        return encode(value, None, None, "shoal/1/python/guard")[0]
    except (TypeError, RecursionError):
        return None


def _cells(f: types.FunctionType) -> tuple[Any, ...]:
    return tuple(_content(cell) for cell in f.__closure__ or ())


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _ABSENT


def _same(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b))


def _state(f: types.FunctionType) -> tuple[Any, ...]:
    return (f.__code__, f.__defaults__, *_cells(f), *(f.__kwdefaults__ or {}).values(), *vars(f).values())


class Guards:
    __slots__ = ("holding", "_names", "_functions", "_classes", "_values", "_world", "_abc")

    def __init__(self) -> None:
        self.holding = True
        self._names: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self._functions: list[tuple[types.FunctionType, tuple[Any, ...]]] = []
        self._classes: list[tuple[type, tuple[Any, ...]]] = []
        self._values: list[tuple[Any, bytes]] = []
        self._world = _world()
        self._abc: object = None

    def give_up(self) -> None:
        self.holding = False

    def name(self, space: Any, name: str) -> None:
        self._names.setdefault((id(space), name), (space, name, space.get(name, _ABSENT)))

    def function(self, f: types.FunctionType) -> None:
        self._functions.append((f, _state(f)))

    def class_(self, c: type) -> None:
        self._classes.append((c, (c.__bases__, *vars(c).values())))
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

    def hold(self) -> bool:
        """Whether everything is as it was."""
        if not self.holding or self._world != _world():
            return False
        for space, name, value in self._names.values():
            if space.get(name, _ABSENT) is not value:
                return False
        if self._abc is not None and self._abc != abc.get_cache_token():
            return False
        return (all(_same(_state(f), state) for f, state in self._functions)
                and all(_same((c.__bases__, *vars(c).values()), state) for c, state in self._classes)
                and all(_digest(value) == digest for value, digest in self._values))


def _world() -> tuple[str, int]:
    """What decides whose code a module is."""
    return os.getcwd(), _owners.epoch
