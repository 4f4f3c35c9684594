"""What the descriptor rings of an 82540EM hold, in words for who writes a driver. Nothing that they hold raises.

Source: the software developer's manual, 3.2.3 (receive descriptors), 3.3 (transmit descriptors).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from devices.network.e1000 import transmit
from devices.seam import BusMaster, Rows
from devices.wiring.bits import named_bits

MOST_GIVEN: Final = 8
"""Descriptors from the head on that are shown, of those that the driver has given."""
MOST_DONE: Final = 4
"""Descriptors before the head."""
_RECEIVE_STATUS: Final = {0: "DD", 1: "EOP", 2: "IXSM", 3: "VP", 5: "TCPCS", 6: "IPCS", 7: "PIF"}
_RECEIVE_ERRORS: Final = {0: "CE", 1: "SE", 2: "SEQ", 4: "CXE", 5: "TCPE", 6: "IPE", 7: "RXE"}
_LEGACY_COMMAND: Final = {0: "EOP", 1: "IFCS", 2: "IC", 3: "RS", 4: "RPS", 6: "VLE", 7: "IDE"}
_DATA_COMMAND: Final = {0: "EOP", 1: "IFCS", 2: "TSE", 3: "RS", 4: "RPS", 6: "VLE", 7: "IDE"}
_CONTEXT_COMMAND: Final = {0: "TCP", 1: "IP", 2: "TSE", 3: "RS", 7: "IDE"}
_OPTIONS: Final = {0: "IXSM", 1: "TXSM"}
_TRANSMIT_STATUS: Final = {0: "DD", 1: "EC", 2: "LC", 3: "TU"}

Descriptor = Callable[[bytes], str]


def ring_rows(
    name: str, ring: tuple[int, int], head: int, tail: int, memory: BusMaster, descriptor: Descriptor
) -> Rows:
    """A ring by where it is and how many descriptors it has; those around its head."""
    base, count = ring
    title = f"{name} ring"
    rows = [(title, f"at {base:x}, {count} descriptors, head {head}, tail {tail}")]
    if head >= count or tail >= count:
        return rows
    given = (tail - head) % count
    rows[0] = title, f"{rows[0][1]}, {given} given"
    done = min(MOST_DONE, count - 1 - given)
    for number in range(head - done, head + min(given, MOST_GIVEN)):
        at = number % count
        whose = "" if number < head else ", given"
        raw = memory.look(base + at * transmit.SIZE, transmit.SIZE)
        rows.append((f"{name} descriptor {at}{whose}", descriptor(raw)))
    return rows


def received(raw: bytes) -> str:
    """A receive descriptor."""
    buffer, size, checksum, status, errors, special = struct.unpack("<QHHBBH", raw)
    if not status & 1:
        return f"buffer at {buffer:x}"
    words = f"buffer at {buffer:x}, {size} bytes, {named_bits(status, _RECEIVE_STATUS)}, checksum {checksum:04x}"
    tag = f", tag {special:04x}" if status & 8 else ""
    return words + (f", errors {named_bits(errors, _RECEIVE_ERRORS)}" if errors else "") + tag


def sent(raw: bytes) -> str:
    """A transmit descriptor, of any of the three kinds."""
    low, high = struct.unpack_from("<II", raw, 8)
    command = low >> 24
    if not command & transmit.EXTENDED:
        words = _legacy(raw)
    elif low >> 20 & 15 == transmit.CONTEXT:
        words = _context(raw)
    else:
        options = named_bits(high >> 8 & 0xFF, _OPTIONS)
        words = f"data, {_where(raw, low & 0xFFFFF)}, {named_bits(command, _DATA_COMMAND)}, {options}{_tag(raw)}"
    return f"{words}, status {named_bits(high & 15, _TRANSMIT_STATUS)}"


def _legacy(raw: bytes) -> str:
    low, high = struct.unpack_from("<II", raw, 8)
    command = low >> 24
    sums = f", sum from {high >> 8 & 0xFF} to {low >> 16 & 0xFF}" if command & transmit.INSERT_CHECKSUM else ""
    return f"legacy, {_where(raw, low & 0xFFFF)}, {named_bits(command, _LEGACY_COMMAND)}{sums}{_tag(raw)}"


def _context(raw: bytes) -> str:
    """The fields' names are the manual's, their places in a frame bytes."""
    one, size = transmit.context(raw), int.from_bytes(raw[8:11], "little") & 0xFFFFF
    starts = f"IPCSS {one.ip_start}, IPCSO {one.ip_offset}, IPCSE {one.ip_end}"
    sums = f"TUCSS {one.tcp_start}, TUCSO {one.tcp_offset}, TUCSE {one.tcp_end}"
    cut = f"PAYLEN {size}, HDRLEN {one.header}, MSS {one.segment}"
    return f"context, {starts}, {sums}, {cut}, {named_bits(one.command, _CONTEXT_COMMAND)}"


def _where(raw: bytes, size: int) -> str:
    return f"{size} bytes at {int.from_bytes(raw[:8], 'little'):x}"


def _tag(raw: bytes) -> str:
    return f", tag {int.from_bytes(raw[14:], 'little'):04x}" if raw[11] & transmit.TAGGED else ""
