"""Lines that go on in the next: after a backslash, and blocks of Python."""

from __future__ import annotations

from collections.abc import Callable

OPENING = ("python", "py")


def with_block(line: str, read: Callable[[], str]) -> str:
    """The line with those that `read` gives of it, a block of Python up to an empty line or `end`; "" for no block."""
    while line.endswith("\\"):
        line = line[:-1] + read()
    if line.strip() not in OPENING:
        return line
    block = []
    while (piece := read()).strip() and piece.strip() != "end":
        block.append(piece)
    return f"python {chr(10).join(block)}" if block else ""
