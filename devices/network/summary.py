"""What a frame is, in a few words, and the fields that filters ask about. Nothing that a frame holds raises.

Sources: RFC 826, 791, 8200, 792, 768, 9293, 2131, 1035, 1350; IEEE 802.1Q.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from devices.network.frame import mac_text
from devices.network.quiet.packets import Flag, address_text

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
_ARP, _IP, _VLAN, _IP6 = 0x0806, 0x0800, 0x8100, 0x86DD
_ICMP = {0: "echo reply", 3: "unreachable", 8: "echo request", 11: "time exceeded"}
_ICMP6 = {128: "echo request", 129: "echo reply", 133: "router solicitation", 134: "router advertisement",
          135: "neighbour solicitation", 136: "neighbour advertisement", 143: "multicast listener report"}  # fmt: skip
_DHCP = {1: "discover", 2: "offer", 3: "request", 4: "decline", 5: "ack", 6: "nak", 7: "release", 8: "inform"}
_TFTP = {1: "read", 2: "write", 3: "data", 4: "ack", 5: "error", 6: "options"}
_UDP_PORTS = {67: "dhcp", 68: "dhcp", 53: "dns", 69: "tftp"}
LONGEST_INFO = 100


@dataclass(frozen=True, slots=True)
class Summary:
    """`source` and `target` are addresses of IP where there are some, else of Ethernet; ports are 0 where none are.

    `protocols` are all that it is, in lower case.
    """

    source: str
    target: str
    protocol: str
    info: str
    protocols: frozenset[str]
    source_port: int = 0
    target_port: int = 0
    macs: tuple[str, str] = ("", "")


def summary(frame: bytes) -> Summary:
    """Of a frame, whole or not."""
    macs = mac_text(frame[6:12]), mac_text(frame[:6])
    kind, at = int.from_bytes(frame[12:14], "big"), 14
    found = frozenset[str]()
    if kind == _VLAN:
        kind, at, found = int.from_bytes(frame[16:18], "big"), 18, frozenset({"vlan"})
    plain = Summary(*macs, f"{kind:#06x}", f"{len(frame) - at} bytes", found, macs=macs)
    try:
        match kind:
            case 0x0806:
                plain = _arp(plain, frame[at:])
            case 0x0800:
                plain = _ip(plain, frame[at:])
            case 0x86DD:
                plain = _ip6(plain, frame[at:])
    except (struct.error, IndexError, ValueError):
        return replace(plain, info="cut short")
    printable = "".join(one if one.isprintable() else "." for one in plain.info)
    return replace(plain, info=printable[:LONGEST_INFO])


def in_words(frame: bytes) -> str:
    """summary() in a line."""
    one = summary(frame)
    return f"{one.protocol} {one.source} > {one.target}: {one.info}"


def _arp(plain: Summary, data: bytes) -> Summary:
    operation, mac, source, _, target = struct.unpack_from("!H6s4s6s4s", data, 6)
    asked = f"who has {address_text(target)}? tell {address_text(source)}"
    info = asked if operation == 1 else f"{address_text(source)} is at {mac_text(mac)}"
    addresses = address_text(source), address_text(target)
    return Summary(*addresses, "ARP", info, plain.protocols | {"arp"}, macs=plain.macs)


def _ip(plain: Summary, data: bytes) -> Summary:
    total, fragment, protocol, source, target = struct.unpack_from("!2xH2xHxB2x4s4s", data)
    body = data[(data[0] & 0xF) * 4 : total]
    whole = replace(plain, source=address_text(source), target=address_text(target), protocol="IP",
                    protocols=plain.protocols | {"ip"})  # fmt: skip
    if fragment & 0x1FFF:
        return replace(whole, info=f"fragment at {(fragment & 0x1FFF) * 8}, {len(body)} bytes")
    return _above(whole, protocol, body)


def _ip6(plain: Summary, data: bytes) -> Summary:
    size, protocol, source, target = struct.unpack_from("!4xHBx16s16s", data)
    ends = _ip6_text(source), _ip6_text(target)
    whole = replace(plain, source=ends[0], target=ends[1], protocol="IPv6", protocols=plain.protocols | {"ip6"})
    return _above(whole, protocol, data[40 : 40 + size])


def _ip6_text(one: bytes) -> str:
    """As RFC 5952 has it."""
    return str(ipaddress.IPv6Address(one))


def _above(plain: Summary, protocol: int, body: bytes) -> Summary:
    match protocol:
        case 6:
            return _tcp(plain, body)
        case 17:
            return _udp(plain, body)
        case 1 | 58:
            return _icmp(plain, body, _ICMP if protocol == ICMP else _ICMP6)
    return replace(plain, info=f"protocol {protocol}, {len(body)} bytes")


def _icmp(plain: Summary, body: bytes, names: Mapping[int, str]) -> Summary:
    info = names.get(body[0], f"type {body[0]}")
    if "echo" in info:
        info += f" {int.from_bytes(body[6:8], 'big')}"
    return replace(plain, protocol="ICMP", info=info, protocols=plain.protocols | {"icmp"})


def _tcp(plain: Summary, body: bytes) -> Summary:
    source, target, sequence, acknowledged, offset, flags, window = struct.unpack_from("!HHIIBBH", body)
    data = body[(offset >> 4) * 4 :]
    names = ",".join(flag.name.lower() for flag in Flag if flag in Flag(flags & 0x1F) and flag.name)
    info = f"{source} > {target} [{names}] seq {sequence} ack {acknowledged} win {window} len {len(data)}"
    if data[:4] in (b"GET ", b"HEAD", b"POST", b"PUT ", b"HTTP"):
        info += " " + data.split(b"\r\n")[0].decode("latin-1")
    ports = {"source_port": source, "target_port": target}
    return replace(plain, protocol="TCP", info=info, protocols=plain.protocols | {"tcp"}, **ports)


def _udp(plain: Summary, body: bytes) -> Summary:
    source, target, _, _ = struct.unpack_from("!HHHH", body)
    data, found = body[8:], plain.protocols | {"udp"}
    known = _UDP_PORTS.get(target) or _UDP_PORTS.get(source)
    words = f"{source} > {target}, {len(data)} bytes"
    ports = {"source_port": source, "target_port": target}
    whole = replace(plain, protocol="UDP", info=words, protocols=found, **ports)
    match known:
        case "dhcp":
            return replace(whole, protocol="DHCP", info=_dhcp(data), protocols=found | {"dhcp"})
        case "dns":
            return replace(whole, protocol="DNS", info=_dns(data), protocols=found | {"dns"})
        case "tftp":
            word = _TFTP.get(int.from_bytes(data[:2], "big"), "?")
            name = data[2:].split(b"\0")[0].decode("latin-1") if word in ("read", "write") else ""
            return replace(whole, protocol="TFTP", info=f"{word} {name}".strip(), protocols=found | {"tftp"})
    return whole


def _dhcp(data: bytes) -> str:
    yours, at = data[16:20], 240
    while at + 2 < len(data) and data[at] not in (53, 255):
        at += 1 if data[at] == 0 else 2 + data[at + 1]
    word = _DHCP.get(data[at + 2], "?") if at + 2 < len(data) and data[at] == 53 else "bootp"
    return f"{word} {address_text(yours)}" if any(yours) else word


def _dns(data: bytes) -> str:
    flags, labels, at = int.from_bytes(data[2:4], "big"), list[str](), 12
    while data[at] and len(labels) < 20:
        labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    name = ".".join(labels)
    if not flags & 0x8000:
        return f"query {name}"
    answers = int.from_bytes(data[6:8], "big")
    return f"answer {name}: {answers} records" if not flags & 0xF else f"answer {name}: error {flags & 0xF}"
