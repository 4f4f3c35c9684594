"""Offloads: what leaves is what a guest without them would have sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.network.frame import LONGEST
from devices.network.quiet import packets as ip
from devices.network.quiet.packets import Ends, Flag, Segment
from devices.virtio.net import HEADER, Feature
from devices.virtio.net_offload import NEEDS_CSUM, TCP4, fit, frames
from tests.devices.network.quiet.guest import GATEWAY, GUEST, MAC
from tests.devices.virtio import test_net

ENDS = Ends(bytes.fromhex("525500000002"), MAC, GATEWAY, GUEST)
"""From the guest: ours and the guest's are the other way round."""


def whole(data: bytes, flags: int = 0x19, tag: bytes = b"") -> bytes:
    frame = ip.ip_frame(ENDS, ip.TCP, ip.tcp_data(ENDS, Segment(80, 5000, 0xFFFF_FF00, 7, Flag(flags), 100, data)), 9)
    return frame[:12] + tag + frame[12:]


def header(flags: int = NEEDS_CSUM, kind: int = 0, size: int = 0, start: int = 34, offset: int = 16) -> bytes:
    return HEADER.pack(flags, kind, 54, size, start, offset, 0)


def partial(frame: bytes, start: int = 34) -> bytes:
    """As a driver leaves it: the sum of the pseudo header where the checksum is to be."""
    pseudo = frame[start - 8 : start] + b"\0\6" + (len(frame) - start).to_bytes(2, "big")
    return frame[: start + 16] + (0xFFFF ^ ip.checksum(pseudo)).to_bytes(2, "big") + frame[start + 18 :]


@given(st.binary(max_size=200))
def test_a_checksum_that_was_left_is_filled_in(data):
    assert list(frames(header(), partial(whole(data)))) == [whole(data)]


@given(st.integers(0, 9000), st.integers(64, 1460), st.booleans())
def test_segments_are_whole_right_and_in_order(size, mss, tagged):
    data, tag = bytes(range(256)) * 36, b"\x81\x00\0\5" if tagged else b""
    data = data[:size]
    start = 34 + len(tag)
    got, wanted = b"", 0xFFFF_FF00
    made = list(frames(header(kind=TCP4, size=mss, start=start), partial(whole(data, tag=tag), start)))
    assert len(made) == max(1, -(-size // mss))
    for index, frame in enumerate(made):
        packet = ip.read_ip(frame[:12] + frame[12 + len(tag) :], ENDS.our_mac)
        assert packet is not None
        segment = ip.read_tcp(packet)
        assert segment is not None
        assert segment.sequence == wanted & 0xFFFF_FFFF
        assert len(segment.data) <= mss
        assert (segment.flags == 0x19) == (index == len(made) - 1)
        got += segment.data
        wanted += len(segment.data)
    assert got == data


@given(st.binary(min_size=12, max_size=12), st.binary(min_size=14, max_size=300))
def test_anything_is_borne(head, junk):
    for data in (junk, whole(b"x" * 200), whole(b"")[: len(junk)]):
        made = list(frames(head, data))
        assert made
        assert sum(map(len, made)) < 100 * LONGEST


@pytest.mark.parametrize("event_index", [False, True])
def test_the_device_sends_segments_of_what_comes_whole(monkeypatch, event_index):
    monkeypatch.setattr(test_net, "VirtioNet", fit)
    wanted = test_net.EVERYTHING | int(Feature.CSUM | Feature.HOST_TSO4)
    station = test_net.Station(wanted, event_index=event_index)
    assert station.driver.features() & int(Feature.HOST_TSO4)
    queue, ram = station.driver.queues[test_net.TRANSMIT], station.driver.ram.data
    data = header(kind=TCP4, size=1000) + partial(whole(bytes(20_000)))
    ram[0x40000 : 0x40000 + len(data)] = data
    queue.add([(0x40000, len(data), False)])
    queue.kick()
    station.run()
    assert len(station.far.heard) == 20
