"""Sums of the Internet protocols over bytes. Source: RFC 1071; RFC 793, 3.1; RFC 8200, 8.1."""

from __future__ import annotations


def ones_sum(data: bytes, start: int = 0) -> int:
    """The one's complement sum of big-endian words, added to `start`, in 16 bits."""
    if len(data) & 1:
        data += b"\0"
    total = start + int.from_bytes(data, "big")  # a word's place in it makes no difference: 65536 leaves 1
    return total % 0xFFFF or (0xFFFF if total else 0)


def insert(frame: bytearray, first: int, at: int, end: int) -> None:
    """The checksum of bytes `first` to `end` (0: all) to `at`, over whatever it has there, which counts."""
    data = bytes(frame[first : end + 1 if end else len(frame)])
    if at + 2 <= len(frame):
        frame[at : at + 2] = (ones_sum(data) ^ 0xFFFF).to_bytes(2, "big")
