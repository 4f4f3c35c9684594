"""Where values live."""

from __future__ import annotations

from typing import Protocol


class Space(Protocol):
    """Memory of the guest as a pointer sees it."""

    def read(self, address: int, size: int) -> bytes: ...

    def string(self, address: int, limit: int = ...) -> str: ...

    def describe(self, address: int) -> str:
        """A symbol for a pointer, or ""."""
        ...
