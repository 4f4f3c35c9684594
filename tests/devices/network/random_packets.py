"""Random frames, layer by layer, together with what is true of them: an oracle that reads nothing."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field
from random import Random

EXTENSIONS = {0: 8, 60: 16, 43: 24, 51: 12}
"""Headers between IPv6's and what is in it, with the bytes of those that are made here."""


@dataclass(slots=True)
class Drawn:
    """`certain`: how many bytes of the frame have to be there for all of it to be known. `ports` are of the first
    fragment alone."""

    frame: bytes = b""
    protocols: set[str] = field(default_factory=set)
    hosts: tuple[str, str] = ("", "")
    macs: tuple[str, str] = ("", "")
    ports: tuple[int, int] = (0, 0)
    certain: int = 14
    fragment: int = 0
    inside: int = 0
    """Bytes behind the header of TCP or UDP, as they were sent."""


def draw(random: Random) -> Drawn:
    drawn = Drawn()
    target, source = random.randbytes(6), random.randbytes(6)
    drawn.macs = source.hex(":"), target.hex(":")
    drawn.hosts = drawn.macs
    head = target + source
    for tag in random.choice([[], [], [], [0x8100], [0x88A8, 0x8100]]):
        head += struct.pack("!HH", tag, random.randrange(1 << 16))
        drawn.protocols.add("vlan")
    kind, body = random.choice([_arp, _ip, _ip, _ip, _ip6, _ip6, _other])(random, drawn, len(head) + 2)
    padding = bytes(max(0, 60 - len(head) - 2 - len(body))) if random.random() < 0.5 else b""
    drawn.frame = head + struct.pack("!H", kind) + body + padding
    return drawn


def _other(random: Random, drawn: Drawn, at: int) -> tuple[int, bytes]:
    body = random.randbytes(random.randrange(100))
    drawn.certain = at
    return random.choice([0x88B5, 0x8847, len(body)]), body


def _arp(random: Random, drawn: Drawn, at: int) -> tuple[int, bytes]:
    source, target = random.randbytes(4), random.randbytes(4)
    drawn.protocols.add("arp")
    drawn.hosts = str(ipaddress.IPv4Address(source)), str(ipaddress.IPv4Address(target))
    drawn.certain = at + 28
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, random.choice([1, 2, 3]))
    return 0x0806, head + random.randbytes(6) + source + random.randbytes(6) + target


def _ip(random: Random, drawn: Drawn, at: int) -> tuple[int, bytes]:
    source, target = random.randbytes(4), random.randbytes(4)
    options = bytes(4 * random.choice([0, 0, 0, 1, 10]))
    drawn.protocols.add("ip")
    drawn.hosts = str(ipaddress.IPv4Address(source)), str(ipaddress.IPv4Address(target))
    drawn.fragment = random.choice([0, 0, 0, 8, 65_528])
    protocol, body = _payload(random, drawn, at + 20 + len(options), icmp=1)
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(body), 1,
                       drawn.fragment // 8 | random.choice([0, 0x2000, 0x4000]), 64, protocol, 0)  # fmt: skip
    return 0x0800, head + source + target + options + body


def _ip6(random: Random, drawn: Drawn, at: int) -> tuple[int, bytes]:
    source, target = (bytes(random.choice([0, 1, 0xFE]) for _ in range(16)) for _ in range(2))
    drawn.protocols.add("ip6")
    drawn.hosts = str(ipaddress.IPv6Address(source)), str(ipaddress.IPv6Address(target))
    chain = random.sample(sorted(EXTENSIONS), random.choice([0, 0, 1, 2, 4]))
    drawn.fragment = random.choice([0, 0, 0, 8, 65_528])
    if drawn.fragment or random.random() < 0.2:
        chain.append(44)
    size = sum(EXTENSIONS.get(one, 8) for one in chain)
    protocol, body = _payload(random, drawn, at + 40 + size, icmp=58)
    for one in reversed(chain):
        body, protocol = _extension(one, protocol, drawn.fragment) + body, one
    return 0x86DD, struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + source + target + body


def _extension(kind: int, following: int, fragment: int) -> bytes:
    """RFC 8200, 4.3 to 4.6; RFC 4302, 2."""
    if kind == 44:
        return struct.pack("!BBHI", following, 0, fragment | 1, 7)
    size = EXTENSIONS[kind]
    return bytes([following, size // 4 - 2 if kind == 51 else size // 8 - 1]) + bytes(size - 2)


def _payload(random: Random, drawn: Drawn, at: int, icmp: int) -> tuple[int, bytes]:
    data = random.randbytes(random.randrange(40))
    kind = random.choice(["tcp", "udp", "icmp", "other"])
    ports = random.randrange(1000, 1 << 16), random.choice([80, 443, 5000])
    match kind:
        case "tcp":
            options = bytes(4 * random.randrange(11))
            offset = (5 + len(options) // 4) << 4
            body = struct.pack("!HHIIBBHI", *ports, 1, 2, offset, random.randrange(256), 3, 0) + options
            number = 6
        case "udp":
            number, body = 17, struct.pack("!HHHH", *ports, 8 + len(data), 0)
        case "icmp":
            number, body = icmp, bytes([random.choice([8, 0, 128, 129, 200]), 0, 0, 0, 0, 0, 0, 1])
        case _:
            drawn.certain = at
            return random.choice([47, 50, 89, 103]), data
    drawn.protocols.add("icmp6" if number == 58 else kind)
    drawn.certain = at if drawn.fragment else at + len(body)
    if kind in ("tcp", "udp") and not drawn.fragment:
        drawn.ports, drawn.inside = ports, len(data)
    return number, body + data
