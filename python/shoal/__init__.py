# SPDX-License-Identifier: Apache-2.0
"""Data that behaves like code: read a lake's datasets from Python.

    import shoal
    shoal.sql("select carrier, avg(delay) from gold.delays group by 1").df()
    shoal.table("gold.delays", at="main~1").arrow()

Without further ado a call works on the project of the current folder, on the branch that git has checked out.
``set_store`` chooses a lake instead, ``branch`` another branch for the calls inside a ``with``.
"""
from ._forms import Signature, signature
from ._owners import accept_module
from ._shoal import Error, version as _version
from ._tables import Dataset, Table, branch, datasets, set_store, sql, table

__version__ = _version()
__all__ = ["Dataset", "Error", "Signature", "Table", "accept_module", "branch", "datasets", "set_store", "signature", "sql", "table"]
