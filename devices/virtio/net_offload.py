"""Offloads of a virtio network device: checksums, and TCP segments cut from what the driver sends whole.

Source: virtio 1.2, 5.1.6.2; RFC 9293. What leaves are ordinary frames; what makes no sense leaves as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.frame import LONGEST
from devices.network.quiet.packets import checksum
from devices.virtio.net import HEADER, VirtioNet

NEEDS_CSUM = 1
TCP4 = 1
FIN, PSH = 1, 8
"""Flags that the last of several segments alone has."""
LEAST = 64
"""Bytes of a segment: what a driver asks for below that makes no sense."""
_ECN = 0x80


def frames(header: bytes, frame: bytes) -> Iterator[bytes]:
    """What a driver has sent with that header, as it goes out."""
    flags, kind, _, size, start, offset, _ = HEADER.unpack(header)
    at = start + offset
    if not flags & NEEDS_CSUM or at + 2 > len(frame) or len(frame) > LONGEST:
        yield frame
    elif kind & ~_ECN == TCP4 and size >= LEAST and _is_tcp4(frame, start):
        yield from _segments(frame, start, size)
    else:
        yield frame[:at] + (checksum(frame[start:]) or 0xFFFF).to_bytes(2, "big") + frame[at + 2 :]


def _is_tcp4(frame: bytes, start: int) -> bool:
    """Whether TCP begins there, behind a header of IPv4 that may have a VLAN tag before it."""
    head = _ip_start(frame)
    whole = len(frame) >= start + 20 and start >= head + 20
    return whole and frame[head] >> 4 == 4 and head + (frame[head] & 0xF) * 4 == start and frame[head + 9] == 6


def _ip_start(frame: bytes) -> int:
    return 18 if frame[12:14] == b"\x81\x00" else 14


def _segments(frame: bytes, start: int, size: int) -> Iterator[bytes]:
    ip = _ip_start(frame)
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
        pseudo = bytes(head[ip + 12 : ip + 20]) + struct.pack("!HH", 6, end - start + len(data))
        head[start + 16 : start + 18] = checksum(pseudo + bytes(head[start:end]) + data).to_bytes(2, "big")
        yield bytes(head) + data


def fit(slot: Slot, cable: Cable, mac: bytes) -> VirtioNet:
    """devices.network.models.Fitter."""
    return VirtioNet(slot, cable, mac, outgoing=frames)
