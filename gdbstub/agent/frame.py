"""What an agent expression can see of a stopped thread."""

from __future__ import annotations

from typing import Protocol


class Frame(Protocol):
    """One thread at a breakpoint."""

    def register(self, number: int, /) -> int:
        """The register's value, unsigned. Raises TargetError or ExpressionError."""
        ...

    def memory(self, address: int, size: int, /) -> int:
        """The unsigned value of `size` bytes (1, 2, 4, 8) in the target's byte order. Raises
        MemoryAccessError.
        """
        ...

    def text(self, address: int, limit: int, /) -> bytes:
        """The zero-terminated string at `address`, without the zero, cut at `limit`. Raises
        MemoryAccessError.
        """
        ...

    def print(self, text: str, /) -> None:
        """Show `text` on the console of the client that set the expression."""
        ...
