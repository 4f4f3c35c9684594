"""Errors a target raises to refuse a request; the client sees their text."""

from __future__ import annotations


class TargetError(Exception):
    """A request that the target cannot carry out.

    ``str(error)`` reaches the user of a client that offered ``error-message`` (or LLDB's
    ``QEnableErrorStrings``); every other client sees only ``errno``.
    """

    errno = 1

    def __init__(self, text: str, errno: int | None = None) -> None:
        super().__init__(text)
        if errno is not None:
            self.errno = errno & 0xFF


class MemoryAccessError(TargetError):
    """The byte at `address` cannot be read or written (EFAULT)."""

    errno = 14

    def __init__(self, address: int, why: str = "no memory there") -> None:
        super().__init__(f"cannot access memory at {address:#x}: {why}")
        self.address = address


class ClientGoneError(TargetError):
    """Whoever asked is no longer there to be answered."""


class UnsupportedError(TargetError):
    """The target has no such thing at all: the client gets the empty reply and will not ask again."""


class ExpressionError(Exception):
    """An agent expression that was refused when set, or that failed when run (a bad address, a division by
    zero).
    """
