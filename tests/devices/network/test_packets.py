"""Frames in words, and filters of them, against what random frames were made as."""

from __future__ import annotations

import re
import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.network.packet_filter import DEEPEST, parse_filter
from devices.network.quiet import packets as ip
from devices.network.summary import LONGEST_INFO, summary
from devices.network.wire import Direction, Fate, Passage
from tests.devices.network.quiet.guest import GATEWAY, GUEST, MAC, NAMES, Guest, echo
from tests.devices.network.quiet.test_small_protocols import arp, dhcp_message, query
from tests.devices.network.quiet.test_tftp import request
from tests.devices.network.random_packets import draw

BACK = ip.Ends(MAC, bytes.fromhex("525500000002"), GUEST, GATEWAY)


def tcp(data: bytes = b"GET / HTTP/1.1\r\n\r\n", flags: int = 0x18) -> bytes:
    segment = ip.Segment(40_000, 80, 7, 9, ip.Flag(flags), 100, data)
    return ip.ip_frame(BACK, ip.TCP, ip.tcp_data(BACK, segment), 1)


def ip6() -> bytes:
    head = struct.pack("!IHBB16s16s", 6 << 28, 8, 58, 255, bytes.fromhex("fe80" + "0" * 27 + "1"), bytes(15) + b"\1")
    return bytes(12) + b"\x86\xdd" + head + bytes([135, 0, 0, 0, 0, 0, 0, 0])


GUESTS = Guest()
CASES = [
    (arp(GATEWAY), "10.0.2.15", "10.0.2.2", "ARP", "who has 10.0.2.2? tell 10.0.2.15"),
    (echo(NAMES, b"\0\1\0\2"), "10.0.2.15", "10.0.2.3", "ICMP", "echo request 2"),
    (tcp(), "10.0.2.2", "10.0.2.15", "TCP", "80 > 40000 [psh,ack] seq 7 ack 9 win 100 len 18 GET / HTTP/1.1"),
    (tcp(b"", 2), "10.0.2.2", "10.0.2.15", "TCP", "80 > 40000 [syn] seq 7 ack 9 win 100 len 0"),
    (GUESTS.datagram(GATEWAY, 1234, b"abc"), "10.0.2.15", "10.0.2.2", "UDP", "4000 > 1234, 3 bytes"),
    (GUESTS.datagram(GATEWAY, 67, dhcp_message(1)), "10.0.2.15", "10.0.2.2", "DHCP", "discover"),
    (GUESTS.datagram(NAMES, 53, query("a.test")), "10.0.2.15", "10.0.2.3", "DNS", "query a.test"),
    (GUESTS.datagram(GATEWAY, 69, request("file")), "10.0.2.15", "10.0.2.2", "TFTP", "read file"),
    (ip6(), "fe80::1", "::1", "ICMPv6", "neighbour solicitation"),
    (bytes(12) + b"\x88\xb5" + bytes(46), "00:00:00:00:00:00", "00:00:00:00:00:00", "0x88b5", "46 bytes"),
    (arp(GATEWAY)[:20], "52:54:00:12:34:56", "ff:ff:ff:ff:ff:ff", "ARP", "cut short"),
]


@pytest.mark.parametrize(("frame", "source", "target", "protocol", "info"), CASES)
def test_frames_in_words(frame, source, target, protocol, info):
    found = summary(frame)
    assert (found.source, found.target, found.protocol, found.info) == (source, target, protocol, info)


def test_a_tag_is_seen_through():
    frame = tcp()
    found = summary(frame[:12] + b"\x81\x00\x00\x05" + frame[12:])
    assert found.protocols == {"vlan", "ip", "tcp"}


@given(st.binary(min_size=14, max_size=200), st.sampled_from([case[0] for case in CASES]), st.integers(0, 60))
def test_anything_has_words_that_a_terminal_bears(junk, frame, at):
    for one in (junk, frame[:at].ljust(14, b"\0"), frame[:at] + junk, frame[:12] + junk):
        found = summary(one)
        assert len(found.info) <= LONGEST_INFO
        assert found.info.isprintable()


