"""gdb's `find`: over everything that is mapped, however large the range, linear and physical."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

import pytest

from gdbstub.stops import FIRST_THREAD
from tests.vmdbg.gdb.guests import Guest, alone, gdb, sample_guest
from vmdbg.gdb.memory import GuestLinearMemory, GuestPhysicalSearch
from vmdbg.machine.snapshot import Position
from vmdbg.x86.mappings import mappings

BEGIN = 1_200_000
TOP = (1 << 64) - 2


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    with sample_guest() as made:
        made.debugger.timeline.run(Position(BEGIN).tick)
        yield made


def _linear_pages(guest: Guest) -> dict[int, bytes]:
    """Every mapped page and what is in it."""
    debugger = guest.debugger
    pages = {}
    for mapping in mappings(debugger.physical, debugger.linear().paging):
        assert mapping.physical is not None
        for offset in range(0, mapping.size, 0x1000):
            if mapping.physical + offset < debugger.engine.ram_size:
                pages[mapping.start + offset] = bytes(debugger.engine.ram[mapping.physical + offset :][:0x1000])
    return pages


def _naive(pages: dict[int, bytes], pattern: bytes, start: int, end: int) -> list[int]:
    """Page by page, with the beginning of the next one where it is mapped."""
    found = []
    for page, data in sorted(pages.items()):
        text = data + pages.get(page + 0x1000, b"")[: len(pattern) - 1]
        at = text.find(pattern)
        while at >= 0:
            if start <= page + at and page + at + len(pattern) <= end:
                found.append(page + at)
            at = text.find(pattern, at + 1)
    return sorted(set(found))


def _all(search: Callable[[int, int], int | None], start: int, end: int) -> list[int]:
    """As gdb asks: on from behind each match."""
    found: list[int] = []
    while (at := search(start, end)) is not None:
        found.append(at)
        start = at + 1
    return found


def test_every_match_in_any_range_is_what_a_naive_search_of_every_page_finds(guest: Guest) -> None:
    chance = random.Random(7)
    pages = _linear_pages(guest)
    memory = GuestLinearMemory(guest.debugger, alone(guest.debugger))
    beginnings = sorted(pages)
    for _ in range(6):
        page = chance.choice([one for one in beginnings if any(pages[one])])
        data = pages[page].strip(b"\0")
        at = chance.randrange(max(1, len(data) - 8))
        pattern = data[at : at + chance.choice([6, 9, 16])]
        start = chance.choice([0, page, beginnings[0], 1 << 47])
        end = chance.choice([1 << 64, page + 0x1000, page + (1 << 33)])
        if len(set(pattern)) < 4 or start >= end:
            continue
        expected = _naive(pages, pattern, start, end)

        def search(low: int, high: int, pattern: bytes = pattern) -> int | None:
            return memory.search(FIRST_THREAD, low, high - low, pattern, lambda: None) if high > low else None

        assert _all(search, start, end) == expected, (pattern, start, end)


def test_the_search_of_everything_can_be_left_at_any_time(guest: Guest) -> None:
    class LeaveError(Exception):
        pass

    def leave() -> None:
        raise LeaveError

    known = alone(guest.debugger)
    for port in (GuestLinearMemory(guest.debugger, known), GuestPhysicalSearch(guest.debugger, known)):
        with pytest.raises(LeaveError):
            port.search(FIRST_THREAD, 0, TOP, b"not in any guest", leave)


@pytest.mark.cell("find over the whole address space")
def test_gdb_finds_over_the_whole_address_space(guest: Guest, gdb_client: list[str]) -> None:
    text = b"vmdbg sample kernel"
    pages, ram = _linear_pages(guest), bytes(guest.debugger.engine.ram)
    numbers = ", ".join(map(str, text))
    output = gdb(
        gdb_client, guest.debugger,
        f"find /b 0, {TOP}, {numbers}",
        f"find /b 0, {TOP}, {numbers}, 7",
        "maintenance packet Qqemu.PhyMemMode:1",
        f"find /b 0, {TOP}, {numbers}",
    )  # fmt: skip
    linear, nothing, physical = re.split(r"patterns? found\.|Pattern not found\.", output)[:3]
    assert [int(one, 16) for one in re.findall(r"^0x\w+", linear, re.M)][-1:] == _naive(pages, text, 0, 1 << 64)[-1:]
    assert len(_naive(pages, text, 0, 1 << 64)) == len(re.findall(r"^0x\w+", linear, re.M)) - linear.count(" in ")
    assert not re.findall(r"^0x\w+", nothing, re.M)
    places = [match.start() for match in re.finditer(re.escape(text), ram)]
    assert [int(one, 16) for one in re.findall(r"^0x\w+", physical, re.M)] == places


def test_what_is_found_is_what_gdb_finds_by_reading(guest: Guest, gdb_client: list[str]) -> None:
    """In ranges that end before, in and behind what is looked for."""
    pages = _linear_pages(guest)
    text = b"vmdbg sample kernel"
    place = _naive(pages, text, 0, 1 << 64)[-1]
    chance = random.Random(11)
    finds = []
    for _ in range(20):
        start, end = place - chance.randrange(20), place + chance.randrange(1, 26)
        pattern = text[: chance.randrange(1, 9)]
        finds.append(f"find /b {start:#x}, +{end - start}, {', '.join(map(str, pattern))}")
    without = "set remote search-memory-packet off"
    ours, own = (gdb(gdb_client, guest.debugger, "echo <<<\\n", *more, *finds) for more in ([], [without]))
    kept = [[line for line in out.partition("<<<")[2].splitlines() if line.startswith("0x")] for out in (ours, own)]
    assert kept[0] == kept[1]
    assert kept[0]
