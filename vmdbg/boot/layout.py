"""Where things go in guest RAM, and the e820 map that tells the guest.

The map is a PC's: conventional memory up to the EBDA at 9FC00h, the video and ROM area up to 1 MiB, RAM from
there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vmdbg.boot.image import E820Entry, E820Type, Segment
from vmdbg.errors import UserError
from vmdbg.units import PAGE_SIZE, Physical
from vmdbg.x86.ram import LOW_RAM

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

EBDA = Physical(0x9FC00)
VIDEO_AREA = Physical(0xA0000)
FIRMWARE_AREA = Physical(0xE0000)
HIGH_MEMORY = Physical(0x100000)
IO_APIC = Physical(0xFEC00000)
FLASH = Physical(0xFF000000)
FOUR_GIB = 4 * GIB

SMALLEST_MEMORY = 1 * MIB
LARGEST_MEMORY = 64 * GIB
"""What does not fit below the PCI window lies from 4 GiB on."""

_BIOS_DATA_EBDA = 0x40E
_BIOS_DATA = struct.pack("<H3xH", EBDA >> 4, EBDA // KIB)
"""40:0E, the segment of the EBDA, and 40:13, the KiB of memory below it."""

_LOW_FIRST = 0x1000
"""Placed data leaves the interrupt vectors, the BIOS data area and address 0 alone."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A range of RAM that is taken, `end` exclusive; `movable` says that it could lie elsewhere."""

    start: int
    end: int
    name: str
    movable: bool = False


def check_memory(memory: int) -> None:
    """Refuse a RAM size that the machine cannot have."""
    if not SMALLEST_MEMORY <= memory <= LARGEST_MEMORY:
        raise UserError(
            f"a guest cannot have {size_text(memory)} of memory: give --memory between "
            f"{size_text(SMALLEST_MEMORY)} and {size_text(LARGEST_MEMORY)}"
        )
    if memory % PAGE_SIZE:
        raise UserError(
            f"memory of {memory} bytes is no multiple of {PAGE_SIZE}: give --memory in whole pages, as 256M"
        )


