"""Memory of the native part, and where the guest finds it."""

from __future__ import annotations

import mmap
import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import compress

from vmdbg.engine.memory import Contents, Region, check_regions, loaded_parts, ram_regions, stored_parts
from vmdbg.engine.native import _native
from vmdbg.engine.touches import NO_PHYSICAL_PAGE, READ, WRITE
from vmdbg.errors import EngineError
from vmdbg.units import PAGE_MASK, PAGE_SIZE, Physical

ffi, lib = _native.ffi, _native.lib

ROM_SPACE = 64 << 20
"""Bytes that all ROMs can have together. Address space alone: what is not touched is not there."""
_KNOWN_END = NO_PHYSICAL_PAGE * PAGE_SIZE
"""Of what touches are told of by address."""
ASKED_AT_ONCE = 1024
"""Owed pages: all may be more than there should be twice."""
_NO_RESERVE: int = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
"""Python may not know the name. The host need not have as much memory as guests might use."""


class GuestMemory:
    """engine.memory.PhysicalMemory; the host has memory for what was touched of it."""

    def __init__(self, ram_size: int, device_memory: int, cpu_count: int, owner: object) -> None:
        """Raises EngineError if the engine cannot be made."""
        self._ram_size = ram_size
        self._changing = ram_size + device_memory
        self._rom_end = self._changing
        size = self._changing + ROM_SPACE
        # private: a forked process goes on with a copy of the guest, not with this one's RAM
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
        self._view = memoryview(self._memory)
        self._vm = lib.vm_new(ffi.from_buffer("uint8_t[]", self._memory), size, cpu_count, owner)
        if self._vm == ffi.NULL:
            raise EngineError("the engine could not be created: Unicorn refused, or there is too little memory")
        self._contents: Contents | None = None
        """Who knows of owed pages; None: nothing was ever owed, or the engine is closed."""
        self._exception: BaseException | None = None
        self._regions: tuple[Region, ...] = ()
        self.set_regions(ram_regions(ram_size))

    def give_back(self) -> None:
        """The host has its memory again, though views of it may be left: nobody reads the guest any more."""
        self._contents = None
        if hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED)

    @property
    def ram_size(self) -> int:
        return self._ram_size

    @property
    def memory(self) -> memoryview:
        self._settle(0, self._changing)
        return self._view.toreadonly()

    @property
    def page_count(self) -> int:
        return self._changing // PAGE_SIZE

    @property
    def ram(self) -> memoryview:
        self._settle(0, self._ram_size)
        return self._view[: self._ram_size].toreadonly()

    @property
    def regions(self) -> Sequence[Region]:
        return self._regions

    def set_regions(self, regions: Sequence[Region]) -> None:
        check_regions(regions, len(self._view))
        self._regions = tuple(regions)
        self._loads = _straight((one.start, one.end, one.read_at) for one in regions)
        stores = _straight((one.start, one.end, one.write_at) for one in regions)
        self._stores = range(stores.start, min(stores.stop, self._changing))
        ranges = [(region.start, region.end, *_places(region)) for region in regions]
        lib.vm_set_map(self._vm, ffi.new("VmRange[]", ranges), len(ranges))

    def add_rom(self, data: bytes | memoryview) -> int:
        at, end = self._rom_end, self._rom_end + len(data)
        if len(data) & PAGE_MASK or end > len(self._view):
            raise ValueError(f"{len(data)} bytes of ROM are not whole pages, or more than {ROM_SPACE} with the others")
        self._view[at:end] = data
        self._rom_end = end
        return at

    def is_readable(self, address: Physical, size: int) -> bool:
        return _within(self._loads, address, size) or _sum(loaded_parts(self._regions, address, size)) == size

    def is_writable(self, address: Physical, size: int) -> bool:
        return _within(self._stores, address, size) or _sum(stored_parts(self._regions, address, size)) == size

    def read_physical(self, address: Physical, size: int) -> bytes:
        if _within(self._loads, address, size):
            return self.read_memory(address, size)
        data = bytearray(b"\xff") * size
        for start, stop, at in loaded_parts(self._regions, address, size):
            data[start - address : stop - address] = self.read_memory(at, stop - start)
        return bytes(data)

    def read_memory(self, at: int, size: int) -> bytes:
        if self._contents is not None:
            self._settle(at, size)
        return bytes(self._view[at : at + size])

    def write_physical(self, address: Physical, data: bytes | memoryview) -> None:
        if _within(self._stores, address, len(data)):
            self.write_memory(address, data)
            return
        view = memoryview(data)
        for start, stop, at in stored_parts(self._regions, address, len(view)):
            self.write_memory(at, view[start - address : stop - address])

    def device_read(self, address: int, size: int) -> bytes:
        if self._loads.start <= address <= self._loads.stop - size:
            lib.touched_beside(self._vm, address, size, READ)
            return self.read_memory(address, size)
        self._touch_anywhere(address, size, READ)
        return self.read_physical(Physical(address), size)

    def device_write(self, address: int, data: bytes) -> None:
        size = len(data)
        if self._stores.start <= address <= self._stores.stop - size:
            lib.touched_beside(self._vm, address, size, WRITE)
            if self._contents is not None:
                self._settle(address, size)
            source = data if isinstance(data, bytes) else ffi.from_buffer("uint8_t[]", data)
            lib.vm_write_memory(self._vm, address, source, size)
            return
        self._touch_anywhere(address, size, WRITE)
        self.write_physical(Physical(address), data)

    def _touch_anywhere(self, address: int, size: int, kinds: int) -> None:
        known = max(0, min(size, _KNOWN_END - address))
        if known:
            lib.touched_beside(self._vm, address, known, kinds)
        if known < size:
            lib.touched_beside(self._vm, _KNOWN_END, PAGE_SIZE, kinds)

    def write_ram(self, address: Physical, data: bytes | memoryview) -> None:
        if not self.is_writable(address, len(data)):
            raise ValueError(f"{len(data)} bytes at physical {address:#x} do not lie in RAM")
        self.write_physical(address, data)

    def write_memory(self, at: int, data: bytes | memoryview) -> None:
        if not 0 <= at <= self._changing - len(data):
            raise ValueError(f"{len(data)} bytes at {at:#x} are not in memory that changes")
        if self._contents is not None:
            self._settle(at, len(data))
        lib.vm_write_memory(self._vm, at, ffi.from_buffer("uint8_t[]", data), len(data))

    def owe_pages(self, numbers: array[int], contents: Contents) -> bool:
        if numbers and not 0 <= numbers[0] <= numbers[-1] < self.page_count:
            raise ValueError("there is no such page of memory that changes")
        self._contents = contents
        return bool(lib.vm_owe_pages(self._vm, ffi.from_buffer("uint32_t[]", numbers), len(numbers)))

    def owed_pages(self) -> bytes:
        if self._contents is None or not self._vm.owed_count:
            return b""
        return bytes(ffi.buffer(self._vm.owed, self.page_count))

    def put_back(self, first: int, count: int) -> None:
        """The native part has made pages accessible, some of which are owed. Raises what their source raises."""
        assert self._contents is not None
        owed = memoryview(ffi.buffer(self._vm.owed, self.page_count))[first : first + count]
        numbers = list(compress(range(first, first + count), owed))
        for at in range(0, len(numbers), ASKED_AT_ONCE):
            some = numbers[at : at + ASKED_AT_ONCE]
            for number, data in zip(some, self._contents(some), strict=True):
                self._view[number * PAGE_SIZE : (number + 1) * PAGE_SIZE] = data

    def _settle(self, at: int, size: int) -> None:
        """That memory is to be accessed. Raises what owe_pages() says."""
        if self._contents is not None and not lib.owed_settle(self._vm, at, size):
            self.raise_kept()

    def keep_exception(self, value: BaseException) -> None:
        """A callback raised: end the run, then raise from there."""
        if self._exception is None:
            self._exception = value
        lib.vm_request_stop(self._vm)

    def raise_kept(self) -> None:
        """Raise what a callback has raised, once."""
        if self._exception is not None:
            exception, self._exception = self._exception, None
            raise exception

    def raise_failed(self) -> None:
        """The same where no guest code runs, whose end raises it."""
        if self._contents is not None and not self._vm.running:
            self.raise_kept()

    def _opened(self, pages: Iterable[tuple[int, bytes | memoryview]]) -> Iterable[tuple[int, bytes | memoryview]]:
        """The same pages, none of which is accessed any more for what is owed of it. Raises what owe_pages() says."""
        if self._contents is None or not self._vm.owed_count:
            return pages
        pages = list(pages)
        numbers = array("I", [number for number, _ in pages])
        if not lib.vm_open_pages(self._vm, ffi.from_buffer("uint32_t[]", numbers), len(numbers)):
            self.raise_kept()
        return pages

    def restore_pages(self, pages: Iterable[tuple[int, bytes | memoryview]]) -> None:
        view, end, numbers = self._view, self._changing // PAGE_SIZE, array("I")
        try:
            for number, data in self._opened(pages):
                if not 0 <= number < end or len(data) != PAGE_SIZE:
                    raise ValueError(f"{len(data)} bytes are not page {number:#x} of memory that changes")
                numbers.append(number)
                view[number * PAGE_SIZE : (number + 1) * PAGE_SIZE] = data
        finally:
            lib.vm_pages_restored(self._vm, ffi.from_buffer("uint32_t[]", numbers), len(numbers))

    def dirty_pages(self) -> Sequence[int]:
        numbers = ffi.buffer(self._vm.dirty_pages, 4 * self._vm.dirty_count)
        return sorted(memoryview(numbers).cast("B").cast("I"))

    def clean_pages(self) -> None:
        lib.vm_dirty_reset(self._vm)


def _places(region: Region) -> tuple[int, int]:
    """Where loads and stores go, as the native part has it."""
    reads = lib.NOT_MEMORY if region.read_at is None else region.read_at
    if region.write_at is not None:
        return reads, region.write_at
    return reads, lib.NOWHERE if region.lost else lib.NOT_MEMORY


def _within(stretch: range, address: int, size: int) -> bool:
    return 0 <= size <= stretch.stop - address and stretch.start <= address


def _sum(parts: Iterable[tuple[int, int, int]]) -> int:
    return sum(stop - start for start, stop, _ in parts)


def _straight(places: Iterable[tuple[int, int, int | None]]) -> range:
    """Of regions by start, end and place in memory, rising: the longest stretch that lies in memory as by address."""
    longest, begin, end = range(0), 0, 0
    for start, stop, place in places:
        begin = begin if start == end else start
        end = stop if place == start else begin
        longest = max(longest, range(begin, end), key=len)
    return longest
