"""Memory page by page, as an engine takes it back."""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.units import PAGE_SIZE


def in_pages(memory: bytes | bytearray | memoryview) -> Iterator[tuple[int, bytes]]:
    """Each page, with its number."""
    for number in range(len(memory) // PAGE_SIZE):
        yield number, bytes(memory[number * PAGE_SIZE : (number + 1) * PAGE_SIZE])
