"""Packets, acknowledgements, Ctrl-C and bytes that make no sense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdbstub.framing import (
    MAX_RESENDS,
    CtrlC,
    Event,
    Framing,
    Oversize,
    Packet,
    checksum,
    encode_runs,
    escape,
    frame,
    unescape,
)
from tests.gdbstub.wire import expand, framed, payloads


def events(framing: Framing, *chunks: bytes) -> list[Event]:
    found = []
    for chunk in chunks:
        framing.receive(chunk)
        while (event := framing.next_event()) is not None:
            found.append(event)
    return found


def quiet() -> Framing:
    framing = Framing()
    framing.acknowledged = False
    return framing


def test_packet_is_acknowledged() -> None:
    framing = Framing()
    assert events(framing, b"$g#67") == [Packet(b"g")]
    assert framing.take_output() == b"+"


def test_wrong_checksum_asks_for_it_again() -> None:
    framing = Framing()
    assert events(framing, b"$g#66$g#67") == [Packet(b"g")]
    assert framing.take_output() == b"-+"


@pytest.mark.parametrize("given_", [b"zz", b"+1", b" 7", b"6\xff"])
def test_checksum_that_is_no_number_is_wrong(given_: bytes) -> None:
    framing = Framing()
    assert events(framing, b"$g#" + given_) == []
    assert framing.take_output() == b"-"


def test_without_acks_the_checksum_is_not_looked_at() -> None:
    framing = quiet()
    assert events(framing, b"$g#00") == [Packet(b"g")]
    assert framing.take_output() == b""


def test_nak_sends_the_last_reply_again() -> None:
    framing = Framing()
    framing.send(b"OK")
    assert framing.take_output() == b"$OK#9a"
    assert events(framing, b"-") == []
    assert framing.take_output() == b"$OK#9a"


def test_endless_naks_are_given_up_on_until_something_gets_through() -> None:
    framing = Framing()
    framing.send(b"OK")
    framing.take_output()
    events(framing, b"-" * 100)
    assert framing.take_output() == b"$OK#9a" * MAX_RESENDS
    events(framing, b"+-")
    assert framing.take_output() == b"$OK#9a"


def test_nak_means_nothing_without_acks() -> None:
    framing = quiet()
    framing.send(b"OK")
    framing.take_output()
    events(framing, b"-")
    assert framing.take_output() == b""


def test_ctrl_c_is_seen_between_packets_only() -> None:
    packet = framed(b"X0,1:\x03")
    assert events(quiet(), b"\x03" + packet + b"\x03\x03") == [
        CtrlC(),
        Packet(b"X0,1:\x03"),
        CtrlC(),
        CtrlC(),
    ]


def test_noise_between_packets_is_skipped() -> None:
    assert events(quiet(), b"++garbage\x00\xff%#" + framed(b"g")) == [Packet(b"g")]


def test_dollar_inside_starts_anew() -> None:
    assert events(quiet(), b"$m10" + framed(b"g")) == [Packet(b"g")]
    assert events(quiet(), b"$m1", b"0$g", b"#67") == [Packet(b"g")]


def test_empty_packet() -> None:
    assert events(quiet(), b"$#00") == [Packet(b"")]


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_oversize_packet_is_one_event_however_it_comes(size: int) -> None:
    framing = Framing(packet_size=500)
    wire = b"$" + b"a" * 1500 + b"#00" + framed(b"g")
    chunks = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert events(framing, *chunks) == [Oversize(), Packet(b"g")]
    assert framing.take_output() == b"++"


def test_largest_packet_is_taken() -> None:
    payload = b"a" * 500
    assert events(Framing(packet_size=500), framed(payload)) == [Packet(payload)]


def test_oversize_packet_does_not_grow_memory() -> None:
    framing = Framing(packet_size=500)
    for _ in range(100):
        framing.receive(b"$" + b"a" * 400)
        assert framing.next_event() is None
        assert len(framing._input) <= 501


def test_packet_after_an_abandoned_oversize_one_is_taken() -> None:
    framing = Framing(packet_size=50)
    assert events(framing, b"$" + b"a" * 100, b"b" * 10, framed(b"g")) == [Packet(b"g")]


def test_notification_is_not_sent_again() -> None:
    framing = Framing()
    framing.send(b"OK")
    framing.notify(b"Stop:T05")
    assert framing.take_output() == b"$OK#9a%Stop:T05#99"
    events(framing, b"-")
    assert framing.take_output() == b"$OK#9a"


def test_long_runs_are_shortened() -> None:
    assert frame(b"0" * 16) == framed(b"0*,")
    assert frame(b"0" * 98) == framed(b"0*~")
    assert frame(b"00000") == framed(b"00000")


PAYLOAD = st.binary(max_size=300).map(escape)


@given(
    st.lists(st.one_of(PAYLOAD.map(framed), st.just(b"\x03"), st.just(b"+"), st.binary(max_size=5)), max_size=12),
    st.data(),
)
def test_chunks_do_not_matter(pieces: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    chunks = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    whole, cut = Framing(packet_size=200), Framing(packet_size=200)
    assert events(cut, *chunks) == events(whole, wire)
    assert cut.take_output() == whole.take_output()


@given(st.lists(PAYLOAD, max_size=6))
def test_clean_packets_all_arrive(sent: list[bytes]) -> None:
    assert events(Framing(), b"".join(map(framed, sent))) == [Packet(payload) for payload in sent]


@given(st.binary())
def test_escape_round_trip(data: bytes) -> None:
    escaped = escape(data)
    assert not set(escaped) & set(b"$#*")
    assert unescape(escaped) == data


@given(st.binary())
def test_unescape_flips_bit_5_of_whatever_follows(data: bytes) -> None:
    expected, pieces = bytearray(), iter(data)
    for byte in pieces:
        if byte != 0x7D:
            expected.append(byte)
        elif (following := next(pieces, None)) is not None:
            expected.append(following ^ 0x20)
    assert unescape(data) == expected


@given(st.text("0fxa3", max_size=40).map(lambda text: text.encode() * 9))
def test_runs_round_trip(payload: bytes) -> None:
    assert expand(encode_runs(payload)) == payload
    assert payloads(frame(payload)) == [payload]


@given(st.integers(0, 700).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_checksum_is_the_sum(data: bytes) -> None:
    assert checksum(data) == sum(data) & 0xFF
