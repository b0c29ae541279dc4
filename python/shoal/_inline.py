# SPDX-License-Identifier: Apache-2.0
"""Small values of results that were read, by the hash of their bytes, for other processes: one file of the user's cache folder
for each lake. The lake says which bytes a result has; whoever takes some from here hashes them before."""
from __future__ import annotations

import atexit
import os

from . import _remembered

SMALL = 4096
_MOST = 4 << 20  # bytes of one file


class Values:
    """Of one lake."""

    __slots__ = ("path", "found", "_used")

    def __init__(self, lake: str) -> None:
        self.path = os.path.join(_remembered.FOLDER, "values-" + lake)
        self.found: dict[bytes, bytes] = _remembered.read(self.path) or {}
        self._used: dict[bytes, bytes] = {}  # in this process, and not known before

    def add(self, digest: bytes, payload: bytes) -> None:
        if len(payload) <= SMALL:
            self.found[digest] = self._used[digest] = payload

    def save(self) -> None:
        if not self._used:
            return
        kept = self.found if sum(map(len, self.found.values())) <= _MOST else self._used
        self._used = {}
        _remembered.write(self.path, kept)


_values: dict[str, Values] = {}


def of(lake: str) -> Values:
    found = _values.get(lake)
    if found is None:
        found = _values[lake] = Values(lake)
    return found


@atexit.register
def save() -> None:
    for one in list(_values.values()):
        try:
            one.save()
        except OSError:  # it would have been quicker with it
            return
