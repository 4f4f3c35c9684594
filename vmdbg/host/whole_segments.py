"""What libslirp is told, and what it is not, for a guest that takes TCP's segments whole.

Its segments are as long as the guest offers to take, in an option of the first of a connection: for such a guest that
is as much as there can be. What is no TCP is cut as on any Ethernet. Sources: RFC 9293 3.2 (options), RFC 791 3.2
(fragments), RFC 1624 (checksums).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from devices.network.frame import USUAL
from devices.network.quiet.packets import ETHER_IPV4, ETHERNET, TCP, Flag, checksum

MTU: Final = 65_521
"""As much as libslirp knows (IF_MTU_MAX)."""
MOST: Final = MTU - 40
"""Bytes of a segment."""
_NOTHING, _NO_OPERATION, _SIZE = 0, 1, 2
_MORE_FRAGMENTS, _OFFSET = 0x2000, 0x1FFF


def with_largest_segments(frame: bytes) -> bytes:
    """A frame of the guest's; where it offers how long a segment may be, that is MOST."""
    start = ETHERNET + (frame[ETHERNET] & 0xF) * 4 if _is_ip4(frame) else len(frame)
    if len(frame) < start + 20 or frame[ETHERNET + 9] != TCP or not frame[start + 13] & Flag.SYN:
        return frame
    at = _offer(frame, start + 20, min(start + (frame[start + 12] >> 4) * 4, len(frame)))
    if at is None:
        return frame
    made = bytearray(frame)
    struct.pack_into("!H", made, at, MOST)
    (before,) = struct.unpack_from("!H", frame, start + 16)
    struct.pack_into("!H", made, start + 16, _replaced(before, frame[at : at + 2], at - start))
    return bytes(made)


def _is_ip4(frame: bytes) -> bool:
    return len(frame) >= ETHERNET + 20 and frame[12:14] == ETHER_IPV4 and frame[ETHERNET] >> 4 == 4


def _offer(frame: bytes, at: int, end: int) -> int | None:
    """Where among TCP's options the longest segment is."""
    while at < end and frame[at] != _NOTHING:
        if frame[at] == _NO_OPERATION:
            at += 1
            continue
        length = frame[at + 1] if at + 1 < end else 0
        if length < 2 or at + length > end:
            return None
        if frame[at] == _SIZE:
            return at + 2 if length == 4 else None
        at += length
    return None


def _replaced(sum_before: int, before: bytes, offset: int) -> int:
    """The checksum when those two bytes, so far behind where it begins, are MOST."""
    new = MOST.to_bytes(2, "big")
    old, now = (before, new) if offset % 2 == 0 else (before[::-1], new[::-1])
    total = (sum_before ^ 0xFFFF) + (0xFFFF ^ int.from_bytes(old, "big")) + int.from_bytes(now, "big")
    return 0xFFFF ^ (total % 0xFFFF or 0xFFFF)


def fragments(frame: bytes) -> Iterator[bytes]:
    """A frame for the guest, as one or more that an Ethernet carries; TCP, which the guest's device cuts, stays one."""
    if len(frame) <= USUAL or not _is_ip4(frame) or frame[ETHERNET + 9] == TCP:
        yield frame
        return
    end = ETHERNET + (frame[ETHERNET] & 0xF) * 4
    (word,) = struct.unpack_from("!H", frame, ETHERNET + 6)
    size = (USUAL - end) // 8 * 8
    for at in range(end, len(frame), size):
        data, head = frame[at : at + size], bytearray(frame[:end])
        more = word & _MORE_FRAGMENTS or (_MORE_FRAGMENTS if at + size < len(frame) else 0)
        offset = (word & _OFFSET) + (at - end) // 8
        struct.pack_into("!H", head, ETHERNET + 2, end - ETHERNET + len(data))
        struct.pack_into("!H", head, ETHERNET + 6, more | offset)
        head[ETHERNET + 10 : ETHERNET + 12] = b"\0\0"
        head[ETHERNET + 10 : ETHERNET + 12] = checksum(bytes(head[ETHERNET:end])).to_bytes(2, "big")
        yield bytes(head) + data
