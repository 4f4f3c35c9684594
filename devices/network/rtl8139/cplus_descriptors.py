"""Descriptors of an RTL8139C+, and what they have it do with frames: checksums, tags, segments.

Sources: Linux' 8139cp; RTL8169 data sheet 1.21, 9, whose are the same but for the
lengths. Tags lie in descriptors as they lie in frames.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from devices.network.quiet.packets import ETHER_IPV4, TCP, UDP, checksum
from devices.network.tcp4 import LEAST, TAG, TAG_SIZE, find, ip_start, segments

SIZE: Final = 16
MOST: Final = 64
"""Descriptors of a ring."""
OWN, END_OF_RING, FIRST, LAST = 1 << 31, 1 << 30, 1 << 29, 1 << 28
LARGE_SEND: Final = 1 << 27
IP_CHECKSUM, UDP_CHECKSUM, TCP_CHECKSUM = 1 << 18, 1 << 17, 1 << 16
TAGGED: Final = 1 << 17
"""Of the second word of what is to be sent: a tag is to be put in."""
HAS_TAG: Final = 1 << 16
"""Of the second word of what was received: a tag was taken off."""
BUFFER_SIZE: Final = 0x1FFF
IS_TCP, IS_UDP, IS_IP = 1 << 16, 2 << 16, 3 << 16
IP_FAILED, UDP_FAILED, TCP_FAILED = 1 << 15, 1 << 14, 1 << 13
NAMES: Final = {31: "OWN", 30: "EOR", 29: "FS", 28: "LS"}
_FORMAT = struct.Struct("<IIQ")
_ADDRESSES: Final = slice(12, 20)
_MORE_OR_OFFSET: Final = 0x3FFF


@dataclass(frozen=True, slots=True)
class Descriptor:
    """`command` and `tag` are its first two words, `at` where it lies and `buffer` what it is of."""

    at: int
    command: int
    tag: int
    buffer: int

    @property
    def is_given(self) -> bool:
        """Whether it is the controller's."""
        return bool(self.command & OWN)


def read(at: int, raw: bytes) -> Descriptor:
    return Descriptor(at, *_FORMAT.unpack(raw))


def words(command: int, tag: int) -> bytes:
    """The first half of one."""
    return struct.pack("<II", command, tag)


def outgoing(command: int, tag: int, frame: bytes) -> Iterator[bytes]:
    """The frames of a packet whose first descriptor had those words."""
    found = find(frame) if command & LARGE_SEND else None
    if found is not None:
        made = segments(frame, found[0], max(command >> 16 & 0x7FF, LEAST))
    else:
        made = iter((frame if command & LARGE_SEND else with_checksums(command, frame),))
    for one in made:
        yield one[:12] + TAG + struct.pack("<H", tag & 0xFFFF) + one[12:] if tag & TAGGED else one


def with_checksums(command: int, frame: bytes) -> bytes:
    """Those that are asked for, where the frame has what they are of."""
    parts = _ipv4(frame)
    if not command & (IP_CHECKSUM | UDP_CHECKSUM | TCP_CHECKSUM) or parts is None:
        return frame
    head, start, end = parts
    made = bytearray(frame)
    at = _checksum_place(frame, parts)
    wanted = TCP_CHECKSUM if frame[head + 9] == TCP else UDP_CHECKSUM
    if at is not None and command & wanted:
        made[at : at + 2] = bytes(2)
        made[at : at + 2] = (checksum(_pseudo(frame, head, end - start) + bytes(made[start:end])) or 0xFFFF).to_bytes(
            2, "big"
        )
    if command & IP_CHECKSUM:
        made[head + 10 : head + 12] = bytes(2)
        made[head + 10 : head + 12] = checksum(bytes(made[head:start])).to_bytes(2, "big")
    return bytes(made)


def checked(frame: bytes) -> int:
    """What a receive descriptor says of its protocol and of its checksums."""
    parts = _ipv4(frame)
    if parts is None:
        return 0
    head, start, end = parts
    status = 0 if checksum(frame[head:start]) == 0 else IP_FAILED
    at = _checksum_place(frame, parts)
    if at is None:
        return status | IS_IP
    is_tcp = frame[head + 9] == TCP
    unsummed = not is_tcp and frame[at : at + 2] == b"\0\0"
    good = unsummed or checksum(_pseudo(frame, head, end - start) + frame[start:end]) == 0
    status |= IS_TCP if is_tcp else IS_UDP
    return status if good else status | (TCP_FAILED if is_tcp else UDP_FAILED)


def untagged(frame: bytes) -> tuple[bytes, int]:
    """A frame without its tag, and the second word of its descriptor."""
    if frame[12:14] != TAG or len(frame) < 14 + TAG_SIZE:
        return frame, 0
    return frame[:12] + frame[16:], HAS_TAG | int.from_bytes(frame[14:16], "little")


def _ipv4(frame: bytes) -> tuple[int, int, int] | None:
    """Where its header begins, what follows that, and where the packet ends; None of what is no whole IPv4."""
    head = ip_start(frame)
    if frame[head - 2 : head] != ETHER_IPV4 or len(frame) < head + 20 or frame[head] >> 4 != 4:
        return None
    start, end = head + (frame[head] & 0xF) * 4, head + int.from_bytes(frame[head + 2 : head + 4], "big")
    return (head, start, end) if head + 20 <= start <= end <= len(frame) else None


def _checksum_place(frame: bytes, parts: tuple[int, int, int]) -> int | None:
    """Of TCP or UDP; None for what is neither, or a fragment."""
    head, start, end = parts
    if int.from_bytes(frame[head + 6 : head + 8], "big") & _MORE_OR_OFFSET:
        return None
    if frame[head + 9] == TCP and end - start >= 20:
        return start + 16
    return start + 6 if frame[head + 9] == UDP and end - start >= 8 else None


def _pseudo(frame: bytes, head: int, size: int) -> bytes:
    addresses = frame[head:][_ADDRESSES]
    return addresses + struct.pack("!HH", frame[head + 9], size)
