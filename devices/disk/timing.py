"""How long drives take, in nanoseconds of guest time. The host's disk has no part in it."""

from __future__ import annotations

READ_BASE = 50_000
WRITE_BASE = 20_000
COMMAND = 10_000
"""What moves no data."""
SHORTEST = 4_096
"""What any deadline takes at least."""


def reading(size: int) -> int:
    """`size` in bytes; one nanosecond each."""
    return READ_BASE + size


def writing(size: int) -> int:
    return WRITE_BASE + size


def streaming(size: int) -> int:
    """More of what has begun."""
    return max(SHORTEST, size)
