"""Functions that `step` does not stop in."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmdbg.session.session import Session


class Skips:
    """Patterns of function names."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.patterns: list[str] = []

    def skips(self, address: int) -> bool:
        location = self._session.symbols.nearest(address) if self.patterns else None
        return location is not None and any(fnmatchcase(location.symbol.name, one) for one in self.patterns)
