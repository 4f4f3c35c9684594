"""The linear ranges of a core against a table of every page."""

from __future__ import annotations

import random

import pytest

from vmdbg.cores.address_space import (
    MOST_ALIASES,
    MOST_CUT,
    MOST_RANGES,
    NOWHERE,
    Memory,
    View,
    address_space,
    mapped_ranges,
)
from vmdbg.units import PAGE_SIZE, Physical
from vmdbg.x86.mappings import Mapping
from vmdbg.x86.page_walk import Permissions
from vmdbg.x86.paging import Paging

MEMORY = [Memory(0, memoryview(bytes(32 * PAGE_SIZE))), Memory(0xF000_0000, memoryview(bytes(4 * PAGE_SIZE)))]


def _mapping(linear: int, physical: int, pages: int, writable: bool = True) -> Mapping:
    end = linear + pages * PAGE_SIZE
    return Mapping(linear, end, Physical(physical), Permissions(writable=writable), PAGE_SIZE)


def _random_mappings(seed: int) -> list[Mapping]:
    """Pages with gaps, some outside memory, some the same frame again, most at one distance."""
    chance = random.Random(seed)
    found, linear = [], 0x1000_0000
    for _ in range(chance.randrange(40)):
        linear += chance.randrange(3) * PAGE_SIZE
        near = linear - 0x1000_0000
        frame = near if chance.random() < 0.6 else chance.choice([0, 5, 31, 40, 0xF0000, 0xF0003]) * PAGE_SIZE
        pages = chance.randrange(1, 4)
        found.append(_mapping(linear, frame, pages, chance.random() < 0.5))
        linear += pages * PAGE_SIZE
    return found


def _pages(views: tuple[View, ...]) -> dict[int, int]:
    return {view.linear + offset: view.physical + offset for view in views for offset in range(0, view.size, PAGE_SIZE)}


@pytest.mark.parametrize("seed", range(60))
def test_all_of_memory_is_there_once_and_every_address_reaches_what_the_tables_say(seed: int) -> None:
    found = _random_mappings(seed)
    space = address_space(MEMORY, found)
    truth = {
        mapping.start + offset: mapping.physical + offset
        for mapping in found
        if mapping.physical is not None
        for offset in range(0, mapping.size, PAGE_SIZE)
        if any(part.physical <= mapping.physical + offset < part.end for part in MEMORY)
    }
    direct, others = _pages(space.direct), _pages(space.others)
    frames = [view.physical + at for view in space.direct for at in range(0, view.size, PAGE_SIZE)]
    assert frames == [at for part in MEMORY for at in range(part.physical, part.end, PAGE_SIZE)]
    assert all(linear == physical + NOWHERE for linear, physical in direct.items() if linear not in truth)
    seen = {linear: physical for linear, physical in {**direct, **others}.items() if linear < NOWHERE}
    assert seen.items() <= truth.items()
    assert space.left_out or seen == truth


def test_a_page_that_is_mapped_ten_thousand_times_is_shown_a_few_times_and_the_rest_counted() -> None:
    aliases = [_mapping(0x4000_0000 + 2 * n * PAGE_SIZE, 7 * PAGE_SIZE, 1) for n in range(10_000)]
    space = address_space(MEMORY, [_mapping(0x1000_0000, 0, 32), *aliases])
    assert len(space.others) == MOST_ALIASES
    assert space.left_out == 10_000 - MOST_ALIASES
    assert space.direct[0] == View(0x1000_0000, 0, 32 * PAGE_SIZE)


def test_without_page_tables_memory_is_where_it_is() -> None:
    space = address_space(MEMORY, [_mapping(0, 0, 1 << 20)])
    assert [view.linear for view in space.direct] == [0, 0xF000_0000]
    assert not space.others


class _Tables:
    """RAM whose only table is at 1000h and maps itself at every level and in every entry: 512 to the fourth pages."""

    def read(self, address: Physical, size: int) -> bytes:
        return (0x1000 | 7).to_bytes(8, "little") * (size // 8)

    def write(self, address: Physical, data: bytes) -> None:
        raise AssertionError


def test_page_tables_without_end_are_cut_off() -> None:
    paging = Paging(0x8000_0001, 0x1000, 0x20, 0xD00)
    parts: list[int] = []
    cut: list[int] = []
    ranges = sum(1 for _ in mapped_ranges(_Tables(), paging, lambda: parts.append(1), cut.append))
    assert 0 < ranges <= MOST_CUT * MOST_RANGES
    assert len(parts) == len(cut) == MOST_CUT


def test_a_dump_can_be_left_between_the_parts() -> None:
    class LeaveError(Exception):
        pass

    def leave() -> None:
        raise LeaveError

    with pytest.raises(LeaveError):
        list(mapped_ranges(_Tables(), Paging(0x8000_0001, 0x1000, 0x20, 0xD00), leave, lambda _start: None))