def size_text(size: int) -> str:
    """A size for people: whole KiB, MiB or GiB where it is one, one decimal otherwise."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}" if size % unit == 0 else f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def e820_map(memory: int, withheld: int | None = None) -> tuple[E820Entry, ...]:
    """The address map of a PC with `memory` bytes of RAM, sorted, without overlaps; reserved from `withheld` on."""
    low = min(memory, LOW_RAM)
    end = low if withheld is None else withheld
    ranges = [
        (0, EBDA, E820Type.USABLE),
        (EBDA, VIDEO_AREA, E820Type.RESERVED),
        (FIRMWARE_AREA, HIGH_MEMORY, E820Type.RESERVED),
        (HIGH_MEMORY, end, E820Type.USABLE),
        (end, low, E820Type.RESERVED),
        (IO_APIC, FLASH, E820Type.RESERVED),
        (FLASH, FOUR_GIB, E820Type.RESERVED),
        (FOUR_GIB, FOUR_GIB + memory - low, E820Type.USABLE),
    ]
    return tuple(E820Entry(Physical(start), end - start, kind) for start, end, kind in ranges if end > start)


def _remedy(needed: int) -> str:
    if needed <= LOW_RAM:
        return f"give --memory {-(-needed // MIB)}M or more"
    return f"a guest has at most {size_text(LOW_RAM)} below 4 GiB"


class Layout:
    """Hands out guest RAM: first what must lie at a fixed address, then what may lie anywhere."""

    def __init__(self, memory: int, firmware: Iterable[Segment] = ()) -> None:
        """`firmware` goes into E0000h-FFFFFh. Raises UserError for a memory size that cannot be."""
        check_memory(memory)
        self.memory = min(memory, LOW_RAM)
        """Bytes from address 0 on: all is laid out below 4 GiB."""
        self._all_memory = memory
        self.e820 = e820_map(memory)
        self._segments: list[Segment] = []
        self._claims: list[Claim] = []
        for segment in firmware:
            self.add_firmware(segment)

    def add_firmware(self, segment: Segment) -> None:
        """Put a segment into E0000h-FFFFFh. Raises UserError."""
        if not FIRMWARE_AREA <= segment.address <= segment.end <= HIGH_MEMORY:
            raise UserError(f"{segment.name} at {segment.address:#x} is outside the firmware area 0xe0000-0xfffff")
        self._take(segment.address, len(segment.data), segment.name)
        self._segments.append(segment)

    def finish(self) -> tuple[Segment, ...]:
        """What was placed, by address; the BIOS data area then says where conventional memory ends."""
        if self.free(_BIOS_DATA_EBDA, len(_BIOS_DATA)):
            self.fill(_BIOS_DATA_EBDA, _BIOS_DATA, "the BIOS data area")
        return tuple(sorted(self._segments, key=lambda segment: segment.address))

    @property
    def memory_needed(self) -> int:
        """RAM that is enough for everything: what is fixed, and above it what can move, in whole MiB."""
        fixed = max((claim.end for claim in self._claims if not claim.movable), default=0)
        movable = sum(claim.end - claim.start + PAGE_SIZE for claim in self._claims if claim.movable)
        return -(-max(fixed + movable, SMALLEST_MEMORY) // MIB) * MIB

    def reserve(self, address: int, size: int, name: str) -> None:
        """Take a range at a fixed address. Raises UserError when it is not RAM, or taken."""
        end = address + size
        if end > self.memory:
            raise UserError(
                f"{name} needs memory at {address:#x}-{end:#x}, but the guest has only "
                f"{size_text(self.memory)}: {_remedy(end)}"
            )
        if address < HIGH_MEMORY and end > EBDA:
            raise UserError(
                f"{name} lies at {address:#x}-{end:#x}, across the video, ROM and BIOS data area "
                f"{EBDA:#x}-{HIGH_MEMORY - 1:#x}, which is not free RAM: link it elsewhere"
            )
        self._take(address, size, name)

    def put(self, address: int, data: bytes | memoryview, name: str, size: int | None = None) -> None:
        """Take `size` bytes, at least the data's, at a fixed address; what is not filled stays zero."""
        self.reserve(address, max(len(data), size or 0), name)
        self.fill(address, data, name)

    def place_low(self, data: bytes | memoryview, name: str, align: int = 16) -> Physical:
        """Put data at the lowest free address below the EBDA, or else as high as RAM goes."""
        address = self.claim_low(len(data), name, align)
        self.fill(address, data, name)
        return address

    def place_high(self, data: bytes | memoryview, name: str, below: int) -> Physical:
        """Put data on the highest free pages that end at or under `below`. Raises UserError if none are."""
        address = self._claim_high(len(data), name, below)
        self.fill(address, data, name)
        return address

    def place_withheld(self, data: bytes | memoryview, name: str) -> Physical:
        """Put data at the end of RAM, which the memory map then does not offer. Raises UserError."""
        address = self.place_high(data, name, below=self.memory)
        self.e820 = e820_map(self._all_memory, withheld=address)
        return address

    def place_above(self, data: bytes | memoryview, name: str) -> Physical:
        """Put data on the lowest free pages above 1 MiB, so behind a kernel. Raises UserError."""
        address = self._claim_above(len(data), name, PAGE_SIZE)
        self.fill(address, data, name)
        return address

    def claim_low(self, size: int, name: str, align: int) -> Physical:
        """Take a range where `place_low` would put it, to be filled later or to stay zero."""
        address = self._lowest(size, _LOW_FIRST, EBDA, align)
        if address is None:
            return self._claim_above(size, name, align)
        self._take(address, size, name)
        return Physical(address)

    def fill(self, address: int, data: bytes | memoryview, name: str) -> None:
        """Give the bytes of a range already taken."""
        if data:
            self._segments.append(Segment(Physical(address), data, name))

    def _claim_above(self, size: int, name: str, align: int) -> Physical:
        address = self._lowest(size, HIGH_MEMORY, self.memory, align)
        if address is None:
            raise self._full(size, name)
        self._take(address, size, name, movable=True)
        return Physical(address)

    def _lowest(self, size: int, start: int, end: int, align: int) -> int | None:
        for claim in [*self._sorted(), Claim(end, end, "")]:
            address = -(-start // align) * align
            if address + size <= min(claim.start, end):
                return address
            start = max(start, claim.end)
        return None

    def _claim_high(self, size: int, name: str, below: int) -> Physical:
        end = min(below, self.memory)
        for claim in [*reversed(self._sorted()), Claim(HIGH_MEMORY, HIGH_MEMORY, "")]:
            address = (end - size) // PAGE_SIZE * PAGE_SIZE
            if address >= max(claim.end, HIGH_MEMORY):
                self._take(address, size, name, movable=True)
                return Physical(address)
            end = min(end, claim.start)
        raise self._full(size, name)

    def _full(self, size: int, name: str) -> UserError:
        return UserError(
            f"{name} of {size_text(size)} does not fit into {size_text(self.memory)} of memory beside the "
            f"guest: {_remedy(self.memory_needed + size + PAGE_SIZE)}"
        )

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Free ranges of RAM, `end` exclusive, from the lowest on."""
        for start, limit in ((_LOW_FIRST, EBDA), (HIGH_MEMORY, self.memory)):
            begin = int(start)
            for claim in [*self._sorted(), Claim(limit, limit, "")]:
                end = min(claim.start, limit)
                if begin < end:
                    yield begin, end
                begin = max(begin, claim.end)

    def free(self, address: int, size: int) -> bool:
        """Whether nothing was put there yet."""
        return all(claim.end <= address or address + size <= claim.start for claim in self._claims)

    def _sorted(self) -> list[Claim]:
        return sorted(self._claims, key=lambda claim: claim.start)

    def _take(self, address: int, size: int, name: str, movable: bool = False) -> None:
        for claim in self._claims:
            if address < claim.end and claim.start < address + size:
                raise UserError(
                    f"{name} at {address:#x}-{address + size:#x} overlaps {claim.name} "
                    f"at {claim.start:#x}-{claim.end:#x}"
                )
        if size:
            self._claims.append(Claim(address, address + size, name, movable))
