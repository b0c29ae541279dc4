# SPDX-License-Identifier: Apache-2.0
class Error(Exception):
    """What Shoal refused or failed to do."""

    status: str
    hint: str
    context: str
    path: str
    line: int
    column: int

class Session:
    def __init__(self, dir: str | None = None, lake: str | None = None, branch: str | None = None) -> None: ...
    def stream(self, query: str, revision: str, /) -> object: ...
    def datasets(self, revision: str, /) -> list[tuple[str, int, int, int, bool]]: ...
    def close(self) -> None: ...

def version() -> str: ...
