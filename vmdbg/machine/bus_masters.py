"""Devices' own accesses to memory: made in deadlines, and seen by watchpoints as those of the CPU are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

from vmdbg.engine.exits import Access, WatchHit
from vmdbg.engine.inspection import Inspection
from vmdbg.engine.memory import PhysicalMemory
from vmdbg.engine.stop_control import StopControl
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.touches import DeviceAccess
from vmdbg.units import PAGE_MASK, PAGE_SIZE, Linear, Physical

MOST_PAGES = 1024
"""Of a watchpoint on linear memory: where the page tables have the rest of it is not asked."""
TOP = 1 << 64


class MasteredEngine(PhysicalMemory, Inspection, StopControl, DeviceAccess, Protocol):
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

    def note(self, engine: MasteredEngine, access: Access, addresses: range, device: str, request: str) -> int:
        """An access is about to be made. How many there were before its hits."""
        before = len(self.hits)
        for watchpoint in engine.stops.watchpoints:
            if access not in watchpoint.accesses:
                continue
            for linear, touched in _touched(engine, watchpoint, addresses):
                start, size = Physical(touched.start), len(touched)
                old = engine.read_physical(start, size)
                hit = WatchHit(
                    watchpoint.number, access, linear, start, size, old, device=device, request=request, new=old
                )
                self.hits.append(hit)
        return before

    def written(self, engine: PhysicalMemory, noted: int) -> None:
        """The write whose hits begin with that one was made: others may write there at the same boundary."""
        for at in range(noted, len(self.hits)):
            hit = self.hits[at]
            self.hits[at] = replace(hit, new=engine.read_physical(hit.physical, hit.size))


def before_devices(engine: PhysicalMemory, hit: WatchHit, devices: Sequence[WatchHit]) -> WatchHit:
    """An instruction's write with what it left, where `devices` have written there since at the same boundary."""
    start, size = hit.physical, len(hit.old)
    later = [
        one for one in devices if one.access is Access.WRITE and _common(_bytes_of(one), range(start, start + size))
    ]
    if hit.access is not Access.WRITE or not later:
        return hit
    new = bytearray(engine.read_physical(start, size))
    for one in reversed(later):
        part = _common(_bytes_of(one), range(start, start + size))
        new[part.start - start : part.stop - start] = one.old[part.start - one.physical : part.stop - one.physical]
    return replace(hit, new=bytes(new))


def _bytes_of(hit: WatchHit) -> range:
    return range(hit.physical, hit.physical + hit.size)


def _touched(engine: Inspection, watchpoint: Watchpoint, addresses: range) -> Iterator[tuple[Linear, range]]:
    """The parts of physical `addresses` that are watched, and where the watchpoint has them."""
    watched = range(watchpoint.address, watchpoint.address + watchpoint.size)
    if watchpoint.physical:
        part = _common(watched, addresses)
        if part:
            yield Linear(part.start), part
        return
    for mine, shift in _mapped(engine, watched):
        part = _common(range(mine.start + shift, mine.stop + shift), addresses)
        if part:
            yield Linear(part.start - shift), part


def _mapped(engine: Inspection, watched: range) -> Iterator[tuple[range, int]]:
    """Linear ranges whose pages the tables have side by side, each with how far it is from where they have it."""

    def distance(page: int) -> int | None:
        physical = engine.translate(Linear(page))
        return None if physical is None else physical - page

    first = watched.start & ~PAGE_MASK
    every = range(first, min(watched.stop, first + MOST_PAGES * PAGE_SIZE), PAGE_SIZE)
    for shift, neighbours in groupby(every, distance):
        if shift is not None:
            pages = tuple(neighbours)
            yield _common(watched, range(pages[0], pages[-1] + PAGE_SIZE)), shift


def _common(a: range, b: range) -> range:
    return range(max(a.start, b.start), min(a.stop, b.stop))


@dataclass(frozen=True, slots=True)
class MasterPort:
    """devices.seam.BusMaster."""

    masters: BusMasters
    device: str

    def read(self, address: int, size: int, request: str = "") -> bytes:
        engine = self.masters.at_hand()
        if address + size <= TOP and not engine.stops.watchpoints:
            return engine.device_read(address, size)
        there = _within(address, size)
        self.masters.note(engine, Access.READ, range(address, address + there), self.device, request)
        return engine.device_read(address, there).ljust(size, b"\xff")

    def write(self, address: int, data: bytes, request: str = "") -> None:
        engine = self.masters.at_hand()
        if address + len(data) <= TOP and not engine.stops.watchpoints:
            engine.device_write(address, data)
            return
        there = _within(address, len(data))
        noted = self.masters.note(engine, Access.WRITE, range(address, address + there), self.device, request)
        engine.device_write(address, data[:there])
        self.masters.written(engine, noted)

    def gather(self, places: Iterable[tuple[int, int]], request: str = "") -> list[bytes]:
        engine = self.masters.at_hand()
        if engine.stops.watchpoints:
            return [self.read(address, size, request) for address, size in places]
        read = engine.device_read
        return [read(at, size) if at + size <= TOP else self.read(at, size, request) for at, size in places]

    def scatter(self, pieces: Iterable[tuple[int, bytes]], request: str = "") -> None:
        engine = self.masters.at_hand()
        if engine.stops.watchpoints:
            for address, data in pieces:
                self.write(address, data, request)
            return
        write = engine.device_write
        for address, data in pieces:
            if address + len(data) <= TOP:
                write(address, data)
            else:
                self.write(address, data, request)

    def look(self, address: int, size: int) -> bytes:
        engine = self.masters.engine
        assert engine is not None, "a look at memory before the machine is put together"
        return engine.read_physical(Physical(address), _within(address, size)).ljust(size, b"\xff")


def _within(address: int, size: int) -> int:
    """How many of so many bytes have addresses."""
    return max(0, min(size, TOP - address))
