"""Where the guest finds memory, against a model that asks what is in front at each page by itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices.display.shared_vga import SharedVga
from devices.wiring.memory_bus import MemoryBus
from vmdbg.engine.memory import Region, check_regions
from vmdbg.machine.memory_map import SHADOW_STEP, SHADOWED, MemoryMap
from vmdbg.units import PAGE_SIZE, Physical
from vmdbg.x86.ram import HIGH_RAM, LOW_RAM, ram_parts

GIB = 1 << 30
ROM_AT, ROM_SIZE = 0xFFFC_0000, 0x40000
VIDEO_SIZE, FLASH_SIZE = 0x40000, 0x8000
PLACES = st.sampled_from(
    (
        *(0x9F000, 0xA0000, 0xA8000, 0xBF000, 0xC0000, 0xE0800, 0xF0000, 0x200000, LOW_RAM - 0x1000, LOW_RAM),
        *(0xE000_0000, 0xFEDF_F000, 0xFEE0_0000, 0xFFFB_F000, HIGH_RAM, 5 * GIB, 5 * GIB + 0x800, (1 << 63) + 0x1000),
    )
)
STEPS = st.lists(
    st.tuples(st.just("move"), st.integers(0, 3), st.none() | PLACES)
    | st.tuples(st.just("aim"), st.integers(0, 0x20), st.booleans())
    | st.tuples(st.just("shadow"), st.integers(0, 15), st.integers(0, 3)),
    max_size=12,
)


class Nobody:
    """A device whose registers nobody asks."""

    def read(self, offset: int, size: int, now: int) -> int:
        return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """Nothing."""


class Told:
    """What of an engine the map tells."""

    def __init__(self, size: int) -> None:
        self.regions: Sequence[Region] = ()
        self._size = size

    def set_regions(self, regions: Sequence[Region]) -> None:
        check_regions(regions, self._size)
        assert regions != self.regions, "nothing has changed"
        self.regions = regions

    def add_rom(self, data: bytes) -> int:
        return self._size - len(data)


SIZES = (0x8000, 0x1800, FLASH_SIZE, VIDEO_SIZE)
"""Of the windows, in the order of their making: part of the screen, registers, flash, all of the screen."""


class Model:
    """What lies where, asked page by page; -1 is where stores are lost."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.starts: list[int | None] = [None] * 4
        self.shadows = [3] * 16
        self.aimed = 0

    def window_at(self, page: int) -> tuple[int | None, int | None] | None:
        """None: no window touches it."""
        at_first = (self.memory + self.aimed, None, self.memory + VIDEO_SIZE, self.memory)
        for number, (start, size, at) in enumerate(zip(self.starts, SIZES, at_first, strict=True)):
            if start is None or start >= page + PAGE_SIZE or page >= start + size:
                continue
            if at is None or start > page or page + PAGE_SIZE > start + size or (at + page - start) % PAGE_SIZE:
                return None, None
            return at + page - start, None if number == 2 else at + page - start
        return None

    def shown(self) -> range:
        """All of the registers, where neither the local APIC nor the first window is in front of any of them."""
        start = self.starts[1]
        if start is None:
            return range(0)
        end, first = start + SIZES[1], self.starts[0]
        in_front = first is not None and first < end and start < first + SIZES[0]
        in_front |= start < 0xFEE0_1000 and end > 0xFEE0_0000
        return range(0) if in_front else range(start, end)

    def behind(self, page: int) -> tuple[int | None, int | None]:
        rom = self.memory + VIDEO_SIZE + FLASH_SIZE
        if ROM_AT <= page < ROM_AT + ROM_SIZE:
            return rom + page - ROM_AT, -1
        if 0xE0000 <= page < 0x100000:
            return rom + ROM_SIZE - 0x100000 + page, -1
        return self.window_at(page) or (None, None)

    def expected(self, page: int) -> tuple[int | None, int | None]:
        """Where loads and stores go."""
        if page == 0xFEE0_0000:
            return None, None
        in_window = self.window_at(page)
        if 0xA0000 <= page < 0xC0000 and in_window is not None:
            return in_window
        parts = ram_parts(self.memory)
        in_ram = next((page for _, size in parts[:1] if page < size), None)
        for start, size in parts[1:]:
            in_ram = LOW_RAM + page - start if start <= page < start + size else in_ram
        shadow = self.shadows[(page - SHADOWED.start) // SHADOW_STEP] if page in SHADOWED else 3
        if in_ram is None or not shadow:
            return self.behind(page)
        return in_ram if shadow & 1 else self.behind(page)[0], in_ram if shadow & 2 else -1


@settings(max_examples=150, deadline=None)
@example(memory=1 << 20, script=[("move", 0, 5 * GIB + 0x800), ("aim", 0, True)])
@given(memory=st.sampled_from([1 << 20, 2 << 20, LOW_RAM, 5 * GIB]), script=STEPS)
def test_what_is_in_front_answers(memory: int, script: list[tuple[str, int, int]]) -> None:
    bus = MemoryBus()
    bus.claim(range(0xFEE0_0000, 0xFEE0_1000), Nobody(), "lapic")
    map_, model = MemoryMap(memory, bus), Model(memory)
    video, flash = map_.add_memory(VIDEO_SIZE, "video"), map_.add_memory(FLASH_SIZE, "flash")
    assert [video.at, flash.at, map_.device_memory] == [memory, memory + VIDEO_SIZE, VIDEO_SIZE + FLASH_SIZE]
    told = Told(memory + VIDEO_SIZE + FLASH_SIZE + ROM_SIZE)
    map_.attach(told)  # type: ignore[arg-type]  # what of it is asked
    map_.add_rom(Physical(ROM_AT), bytes(ROM_SIZE), alias=Physical(0xE0000))
    part, registers, place = video.window(SIZES[0]), Nobody(), SharedVga()
    map_.show(registers, place)
    windows = [part, bus.window(SIZES[1], registers, "registers"), flash.window(SIZES[2], stores=Nobody())]
    windows.append(video.window(SIZES[3]))
    for action, number, value in script:
        match action:
            case "move":
                windows[number].move(value)
                model.starts[number] = value
            case "aim":
                model.aimed = min(number * 0x1000 + 0x800 * value, VIDEO_SIZE - SIZES[0])
                part.aim(model.aimed)
            case _:
                address = SHADOWED.start + number * SHADOW_STEP
                map_.shadow(range(address, address + SHADOW_STEP), reads=bool(value & 1), writes=bool(value & 2))
                model.shadows[number] = value
    looked_at = {edge + by for edge in _edges(told.regions, model.starts) for by in (-PAGE_SIZE, 0, PAGE_SIZE)}
    for page in sorted(page & -PAGE_SIZE for page in looked_at if page >= 0):
        assert found(told.regions, page) == model.expected(page), hex(page)
    assert range(place.start, place.end) == model.shown()


def _edges(regions: Sequence[Region], starts: list[int | None]) -> set[int]:
    edges = {edge for region in regions for edge in (region.start, region.end)} | set(range(0xA0000, 0x101000, 0x4000))
    return edges | {start + by for start in starts if start is not None for by in (0, 0x1800, 0x8000, VIDEO_SIZE)}


def found(regions: Sequence[Region], page: int) -> tuple[int | None, int | None]:
    """Where loads and stores go; -1: lost."""
    for region in regions:
        if region.start <= page < region.end:
            by = page - region.start
            read_at = None if region.read_at is None else region.read_at + by
            lost = -1 if region.lost else None
            return read_at, lost if region.write_at is None else region.write_at + by
    return None, None


def test_memory_of_a_device_is_whole_pages() -> None:
    with pytest.raises(ValueError, match="vga: 100 bytes of memory are not whole pages"):
        MemoryMap(1 << 20, MemoryBus()).add_memory(100, "vga")
