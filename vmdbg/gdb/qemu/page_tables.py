"""info mem and info tlb: what the page tables map, whether the CPU has it in its TLB or not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from vmdbg.debugger.memory import paging_of
from vmdbg.errors import UserError
from vmdbg.session.session import Session
from vmdbg.units import Linear, Physical
from vmdbg.x86.mappings import Mapping, mappings
from vmdbg.x86.page_walk import walk
from vmdbg.x86.paging import (
    ACCESSED,
    CACHE_DISABLE,
    DIRTY,
    GLOBAL,
    LARGE,
    LEVELS,
    NO_EXECUTE,
    USER,
    WRITABLE,
    WRITE_THROUGH,
    Paging,
    PagingMode,
)
from vmdbg.x86.physical_memory import PhysicalMemory

MOST_LINES = 1 << 20
MOST_TABLES = 1 << 17
DISABLED = "PG disabled\n"
LETTERS = (
    (NO_EXECUTE, "X"), (GLOBAL, "G"), (LARGE, "P"), (DIRTY, "D"), (ACCESSED, "A"), (CACHE_DISABLE, "C"),
    (WRITE_THROUGH, "T"), (USER, "U"), (WRITABLE, "W"),
)  # fmt: skip


def mapped_ranges(session: Session, _words: str) -> str:
    """Ranges with the same rights, which are those of all levels together."""
    engine = session.debugger.engine
    paging = paging_of(engine)
    if paging.mode is PagingMode.NONE:
        return DISABLED
    end = 1 << paging.mode.linear_bits
    ranges = _merged(mappings(session.debugger.physical, paging, max_tables=MOST_TABLES))
    return "".join(islice((_range_line(*found, end) for found in ranges), MOST_LINES))


def _merged(found: Iterator[Mapping]) -> Iterator[tuple[int, int, str]]:
    start, stop, rights = 0, 0, ""
    for one in found:
        own = f"{'u' if one.permissions.user else '-'}r{'w' if one.permissions.writable else '-'}"
        if rights and (one.start != stop or own != rights):
            yield start, stop, rights
            rights = ""
        if not rights:
            start, rights = one.start, own
        stop = one.end
    if rights:
        yield start, stop, rights


def _range_line(start: int, stop: int, rights: str, end: int) -> str:
    """QEMU gives the end of the highest range as the size of what is translated, without its sign."""
    shown = end if stop in (1 << 64, end) else stop
    return f"{start:016x}-{shown:016x} {stop - start:016x} {rights}\n"


def translations(session: Session, _words: str) -> str:
    """Every page that is mapped, with its frame and the bits of its last entry. Raises UserError for a million."""
    paging = paging_of(session.debugger.engine)
    if paging.mode is PagingMode.NONE:
        return DISABLED
    memory = session.debugger.physical
    lines: list[str] = []
    for mapping in mappings(memory, paging, max_tables=MOST_TABLES):
        if len(lines) + mapping.size // mapping.page_size > MOST_LINES:
            raise UserError(f"more than {MOST_LINES} pages are mapped: `maps` shows ranges")
        if session.progress is not None:
            session.progress(len(lines) / MOST_LINES)
        assert mapping.physical is not None
        frame = mapping.physical
        for linear, raw in _last_entries(memory, paging, mapping):
            bits = "".join(letter if raw & bit else "-" for bit, letter in LETTERS)
            lines.append(f"{linear:016x}: {frame:016x} {bits}\n")
            frame = Physical(frame + mapping.page_size)
    return "".join(lines)


def _last_entries(memory: PhysicalMemory, paging: Paging, mapping: Mapping) -> Iterator[tuple[int, int]]:
    """The linear address of each page of a range and the entry that maps it. Entries are read a table at a time."""
    level = next(one for one in LEVELS[paging.mode] if 1 << one.shift == mapping.page_size)
    ignored = LARGE if level.name == "PTE" else 0
    linear = mapping.start
    while linear < mapping.end:
        first = walk(memory, paging, Linear(linear)).entries[-1].address
        pages = min((1 << level.index_bits) - level.index(linear), (mapping.end - linear) // mapping.page_size)
        raw = memory.read(first, pages * level.entry_size)
        for at in range(0, len(raw), level.entry_size):
            yield linear, int.from_bytes(raw[at : at + level.entry_size], "little") & ~ignored
            linear += mapping.page_size
