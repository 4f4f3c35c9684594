"""Only acknowledgements are left out that the next one repeats: no data, no sign of a loss, no other flag."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from devices.network.quiet import packets as ip
from tests.devices.network.quiet.guest import GATEWAY, GUEST, MAC
from vmdbg.host.acknowledgements import without_idle

ENDS = ip.Ends(MAC, bytes.fromhex("52550a000202"), GUEST, GATEWAY)
ACK = 16


@dataclass(frozen=True)
class Sent:
    """A segment in words: its connection, whether it is a plain acknowledgement, and its numbers."""

    port: int
    sequence: int
    acknowledged: int
    flags: int = ACK
    data: bytes = b""
    options: bytes = b""
    tail: bytes = b""

    @property
    def frame(self) -> bytes:
        one = ip.Segment(
            self.port, 80, self.sequence, self.acknowledged, ip.Flag(self.flags), 1000, self.data, self.options
        )
        return ip.ip_frame(ENDS, ip.TCP, ip.tcp_data(ENDS, one), 1) + self.tail

    @property
    def plain(self) -> bool:
        return self.flags == ACK and not self.data and not self.options


SEGMENTS = st.builds(
    Sent,
    st.integers(1, 2),
    st.sampled_from([7, 8]),
    st.one_of(st.integers(0, 5), st.sampled_from([0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 31])),
    st.sampled_from([ACK, ACK, ACK, ACK, ACK | 1, ACK | 2, ACK | 4, ACK | 8, 4]),
    st.sampled_from([b"", b"", b"", b"d"]),
    st.sampled_from([b"", b"", b"", b"\1\1\1\0"]),
    st.sampled_from([b"", b"", bytes(6)]),
)


def is_said_again(sent: list[Sent], at: int) -> bool:
    """By the next of its connection."""
    one = sent[at]
    later = next((other for other in sent[at + 1 :] if other.port == one.port), None)
    if later is None or not (one.plain and later.plain) or one.sequence != later.sequence:
        return False
    return 0 < (later.acknowledged - one.acknowledged) % 2**32 < 2**31


@given(st.lists(SEGMENTS, max_size=12))
def test_only_what_the_next_of_a_connection_says_again_is_left_out(sent):
    wanted = [one.frame for at, one in enumerate(sent) if not is_said_again(sent, at)]
    assert list(without_idle([one.frame for one in sent])) == wanted


def test_of_a_row_of_acknowledgements_the_last_one_comes():
    row = [Sent(1, 7, number * 1460).frame for number in range(40)]
    assert list(without_idle(row)) == row[-1:]


def test_duplicates_tell_of_a_loss():
    row = [Sent(1, 7, 99).frame] * 4
    assert list(without_idle(row)) == row


@given(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 255)), min_size=1, max_size=3), st.integers(0, 1))
def test_any_other_byte_but_a_number_or_a_sum_keeps_both(changes, which):
    both = [bytearray(Sent(1, 7, 100, tail=bytes(6)).frame), bytearray(Sent(1, 7, 200, tail=bytes(6)).frame)]
    before = [bytes(one) for one in both]
    for at, value in changes:
        both[which][at] = value
    told = {*range(12, 18), 20, 21, 23, *range(26, 42), 46, 47, *range(12)}
    """EtherType to the length, fragments, protocol, addresses and ports, sequence, header and flags, stations."""
    others = {at for at in told if both[which][at] != before[which][at]} - {20}
    frames = [bytes(one) for one in both]
    found = list(without_idle(frames))
    assert found[-1] == frames[-1]
    if others:
        assert found == frames


@given(st.lists(st.binary(max_size=70), max_size=6))
def test_junk_stays_as_it_is(junk):
    assert list(without_idle(junk)) == junk
