"""What was touched, as the native coder takes it."""

from __future__ import annotations

from typing import NamedTuple


class PackedRows(NamedTuple):
    """Columns of rows, in the host's byte order: touches.Touches's, without what a row says nothing of."""

    steps: bytes
    """Touches.linear."""
    farther: bytes
    """Touches.physical."""
    kinds: bytes
    lines: bytes
    """64 bits for each row with FETCH."""
    written: bytes
    """64 bits for each row with WRITE."""
    words: bytes
    """Of these, a byte for each of the lowest lines that were written, eight at most; none where all were."""
