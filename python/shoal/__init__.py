# SPDX-License-Identifier: Apache-2.0
"""Data that behaves like code: read a lake's datasets from Python.

    import shoal
    shoal.sql("select carrier, avg(delay) from gold.delays group by 1").df()
    shoal.table("gold.delays", at="main~1").arrow()

Without further ado a call works on the project of the current folder, on the branch that git has checked out.
``set_store`` chooses a lake instead, ``branch`` another branch for the calls inside a ``with``.
"""
from typing import TYPE_CHECKING

from ._shoal import Error, version as _version
from ._tables import Dataset, Table, branch, datasets, set_store, sql, table

if TYPE_CHECKING:
    from ._calls import describe as _describe
    from ._forms import Signature, signature
    from ._codecs import codec
    from ._contents import file
    from ._keep import cache, data_function, eval, keep, load
    from ._owners import accept_module
    from ._plans import plan, why

__version__ = _version()
__all__ = ["Dataset", "Error", "Signature", "Table", "accept_module", "branch", "cache", "codec", "data_function", "datasets", "eval", "file", "keep", "load", "plan", "set_store", "signature", "sql", "table", "why"]

_LATER = {
    "Signature": ("_forms", "Signature"),
    "signature": ("_forms", "signature"),
    "accept_module": ("_owners", "accept_module"),
    "cache": ("_keep", "cache"),
    "codec": ("_codecs", "codec"),
    "file": ("_contents", "file"),
    "data_function": ("_keep", "data_function"),
    "eval": ("_keep", "eval"),
    "keep": ("_keep", "keep"),
    "load": ("_keep", "load"),
    "plan": ("_plans", "plan"),
    "why": ("_plans", "why"),
    "load_ipython_extension": ("_notebook", "load_ipython_extension"),
    "unload_ipython_extension": ("_notebook", "unload_ipython_extension"),
    "_describe": ("_calls", "describe"),
}  # slow to import, and not always needed


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'shoal' has no attribute {name!r}")
    import importlib

    module, attribute = _LATER[name]
    value = globals()[name] = getattr(importlib.import_module("." + module, __name__), attribute)
    return value
