"""What the descriptors of an 82540EM make of memory: frames with checksums, tags and segments.

Source: the software developer's manual, 3.3 (transmit descriptors), 3.5 (TCP segmentation), 9 (VLAN tags).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from devices.network.e1000.checksums import insert
from devices.network.frame import LONGEST

SIZE: Final = 16
DONE: Final = 1
"""In the byte of a descriptor at STATUS."""
STATUS: Final = 12
END, INSERT_CHECKSUM, SEGMENT, REPORT, SENT, EXTENDED, TAGGED, DELAYED = (1 << bit for bit in (0, 2, 2, 3, 4, 5, 6, 7))
CONTEXT: Final = 0
TCP, IPV4 = 1 << 0, 1 << 1
IP_CHECKSUM, TCP_CHECKSUM = 1, 2
MOST_HELD: Final = 1 << 18
"""Bytes of a packet that is yet to be cut into segments. What is longer is not sent."""
FEWEST_A_SEGMENT: Final = 64
_FIN, _PSH = 0x01, 0x08
_CWR: Final = 0x80

Load = Callable[[int, int], bytes]


@dataclass(slots=True)
class Context:
    """Of checksums and segments, as the last context descriptor has it."""

    ip_start: int = 0
    ip_offset: int = 0
    ip_end: int = 0
    tcp_start: int = 0
    tcp_offset: int = 0
    tcp_end: int = 0
    command: int = 0
    header: int = 0
    segment: int = 0


@dataclass(slots=True)
class TransmitState:
    """`held` is what a packet has so far; `options`, `segments` and `tag` are of its first descriptor."""

    context: Context = field(default_factory=Context)
    held: bytes = b""
    began: bool = False
    options: int = 0
    segments: bool = False
    tag: int | None = None
    too_long: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What a descriptor has come to. `loaded` counts bytes of memory; `sent` says that a TCP packet was cut up."""

    frames: tuple[bytes, ...] = ()
    report: bool = False
    delayed: bool = False
    loaded: int = 0
    cut: bool = False


def take(state: TransmitState, descriptor: bytes, load: Load, ethertype: int | None) -> Step:
    """The next descriptor. `ethertype` is of VLAN tags, None where none are put in."""
    address, low, high = struct.unpack("<QII", descriptor)
    command = low >> 24
    report, delayed = bool(command & (REPORT | SENT)), bool(command & DELAYED)
    if command & EXTENDED and low >> 20 & 15 == CONTEXT:
        state.context = context(descriptor)
        return Step(report=report, delayed=delayed)
    size = low & (0xFFFFF if command & EXTENDED else 0xFFFF)
    if not state.began:
        _begin(state, command, high)
    if len(state.held) + size > (MOST_HELD if state.segments else LONGEST):
        state.too_long, size = True, 0
    state.held += load(address, size) if size else b""
    if not command & END:
        return Step((), report, delayed, size)
    frame = bytearray(state.held)
    if not command & EXTENDED and command & INSERT_CHECKSUM:
        insert(frame, high >> 8 & 0xFF, low >> 16 & 0xFF, 0)
    frames = () if state.too_long or not frame else tuple(_finished(state, frame, ethertype))
    state.held, state.began, state.too_long = b"", False, False
    return Step(frames, report, delayed, size, state.segments)


def _begin(state: TransmitState, command: int, high: int) -> None:
    """The first descriptor of a packet says what is to be done with all of it."""
    extended = bool(command & EXTENDED)
    state.began = True
    state.options = high >> 8 & 0xFF if extended else 0
    state.segments = extended and bool(command & SEGMENT)
    state.tag = high >> 16 if command & TAGGED else None


def _finished(state: TransmitState, frame: bytearray, ethertype: int | None) -> Iterator[bytes]:
    for part in _segments(state.context, frame) if state.segments else (frame,):
        _checksums(state.context, part, state.options)
        if ethertype is not None and state.tag is not None:
            part[12:12] = ethertype.to_bytes(2, "big") + state.tag.to_bytes(2, "big")
        yield bytes(part)


def _checksums(context: Context, frame: bytearray, options: int) -> None:
    if options & TCP_CHECKSUM:
        insert(frame, context.tcp_start, context.tcp_offset, context.tcp_end)
    if options & IP_CHECKSUM:
        insert(frame, context.ip_start, context.ip_offset, context.ip_end)


def _segments(context: Context, packet: bytearray) -> Iterator[bytearray]:
    """3.5.7: each with the header, counted on. Segments are never shorter than a guest could have a use for."""
    header, payload = packet[: context.header], packet[context.header :]
    size = max(context.segment, FEWEST_A_SEGMENT)
    parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [bytearray()]
    sent = 0
    for number, part in enumerate(parts):
        made = bytearray(header)
        _count_on(context, made, number, sent, len(part), last=number == len(parts) - 1, first=number == 0)
        sent += len(part)
        yield made + part


def _count_on(
    context: Context, header: bytearray, number: int, sent: int, size: int, *, last: bool, first: bool
) -> None:
    ip, tcp = context.ip_start, context.tcp_start
    if context.command & IPV4:
        _put(header, ip + 2, 2, len(header) - ip + size)
        _put(header, ip + 4, 2, _get(header, ip + 4, 2) + number)
    else:
        _put(header, ip + 4, 2, len(header) - ip - 40 + size)
    length = len(header) - tcp + size
    _put(header, context.tcp_offset, 2, _folded(_get(header, context.tcp_offset, 2) + length))
    if context.command & TCP:
        _put(header, tcp + 4, 4, _get(header, tcp + 4, 4) + sent)
        flags = _get(header, tcp + 13, 1)
        _put(header, tcp + 13, 1, flags & ~(0 if last else _FIN | _PSH) & ~(0 if first else _CWR))
    else:
        _put(header, tcp + 4, 2, length)


def _folded(total: int) -> int:
    return (total & 0xFFFF) + (total >> 16)


def _get(data: bytearray, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _put(data: bytearray, at: int, size: int, value: int) -> None:
    """Where there is room: a guest says where."""
    if at + size <= len(data):
        data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "big")


def context(descriptor: bytes) -> Context:
    """What a context descriptor says (3.3.6)."""
    return Context(*struct.unpack("<BBHBBHxxxBxBH", descriptor))
