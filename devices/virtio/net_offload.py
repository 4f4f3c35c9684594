"""Offloads of a virtio network device: checksums, and TCP segments cut from what the driver sends whole.

Where the far end of the cable takes whole segments they go there uncut, and come from there uncut to drivers that ask
for it. Else what leaves are ordinary frames. What makes no sense leaves as it is.

Source: virtio 1.2, 5.1.6.2 and 5.1.6.4; RFC 9293.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from devices.fitting import Slot
from devices.network.cable import Cable
from devices.network.frame import LONGEST
from devices.network.quiet.packets import checksum
from devices.network.tcp4 import LEAST, find, is_tcp4, pseudo_header, segments, usual_size
from devices.virtio.net import HEADER, PLAIN, Feature, VirtioNet

NEEDS_CSUM = 1
TCP4 = 1
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
        found = find(frame)
        if found is None:
            yield frame
        else:
            yield from segments(frame, found[0], usual_size(frame, found[1]))

    def whole(self, frame: bytes) -> tuple[bytes, bytes]:
        """With the sum of the pseudo header where the checksum is to be."""
        found = find(frame)
        if found is None:
            return PLAIN, frame
        start, end = found
        at = start + _CHECKSUM
        header = HEADER.pack(NEEDS_CSUM, TCP4, end, usual_size(frame, end), start, _CHECKSUM, 0)[: len(PLAIN)]
        partial = 0xFFFF ^ checksum(pseudo_header(frame, len(frame) - start))
        return header, frame[:at] + partial.to_bytes(2, "big") + frame[at + 2 :]


def frames(header: bytes, frame: bytes, *, uncut: bool = False) -> Iterator[bytes]:
    """What a driver has sent with that header, as it goes out."""
    flags, kind, _, size, start, offset, _ = HEADER.unpack(header)
    at = start + offset
    if not flags & NEEDS_CSUM or at + 2 > len(frame) or len(frame) > LONGEST:
        yield frame
    elif kind & ~_ECN == TCP4 and size >= LEAST and not uncut and is_tcp4(frame, start):
        yield from segments(frame, start, size)
    else:
        yield frame[:at] + (checksum(frame[start:]) or 0xFFFF).to_bytes(2, "big") + frame[at + 2 :]


def fit(slot: Slot, cable: Cable, mac: bytes) -> VirtioNet:
    """devices.network.models.Fitter."""
    return VirtioNet(slot, cable, mac, offloads=TcpOffloads(cable.whole_segments))
