"""Trees of pages against plain lists of them."""

from __future__ import annotations

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from vmdbg.timeline.page_tree import size_together
from vmdbg.timeline.pages import PageStore
from vmdbg.timeline.ram import RamImage
from vmdbg.units import PAGE_SIZE

COUNTS = st.sampled_from([1, 255, 256, 257, 4096, 65_535, 65_536, 65_537, 200_000])
CHANGES = st.lists(st.dictionaries(st.integers(0, 1 << 20), st.integers(0, 4), max_size=12), max_size=6)


@settings(max_examples=80, deadline=None)
@given(count=COUNTS, rounds=CHANGES)
def test_an_image_is_a_row_of_pages(count: int, rounds: list[dict[int, int]]) -> None:
    store = PageStore()
    contents = [store.page(bytes([value]) * PAGE_SIZE) for value in range(5)]
    image, plain = RamImage.filled(store.zero, count), {}
    images = [(image, dict(plain))]
    for changes in rounds:
        inside = {number % count: value for number, value in changes.items()}
        expected = image.digest({number: contents[value].key for number, value in inside.items()})
        image = image.with_pages({number: contents[value] for number, value in inside.items()})
        assert image.digest({}) == expected
        plain |= inside
        images.append((image, dict(plain)))
    afresh = RamImage.filled(store.zero, count).with_pages({n: contents[value] for n, value in plain.items()})
    assert afresh.digest({}) == image.digest({})
    assert list(image.differences(afresh)) == []
    assert list(zip(*image.besides(store.zero), strict=True)) == [
        (n, contents[value]) for n, value in sorted(plain.items()) if value
    ]
    for other, was in images:
        different = sorted(n for n in plain if plain[n] != was.get(n, 0))
        assert list(other.differences(image)) == list(image.differences(other)) == different
        assert all(other[n] is contents[value] for n, value in was.items())


def test_small_rows_have_the_digests_that_they_always_had() -> None:
    """Up to 256 MiB: over those of pieces of a MiB."""
    store = PageStore()
    page = store.page(b"x" * PAGE_SIZE)
    image = RamImage.filled(store.zero, 1000).with_pages({999: page})
    keys = [store.zero.key] * 999 + [page.key]
    pieces = [xxhash.xxh3_128_digest(b"".join(keys[start : start + 256])) for start in range(0, 1000, 256)]
    assert image.digest({}) == xxhash.xxh3_128_hexdigest(b"".join(pieces))


@pytest.mark.parametrize("count", [2 << 18, 1 << 32])
def test_a_change_costs_the_same_however_many_pages_there_are(count: int) -> None:
    store = PageStore()
    page = store.page(b"x" * PAGE_SIZE)
    images = [RamImage.filled(store.zero, count)]
    for number in range(100):
        images.append(images[-1].with_pages({number * (count // 100): page}))
    assert size_together(image.root for image in images) < 100 * 4 * 256 * 8 + (1 << 16)
    assert list(images[-1].besides(store.zero)[0]) == [n * (count // 100) for n in range(100)]
