"""What an agent expression can see of a stopped thread."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


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


@runtime_checkable
class TraceFrame(Frame, Protocol):
    """One thread at a tracepoint, whose data is being collected."""

    def collect(self, address: int, size: int, /) -> None:
        """Keep memory. What cannot be read is left out. Raises ExpressionError when the buffer is full."""
        ...

    def variable(self, number: int, /) -> int:
        """A trace state variable, 0 if it is not known."""
        ...

    def set_variable(self, number: int, value: int, /) -> None: ...

    def collect_variable(self, number: int, /) -> None: ...
