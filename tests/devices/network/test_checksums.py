"""Sums are those that RFC 1071 has word by word, with the carry brought around."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.network.e1000.checksums import ones_sum
from devices.network.quiet.packets import checksum


def word_by_word(data: bytes, start: int) -> int:
    total = start
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


BYTES = st.one_of(st.binary(max_size=80), st.integers(0, 80).map(bytes), st.integers(0, 80).map(lambda n: b"\xff" * n))


@given(BYTES, st.one_of(st.just(0), st.sampled_from([0xFFFF, 0x10000, 0x1FFFE]), st.integers(0, 1 << 20)))
def test_a_sum_is_that_of_the_words(data: bytes, start: int) -> None:
    assert ones_sum(data, start) == word_by_word(data, start)


@given(BYTES)
def test_a_checksum_is_what_is_left_of_it(data: bytes) -> None:
    assert checksum(data) == word_by_word(data, 0) ^ 0xFFFF