def passage(
    frame: bytes, direction: Direction = Direction.SENT, fate: Fate = Fate.CARRIED, net: str = "net0"
) -> Passage:
    return Passage(net, direction, 0, frame, 0, 0, fate)


@pytest.mark.parametrize(
    ("words", "arps", "http", "lost"),
    [
        ("", True, True, True),
        ("arp", True, False, False),
        ("tcp port 80", False, True, False),
        ("port 81", False, False, False),
        ("arp or tcp", True, True, False),
        ("not arp and not tcp", False, False, True),
        ("not (arp or tcp)", False, False, True),
        ("host 10.0.2.2", True, True, False),
        ("host 10.0.2.2 and sent", True, False, False),
        ("host ff:ff:ff:ff:ff:ff", True, False, False),
        ("received", False, True, False),
        ("lost", False, False, True),
        ("net0", True, True, False),
        ("net1 udp dns", False, False, True),
        ("arp or lost or tcp and port 80", True, True, True),
    ],
)
def test_filters(words, arps, http, lost):
    test = parse_filter(words).holds
    assert test(passage(arp(GATEWAY))) == arps
    assert test(passage(tcp(), Direction.RECEIVED)) == http
    gone = passage(GUESTS.datagram(NAMES, 53, query("a.test")), fate=Fate.LOST, net="net1")
    assert test(gone) == lost


@pytest.mark.parametrize(
    ("words", "says"),
    [("port", "ends where a port"), ("port x", "no port"), ("port 70000", "no port"), ("(", "ends where a packet"),
     ("(arp", "ends where `.` was"), ("arp )", "one too many"), ("wlan", "says nothing of packets"),
     ("host gateway", "no address"), ("host 10.0.2", "no address"), ("host fe80::1%net0", "no address"),
     ("arp and", "ends where"), ("not " * (DEEPEST + 2) + "arp", "nested"), ("arp " * 1000, "at most")],
)  # fmt: skip
def test_filters_that_make_no_sense(words, says):
    with pytest.raises(ValueError, match=says):
        parse_filter(words)


def test_random_frames_are_what_they_were_made_as():
    random = Random(1)
    for _ in range(4000):
        drawn = draw(random)
        found = summary(drawn.frame)
        assert found.protocols == drawn.protocols
        assert (found.source, found.target) == drawn.hosts
        assert (found.source_port, found.target_port) == drawn.ports
        assert found.macs == drawn.macs
        if drawn.ports != (0, 0):
            assert re.search(rf"\b(len {drawn.inside}\b|{drawn.inside} bytes$)", found.info)
        assert ("fragment" in found.info) == (drawn.fragment > 0)


def test_what_is_cut_short_is_still_what_its_beginning_says():
    random = Random(2)
    for _ in range(4000):
        drawn = draw(random)
        whole = summary(drawn.frame)
        for at in [random.randint(14, len(drawn.frame)) for _ in range(5)]:
            found = summary(drawn.frame[:at])
            assert found.protocols <= whole.protocols
            assert (found.source, found.target) in (drawn.hosts, drawn.macs)
            assert (found.source_port, found.target_port) in (drawn.ports, (0, 0))
            if at >= drawn.certain:
                assert found.protocols == whole.protocols
                assert (found.source_port, found.target_port) == drawn.ports


def test_less_than_a_header_says_how_much_there_is():
    for size in range(14):
        assert summary(bytes(size)).info == f"{size} bytes"


@pytest.mark.parametrize(
    "words",
    ["fe80:0:0:0:0:0:0:1", "FE80::1", "fe80::1", "52-54-00-12-34-56", "52:54:00:12:34:56"],
)
def test_an_address_may_be_spelt_in_any_way(words):
    frame = bytes(6) + MAC + ip6()[12:]
    assert parse_filter(f"host {words}").holds(passage(frame))
