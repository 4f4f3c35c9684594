"""Scripts for hostile.asm that do what drivers do: random requests to each bus master, and what should come of them.

Buffers lie anywhere in TARGET, odd where the device allows it, across pages and over one another; what is written to
disks comes from SOURCE, which nothing changes. Drivers can have all that they share with a device of 64-bit addresses
`high` bytes further up, which the guest cannot store to: what it would is found by beyond_reach().
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from devices.disk.medium import SECTOR
from devices.disk.requests import Operation
from tests.determinism.hostile_attacks import surroundings
from tests.determinism.hostile_scripts import (
    ARENA,
    CONFIG_ADDRESS,
    CONFIG_DATA,
    COPY,
    IN8,
    MEMORY,
    OUT8,
    OUT16,
    OUT32,
    SPIN,
    STORE8,
    STORE16,
    STORE32,
    Step,
    Steps,
)

RINGS, SOURCE, TARGET, AREA = ARENA, ARENA + 0x20_0000, ARENA + 0x30_0000, 0x8_0000
HIGH, HIGH_MEMORY = 0x1_2000_0000, 5 << 30
"""How far up drivers of 64-bit addresses can have all that, and the memory of a machine for it."""
PLACES, PLACE = 32, 0x2000
"""Of what belongs to single requests, for each driver in turn, behind its rings."""
SECTORS = 1000
MOST = 16
"""Sectors of a request."""
CODE, CODE_SIZE = 0x10_0000, 0x4000
"""The guest, with room for more."""
LONG_ENOUGH, FLOPPY_LONG_ENOUGH = 40_000, 2_000_000
"""Rounds of the guest's loop, of three ticks each, in which a request is done."""
Segments = list[tuple[int, int]]
"""Addresses and sizes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Of a drive. `data` is what is written, and `parts` where data goes or comes from."""

    drive: str
    operation: Operation
    sector: int
    count: int
    data: bytes = b""
    parts: tuple[tuple[int, int], ...] = ()


def put(address: int, data: bytes) -> Steps:
    padded = data + bytes(-len(data) % 4)
    return [
        (STORE32, address + at, int.from_bytes(padded[at : at + 4], "little"), 0) for at in range(0, len(padded), 4)
    ]


def beyond_reach(steps: Steps) -> tuple[Steps, list[tuple[int, bytes]]]:
    """What the guest can do, and what has to be in memory above 4 GiB as it begins."""
    sizes = {STORE8: 1, STORE16: 2, STORE32: 4}
    high = [(address, value.to_bytes(sizes[kind], "little")) for kind, address, value, _ in steps if address >> 32]
    return [one for one in steps if not one[1] >> 32], high


