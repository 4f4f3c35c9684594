"""ARP, ICMP, UDP, DHCP and DNS of the quiet network, byte by byte where it matters."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.network.quiet import dhcp, dns
from devices.network.quiet import packets as ip
from devices.network.quiet.options import is_host_name
from devices.network.quiet.responder import GATEWAY_MAC
from tests.devices.network.quiet.guest import GATEWAY, GUEST, MAC, NAMES, SITE, Guest, echo, read_datagram

EVERYBODY = b"\xff" * 6


def arp(target: bytes, asker: bytes = GUEST) -> bytes:
    return (
        EVERYBODY + MAC + b"\x08\x06" + struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, MAC, asker, bytes(6), target)
    )


def naive_checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@given(st.binary(max_size=100))
def test_checksums_are_those_of_the_rfc(data):
    assert ip.checksum(data) == naive_checksum(data)


@pytest.mark.parametrize("target", [GATEWAY, NAMES, SITE])
def test_arp_tells_who_has_what_is_there(target):
    (reply,) = Guest().ask(arp(target))
    assert reply[:14] == MAC + GATEWAY_MAC + b"\x08\x06"
    assert reply[20:42] == b"\0\2" + GATEWAY_MAC + target + MAC + GUEST


@pytest.mark.parametrize("frame", [arp(GUEST), arp(bytes([10, 0, 2, 77])), arp(GATEWAY)[:40], arp(GATEWAY, GATEWAY)])
def test_arp_for_what_is_not_there_is_not_answered(frame):
    assert Guest().ask(frame) == []


@pytest.mark.parametrize("to", [GATEWAY, NAMES, SITE])
def test_hosts_that_are_there_answer_pings(to):
    (reply,) = Guest().ask(echo(to, b"12345678abc"))
    assert reply[26:34] == to + GUEST
    assert reply[34] == 0
    assert reply[38:] == b"12345678abc"
    assert ip.checksum(reply[14:34]) == ip.checksum(reply[34:]) == 0


@pytest.mark.parametrize(("to", "code"), [(bytes([10, 0, 2, 9]), 1), (bytes([8, 8, 8, 8]), 0)])
def test_of_others_the_gateway_says_that_they_cannot_be_reached(to, code):
    sent = echo(to)
    (reply,) = Guest().ask(sent)
    assert reply[26:30] == GATEWAY
    assert reply[34:36] == bytes([3, code])
    assert reply[42:] == sent[14:42]


def test_nobody_is_told_of_broadcasts_and_of_errors():
    guest = Guest()
    error = ip.ip_frame(ip.Ends(GATEWAY_MAC, MAC, bytes([8, 8, 8, 8]), GUEST), ip.ICMP, ip.unreachable(1, bytes(28)), 1)
    assert guest.ask(error) == []
    for to in (bytes([255] * 4), bytes([224, 0, 0, 251])):
        assert guest.ask(guest.datagram(to, 5353, b"x")) == []


def test_a_port_where_nobody_listens_is_unreachable_and_the_echo_is_not():
    guest = Guest()
    assert guest.udp(SITE, 7, b"hello") == [(7, b"hello")]
    assert guest.ask(guest.datagram(SITE, 9, b"hello")) == []
    (reply,) = guest.ask(guest.datagram(SITE, 1234, b"hello"))
    assert (reply[26:30], reply[34:36]) == (SITE, b"\3\3")


@given(st.integers(0, 60), st.integers(1, 255))
def test_what_is_damaged_is_not_answered(at, flip):
    guest = Guest()
    frame = bytearray(guest.datagram(GATEWAY, 7, b"some words here!!"))
    at += 14
    if at < len(frame):
        frame[at] ^= flip
        ports = bytes(frame[40:42]) == b"\0\0"  # no checksum was given
        assert guest.ask(bytes(frame)) == [] or ports or at in (40, 41)


def dhcp_message(kind: int, *options: tuple[int, bytes], flags: int = 0, client: bytes = bytes(4)) -> bytes:
    head = struct.pack(
        "!BBBBIHH4s4s4s4s16s64s128s", 1, 1, 6, 0, 0x1234, 3, flags, client, *[bytes(4)] * 3, MAC, b"", b""
    )
    words = [(53, bytes([kind])), *options] if kind else list(options)
    return head + bytes([99, 130, 83, 99]) + b"".join(bytes([n, len(v)]) + v for n, v in words) + b"\xff"


def asked(message: bytes, *, source: bytes = bytes(4)) -> tuple[bytes, bytes] | None:
    """The frame that answers, and DHCP's message in it."""
    guest = Guest()
    ends = ip.Ends(EVERYBODY, MAC, bytes([255] * 4), source)
    frame = ip.ip_frame(ends, ip.UDP, ip.udp_data(ends, ip.Datagram(67, 68, message)), 1)
    frames = guest.ask(frame)
    return (frames[0], read_datagram(frames[0])[1]) if frames else None


