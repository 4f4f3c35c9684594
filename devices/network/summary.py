"""What a frame is, in a few words, and the fields that filters ask about. Nothing that a frame holds raises.

What has been read of a frame stays known where the rest is cut short or makes no sense: a segment of TCP whose header
ends too early is one of TCP's still, from that address and, where they are there, between those ports.

Sources: IEEE 802.3-2018, 3.2.6; IEEE 802.1Q-2018, 9.5; RFC 826, 791, 8200, 4302.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from devices.network.frame import SHORTEST, mac_text
from devices.network.payloads import Payload, icmp6_words, icmp_words, tcp_words, udp_words
from devices.network.quiet.packets import address_text

_ARP, _IP, _IP6 = 0x0806, 0x0800, 0x86DD
_TAGS = (0x8100, 0x88A8, 0x9100)
"""What a tag of a VLAN begins with; the last is what bridges had for the outer one of two before 802.1ad."""
_LEAST_TYPE = 0x0600
"""What is less is the length of a frame of 802.3."""
_ABOVE = {1: icmp_words, 6: tcp_words, 17: udp_words, 58: icmp6_words}
_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _NOTHING, _OPTIONS = 0, 43, 44, 51, 59, 60
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

    def named(self, protocol: str, word: str) -> Summary:
        """It is that, too: `protocol` is how it is called, `word` what a filter calls it."""
        return replace(self, protocol=protocol, protocols=self.protocols | {word})


def summary(frame: bytes) -> Summary:
    """Of a frame, whole or not."""
    if len(frame) < SHORTEST:
        return Summary("", "", "?", f"{len(frame)} bytes", frozenset())
    macs = mac_text(frame[6:12]), mac_text(frame[:6])
    known = Summary(*macs, "VLAN", "", frozenset(), macs=macs)
    whole = _as_far_as_it_goes(known, lambda: _ethernet(known, frame))
    printable = "".join(one if one.isprintable() else "." for one in whole.info)
    return replace(whole, info=printable[:LONGEST_INFO])


def in_words(frame: bytes) -> str:
    """summary() in a line."""
    one = summary(frame)
    return f"{one.protocol} {one.source} > {one.target}: {one.info}"


def _as_far_as_it_goes(known: Summary, decode: Callable[[], Summary]) -> Summary:
    """What `decode` finds, or what was known before where there is too little for it."""
    try:
        return decode()
    except (struct.error, IndexError, ValueError):
        return replace(known, info="cut short")


def _ethernet(known: Summary, frame: bytes) -> Summary:
    kind, at = int.from_bytes(frame[12:14], "big"), 14
    while kind in _TAGS:
        known = known.named("VLAN", "vlan")
        if len(frame) < at + 4:
            return replace(known, info="cut short")
        kind, at = int.from_bytes(frame[at + 2 : at + 4], "big"), at + 4
    data = frame[at:]
    match kind:
        case 0x0806:
            known = known.named("ARP", "arp")
            return _as_far_as_it_goes(known, lambda: _arp(known, data))
        case 0x0800:
            known = known.named("IP", "ip")
            return _as_far_as_it_goes(known, lambda: _ip(known, data))
        case 0x86DD:
            known = known.named("IPv6", "ip6")
            return _as_far_as_it_goes(known, lambda: _ip6(known, data))
    return replace(known, protocol=f"{kind:#06x}" if kind >= _LEAST_TYPE else "802.3", info=f"{len(data)} bytes")


def _arp(known: Summary, data: bytes) -> Summary:
    """Of IPv4 over Ethernet; others exist, and have other sizes."""
    hardware, protocol, sizes, operation = struct.unpack_from("!HHHH", data)
    if (hardware, protocol, sizes) != (1, _IP, 0x0604):
        return replace(known, info=f"operation {operation}")
    mac, source, _, target = struct.unpack_from("!6s4s6s4s", data, 8)
    asker, wanted = address_text(source), address_text(target)
    words = {1: f"who has {wanted}? tell {asker}", 2: f"{asker} is at {mac_text(mac)}"}
    return replace(known, source=asker, target=wanted, info=words.get(operation, f"operation {operation}"))


def _ip(known: Summary, data: bytes) -> Summary:
    first, total, fragment, protocol, source, target = struct.unpack_from("!BxH2xHxB2x4s4s", data)
    known = replace(known, source=address_text(source), target=address_text(target))
    header = (first & 0xF) * 4
    if first >> 4 != 4 or header < 20 or 0 < total < header:
        return replace(known, info="a header that makes no sense")
    end = total or len(data)
    payload = Payload(data[header:end], end - header)
    return _above(known, protocol, payload, (fragment & 0x1FFF) * 8)


def _ip6(known: Summary, data: bytes) -> Summary:
    first, size, protocol, source, target = struct.unpack_from("!B3xHBx16s16s", data)
    known = replace(known, source=_ip6_text(source), target=_ip6_text(target))
    if first >> 4 != 6:
        return replace(known, info="a header that makes no sense")
    rest = Payload(data[40 : 40 + size], size) if size else Payload(data[40:], len(data) - 40)
    return _as_far_as_it_goes(known, lambda: _behind_extensions(known, protocol, rest))


def _behind_extensions(known: Summary, protocol: int, rest: Payload) -> Summary:
    """RFC 8200, 4: each header says what comes behind it, and how long it is."""
    fragment = 0
    while protocol in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS) and not fragment:
        following, length = struct.unpack_from("!BB", rest.data)
        if protocol == _FRAGMENT:
            (offset,) = struct.unpack_from("!2xH4x", rest.data)
            fragment = offset & ~7
        size = {_FRAGMENT: 8, _AUTHENTICATION: (length + 2) * 4}.get(protocol, (length + 1) * 8)
        protocol, rest = following, rest.behind(size)
    return _above(known, protocol, rest, fragment)


def _ip6_text(one: bytes) -> str:
    """As RFC 5952 has it."""
    return str(ipaddress.IPv6Address(one))


def _above(known: Summary, protocol: int, payload: Payload, fragment: int) -> Summary:
    """`fragment`: how many bytes came before these in other packets; the header is in the first of them alone."""
    if protocol in _NAMES:
        known = replace(known, protocols=known.protocols | {_NAMES[protocol]})
    if fragment:
        return replace(known, info=f"fragment at {fragment}, {payload.size} bytes")
    if protocol not in _ABOVE:
        words = "nothing" if protocol == _NOTHING else f"protocol {protocol}, {payload.size} bytes"
        return replace(known, info=words)
    found = _ABOVE[protocol](payload)
    return replace(
        known,
        protocol=found.name,
        info=found.words,
        protocols=known.protocols | {found.kind},
        source_port=found.ports[0],
        target_port=found.ports[1],
    )
