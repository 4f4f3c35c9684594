"""Offloads: what leaves is what a guest without them would have sent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.network.cable import Cable
from devices.network.frame import LONGEST, USUAL
from devices.network.quiet import packets as ip
from devices.network.quiet.packets import Ends, Flag, Segment
from devices.virtio.net import HEADER, Feature
from devices.virtio.net_offload import NEEDS_CSUM, TCP4, TcpOffloads, fit, frames
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


class Uncut(test_net.Station):
    """At a cable whose far end takes whole segments."""

    def _make(self, slot):
        self.cable = Cable("net0", slot.scheduler.timer("net0-cable"), whole_segments=True)
        self.cable.peer = self.far
        return fit(slot, self.cable, test_net.MAC)

    def got_with_headers(self) -> list[tuple[bytes, bytes]]:
        """What came, each with the header that the device wrote before it."""
        found, rest = [], [self._taken(written) for _, written in self.driver.queues[test_net.RECEIVE].done()]
        while rest:
            count = int.from_bytes(rest[0][10:12], "little")
            data = b"".join(rest[:count])
            found.append((data[:12], data[12:]))
            rest = rest[count:]
        return found


GUEST_OFFLOADS = int(Feature.GUEST_CSUM | Feature.GUEST_TSO4)
SEND_OFFLOADS = int(Feature.CSUM | Feature.HOST_TSO4)


@given(st.integers(0, 40_000), st.booleans())
def test_a_whole_segment_is_one_that_a_driver_could_have_sent(size, tagged):
    frame = whole(bytes(range(251)) * (size // 251), tag=b"\x81\x00\0\5" if tagged else b"")
    head, rest = TcpOffloads(uncut=True).whole(frame)
    flags, kind, length, mss, start, offset, _ = HEADER.unpack(head + bytes(2))
    assert (flags, kind, offset) == (NEEDS_CSUM, TCP4, 16)
    assert length + mss == USUAL + 4 * tagged
    assert start == 34 + 4 * tagged
    assert list(frames(head + bytes(2), rest, uncut=True)) == [frame]
    assert b"".join(one[length:] for one in TcpOffloads(uncut=True).cut(frame)) == frame[length:]
    assert list(frames(head + bytes(2), rest)) == list(TcpOffloads(uncut=True).cut(frame))


@given(
    st.binary(min_size=14, max_size=2000), st.sampled_from([b"", b"\x08\x00", b"\x81\x00\0\1\x08\x00"]), st.booleans()
)
def test_what_is_no_tcp_comes_as_it_is(junk, kind, near):
    data = whole(b"")[: len(junk)] if near else junk[:12] + kind + junk[12 + len(kind) :]
    offloads = TcpOffloads(uncut=True)
    head, rest = offloads.whole(data)
    assert len(head) == 10
    assert len(rest) == len(data)
    assert any(head) or rest == data
    assert list(offloads.cut(data))


@pytest.mark.parametrize("event_index", [False, True])
def test_a_far_end_that_takes_whole_segments_has_them_uncut(event_index):
    station = Uncut(test_net.EVERYTHING | SEND_OFFLOADS, event_index=event_index)
    queue, ram = station.driver.queues[test_net.TRANSMIT], station.driver.ram.data
    frame = whole(bytes(range(200)) * 100)
    data = header(kind=TCP4, size=1000) + partial(frame)
    ram[0x40000 : 0x40000 + len(data)] = data
    queue.add([(0x40000, len(data), False)])
    queue.kick()
    station.run()
    assert [one for _, one in station.far.heard] == [frame]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=4), st.booleans())
def test_whole_segments_come_whole_to_who_takes_them_and_cut_to_others(sizes, takes):
    station = Uncut(test_net.EVERYTHING | GUEST_OFFLOADS * takes)
    for _ in range(60):
        station.offer(1536)
    sent = [whole(bytes([number]) * size, tag=b"") for number, size in enumerate(sizes)]
    station.come(*sent)
    got = station.got_with_headers()
    if takes:
        assert [one for head, rest in got for one in frames(head, rest, uncut=True)] == sent
    else:
        assert not any(any(head[:10]) for head, _ in got)
        assert all(len(rest) <= USUAL for _, rest in got)
        assert [rest for _, rest in got] == [
            one for frame in sent
            for one in (TcpOffloads(uncut=True).cut(frame) if len(frame) > USUAL + 4 else (frame,))
        ]  # fmt: skip


def test_offloads_of_what_comes_are_for_cables_that_carry_such(monkeypatch):
    assert Uncut().driver.features() & GUEST_OFFLOADS == GUEST_OFFLOADS
    monkeypatch.setattr(test_net, "VirtioNet", fit)
    assert not test_net.Station().driver.features() & GUEST_OFFLOADS
