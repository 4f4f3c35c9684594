"""What a guest offers becomes as much as there can be, its sum stays right, and what is no TCP is cut as IP has it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from devices.network.frame import LONGEST, USUAL
from devices.network.quiet import packets as ip
from tests.devices.network.quiet.guest import ACK, GATEWAY, GUEST, MAC, SYN
from vmdbg.host.whole_segments import MOST, fragments, with_largest_segments

ENDS = ip.Ends(bytes.fromhex("52550a000202"), MAC, GATEWAY, GUEST)
OPTION = st.one_of(
    st.just(b"\1"),
    st.just(b"\4\2"),
    st.just(b"\3\3\7"),
    st.binary(min_size=8, max_size=8).map(lambda a: b"\x08\x0a" + a),
)


def syn(options: bytes, flags: int = SYN) -> bytes:
    one = ip.Segment(80, 5000, 7, 0, ip.Flag(flags), 100, b"", options.ljust(-(-len(options) // 4) * 4, b"\0"))
    return ip.ip_frame(ENDS, ip.TCP, ip.tcp_data(ENDS, one), 9)


def read(frame: bytes) -> ip.Segment:
    """With checksums that are right."""
    packet = ip.read_ip(frame, ENDS.our_mac)
    assert packet is not None
    segment = ip.read_tcp(packet)
    assert segment is not None
    return segment


@given(st.lists(OPTION, max_size=2), st.lists(OPTION, max_size=1), st.integers(0, 0xFFFF))
def test_an_offer_becomes_the_largest_wherever_it_stands(before, after, size):
    head, tail = b"".join(before), b"".join(after)
    frame = syn(head + b"\2\4" + size.to_bytes(2, "big") + tail)
    made = with_largest_segments(frame)
    at = frame.index(head + b"\2\4" + size.to_bytes(2, "big") + tail, 54) + len(head) + 2
    assert made[at : at + 2] == MOST.to_bytes(2, "big")
    assert made[:50] + made[52:at] + made[at + 2 :] == frame[:50] + frame[52:at] + frame[at + 2 :]
    assert read(made) == replace(read(frame), options=read(made).options)


@given(st.binary(max_size=200), st.binary(max_size=40), st.booleans())
def test_anything_else_stays_as_it_is(junk, options, real):
    offer = b"\2\4\5\xb4"
    assert with_largest_segments(syn(offer, ACK)) == syn(offer, ACK)
    assert with_largest_segments(syn(b"\0" + offer)) == syn(b"\0" + offer)
    frame = syn(options)[: len(junk) + 14] if real else ENDS.our_mac + MAC + junk
    assert len(with_largest_segments(frame)) == len(frame)


@given(st.integers(0, LONGEST - 34), st.sampled_from([ip.UDP, ip.ICMP, ip.TCP]))
def test_fragments_are_whole_again_and_tcp_is_one(size, protocol):
    data = bytes(range(253)) * (size // 253)
    frame = ip.ip_frame(ENDS, protocol, data, 77)
    parts = list(fragments(frame))
    if protocol == ip.TCP or len(frame) <= USUAL:
        assert parts == [frame]
        return
    whole = bytearray(len(data))
    for number, part in enumerate(parts):
        assert len(part) <= USUAL
        assert ip.checksum(part[14:34]) == 0
        assert int.from_bytes(part[16:18], "big") == len(part) - 14
        word = int.from_bytes(part[20:22], "big")
        assert bool(word & 0x2000) == (number < len(parts) - 1)
        at = (word & 0x1FFF) * 8
        whole[at : at + len(part) - 34] = part[34:]
    assert whole == data
