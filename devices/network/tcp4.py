"""TCP over IPv4 in frames: where it begins, and segments cut from what a driver hands over whole.

Sources: RFC 791, RFC 9293.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from devices.network.frame import USUAL
from devices.network.quiet.packets import ETHER_IPV4, ETHERNET, TCP, checksum

FIN, PSH = 1, 8
"""Flags that the last of several segments alone has."""
LEAST: Final = 64
"""Bytes of a segment: what a driver asks for below that makes no sense."""
TAG: Final = b"\x81\x00"
"""EtherType of a VLAN's tag."""
TAG_SIZE: Final = 4


def ip_start(frame: bytes) -> int:
    """Where the header of IP would be, behind a VLAN tag if there is one."""
    return ETHERNET + TAG_SIZE if frame[12:14] == TAG else ETHERNET


def is_tcp4(frame: bytes, start: int) -> bool:
    """Whether TCP begins there, behind a header of IPv4 that may have a VLAN tag before it."""
    head = ip_start(frame)
    whole = len(frame) >= start + 20 and start >= head + 20
    return whole and frame[head] >> 4 == 4 and head + (frame[head] & 0xF) * 4 == start and frame[head + 9] == TCP


def find(frame: bytes) -> tuple[int, int] | None:
    """Where TCP over IPv4 begins, and its data; None of a frame that has none."""
    head = ip_start(frame)
    if len(frame) <= head or frame[head - 2 : head] != ETHER_IPV4:
        return None
    start = head + (frame[head] & 0xF) * 4
    if not is_tcp4(frame, start):
        return None
    end = start + (frame[start + 12] >> 4) * 4
    return (start, end) if start + 20 <= end <= len(frame) else None


def usual_size(frame: bytes, end: int) -> int:
    """Bytes of data, which begin at `end`, in a frame as long as is usual."""
    return USUAL + ip_start(frame) - ETHERNET - end


def pseudo_header(frame: bytes, size: int) -> bytes:
    """Of so many bytes of TCP."""
    ip = ip_start(frame)
    return frame[ip + 12 : ip + 20] + struct.pack("!HH", TCP, size)


def segments(frame: bytes, start: int, size: int) -> Iterator[bytes]:
    """With so much data each, and their numbers, lengths and sums; as it is where TCP at `start` makes no sense."""
    ip = ip_start(frame)
    end = start + (frame[start + 12] >> 4) * 4
    if end < start + 20 or end > len(frame):
        yield frame
        return
    number, sequence = struct.unpack_from("!H", frame, ip + 4)[0], struct.unpack_from("!I", frame, start + 4)[0]
    pieces = range(end, len(frame), size) or range(end, end + 1)
    for index, at in enumerate(pieces):
        data = frame[at : at + size]
        head = bytearray(frame[:end])
        struct.pack_into("!HH", head, ip + 2, end - ip + len(data), number + index & 0xFFFF)
        head[ip + 10 : ip + 12] = b"\0\0"
        head[ip + 10 : ip + 12] = checksum(bytes(head[ip:start])).to_bytes(2, "big")
        struct.pack_into("!I", head, start + 4, sequence + at - end & 0xFFFF_FFFF)
        if at != pieces[-1]:
            head[start + 13] &= ~(FIN | PSH)
        head[start + 16 : start + 18] = b"\0\0"
        pseudo = pseudo_header(bytes(head), end - start + len(data))
        head[start + 16 : start + 18] = checksum(pseudo + bytes(head[start:end]) + data).to_bytes(2, "big")
        yield bytes(head) + data