def options_of(message: bytes) -> dict[int, bytes]:
    return dict(dhcp._options(message[236:]))


def test_dhcp_offers_and_gives_the_one_lease():
    found = asked(dhcp_message(1))
    assert found is not None
    frame, offer = found
    assert frame[:6] == MAC
    assert frame[30:34] == GUEST
    assert offer[:4] == bytes([2, 1, 6, 0])
    assert offer[4:8] == bytes.fromhex("00001234")
    assert (offer[16:20], offer[20:24]) == (GUEST, GATEWAY)
    assert offer[108:118] == b"boot.ipxe\0"
    options = options_of(offer)
    assert options[53] == bytes([2])
    assert options[1] == bytes([255, 255, 255, 0])
    assert (options[3], options[6], options[54]) == (GATEWAY, NAMES, GATEWAY)
    assert options[67] == b"boot.ipxe"
    found = asked(dhcp_message(3, (54, GATEWAY), (50, GUEST)))
    assert found is not None
    assert options_of(found[1])[53] == bytes([5])


def test_dhcp_refuses_other_addresses_and_leaves_other_servers_alone():
    found = asked(dhcp_message(3, (50, bytes([10, 0, 2, 99]))))
    assert found is not None
    frame, refused = found
    assert options_of(refused)[53] == bytes([6])
    assert refused[16:20] == bytes(4)
    assert frame[:6] == EVERYBODY
    assert asked(dhcp_message(3, (54, bytes([10, 0, 2, 1])), (50, GUEST))) is None


def test_dhcp_tells_everybody_where_the_client_asks_for_that_and_renews():
    found = asked(dhcp_message(1, flags=0x8000))
    assert found is not None
    assert (found[0][:6], found[0][30:34]) == (EVERYBODY, bytes([255] * 4))
    found = asked(dhcp_message(3, client=GUEST), source=GUEST)
    assert found is not None
    assert options_of(found[1])[53] == bytes([5])
    found = asked(dhcp_message(8, client=GUEST), source=GUEST)
    assert found is not None
    assert 51 not in options_of(found[1])


def test_bootp_has_an_answer_too():
    found = asked(dhcp_message(0))
    assert found is not None
    assert 53 not in options_of(found[1])
    assert found[1][16:20] == GUEST


@given(st.binary(max_size=400))
def test_dhcp_and_dns_bear_anything(data):
    lease = dhcp.Lease(GUEST, GUEST, GATEWAY, NAMES)
    head = dhcp_message(1)[:236] + bytes([99, 130, 83, 99])
    for message in (data, head + data):
        reply = dhcp.answer(message, lease)
        assert reply is None or len(reply) >= 300
    for message in (data, b"\0\1\1\0\0\1\0\0\0\0\0\0" + data):
        answer = dns.answer(message, {"a": GUEST})
        assert answer is None or len(answer) >= 12


def query(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


@pytest.mark.parametrize(
    ("name", "kind", "code", "data"),
    [
        ("site.test", 1, 0, SITE),
        ("SITE.test", 255, 0, SITE),
        ("site.test", 28, 0, None),
        ("gateway", 1, 0, GATEWAY),
        ("other.test", 1, 3, None),
        ("34.216.184.93.in-addr.arpa", 12, 0, b"\4site\4test\0"),
        ("1.1.1.1.in-addr.arpa", 12, 3, None),
    ],
)
def test_names_are_those_that_were_configured(name, kind, code, data):
    ((_, answer),) = Guest().udp(NAMES, 53, query(name, kind))
    assert answer[:2] == b"\0\7"
    assert answer[2] & 0x80
    assert answer[3] & 0xF == code
    asked_again = query(name, kind)[12:]
    assert answer[12:].startswith(asked_again)
    rest = answer[12 + len(asked_again) :]
    assert int.from_bytes(answer[6:8], "big") == (data is not None)
    if data is not None:
        assert rest[12:] == data
        assert int.from_bytes(rest[10:12], "big") == len(data)


def test_a_query_that_is_none_is_told_so_and_an_answer_is_not_answered():
    guest = Guest()
    ((_, answer),) = guest.udp(NAMES, 53, b"\0\1\0\0\0\1\0\0\0\0\0\0\x3f")
    assert answer[3] & 0xF == 1
    ((_, answer),) = guest.udp(NAMES, 53, b"\0\1\x08\0\0\0\0\0\0\0\0\0")
    assert answer[3] & 0xF == 4
    assert guest.udp(NAMES, 53, b"\0\1\x80\0\0\1\0\0\0\0\0\0") == []


@pytest.mark.parametrize("name", ["a", "deb.debian.org", "_srv.x-1.y", "A.B"])
def test_names_of_hosts(name):
    assert is_host_name(name)


@pytest.mark.parametrize("name", ["", ".", "a..b", "-a", "a-", "a b", "ä", "a" * 64, "a." * 130 + "a"])
def test_no_names_of_hosts(name):
    assert not is_host_name(name)
