"""Packets of IPv4 and what is in them, taken apart and put together.

Sources: RFC 826 (ARP), 791 (IP), 792 (ICMP), 768 (UDP), 9293 (TCP), 1071 (checksums). Addresses are 4 and 6 bytes,
numbers of the host.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

ETHER_IPV4, ETHER_ARP = b"\x08\x00", b"\x08\x06"
ICMP, TCP, UDP = 1, 6, 17
ETHERNET: Final = 14
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_IP = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")
_TCP = struct.Struct("!HHIIBBHHH")
_TTL: Final = 64
_DO_NOT_FRAGMENT: Final = 0x4000
REQUEST, REPLY = 1, 2
ECHO_REPLY, UNREACHABLE, ECHO = 0, 3, 8
NET_UNREACHABLE, HOST_UNREACHABLE, PORT_UNREACHABLE = 0, 1, 3
Address = bytes


class Flag(enum.IntFlag):
    FIN = 1
    SYN = 2
    RST = 4
    PSH = 8
    ACK = 16


@dataclass(frozen=True, slots=True)
class Ends:
    """Who speaks to whom: addresses of Ethernet and IP, and of the guest and of ours, whichever way a packet goes."""

    guest_mac: bytes
    our_mac: bytes
    guest: Address
    ours: Address


@dataclass(frozen=True, slots=True)
class Packet:
    """IPv4 that came from the guest; `data` is what is behind its header, `header` that with eight bytes of it."""

    ends: Ends
    protocol: int
    data: bytes
    header: bytes


@dataclass(frozen=True, slots=True)
class Datagram:
    guest_port: int
    our_port: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """Of TCP, in either direction. `options` as they are."""

    guest_port: int
    our_port: int
    sequence: int
    acknowledged: int
    flags: Flag
    window: int
    data: bytes = b""
    options: bytes = b""


def checksum(data: bytes) -> int:
    """The one's complement of the one's complement sum of 16-bit words: RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data, "big")
    return 0xFFFF - (total % 0xFFFF or 0xFFFF) if total else 0xFFFF


def _is_right(data: bytes) -> bool:
    return checksum(data) == 0


def _pseudo_header(one: Address, other: Address, protocol: int, size: int) -> bytes:
    return one + other + struct.pack("!BBH", 0, protocol, size)


def address(text: str) -> Address:
    """Of `10.0.2.2`. Raises ValueError."""
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdecimal() and int(part) < 256 for part in parts):
        raise ValueError(f"{text[:40]!r} is no IPv4 address, as 10.0.2.2")
    return bytes(map(int, parts))


def address_text(one: Address) -> str:
    return ".".join(map(str, one))


# ARP


@dataclass(frozen=True, slots=True)
class ArpRequest:
    """Somebody asks for `target`."""

    mac: bytes
    asker: Address
    target: Address


def read_arp(data: bytes) -> ArpRequest | None:
    """What follows an Ethernet header; None for what is no request of an Ethernet station for an IPv4 address."""
    if len(data) < _ARP.size:
        return None
    hardware, protocol, hardware_size, size, operation, mac, asker, _, target = _ARP.unpack_from(data)
    if (hardware, protocol, hardware_size, size, operation) != (1, 0x0800, 6, 4, REQUEST):
        return None
    return ArpRequest(mac, asker, target)


def arp_reply(request: ArpRequest, mac: bytes) -> bytes:
    """A whole frame: `mac` has the address."""
    body = _ARP.pack(1, 0x0800, 6, 4, REPLY, mac, request.target, request.mac, request.asker)
    return request.mac + mac + ETHER_ARP + body


# IP


