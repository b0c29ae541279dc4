# SPDX-License-Identifier: Apache-2.0
"""Whose code a module is. The project's counts by content; everything else as (distribution, version), which the installed
metadata tells once. What has no metadata, and what is installed to be edited, counts like the project's own."""
from __future__ import annotations

import functools
import importlib.util
import os
import sys
import sysconfig
from types import ModuleType
from typing import Any, NamedTuple

from ._shoal import expire


class Package(NamedTuple):
    name: str
    version: str


OWN = Package("shoal", "1")  # raised when what functions get from ours changes, so that an upgrade computes nothing again
INTERPRETER = Package("python", "%d.%d" % sys.version_info[:2])
_accepted: set[str] = set()
_known: dict[tuple[str | None, str | None, str], Package | None] = {}


def accept_module(module: ModuleType | str) -> None:
    """The code of this module, and of the modules below it, counts like the project's own: by content, not by version."""
    expire()
    _accepted.add(module if isinstance(module, str) else module.__name__)
    _known.clear()


@functools.lru_cache(maxsize=16)
def _root_above(folder: str) -> str:
    at = folder
    while True:
        if os.path.exists(os.path.join(at, "shoal.yaml")):
            return at
        if os.path.dirname(at) == at:
            return folder
        at = os.path.dirname(at)


def root() -> str:
    """The project's folder, or else the current one."""
    return _root_above(os.path.realpath(os.getcwd()))


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


@functools.lru_cache(maxsize=1)
def _standard_folders() -> tuple[str, ...]:
    return tuple({os.path.realpath(sysconfig.get_path(p)) for p in ("stdlib", "platstdlib")} | {os.path.dirname(os.path.realpath(os.__file__))})


@functools.lru_cache(maxsize=1)
def _distributions() -> Any:
    import importlib.metadata  # itself slow to import

    return importlib.metadata.packages_distributions()


def file_of_module(name: str | None) -> str | None:
    module = sys.modules.get(name or "")
    if module is None and name:
        try:
            spec = importlib.util.find_spec(name.partition(".")[0])
        except (ImportError, ValueError):
            return None
        return spec.origin if spec and spec.has_location else None
    file = getattr(module, "__file__", None)
    if file is None and module is not None:  # a namespace package
        file = next(iter(getattr(module, "__path__", ())), None)
    return file if isinstance(file, str) else None


def owner(name: str | None, file: str | None = None) -> Package | None:
    """None: it is the project's."""
    file = file or file_of_module(name)
    at = (name, file, os.getcwd())
    if at not in _known:
        _known[at] = _find(name, file)
    return _known[at]


def _find(name: str | None, file: str | None) -> Package | None:
    top = (name or "").partition(".")[0]
    if name is None or name == "__main__" or any(name == a or name.startswith(a + ".") for a in _accepted):
        return None
    if top == "shoal":
        return OWN
    if file is None or not os.path.exists(file):
        return INTERPRETER if top in sys.stdlib_module_names or top in sys.builtin_module_names else None
    file = os.path.realpath(file)
    installed = not {"site-packages", "dist-packages"}.isdisjoint(file.split(os.sep))
    if not installed and any(_below(file, f) for f in _standard_folders()):
        return INTERPRETER
    if not installed and (_below(file, root()) or _below(file, os.path.realpath(os.getcwd()))):
        return None
    return _distribution(top, file)


def _distribution(top: str, file: str) -> Package | None:
    import importlib.metadata

    found = []
    for name in sorted(set(_distributions().get(top, ()))):
        d = importlib.metadata.distribution(name)
        if not _below(file, os.path.realpath(str(d.locate_file("")))):
            continue  # installed to be edited: its files lie elsewhere
        found.append((Package(name, d.version), d))
    if len(found) > 1:  # a namespace that several distributions share
        holds = [(p, d) for p, d in found if any(os.path.realpath(str(d.locate_file(f))) == file for f in d.files or ())]
        found = holds or found
    if not found:
        return None
    return Package("+".join(p.name for p, _ in found), "+".join(_counted(p) for p, _ in found))


@functools.lru_cache(maxsize=16)
def _policy(folder: str) -> dict[str, str]:
    from ._shoal import environment_policy

    return environment_policy(folder)


def _counted(package: Package) -> str:
    """Of its version, what counts here: `python: {env: …}` in shoal.yaml says it."""
    policy = _policy(root())
    rule = policy.get(package.name, policy.get("*", "exact"))
    return package.version if rule == "exact" else "any" if rule == "ignore" else ".".join(package.version.split(".")[:2])


def lookup(module: str | None, qualname: str | None) -> Any:
    """What a module that is loaded has by this name; None where it has nothing."""
    at: Any = sys.modules.get(module or "")
    for part in (qualname or "").split("."):
        at = getattr(at, part, None) if at is not None else None
    return at


def is_a(value: Any, classes: type | tuple[type, ...]) -> bool:
    """isinstance believes a proxy's ``__class__``; what runs is the proxy's own code."""
    return issubclass(type(value), classes)
