"""What is in a packet of IP, in a few words. Nothing that it holds raises; what is cut short is said to be.

Sources: RFC 792, 4443, 4861, 3810; RFC 768, 9293, 3168; RFC 2131, 1035, 1350.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from devices.network.quiet.packets import address_text

CUT_SHORT = "cut short"
_ICMP = {0: "echo reply", 3: "unreachable", 8: "echo request", 11: "time exceeded"}
_ICMP6 = {1: "unreachable", 2: "packet too big", 3: "time exceeded",
          128: "echo request", 129: "echo reply", 133: "router solicitation", 134: "router advertisement",
          135: "neighbour solicitation", 136: "neighbour advertisement", 143: "multicast listener report"}  # fmt: skip
_DHCP = {1: "discover", 2: "offer", 3: "request", 4: "decline", 5: "ack", 6: "nak", 7: "release", 8: "inform"}
_TFTP = {1: "read", 2: "write", 3: "data", 4: "ack", 5: "error", 6: "options"}
_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")
_HTTP = (b"GET ", b"HEAD", b"POST", b"PUT ", b"HTTP")
_LONGEST_LABEL, _MOST_LABELS = 63, 20


@dataclass(frozen=True, slots=True)
class Payload:
    """`size` is how many bytes there were by the headers before; of a frame that is cut short `data` has fewer."""

    data: bytes
    size: int

    def behind(self, header: int) -> Payload:
        return Payload(self.data[header:], max(self.size - header, 0))


@dataclass(frozen=True, slots=True)
class Found:
    """`name` is how it is called, `kind` what a filter calls it; ports are 0 where none are."""

    name: str
    kind: str
    words: str = CUT_SHORT
    ports: tuple[int, int] = (0, 0)


def icmp_words(payload: Payload) -> Found:
    return _icmp(Found("ICMP", "icmp"), payload.data, _ICMP)


def icmp6_words(payload: Payload) -> Found:
    return _icmp(Found("ICMPv6", "icmp6"), payload.data, _ICMP6)


def _icmp(known: Found, data: bytes, names: Mapping[int, str]) -> Found:
    if not data:
        return known
    words = names.get(data[0], f"type {data[0]}")
    if words.startswith("echo"):
        if len(data) < 8:
            return known
        words += f" {int.from_bytes(data[6:8], 'big')}"
    return replace(known, words=words)


def tcp_words(payload: Payload) -> Found:
    known = Found("TCP", "tcp", ports=_ports(payload.data))
    if len(payload.data) < 20:
        return known
    source, target, sequence, acknowledged, offset, flags, window = struct.unpack_from("!HHIIBBH", payload.data)
    header = (offset >> 4) * 4
    if not 20 <= header <= payload.size:
        return replace(known, words=f"{source} > {target}, a header that makes no sense")
    names = ",".join(name for bit, name in enumerate(_FLAGS) if flags >> bit & 1)
    rest = payload.behind(header)
    words = f"{source} > {target} [{names}] seq {sequence} ack {acknowledged} win {window} len {rest.size}"
    if rest.data[:4] in _HTTP:
        words += " " + rest.data.split(b"\r\n")[0].decode("latin-1")
    return replace(known, words=words)


def udp_words(payload: Payload) -> Found:
    known = Found("UDP", "udp", ports=_ports(payload.data))
    if len(payload.data) < 8:
        return known
    source, target, length = struct.unpack_from("!HHH", payload.data)
    end = min(length, payload.size) if length >= 8 else payload.size
    data = payload.data[8:end]
    name = _UDP_PORTS.get(target) or _UDP_PORTS.get(source)
    if name is None:
        return replace(known, words=f"{source} > {target}, {end - 8} bytes")
    try:
        words = _UDP[name](data)
    except IndexError:
        words = CUT_SHORT
    return Found(name.upper(), name, words, known.ports)


def _ports(data: bytes) -> tuple[int, int]:
    return (int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")) if len(data) >= 4 else (0, 0)


def _tftp(data: bytes) -> str:
    word = _TFTP.get(int.from_bytes(data[:2], "big"), "?")
    name = data[2:].split(b"\0")[0].decode("latin-1") if word in ("read", "write") else ""
    return f"{word} {name}".strip()


def _dhcp(data: bytes) -> str:
    yours, at = data[16:20], 240
    while at + 2 < len(data) and data[at] not in (53, 255):
        at += 1 if data[at] == 0 else 2 + data[at + 1]
    word = _DHCP.get(data[at + 2], "?") if at + 2 < len(data) and data[at] == 53 else "bootp"
    return f"{word} {address_text(yours)}" if any(yours) else word


def _dns(data: bytes) -> str:
    flags, questions, answers = data[2] << 8 | data[3], data[4] << 8 | data[5], data[6] << 8 | data[7]
    labels, at = list[str](), 12
    while questions and data[at] and data[at] <= _LONGEST_LABEL and len(labels) < _MOST_LABELS:
        labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    name = ".".join(labels)
    if not flags & 0x8000:
        return f"query {name}".strip()
    error = flags & 0xF
    return f"answer {name}: error {error}" if error else f"answer {name}: {answers} records"


_UDP: Mapping[str, Callable[[bytes], str]] = {"dhcp": _dhcp, "dns": _dns, "tftp": _tftp}
_UDP_PORTS = {67: "dhcp", 68: "dhcp", 53: "dns", 69: "tftp"}
