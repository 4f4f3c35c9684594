"""Where the guest finds memory: RAM and ROM, what the chipset shadows, and memory of devices at their windows.

On a 440FX the chipset decides first: RAM is in front of what PCI functions ask for, but in A0000h to BFFFFh, where
devices that ask for it are in front, and from C0000h to FFFFFh where it is told otherwise (82441FX, 3.2.18, PAM).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from devices.seam import AddressedDevice
from devices.wiring.claims import Claim
from devices.wiring.memory_bus import MemoryBus
from vmdbg.engine.memory import PhysicalMemory, Region, ram_regions
from vmdbg.machine.device_memory import BoardMemory, Mapped
from vmdbg.units import PAGE_MASK, PAGE_SIZE, Physical

VIDEO_AREA = range(0xA0000, 0xC0000)
SHADOWED = range(0xC0000, 0x100000)
SHADOW_STEP = 0x4000


@dataclass(frozen=True, slots=True)
class Shadow:
    """Whether loads and stores of some of SHADOWED go to RAM."""

    reads: bool = True
    writes: bool = True


class Shown(Protocol):
    """Physical addresses from `start` up to `end`; none if they are equal."""

    start: int
    end: int


class MemoryMap:
    """Tells an engine where memory is, whenever that changes.

    Invariant: the regions are a function of RAM's size, ROMs, shadows and where windows are now.
    """

    def __init__(self, ram_size: int, bus: MemoryBus) -> None:
        self._ram_size = ram_size
        self._bus = bus
        self._engine: PhysicalMemory | None = None
        self._device_end = ram_size
        self._memories: list[BoardMemory] = []
        self._shown: list[tuple[AddressedDevice, Shown]] = []
        self._roms: list[Region] = []
        self._shadows = [Shadow()] * (len(SHADOWED) // SHADOW_STEP)
        bus.on_change = self._changed

    @property
    def device_memory(self) -> int:
        """Bytes of all devices together."""
        return self._device_end - self._ram_size

    def add_memory(self, size: int, name: str) -> BoardMemory:
        """Memory of a device, zeros at first, at no window yet. Raises ValueError if it is not whole pages."""
        if size <= 0 or size % PAGE_SIZE:
            raise ValueError(f"{name}: {size} bytes of memory are not whole pages")
        memory = BoardMemory(self._bus, self._device_end, size, name)
        self._device_end += size
        self._memories.append(memory)
        return memory

    def memories(self) -> list[tuple[int, int, str]]:
        """Of devices: place and size in the engine's memory, and the name."""
        return [(memory.at, memory.size, memory.name) for memory in self._memories]

    def show(self, part: AddressedDevice, place: Shown) -> None:
        """Keep in `place` where the guest reaches `part`, if that is one window with nothing in front of it."""
        self._shown.append((part, place))

    def attach(self, engine: PhysicalMemory) -> None:
        """Memory is there, the machine has not run."""
        self._engine = engine
        for memory in self._memories:
            memory.engine = engine
        self._update()

    def add_rom(self, address: Physical, data: bytes | memoryview, alias: Physical | None = None) -> None:
        """ROM that does not move, behind RAM. Its last bytes are at `alias` too, from there to 1 MiB."""
        assert self._engine is not None
        at = self._engine.add_rom(data)
        self._roms.append(Region(address, len(data), at, None, lost=True))
        if alias is not None:
            size = SHADOWED.stop - alias
            self._roms.append(Region(alias, size, at + len(data) - size, None, lost=True))
        self._update()

    def shadow(self, addresses: range, *, reads: bool, writes: bool) -> None:
        """Loads and stores of this part of SHADOWED go to RAM or not. Whole steps of 16 KiB."""
        first = (addresses.start - SHADOWED.start) // SHADOW_STEP
        steps = range(first, first + len(addresses) // SHADOW_STEP)
        wanted = Shadow(reads, writes)
        if any(self._shadows[step] != wanted for step in steps):
            for step in steps:
                self._shadows[step] = wanted
            self._update()

    def _changed(self, claim: Claim) -> None:
        """A window was there or is there now; devices that are behind RAM and alone change nothing."""
        here = claim.addresses
        for part, place in self._shown:
            where = self._bus.undivided(part)
            place.start, place.end = where.start, where.stop
        if (
            isinstance(claim.device, Mapped)
            or claim.overlaps(VIDEO_AREA)
            or any(other.overlaps(here) for memory in self._memories for other in memory.claims())
        ):
            self._update()

    def _update(self) -> None:
        if self._engine is None:
            return
        regions = self._merged(self.regions())
        if regions != list(self._engine.regions):
            self._engine.set_regions(regions)

    def regions(self) -> list[Region]:
        """By rising address: of what lies at an address, what is in front."""
        fixed, claims = self._bus.fixed(), self._bus.claims()
        ram = ram_regions(self._ram_size)
        edges = {edge for region in (*ram, *self._roms) for edge in (region.start, region.end)}
        edges |= {edge for claim in claims for edge in _page_edges(claim)}
        edges |= {*VIDEO_AREA[:1], *SHADOWED[::SHADOW_STEP], SHADOWED.stop}
        found = []
        for start, end in pairwise(sorted(edges)):
            claim = next((claim for claim in claims if claim.overlaps(range(start, end))), None)
            here = self._in_front(start, end - start, ram, claim, is_fixed=claim is not None and _is_in(claim, fixed))
            if here is not None:
                found.append(here)
        return found

    def _in_front(
        self, start: int, size: int, ram: tuple[Region, ...], claim: Claim | None, *, is_fixed: bool
    ) -> Region | None:
        """What the chipset and the bus make of addresses at all of which the same things lie."""
        if is_fixed:
            return None
        if start in VIDEO_AREA and claim is not None:
            return _direct(claim, start, size)
        shadow = Shadow()
        if start in SHADOWED:
            shadow = self._shadows[(start - SHADOWED.start) // SHADOW_STEP]
        behind = _part(self._roms, start, size) or (_direct(claim, start, size) if claim is not None else None)
        in_ram = _part(ram, start, size)
        if in_ram is None or not (shadow.reads or shadow.writes):
            return behind
        read_at = in_ram.read_at if shadow.reads else behind.read_at if behind is not None else None
        if shadow.writes:
            return replace(in_ram, read_at=read_at)
        return replace(in_ram, read_at=read_at, write_at=None, lost=True)

    @staticmethod
    def _merged(regions: list[Region]) -> list[Region]:
        """Neighbours that go on in memory as one."""
        found: list[Region] = []
        for region in regions:
            if found and _goes_on(found[-1], region):
                found[-1] = replace(found[-1], size=found[-1].size + region.size)
            else:
                found.append(region)
        return found


def _page_edges(claim: Claim) -> set[int]:
    """Of the pages that it touches, and of those that it has whole."""
    return {edge & ~PAGE_MASK for at in (claim.addresses.start, claim.addresses.stop) for edge in (at, at + PAGE_MASK)}


def _is_in(claim: Claim, fixed: list[Claim]) -> bool:
    return any(other.device is claim.device and other.overlaps(claim.addresses) for other in fixed)


def _part(regions: tuple[Region, ...] | list[Region], start: int, size: int) -> Region | None:
    """The part of a region that lies there."""
    for region in regions:
        if region.start <= start < region.end:
            return _shifted(region, start, size)
    return None


def _shifted(region: Region, start: int, size: int) -> Region:
    by = start - region.start
    read_at = None if region.read_at is None else region.read_at + by
    write_at = None if region.write_at is None else region.write_at + by
    return replace(region, start=Physical(start), size=size, read_at=read_at, write_at=write_at)


def _direct(claim: Claim, start: int, size: int) -> Region | None:
    """Memory of a device, if the guest can have it without asking: whole pages at whole pages."""
    part = claim.device
    if not isinstance(part, Mapped) or claim.addresses.start > start or start + size > claim.addresses.stop:
        return None
    at = part.place_of(start)
    if at is None or at % PAGE_SIZE:
        return None
    return Region(Physical(start), size, at, None if part.stores is not None else at)


def _goes_on(one: Region, other: Region) -> bool:
    def after(at: int | None) -> int | None:
        return None if at is None else at + one.size

    places = (after(one.read_at), after(one.write_at)) == (other.read_at, other.write_at)
    return one.end == other.start and one.lost == other.lost and places
