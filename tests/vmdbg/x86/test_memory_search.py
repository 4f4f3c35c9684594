from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from tests.vmdbg.x86.builders import SHIFTS, PageTables, Ram, canonical
from vmdbg.units import PAGE_SIZE, Linear, Physical
from vmdbg.x86 import memory_search
from vmdbg.x86.linear_memory import LinearMemory
from vmdbg.x86.mappings import TooManyTablesError, mappings
from vmdbg.x86.memory_search import CHUNK, search_linear, search_physical
from vmdbg.x86.paging import PagingMode

FRAMES = 48
"""Of 4 KiB, whose first TABLES_AT hold data and the rest tables."""
TABLES_AT = 20


def scattered() -> PageTables:
    """Linear pages 16, 17 and 19 in frames 9, 12 and 10; 18 is absent."""
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    for page, frame in ((16, 9), (17, 12), (19, 10)):
        built.map(page << 12, frame << 12, bits=0b001)
    return built


def search(built: PageTables, pattern: bytes, start: int = 0, end: int = 1 << 64) -> list[int]:
    return [*search_linear(built.memory, built.paging, pattern, start, end)]


def test_matches_are_found_across_scattered_pages_but_not_across_holes() -> None:
    built = scattered()
    data = built.memory.data
    data[10 * PAGE_SIZE - 2 : 10 * PAGE_SIZE] = b"ne"
    data[12 * PAGE_SIZE : 12 * PAGE_SIZE + 4] = b"edle"
    data[13 * PAGE_SIZE - 3 : 13 * PAGE_SIZE] = b"nee"
    data[10 * PAGE_SIZE : 10 * PAGE_SIZE + 3] = b"dle"
    assert search(built, b"needle") == [0x1_0FFE]
    assert search(built, b"dle") == [0x1_1001, 0x1_3000]
    assert search(built, b"dle", 0x1_2000) == [0x1_3000]
    assert search(built, b"dle", 0, 0x1_3002) == [0x1_1001]
    assert search(built, b"") == []


def test_overlapping_matches_are_all_found() -> None:
    built = scattered()
    built.memory.data[9 * PAGE_SIZE : 9 * PAGE_SIZE + 4] = b"aaaa"
    assert search(built, b"aaa") == [0x1_0000, 0x1_0001]


def test_physical_search_spans_chunks_and_skips_what_is_no_memory() -> None:
    memory = Ram(CHUNK + 3 * PAGE_SIZE)
    memory.data[CHUNK - 2 : CHUNK + 2] = b"span"
    memory.data[-4:] = b"span"
    assert [*search_physical(memory, b"span")] == [CHUNK - 2, CHUNK + 3 * PAGE_SIZE - 4]
    assert [*search_physical(memory, b"span", CHUNK)] == [CHUNK + 3 * PAGE_SIZE - 4]


