"""Differences of pages, against a naive model."""

from __future__ import annotations

import random
import struct

import pytest

from vmdbg.engine.likeness import MASK, Difference, changed, differences
from vmdbg.units import PAGE_SIZE

WORDS = PAGE_SIZE // 8
PAGE = struct.Struct(f"<{WORDS}Q")


def naive(page: bytes, other: bytes, most: int) -> Difference | None:
    pairs = list(zip(PAGE.unpack(page), PAGE.unpack(other), strict=True))
    places = [place for place, (one, before) in enumerate(pairs) if one != before]
    if len(places) > most:
        return None
    words = [pairs[place][0] for place in places]
    steps = [(pairs[place][0] - pairs[place][1]) % 2**64 for place in places]
    stepped = len(set(steps)) * 4 < len(set(words)) * 3
    mask = sum(1 << place for place in places).to_bytes(MASK, "little")
    return Difference(mask, struct.pack(f"<{len(places)}Q", *(steps if stepped else words)), stepped)


def relocated(rng: random.Random, page: bytes, count: int) -> bytes:
    """Numbers of four bytes in it, at any byte, are so much more."""
    result, by = bytearray(page), rng.choice((0x200000, 0xFFE00000, 0x1000000))
    for at in (rng.randrange(PAGE_SIZE - 4) for _ in range(count)):
        (number,) = struct.unpack_from("<I", result, at)
        struct.pack_into("<I", result, at, (number + by) % 2**32)
    return bytes(result)


def written(rng: random.Random, page: bytes, count: int) -> bytes:
    result, values = bytearray(page), [rng.randbytes(8) for _ in range(rng.choice((1, 5, 500)))]
    for place in rng.sample(range(WORDS), count):
        result[8 * place : 8 * place + 8] = rng.choice(values)
    return bytes(result)


@pytest.mark.parametrize("seed", range(60))
def test_pages_differ_as_the_naive_model_says(seed: int) -> None:
    rng = random.Random(seed)
    others = [rng.choice((rng.randbytes(PAGE_SIZE), bytes(PAGE_SIZE))) for _ in range(8)]
    pages = [rng.choice((relocated, written))(rng, other, rng.choice((0, 1, 3, 40, 300))) for other in others]
    most = rng.choice((0, 40, 256, WORDS))
    found = differences(pages, others, most)
    assert found == [naive(page, other, most) for page, other in zip(pages, others, strict=True)]
    for page, other, one in zip(pages, others, found, strict=True):
        assert one is None or changed(other, one.mask, one.words, stepped=one.stepped) == page


def test_what_was_relocated_is_kept_as_steps_and_what_was_written_as_it_is() -> None:
    rng = random.Random(1)
    other = rng.randbytes(PAGE_SIZE)
    cases = [relocated(rng, other, 60), written(rng, other, 60), other]
    assert [one is not None and one.stepped for one in differences(cases, [other] * 3, WORDS)] == [True, False, False]


def test_a_mask_of_another_number_of_words_is_refused() -> None:
    for mask, words in ((b"\1" + bytes(MASK - 1), b""), (bytes(MASK), bytes(8)), (b"\1", bytes(8))):
        for stepped in (False, True):
            with pytest.raises(ValueError, match="differs"):
                changed(bytes(PAGE_SIZE), mask, words, stepped=stepped)
