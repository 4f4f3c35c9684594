"""Sums of the Internet protocols over bytes. Source: RFC 1071; RFC 793, 3.1; RFC 8200, 8.1."""

from __future__ import annotations

import struct


def ones_sum(data: bytes, start: int = 0) -> int:
    """The one's complement sum of big-endian words, added to `start`, in 16 bits."""
    if len(data) & 1:
        data += b"\0"
    total: int = start + sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def insert(frame: bytearray, first: int, at: int, end: int) -> None:
    """The checksum of bytes `first` to `end` (0: all) to `at`, over whatever it has there, which counts."""
    data = bytes(frame[first : end + 1 if end else len(frame)])
    if at + 2 <= len(frame):
        frame[at : at + 2] = (ones_sum(data) ^ 0xFFFF).to_bytes(2, "big")
