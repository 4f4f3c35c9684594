"""Offloads of a virtio network device: checksums, and TCP segments cut from what the driver sends whole.

Where the far end of the cable takes whole segments they go there uncut, and come from there uncut to drivers that ask
for it. Else what leaves are ordinary frames. What makes no sense leaves as it is.

Source: virtio 1.2, 5.1.6.2 and 5.1.6.4; RFC 9293.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.frame import LONGEST, USUAL
from devices.network.quiet.packets import ETHER_IPV4, ETHERNET, TCP, checksum
from devices.virtio.net import HEADER, PLAIN, Feature, VirtioNet

NEEDS_CSUM = 1
TCP4 = 1
FIN, PSH = 1, 8
"""Flags that the last of several segments alone has."""
LEAST = 64
"""Bytes of a segment: what a driver asks for below that makes no sense."""
_ECN = 0x80
_CHECKSUM = 16
"""Where it is in TCP's header."""


@dataclass(frozen=True, slots=True)
class TcpOffloads:
    """devices.virtio.net.Offloads; `uncut`: whole segments are for the far end."""

    uncut: bool

    @property
    def features(self) -> Feature:
        own = Feature.CSUM | Feature.HOST_TSO4
        return own | Feature.GUEST_CSUM | Feature.GUEST_TSO4 if self.uncut else own

    def outgoing(self, header: bytes, frame: bytes) -> Iterator[bytes]:
        return frames(header, frame, uncut=self.uncut)

    def cut(self, frame: bytes) -> Iterator[bytes]:
        found = _tcp4(frame)
        if found is None:
            yield frame
        else:
            yield from _segments(frame, found[0], _usual_size(frame, found[1]))

    def whole(self, frame: bytes) -> tuple[bytes, bytes]:
        """With the sum of the pseudo header where the checksum is to be."""
        found = _tcp4(frame)
        if found is None:
            return PLAIN, frame
        start, end = found
        at = start + _CHECKSUM
        header = HEADER.pack(NEEDS_CSUM, TCP4, end, _usual_size(frame, end), start, _CHECKSUM, 0)[: len(PLAIN)]
        partial = 0xFFFF ^ checksum(_pseudo_header(frame, len(frame) - start))
        return header, frame[:at] + partial.to_bytes(2, "big") + frame[at + 2 :]


def frames(header: bytes, frame: bytes, *, uncut: bool = False) -> Iterator[bytes]:
    """What a driver has sent with that header, as it goes out."""
    flags, kind, _, size, start, offset, _ = HEADER.unpack(header)
    at = start + offset
    if not flags & NEEDS_CSUM or at + 2 > len(frame) or len(frame) > LONGEST:
        yield frame
    elif kind & ~_ECN == TCP4 and size >= LEAST and not uncut and _is_tcp4(frame, start):
        yield from _segments(frame, start, size)
    else:
        yield frame[:at] + (checksum(frame[start:]) or 0xFFFF).to_bytes(2, "big") + frame[at + 2 :]


def _is_tcp4(frame: bytes, start: int) -> bool:
    """Whether TCP begins there, behind a header of IPv4 that may have a VLAN tag before it."""
    head = _ip_start(frame)
    whole = len(frame) >= start + 20 and start >= head + 20
    return whole and frame[head] >> 4 == 4 and head + (frame[head] & 0xF) * 4 == start and frame[head + 9] == TCP


def _ip_start(frame: bytes) -> int:
    return 18 if frame[12:14] == b"\x81\x00" else ETHERNET


def _tcp4(frame: bytes) -> tuple[int, int] | None:
    """Where TCP over IPv4 begins, and its data; None of a frame that has none."""
    head = _ip_start(frame)
    if len(frame) <= head or frame[head - 2 : head] != ETHER_IPV4:
        return None
    start = head + (frame[head] & 0xF) * 4
    if not _is_tcp4(frame, start):
        return None
    end = start + (frame[start + 12] >> 4) * 4
    return (start, end) if start + 20 <= end <= len(frame) else None


def _usual_size(frame: bytes, end: int) -> int:
    """Bytes of data, which begin at `end`, in a frame as long as is usual."""
    return USUAL + _ip_start(frame) - ETHERNET - end


def _pseudo_header(frame: bytes, size: int) -> bytes:
    """Of so many bytes of TCP."""
    ip = _ip_start(frame)
    return frame[ip + 12 : ip + 20] + struct.pack("!HH", TCP, size)


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
        pseudo = _pseudo_header(bytes(head), end - start + len(data))
        head[start + 16 : start + 18] = checksum(pseudo + bytes(head[start:end]) + data).to_bytes(2, "big")
        yield bytes(head) + data


def fit(slot: Slot, cable: Cable, mac: bytes) -> VirtioNet:
    """devices.network.models.Fitter."""
    return VirtioNet(slot, cable, mac, offloads=TcpOffloads(cable.whole_segments))