def random_tables(chance: random.Random, mode: PagingMode) -> PageTables:
    """Few letters in few frames, tables that are shared, and ones that map themselves."""
    ram = Ram(FRAMES * PAGE_SIZE)
    ram.data[: TABLES_AT * PAGE_SIZE] = bytes(chance.choices(b"ab", k=TABLES_AT * PAGE_SIZE))
    built = PageTables(ram, mode, TABLES_AT * PAGE_SIZE)
    shifts = SHIFTS[mode]
    places = [sum(chance.choice((0, 1, 2, 3)) << shift for shift in shifts) for _ in range(4)]
    for _ in range(chance.randrange(1, 30)):
        linear = chance.choice(places) + chance.randrange(6) * PAGE_SIZE
        if built._next < (FRAMES - len(shifts)) * PAGE_SIZE:
            built.map(linear, chance.randrange(TABLES_AT + 2) * PAGE_SIZE)
    for _ in range(chance.randrange(5)):
        table = chance.randrange(TABLES_AT, max(TABLES_AT + 1, built._next // PAGE_SIZE)) * PAGE_SIZE
        other = chance.randrange(TABLES_AT, FRAMES) * PAGE_SIZE
        size = built.entry_size
        built.memory.write(Physical(table + chance.randrange(8) * size), (other | 1).to_bytes(size, "little"))
    return built


def naively(built: PageTables, pattern: bytes, start: int, end: int) -> Iterator[int]:
    """Every address of every mapped range, read as the debugger reads."""
    linear = LinearMemory(built.memory, built.paging)
    text, expected = b"", -1
    for one in mappings(built.memory, built.paging, start, end):
        for page in range(one.start, one.end, PAGE_SIZE):
            high = min(page - page % PAGE_SIZE + PAGE_SIZE, one.end)
            data = linear.read_prefix(Linear(page), high - page)
            text = text + data if page == expected else data
            expected = page + len(data)
            for offset in range(max(0, len(text) - len(data) - len(pattern) + 1), len(text) - len(pattern) + 1):
                if text.startswith(pattern, offset):
                    yield expected - len(text) + offset


@pytest.mark.parametrize("mode", [mode for mode in PagingMode if mode is not PagingMode.NONE])
def test_search_is_what_reading_everything_finds(mode: PagingMode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_search, "CHUNK", PAGE_SIZE)  # so that small frames are remembered too
    found = 0
    for seed in range(60):
        chance = random.Random(f"{mode.name} {seed}")
        built = random_tables(chance, mode)
        length = chance.choice((1, 2, 9, 12, 14, 16, PAGE_SIZE + 9))
        at = chance.randrange(TABLES_AT * PAGE_SIZE - length)
        pattern = bytes(built.memory.data[at : at + length]) if length > 9 else b"ab" * (length // 2) or b"a"
        start, end = 0, 1 << 64
        if chance.random() < 0.5:
            one = chance.choice([*itertools.islice(mappings(built.memory, built.paging), 50)] or [None])
            if one is not None:
                start = one.start + chance.randrange(PAGE_SIZE)
                end = min(end, start + chance.randrange(1 << chance.randrange(4, 42)))
        expected = [*itertools.islice(naively(built, pattern, start, end), 300)]
        answer = search_linear(built.memory, built.paging, pattern, start, end)
        assert [*itertools.islice(answer, 300)] == expected, seed
        found += len(expected)
    assert found > 1000


def test_a_table_mapped_many_times_is_looked_through_once() -> None:
    """What Linux's ESPFIX area looks like: 65,536 times the same page."""
    built = PageTables(Ram(16 * PAGE_SIZE), PagingMode.LEVEL4)
    built.memory.data[14 * PAGE_SIZE + 100 : 14 * PAGE_SIZE + 104] = b"here"
    first = canonical(0xFFFF_FF00_0000_0000 & (1 << 48) - 1, PagingMode.LEVEL4)
    built.map(first, 14 * PAGE_SIZE)
    root = built.root
    table = root
    for shift in SHIFTS[PagingMode.LEVEL4]:
        entry = built.read_entry(built.entry_address(table, first, shift))
        if shift != 39:
            for index in range(512):
                built.write_entry(table + 8 * index, entry)
        table = entry & 0xFFFF_F000
    looked = []
    found = search_linear(built.memory, built.paging, b"nowhere", checked=looked.append)
    assert [*found] == []
    assert looked[-1] <= 1024 * PAGE_SIZE
    few = [*itertools.islice(search_linear(built.memory, built.paging, b"here"), 3)]
    assert few == [first + page * PAGE_SIZE + 100 for page in range(3)]


def test_tables_that_map_themselves_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    built = PageTables(Ram(16 * PAGE_SIZE), PagingMode.LEVEL4)
    for index in range(512):
        built.write_entry(built.root + 8 * index, built.root | 7)
    assert search(built, b"nowhere") == []
    monkeypatch.setattr(memory_search, "MAX_TABLES", 4)
    monstrous = search_linear(built.memory, built.paging, (built.root | 7).to_bytes(8, "little"))
    with pytest.raises(TooManyTablesError):
        for _ in monstrous:
            pass