def with_a20_off_in_between(steps: Steps) -> Steps:
    """Whenever the guest waits for devices. Its code, at an odd MiB, is where it is fetched from then, too."""
    closed: Steps = [(COPY, 0, CODE, CODE_SIZE // 4), (OUT8, 0x92, 2, 0), (OUT8, 0x64, 0xD1, 0), (OUT8, 0x60, 0xDD, 0)]
    for one in steps:
        closed += [(OUT8, 0x92, 0, 0), one, (OUT8, 0x92, 2, 0)] if one[0] == SPIN else [one]
    return closed


def wait(rounds: int = LONG_ENOUGH) -> Step:
    return SPIN, 0, 0, rounds


def enabled(device: str) -> Steps:
    """Its functions answer and reach memory."""
    steps: Steps = []
    for function in surroundings()[0][device].functions:
        steps += [(OUT32, CONFIG_ADDRESS, function | 4, 0), (OUT16, CONFIG_DATA, 7, 0)]
    return steps


def registers(device: str, high: int = 0) -> int:
    return max(surroundings(HIGH_MEMORY if high else MEMORY)[0][device].memory, key=len).start


class Driver(Protocol):
    """`name`: the device, as watchpoints name it."""

    name: str

    def begin(self) -> Steps: ...

    def next(self, chance: random.Random) -> tuple[Steps, Asked | None]: ...


def segments(chance: random.Random, size: int, area: int, align: int = 2) -> Segments:
    """So many bytes in up to four pieces, which may lie over one another."""
    cuts = sorted(chance.randrange(0, size + 1, align) for _ in range(chance.choice((0, 1, 1, 3))))
    sizes = [end - start for start, end in zip([0, *cuts], [*cuts, size], strict=True) if end > start]
    near = area + chance.randrange(0, AREA - 0x1_0000, align)
    found: Segments = []
    for one in sizes:
        address = chance.choice(
            (near, near + chance.randrange(0, 0x2000, align), area + chance.randrange(0, AREA, align))
        )
        if chance.random() < 0.3:
            address = (address | 0xFFF) + 1 - align * chance.randrange(1, 8)
        if address >> 16 != address + one - 1 >> 16:
            address &= ~0xFFFF
        found.append((address, one))
    return found


class Disk:
    """Asks a disk for something; how that is said is its controller's."""

    operations = (Operation.READ, Operation.READ, Operation.WRITE, Operation.WRITE, Operation.DISCARD, Operation.FLUSH)

    place = RINGS + 0x8_0000

    def __init__(self, drive: str, source: bytes, high: int = 0) -> None:
        self.drive = drive
        self._source = source
        self._high = high
        self._requests = 0

    def own_place(self) -> int:
        """Of this request."""
        return self.place + self._high + self._requests % PLACES * PLACE

    def next(self, chance: random.Random) -> tuple[Steps, Asked | None]:
        self._requests += 1
        operation = chance.choice(self.operations)
        count = chance.randint(1, MOST)
        if operation is Operation.DISCARD:
            count = chance.randint(1, 64)
        sector = chance.randrange(SECTORS - count + 1)
        if operation is Operation.FLUSH:
            return [*self.flush(), wait()], Asked(self.drive, operation, 0, 0)
        if operation is Operation.DISCARD:
            return [*self.discard(sector, count), wait()], Asked(self.drive, operation, sector, count)
        writes = operation is Operation.WRITE
        area = (SOURCE if writes else TARGET) + self._high
        parts = self.segments(chance, count * SECTOR, area)
        data = b"".join(self._source[at - area : at - area + size] for at, size in parts) if writes else b""
        steps = [*self.transfer(sector, count, parts, writes=writes), wait()]
        return steps, Asked(self.drive, operation, sector, count, data, tuple(parts))

    def segments(self, chance: random.Random, size: int, area: int) -> Segments:
        return segments(chance, size, area)

    def transfer(self, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        raise NotImplementedError

    def discard(self, sector: int, count: int) -> Steps:
        raise NotImplementedError

    def flush(self) -> Steps:
        raise NotImplementedError


class IdeDisk(Disk):
    """At bus-master DMA of the first channel."""

    name = "ide"
    table, ranges = RINGS, RINGS + 0x1000

    def begin(self) -> Steps:
        self._master = next(one.start for one in surroundings()[0]["ide"].ports if one.start >= 0xC000)
        return [*enabled("ide"), (OUT8, 0x3F6, 2, 0)]

    def transfer(self, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        return self._dma(0x35 if writes else 0x25, sector, count, parts, writes=writes)

    def discard(self, sector: int, count: int) -> Steps:
        entry = struct.pack("<Q", sector | count << 48).ljust(SECTOR, b"\0")
        return [*put(self.ranges, entry), *self._dma(0x06, 0, 1, [(self.ranges, SECTOR)], writes=True)]

    def flush(self) -> Steps:
        return [(OUT8, 0x1F6, 0xE0, 0), (OUT8, 0x1F7, 0xE7, 0)]

    def _dma(self, command: int, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        rows = b"".join(
            struct.pack("<II", at, size & 0xFFFF | (1 << 31 if last else 0))
            for last, (at, size) in zip([*[False] * (len(parts) - 1), True], parts, strict=True)
        )
        task = [(0x1F6, 0xE0), (0x1F1, 0)]
        task += [(0x1F2, count >> 8), (0x1F3, sector >> 24 & 0xFF), (0x1F4, 0), (0x1F5, 0), (0x1F1, command == 6)]
        task += [
            (0x1F2, count & 0xFF),
            (0x1F3, sector & 0xFF),
            (0x1F4, sector >> 8 & 0xFF),
            (0x1F5, sector >> 16 & 0xFF),
        ]
        return [
            *put(self.table, rows),
            (OUT8, self._master, 0, 0),
            (OUT8, self._master + 2, 6, 0),
            (OUT32, self._master + 4, self.table, 0),
            *((OUT8, port, value, 0) for port, value in task),
            (OUT8, 0x1F7, command, 0),
            (OUT8, self._master, 1 if writes else 9, 0),
        ]


class AhciDisk(Disk):
    """At the first port, in any slot."""

    name = "ahci"
    place = RINGS + 0xC_0000

    def begin(self) -> Steps:
        self.commands, self.received, self.tables = (
            RINGS + self._high + place for place in (0x1_0000, 0x1_1000, 0x1_2000)
        )
        self._base = registers("ahci", self._high)
        self._port, self._slot = self._base + 0x100, 0
        steps = [*enabled("ahci"), (STORE32, self._base + 4, 0x8000_0000, 0), (STORE32, self._port + 0x18, 0, 0)]
        for offset, place in ((0, self.commands), (8, self.received)):
            steps += put(self._port + offset, struct.pack("<Q", place))
        return [*steps, (STORE32, self._port + 0x30, 0xFFFF_FFFF, 0), (STORE32, self._port + 0x18, 0x11, 0)]

    def transfer(self, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        return self._command(0x35 if writes else 0x25, sector, count, parts, writes=writes)

    def discard(self, sector: int, count: int) -> Steps:
        entry = struct.pack("<Q", sector | count << 48).ljust(SECTOR, b"\0")
        ranges = self.own_place()
        return [*put(ranges, entry), *self._command(0x06, 0, 1, [(ranges, SECTOR)], writes=True)]

    def flush(self) -> Steps:
        return self._command(0xEA, 0, 0, [], writes=False)

    def _command(self, command: int, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        self._slot = (self._slot + 1) % 32
        table = self.tables + 0x100 * self._slot
        low, high = sector & 0xFF_FFFF, sector >> 24
        fis = struct.pack("<BBBB", 0x27, 0x80, command, command == 6) + low.to_bytes(3, "little") + b"\x40"
        fis += high.to_bytes(3, "little") + b"\0" + struct.pack("<HHI", count, 0, 0)
        rows = b"".join(struct.pack("<QII", at, 0, size - 1) for at, size in parts)
        header = struct.pack("<HHIQ", 5 | writes << 6, len(parts), 0, table)
        return [
            *put(table, fis.ljust(128, b"\0") + rows),
            *put(self.commands + 32 * self._slot, header),
            (STORE32, self._port + 0x10, 0xFFFF_FFFF, 0),
            (STORE32, self._port + 0x38, 1 << self._slot, 0),
        ]


class NvmeDisk(Disk):
    """By PRPs, at a submission queue that wraps around."""

    name = "nvme-disk3"
    place = RINGS + 0x10_0000

    def begin(self) -> Steps:
        self.admin, self.admin_done, self.queue, self.done = (
            RINGS + self._high + 0x2_0000 + 0x2000 * number for number in range(4)
        )
        self.entries = 64 if self._high else 8
        self._base, self._tail = registers(self.name, self._high), 0
        steps: Steps = [
            *enabled(self.name),
            (STORE32, self._base + 0x14, 0, 0),
            (STORE32, self._base + 0x24, 0x1F_001F, 0),
        ]
        for offset, place in ((0x28, self.admin), (0x30, self.admin_done)):
            steps += put(self._base + offset, struct.pack("<Q", place))
        steps += [(STORE32, self._base + 0x14, 0x46_0001, 0), wait()]
        for number, (code, ring, flags) in enumerate(((5, self.done, 1), (1, self.queue, 1 | 1 << 16))):
            words = 1 | self.entries - 1 << 16, flags, 0, 0, 0, 0
            steps += put(self.admin + 64 * number, struct.pack("<IIQQQQ6I", code, 0, 0, 0, ring, 0, *words))
        return [*steps, (STORE32, self._base + 0x1000, 2, 0), wait()]

    def segments(self, chance: random.Random, size: int, area: int) -> Segments:
        """The first anywhere in a page, the others whole pages, which may be the same ones."""
        first = area + chance.randrange(0, AREA // 2, 4)
        here = min(size, 4096 - first % 4096)
        parts = [(first, here)]
        while (rest := size - sum(length for _, length in parts)) > 0:
            page = chance.choice((first & ~0xFFF, area + chance.randrange(AREA // 4096) * 4096))
            parts.append((page, min(rest, 4096)))
        return parts

    def transfer(self, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        rest = [at for at, _ in parts[1:]]
        rows = self.own_place()
        second = rest[0] if len(rest) == 1 else rows if rest else 0
        steps = put(rows, b"".join(struct.pack("<Q", at) for at in rest)) if len(rest) > 1 else []
        return [*steps, *self._command(1 if writes else 2, parts[0][0], second, sector, 0, count - 1)]

    def discard(self, sector: int, count: int) -> Steps:
        ranges = self.own_place()
        return [*put(ranges, struct.pack("<IIQ", 0, count, sector)), *self._command(9, ranges, 0, 0, 4, 0)]

    def flush(self) -> Steps:
        return self._command(0, 0, 0, 0, 0, 0)

    def _command(self, code: int, first: int, second: int, *words: int) -> Steps:
        at, self._tail = self._tail, (self._tail + 1) % self.entries
        data = struct.pack("<IIQQQQ6I", code | 7 << 16, 1, 0, 0, first, second, *words, 0, 0, 0)
        return [
            (STORE32, self._base + 0x1000 + 12, at, 0),
            *put(self.queue + 64 * at, data),
            (STORE32, self._base + 0x1000 + 8, self._tail, 0),
        ]


@dataclass
class Virtqueue:
    """A ring of eight descriptors, of the queue `number` of the function whose registers are at `base`."""

    base: int
    number: int
    place: int
    size: int = 64
    free: int = 0
    index: int = field(default=0)

    def begin(self) -> Steps:
        steps: Steps = [(STORE16, self.base + 0x16, self.number, 0), (STORE16, self.base + 0x18, self.size, 0)]
        for offset, at in ((0x20, 0), (0x28, 0x1000), (0x30, 0x2000)):
            steps += put(self.base + offset, struct.pack("<Q", self.place + at))
        return [*steps, (STORE16, self.base + 0x1A, 0xFFFF, 0), (STORE16, self.base + 0x1C, 1, 0)]

    def give(self, chain: Sequence[tuple[int, int, bool]]) -> Steps:
        """Address, size, and whether the device writes there."""
        steps: Steps = []
        slots = [(self.free + at) % self.size for at in range(len(chain))]
        for at, (address, size, writes) in enumerate(chain):
            more = at + 1 < len(chain)
            row = struct.pack("<QIHH", address, size, more | writes << 1, slots[at + 1] if more else 0)
            steps += put(self.place + 16 * slots[at], row)
        self.free = (self.free + len(chain)) % self.size
        steps.append((STORE16, self.place + 0x1004 + 2 * (self.index % self.size), slots[0], 0))
        self.index = self.index + 1 & 0xFFFF
        steps.append((STORE16, self.place + 0x1002, self.index, 0))
        return [*steps, (STORE32, self.base + 0x3000 + 4 * self.number, self.number, 0)]


def virtio_begin(device: str, base: int, features: int, queues: Sequence[Virtqueue]) -> Steps:
    steps: Steps = [*enabled(device), *((STORE8, base + 0x14, value, 0) for value in (0, 1, 3))]
    for half, word in enumerate((features, 1)):
        steps += [(STORE32, base + 0x08, half, 0), (STORE32, base + 0x0C, word, 0)]
    steps.append((STORE8, base + 0x14, 0xB, 0))
    for queue in queues:
        steps += queue.begin()
    return [*steps, (STORE8, base + 0x14, 0xF, 0)]


class VirtioDisk(Disk):
    name = "virtio-disk2"
    place = RINGS + 0x14_0000

    def begin(self) -> Steps:
        self._queue = Virtqueue(registers(self.name, self._high), 0, RINGS + self._high + 0x3_0000)
        return virtio_begin(self.name, self._queue.base, 1 << 9 | 1 << 13, [self._queue])

    def segments(self, chance: random.Random, size: int, area: int) -> Segments:
        return segments(chance, size, area, align=1)

    def transfer(self, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        return self._request(int(writes), sector, [(at, size, not writes) for at, size in parts])

    def discard(self, sector: int, count: int) -> Steps:
        ranges = self.own_place() + 0x800
        steps = put(ranges, struct.pack("<QII", sector, count, 0))
        return [*steps, *self._request(11, 0, [(ranges, 16, False)])]

    def flush(self) -> Steps:
        return self._request(4, 0, [])

    def _request(self, kind: int, sector: int, parts: Sequence[tuple[int, int, bool]]) -> Steps:
        header = self.own_place()
        chain = [(header, 16, False), *parts, (header + 0x1000, 1, True)]
        return [*put(header, struct.pack("<IIQ", kind, 0, sector)), *self._queue.give(chain)]


class VirtioNic:
    name = "net0"

    def __init__(self, high: int) -> None:
        self._high = high

    def begin(self) -> Steps:
        self._queue = Virtqueue(registers(self.name, self._high), 0, RINGS + self._high + 0x5_0000)
        return virtio_begin(self.name, self._queue.base, 1 << 15, [self._queue])

    def next(self, chance: random.Random) -> tuple[Steps, Asked | None]:
        address = TARGET + self._high + chance.randrange(0x2000)
        return [*self._queue.give([(address, chance.choice((100, 700, 2000)), True)]), wait()], None


class E1000:
    name = "net1"

    def __init__(self, high: int) -> None:
        self._high = high

    def begin(self) -> Steps:
        ring = RINGS + self._high + 0x6_0000
        self._base, self._tail = registers(self.name, self._high), 15
        steps = [*enabled(self.name), (STORE32, self._base, 0x40, 0)]
        for at in range(16):
            steps += put(ring + 16 * at, struct.pack("<QQ", TARGET + self._high + 0x0FF1 + 0x333 * at, 0))
        for offset, value in (
            (0x2800, ring & 0xFFFF_FFFF),
            (0x2804, ring >> 32),
            (0x2808, 256),
            (0x100, 1 << 1 | 1 << 15 | 1 << 3 | 1 << 4),
        ):
            steps.append((STORE32, self._base + offset, value, 0))
        return [*steps, (STORE32, self._base + 0x2818, self._tail, 0)]

    def next(self, chance: random.Random) -> tuple[Steps, Asked | None]:
        self._tail = (self._tail + 1) % 16
        return [(STORE32, self._base + 0x2818, self._tail, 0), wait(chance.choice((100, LONG_ENOUGH)))], None


class Rtl8139:
    name = "net2"

    def begin(self) -> Steps:
        base = next(one.start for one in surroundings()[0][self.name].ports if one.start >= 0xC000)
        steps = [*enabled(self.name), (OUT8, base + 0x37, 0x10, 0), (OUT32, base + 0x30, TARGET + 0xFF4, 0)]
        return [*steps, (OUT8, base + 0x37, 0xC, 0), (OUT32, base + 0x44, 0x1F | 3 << 11, 0)]

    def next(self, chance: random.Random) -> tuple[Steps, Asked | None]:
        return [wait(chance.choice((100, LONG_ENOUGH)))], None


class Floppy:
    """By channel 2 of the 8237, track by track."""

    name = "fdc"

    def __init__(self, source: bytes) -> None:
        self._source = source

    def begin(self) -> Steps:
        sense = [(OUT8, 0x3F5, 8, 0), (IN8, 0x3F5, 0, 0), (IN8, 0x3F5, 0, 0)]
        steps: Steps = [(OUT8, 0x3F2, 0, 0), (OUT8, 0x3F2, 0x1C, 0), wait(FLOPPY_LONG_ENOUGH), *sense * 4]
        steps += [(OUT8, 0x3F7, 0, 0), *((OUT8, 0x3F5, byte, 0) for byte in (3, 0xAF, 2))]
        return [*steps, (OUT8, 0x3F5, 7, 0), (OUT8, 0x3F5, 0, 0), wait(FLOPPY_LONG_ENOUGH), *sense]

    def next(self, chance: random.Random) -> tuple[Steps, Asked | None]:
        writes, track, head = chance.random() < 0.5, chance.choice((0, 1, 7)), chance.randrange(2)
        first = chance.randint(1, 17)
        count = chance.randint(1, 18 - first + 1)
        area, size = SOURCE if writes else TARGET, count * SECTOR
        address = area + chance.randrange(AREA - 0x1_0000) & 0xFFFF_0000 | chance.randrange(0x1_0000 - size)
        steps: Steps = [(OUT8, 0x3F5, byte, 0) for byte in (0x0F, 0, track)]
        steps += [wait(FLOPPY_LONG_ENOUGH), (OUT8, 0x3F5, 8, 0), (IN8, 0x3F5, 0, 0), (IN8, 0x3F5, 0, 0)]
        for port, value in (
            *((0x0A, 6), (0x0C, 0), (0x0B, 0x4A if writes else 0x46), (4, address & 0xFF), (4, address >> 8 & 0xFF)),
            *((5, size - 1 & 0xFF), (5, size - 1 >> 8), (0x81, address >> 16), (0x0A, 2)),
        ):
            steps.append((OUT8, port, value, 0))
        command = [0x45 if writes else 0x46, head << 2, track, head, first, 2, first + count - 1, 0x1B, 0xFF]
        steps += [*((OUT8, 0x3F5, byte, 0) for byte in command), wait(FLOPPY_LONG_ENOUGH)]
        steps += [(IN8, 0x3F5, 0, 0)] * 7
        sector = (track * 2 + head) * 18 + first - 1
        data = self._source[address - SOURCE : address - SOURCE + size] if writes else b""
        operation = Operation.WRITE if writes else Operation.READ
        return steps, Asked("floppy0", operation, sector, count, data, ((address, size),))


def drivers(source: bytes, high: int, high_source: bytes) -> dict[str, Driver]:
    """One of each bus master, by name, those of 64-bit addresses with all that they share with it `high` bytes up."""
    wide = [("disk1", AhciDisk), ("disk3", NvmeDisk), ("disk2", VirtioDisk)]
    found: list[Driver] = [IdeDisk("disk0", source), *(kind(drive, high_source, high) for drive, kind in wide)]
    found += [VirtioNic(high), E1000(high), Rtl8139(), Floppy(source)]
    return {one.name: one for one in found}
