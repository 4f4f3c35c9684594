"""Devices' own accesses to memory: made in deadlines, and seen by watchpoints as those of the CPU are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from vmdbg.engine.exits import Access, WatchHit
from vmdbg.engine.inspection import Inspection
from vmdbg.engine.memory import PhysicalMemory
from vmdbg.engine.stop_control import StopControl
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.touches import READ, WRITE, TouchTracking
from vmdbg.units import PAGE_MASK, PAGE_SIZE, Linear, Physical

MOST_PAGES = 1024
"""Of a watchpoint on linear memory: where the page tables have the rest of it is not asked."""
TOP = 1 << 64


class MasteredEngine(PhysicalMemory, Inspection, StopControl, TouchTracking, Protocol):
    """What of an engine devices reach, and what is watched in it."""


class BusMasters:
    """All of a board's. `engine` is set before the first deadline.

    `hits` are the accesses to what is watched since take_hits(); the machine takes them where it takes deadlines, all
    of a boundary's together, so that whoever watches stands at an instant at which nobody who does not would differ.
    """

    def __init__(self) -> None:
        self.engine: MasteredEngine | None = None
        self.in_deadline = False
        """Whether a deadline is being taken: memory is not to be reached at other times."""
        self.hits: list[WatchHit] = []

    def port(self, device: str) -> MasterPort:
        """devices.seam.BusMaster for the device of that name."""
        return MasterPort(self, device)

    def take_hits(self) -> tuple[WatchHit, ...]:
        """What was touched of what is watched since the last time."""
        if not self.hits:
            return ()
        hits, self.hits = tuple(self.hits), []
        return hits

    def at_hand(self) -> MasteredEngine:
        """Memory, in a deadline."""
        assert self.engine is not None, "DMA before the machine is put together"
        assert self.in_deadline, "DMA outside of deadlines: an access or an input schedules one, which does it"
        return self.engine

    def note(self, engine: MasteredEngine, access: Access, addresses: range, device: str, request: str) -> None:
        """An access is about to be made."""
        for watchpoint in engine.stops.watchpoints:
            if access not in watchpoint.accesses:
                continue
            for linear, touched in _touched(engine, watchpoint, addresses):
                start, size = Physical(touched.start), len(touched)
                old = engine.read_physical(start, size)
                self.hits.append(
                    WatchHit(watchpoint.number, access, linear, start, size, old, device=device, request=request)
                )


def _touched(engine: Inspection, watchpoint: Watchpoint, addresses: range) -> Iterator[tuple[Linear, range]]:
    """The parts of physical `addresses` that are watched, and where the watchpoint has them."""
    watched = range(watchpoint.address, watchpoint.address + watchpoint.size)
    if watchpoint.physical:
        part = _common(watched, addresses)
        if part:
            yield Linear(part.start), part
        return
    first = watched.start & ~PAGE_MASK
    for page in range(first, min(watched.stop, first + MOST_PAGES * PAGE_SIZE), PAGE_SIZE):
        physical = engine.translate(Linear(page))
        if physical is None:
            continue
        mine = _common(watched, range(page, page + PAGE_SIZE))
        shift = physical - page
        part = _common(range(mine.start + shift, mine.stop + shift), addresses)
        if part:
            yield Linear(part.start - shift), part


def _common(a: range, b: range) -> range:
    return range(max(a.start, b.start), min(a.stop, b.stop))


@dataclass(frozen=True, slots=True)
class MasterPort:
    """devices.seam.BusMaster."""

    masters: BusMasters
    device: str

    def read(self, address: int, size: int, request: str = "") -> bytes:
        engine, there = self.masters.at_hand(), _within(address, size)
        engine.touch_beside(Physical(address), there, READ)
        if engine.stops.watchpoints:
            self.masters.note(engine, Access.READ, range(address, address + there), self.device, request)
        data = engine.read_physical(Physical(address), there)
        return data if there == size else data.ljust(size, b"\xff")

    def write(self, address: int, data: bytes, request: str = "") -> None:
        engine, there = self.masters.at_hand(), _within(address, len(data))
        engine.touch_beside(Physical(address), there, WRITE)
        if engine.stops.watchpoints:
            self.masters.note(engine, Access.WRITE, range(address, address + there), self.device, request)
        engine.write_physical(Physical(address), data if there == len(data) else data[:there])

    def look(self, address: int, size: int) -> bytes:
        engine = self.masters.engine
        assert engine is not None, "a look at memory before the machine is put together"
        return engine.read_physical(Physical(address), _within(address, size)).ljust(size, b"\xff")


def _within(address: int, size: int) -> int:
    """How many of so many bytes have addresses."""
    return size if address + size <= TOP else max(0, TOP - address)