def read_ip(frame: bytes, our_mac: bytes) -> Packet | None:
    """Of a frame of IPv4; None for what is damaged, or a fragment."""
    if len(frame) < ETHERNET + _IP.size:
        return None
    first, _, total, _, fragment, _, protocol, _, source, target = _IP.unpack_from(frame, ETHERNET)
    size, end = (first & 0xF) * 4, ETHERNET + total
    if first >> 4 != 4 or size < _IP.size or total < size or end > len(frame) or fragment & ~_DO_NOT_FRAGMENT:
        return None
    start = ETHERNET + size
    if not _is_right(frame[ETHERNET:start]):
        return None
    ends = Ends(frame[6:12], our_mac, source, target)
    return Packet(ends, protocol, frame[start:end], frame[ETHERNET : min(start + 8, end)])


def ip_frame(ends: Ends, protocol: int, data: bytes, identification: int) -> bytes:
    """A whole frame to the guest."""
    total = _IP.size + len(data)
    words = 0x45, 0, total, identification & 0xFFFF, _DO_NOT_FRAGMENT, _TTL, protocol
    sum_of = checksum(_IP.pack(*words, 0, ends.ours, ends.guest))
    head = _IP.pack(*words, sum_of, ends.ours, ends.guest)
    return b"".join((ends.guest_mac, ends.our_mac, ETHER_IPV4, head, data))


# ICMP


def echo_of(data: bytes) -> bytes | None:
    """The reply to an echo request; None for what is none."""
    if len(data) < 8 or data[0] != ECHO or data[1] or not _is_right(data):
        return None
    body = bytes([ECHO_REPLY, 0, 0, 0]) + data[4:]
    return _with_sum(body)


def unreachable(code: int, header: bytes) -> bytes:
    """ICMP's message that what had that header did not get there."""
    return _with_sum(bytes([UNREACHABLE, code, 0, 0, 0, 0, 0, 0]) + header)


def _with_sum(body: bytes) -> bytes:
    return body[:2] + checksum(body).to_bytes(2, "big") + body[4:]


# UDP


def read_udp(packet: Packet) -> Datagram | None:
    """None for what is damaged."""
    data = packet.data
    if len(data) < _UDP.size:
        return None
    source, target, size, given = _UDP.unpack_from(data)
    if not _UDP.size <= size <= len(data):
        return None
    pseudo = _pseudo_header(packet.ends.guest, packet.ends.ours, UDP, size)
    if given and not _is_right(pseudo + data[:size]):
        return None
    return Datagram(source, target, data[_UDP.size : size])


def udp_data(ends: Ends, datagram: Datagram) -> bytes:
    size = _UDP.size + len(datagram.data)
    ports = datagram.our_port, datagram.guest_port, size
    pseudo = _pseudo_header(ends.ours, ends.guest, UDP, size)
    sum_of = checksum(pseudo + _UDP.pack(*ports, 0) + datagram.data) or 0xFFFF
    return _UDP.pack(*ports, sum_of) + datagram.data


# TCP


def read_tcp(packet: Packet) -> Segment | None:
    """None for what is damaged."""
    data = packet.data
    if len(data) < _TCP.size:
        return None
    source, target, sequence, acknowledged, offset, flags, window, _, _ = _TCP.unpack_from(data)
    start = (offset >> 4) * 4
    if not _TCP.size <= start <= len(data):
        return None
    if not _is_right(_pseudo_header(packet.ends.guest, packet.ends.ours, TCP, len(data)) + data):
        return None
    kept = Flag(flags & 0x1F)
    return Segment(source, target, sequence, acknowledged, kept, window, data[start:], data[_TCP.size : start])


def tcp_data(ends: Ends, segment: Segment) -> bytes:
    options = segment.options + bytes(-len(segment.options) % 4)
    offset = (_TCP.size + len(options)) // 4 << 4
    head = segment.our_port, segment.guest_port, segment.sequence, segment.acknowledged, offset, segment.flags
    body = options + segment.data
    pseudo = _pseudo_header(ends.ours, ends.guest, TCP, _TCP.size + len(body))
    sum_of = checksum(pseudo + _TCP.pack(*head, segment.window, 0, 0) + body)
    return _TCP.pack(*head, segment.window, sum_of, 0) + body
