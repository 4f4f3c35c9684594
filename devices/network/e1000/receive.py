"""Which frames an 82540EM takes, and what it says of them in their descriptors.

Source: the software developer's manual, 3.2 (receive descriptors), 13.4.22 (RCTL), 13.5 (filters), 9.3 (VLAN).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from devices.network.e1000 import registers as reg
from devices.network.e1000.checksums import ones_sum
from devices.network.frame import BROADCAST, is_multicast

SIZE: Final = 16
CRC_SIZE: Final = 4
LONGEST_USUAL: Final = 1518
"""Bytes without the check sequence, with a VLAN tag, where long packets are not enabled."""
LONGEST_JUMBO: Final = 16_384 - CRC_SIZE
DONE, END, IGNORE_CHECKSUM, TAGGED, TCP_CHECKED, IP_CHECKED = 0x01, 0x02, 0x04, 0x08, 0x20, 0x40
TCP_ERROR, IP_ERROR = 0x20, 0x40
IP_OFFLOAD, TCP_OFFLOAD = 1 << 8, 1 << 9
_SHIFTS: Final = (4, 3, 2, 0)
"""By RCTL.MO: where the twelve bits begin in the last sixteen of a multicast address."""
_IPV4, _TCP, _UDP = 0x0800, 6, 17


def keeps(registers: Mapping[int, int], frame: bytes, tag: int | None) -> bool:
    """Whether the filters let it pass."""
    control, to = registers.get(reg.RCTL, 0), frame[:6]
    if tag is not None and control & reg.RCTL_VLAN_FILTER and not _bit(registers, reg.VFTA.start, tag & 0xFFF):
        return False
    if to == BROADCAST and control & reg.RCTL_BROADCAST:
        return True
    if is_multicast(to):
        if control & reg.RCTL_MULTICAST:
            return True
        shift = _SHIFTS[control >> 12 & 3]
        return _bit(registers, reg.MTA.start, int.from_bytes(to[4:6], "little") >> shift & 0xFFF)
    return bool(control & reg.RCTL_UNICAST) or _is_own(registers, to)


def buffer_size(control: int) -> int:
    """RCTL.BSIZE and BSEX."""
    if control & reg.RCTL_BUFFER_EXTENSION:
        return (16_384, 16_384, 8192, 4096)[control >> 16 & 3]
    return 2048 >> (control >> 16 & 3)


def checksum_status(registers: Mapping[int, int], frame: bytes) -> tuple[int, int, int]:
    """The packet's checksum, and the bits of status and errors that tell of it (3.2.9)."""
    wanted = registers.get(reg.RXCSUM, 0)
    packet = ones_sum(frame[wanted & 0xFF :]) ^ 0xFFFF
    header = _ipv4_header(frame)
    if not wanted & (IP_OFFLOAD | TCP_OFFLOAD) or header is None:
        return packet, IGNORE_CHECKSUM, 0
    status = errors = 0
    if wanted & IP_OFFLOAD:
        status |= IP_CHECKED
        errors |= 0 if ones_sum(header) == 0xFFFF else IP_ERROR
    good = _payload_is_good(frame, header) if wanted & TCP_OFFLOAD else None
    if good is not None:
        status |= TCP_CHECKED
        errors |= 0 if good else TCP_ERROR
    return packet, status, errors


def written_back(address: int, size: int, checksum: int, status: int, errors: int, tag: int) -> bytes:
    """A descriptor."""
    return struct.pack("<QHHBBH", address, size, checksum, status, errors, tag)


def _ipv4_header(frame: bytes) -> bytes | None:
    if frame[12:14] != _IPV4.to_bytes(2, "big") or len(frame) < 34 or frame[14] >> 4 != 4:
        return None
    size = (frame[14] & 15) * 4
    return frame[14 : 14 + size] if size >= 20 and len(frame) >= 14 + size else None


def _payload_is_good(frame: bytes, header: bytes) -> bool | None:
    """None for what is not checked: fragments, other protocols, UDP without a checksum."""
    total, fragment, protocol = int.from_bytes(header[2:4], "big"), int.from_bytes(header[6:8], "big"), header[9]
    payload = frame[14 + len(header) : 14 + total]
    if protocol not in (_TCP, _UDP) or fragment & 0x3FFF or len(payload) < 8:
        return None
    if protocol == _UDP and payload[6:8] == b"\0\0":
        return None
    return ones_sum(payload, ones_sum(header[12:20]) + protocol + len(payload)) == 0xFFFF


def _is_own(registers: Mapping[int, int], to: bytes) -> bool:
    for at in range(reg.RA.start, reg.RA.stop, 8):
        high = registers.get(at + 4, 0)
        if high & reg.RA_VALID:
            own = registers.get(at, 0).to_bytes(4, "little") + (high & 0xFFFF).to_bytes(2, "little")
            if own == to:
                return True
    return False


def _bit(registers: Mapping[int, int], table: int, number: int) -> bool:
    """Of a table of 4096."""
    return bool(registers.get(table + (number >> 5) * 4, 0) >> (number & 31) & 1)
