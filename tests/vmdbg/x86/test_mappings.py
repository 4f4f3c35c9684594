from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmdbg.x86.builders import NX, PageTables, Ram, canonical
from vmdbg.units import PAGE_SIZE, Linear, Physical
from vmdbg.x86.mappings import TooManyTablesError, mappings, regions, who_maps
from vmdbg.x86.page_walk import walk
from vmdbg.x86.paging import Paging, PagingMode, translate

TREES = [PagingMode.BITS32, PagingMode.PAE, PagingMode.LEVEL4, PagingMode.LEVEL5]


@given(st.sampled_from(TREES), st.lists(st.tuples(st.integers(0, 128), st.integers(0, 40), st.integers(0, 7))))
def test_mappings_agree_with_walks(mode: PagingMode, pages: list[tuple[int, int, int]]) -> None:
    built = PageTables(Ram(1 << 16), mode)
    for page, frame, bits in pages:
        built.map(page << 12, frame << 12, bits=bits)
    found = list(mappings(built.memory, built.paging))
    listed = {address: mapping for mapping in found for address in range(mapping.start, mapping.end, PAGE_SIZE)}
    for page in range(130):
        result = walk(built.memory, built.paging, Linear(page << 12))
        mapping = listed.pop(page << 12, None)
        if mapping is None:
            assert result.fault is not None
        else:
            assert mapping.physical is not None
            assert result.physical == mapping.physical + (page << 12) - mapping.start
            assert result.permissions == mapping.permissions
    assert not listed
    assert all(
        first.end < second.start
        or first.permissions != second.permissions
        or first.physical + first.size != second.physical  # type: ignore[operator]  # never None here
        for first, second in pairwise(found)
    )


@given(
    st.sampled_from(TREES),
    st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=4),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 64) - 1),
)
def test_range_is_cut_out_of_the_whole(mode: PagingMode, linears: list[int], low: int, high: int) -> None:
    built = PageTables(Ram(1 << 17), mode)
    for linear in linears:
        built.map(canonical(linear, mode) & -PAGE_SIZE, 0x3000)
    low, high = sorted((low, high))
    expected = [
        (max(m.start, low), min(m.end, high))
        for m in mappings(built.memory, built.paging)
        if max(m.start, low) < min(m.end, high)
    ]
    assert [(m.start, m.end) for m in mappings(built.memory, built.paging, low, high)] == expected


def test_upper_half_comes_sign_extended_and_last() -> None:
    built = PageTables(Ram(1 << 17), PagingMode.LEVEL4)
    built.map(0xFFFF_FFFF_FFFF_F000, 0x5000)
    built.map(0x1000, 0x4000)
    found = [(m.start, m.end) for m in mappings(built.memory, built.paging)]
    assert found == [(0x1000, 0x2000), (0xFFFF_FFFF_FFFF_F000, 1 << 64)]


def test_large_pages_keep_their_size() -> None:
    built = PageTables(Ram(1 << 17), PagingMode.LEVEL4)
    built.map(0, 0, 1 << 21)
    built.map(1 << 21, 1 << 21, 1 << 21)
    built.map(2 << 21, 2 << 21)
    sizes = [(m.start, m.end, m.page_size) for m in mappings(built.memory, built.paging)]
    assert sizes == [(0, 2 << 21, 1 << 21), (2 << 21, (2 << 21) + PAGE_SIZE, PAGE_SIZE)]


def test_pat_bit_is_found_in_either_place() -> None:
    built = PageTables(Ram(1 << 17), PagingMode.LEVEL4)
    built.map(0, 0, 1 << 21, bits=0b111 | 1 << 12)
    built.map(1 << 30, 0, bits=0b111 | 1 << 7)
    assert [m.permissions.pat for m in mappings(built.memory, built.paging)] == [True, True]


def test_regions_merge_whatever_the_frames_and_the_memory_type() -> None:
    built = PageTables(Ram(1 << 17), PagingMode.LEVEL4)
    built.map(0x1000, 0x9000)
    built.map(0x2000, 0x5000, bits=0b111 | 1 << 3 | 1 << 8)
    built.map(0x3000, 0x6000, bits=0b111 | NX)
    found = [(m.start, m.end, str(m.permissions), m.physical) for m in regions(built.memory, built.paging)]
    assert found == [(0x1000, 0x3000, "urwx-", None), (0x3000, 0x4000, "urw--", None)]


def test_without_paging_one_mapping_covers_four_gib() -> None:
    (only,) = mappings(Ram(0), Paging(0, 0, 0, 0))
    assert (only.start, only.end, only.physical) == (0, 1 << 32, 0)


def test_who_maps_finds_every_alias_and_large_pages() -> None:
    built = PageTables(Ram(1 << 17), PagingMode.LEVEL4)
    built.map(0x1000, 0x30_3000)
    built.map(0x7000_0000, 0x30_3000)
    built.map(1 << 40, 0x20_0000, 1 << 21)
    found = [m.start for m in who_maps(built.memory, built.paging, Physical(0x30_3000))]
    assert found == [0x1000, 0x7000_0000, (1 << 40) + 0x10_3000]
    for linear in found:
        assert translate(built.memory, built.paging, Linear(linear)) == 0x30_3000


def test_tables_that_map_themselves_are_bounded() -> None:
    built = PageTables(Ram(1 << 14), PagingMode.LEVEL4)
    for index in range(512):
        built.write_entry(built.root + 8 * index, built.root | 7)
    with pytest.raises(TooManyTablesError, match="narrower"):
        list(mappings(built.memory, built.paging, max_tables=50))
    (first,) = mappings(built.memory, built.paging, 0, PAGE_SIZE, max_tables=50)
    assert first.physical == built.root


def test_a_linux_sized_tree_is_listed_in_well_under_a_second() -> None:
    built = PageTables(Ram(1 << 22), PagingMode.LEVEL4)
    for page in range(0, 30_000, 3):
        built.map(0x7F00_0000_0000 + (page << 12), (page * 7919 % 65536) << 12)
    for page in range(8192):
        built.map(0xFFFF_8880_0000_0000 + (page << 21), page << 21, 1 << 21)
    started = time.process_time()
    assert sum(1 for _ in mappings(built.memory, built.paging)) > 10_000
    assert time.process_time() - started < 1.0


@given(st.sampled_from((1 << 12, 1 << 21, 1 << 30)), st.integers(0, 40), st.integers(0, 1 << 30))
def test_with_line_20_held_low_pages_lead_to_even_mebibytes(size: int, number: int, offset: int) -> None:
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    linear = (7 << 39) + size
    built.map(linear, number * size, size)
    gated = replace(built.paging, a20=False)
    address = Linear(linear + offset % size)
    expected = number * size + offset % size & ~(1 << 20)
    assert translate(built.memory, gated, address) == walk(built.memory, gated, address).physical == expected
    (found,) = mappings(built.memory, gated, address, address + 1)
    assert found.physical == expected
    whole = list(mappings(built.memory, gated))
    assert sum(one.size for one in whole) == size
    assert all(one.physical is not None and not one.physical >> 20 & 1 for one in whole)
