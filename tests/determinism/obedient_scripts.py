"""Scripts for hostile.asm that do what drivers do: random requests to each bus master, and what should come of them.

Buffers lie anywhere in TARGET, odd where the device allows it, across pages and over one another; what is written to
disks comes from SOURCE, which nothing changes.
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
    IN8,
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
SECTORS = 1000
MOST = 16
"""Sectors of a request."""
LONG_ENOUGH, FLOPPY_LONG_ENOUGH = 40_000, 2_000_000
"""Rounds of the guest's loop, of three ticks each, in which a request is done."""
Segments = list[tuple[int, int]]
"""Addresses and sizes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Of a drive. `data` is what is written."""

    drive: str
    operation: Operation
    sector: int
    count: int
    data: bytes = b""


def put(address: int, data: bytes) -> Steps:
    padded = data + bytes(-len(data) % 4)
    return [
        (STORE32, address + at, int.from_bytes(padded[at : at + 4], "little"), 0) for at in range(0, len(padded), 4)
    ]


def wait(rounds: int = LONG_ENOUGH) -> Step:
    return SPIN, 0, 0, rounds


def enabled(device: str) -> Steps:
    """Its functions answer and reach memory."""
    steps: Steps = []
    for function in surroundings()[0][device].functions:
        steps += [(OUT32, CONFIG_ADDRESS, function | 4, 0), (OUT16, CONFIG_DATA, 7, 0)]
    return steps


def registers(device: str) -> int:
    return max(surroundings()[0][device].memory, key=len).start


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
        if address & 0xFFFF_0000 != address + one - 1 & 0xFFFF_0000:
            address &= 0xFFFF_0000
        found.append((address, one))
    return found


class Disk:
    """Asks a disk for something; how that is said is its controller's."""

    operations = (Operation.READ, Operation.READ, Operation.WRITE, Operation.WRITE, Operation.DISCARD, Operation.FLUSH)

    def __init__(self, drive: str, source: bytes) -> None:
        self.drive = drive
        self._source = source

    def next(self, chance: random.Random) -> tuple[Steps, Asked | None]:
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
        parts = self.segments(chance, count * SECTOR, SOURCE if writes else TARGET)
        data = b"".join(self._source[at - SOURCE : at - SOURCE + size] for at, size in parts) if writes else b""
        steps = [*self.transfer(sector, count, parts, writes=writes), wait()]
        return steps, Asked(self.drive, operation, sector, count, data)

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
    commands, received, tables, ranges = RINGS + 0x1_0000, RINGS + 0x1_1000, RINGS + 0x1_2000, RINGS + 0x1_8000

    def begin(self) -> Steps:
        self._base = registers("ahci")
        self._port, self._slot = self._base + 0x100, 0
        steps = [*enabled("ahci"), (STORE32, self._base + 4, 0x8000_0000, 0), (STORE32, self._port + 0x18, 0, 0)]
        for offset, place in ((0, self.commands), (8, self.received)):
            steps += [(STORE32, self._port + offset, place, 0), (STORE32, self._port + offset + 4, 0, 0)]
        return [*steps, (STORE32, self._port + 0x30, 0xFFFF_FFFF, 0), (STORE32, self._port + 0x18, 0x11, 0)]

    def transfer(self, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        return self._command(0x35 if writes else 0x25, sector, count, parts, writes=writes)

    def discard(self, sector: int, count: int) -> Steps:
        entry = struct.pack("<Q", sector | count << 48).ljust(SECTOR, b"\0")
        return [*put(self.ranges, entry), *self._command(0x06, 0, 1, [(self.ranges, SECTOR)], writes=True)]

    def flush(self) -> Steps:
        return self._command(0xEA, 0, 0, [], writes=False)

    def _command(self, command: int, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        self._slot = (self._slot + 1) % 32
        table = self.tables + 0x100 * self._slot
        low, high = sector & 0xFF_FFFF, sector >> 24
        fis = struct.pack("<BBBB", 0x27, 0x80, command, command == 6) + low.to_bytes(3, "little") + b"\x40"
        fis += high.to_bytes(3, "little") + b"\0" + struct.pack("<HHI", count, 0, 0)
        rows = b"".join(struct.pack("<IIII", at, 0, 0, size - 1) for at, size in parts)
        header = struct.pack("<HHIII", 5 | writes << 6, len(parts), 0, table, 0)
        return [
            *put(table, fis.ljust(128, b"\0") + rows),
            *put(self.commands + 32 * self._slot, header),
            (STORE32, self._port + 0x10, 0xFFFF_FFFF, 0),
            (STORE32, self._port + 0x38, 1 << self._slot, 0),
        ]


class NvmeDisk(Disk):
    """By PRPs, at a submission queue that wraps around."""

    name = "nvme-disk3"
    admin, admin_done, queue, done, list, ranges = (RINGS + 0x2_0000 + 0x2000 * number for number in range(6))
    entries = 8

    def begin(self) -> Steps:
        self._base, self._tail = registers(self.name), 0
        steps: Steps = [
            *enabled(self.name),
            (STORE32, self._base + 0x14, 0, 0),
            (STORE32, self._base + 0x24, 0x1F_001F, 0),
        ]
        for offset, place in ((0x28, self.admin), (0x30, self.admin_done)):
            steps += [(STORE32, self._base + offset, place, 0), (STORE32, self._base + offset + 4, 0, 0)]
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
        second = rest[0] if len(rest) == 1 else self.list if rest else 0
        steps = put(self.list, b"".join(struct.pack("<Q", at) for at in rest)) if len(rest) > 1 else []
        return [*steps, *self._command(1 if writes else 2, parts[0][0], second, sector, 0, count - 1)]

    def discard(self, sector: int, count: int) -> Steps:
        return [*put(self.ranges, struct.pack("<IIQ", 0, count, sector)), *self._command(9, self.ranges, 0, 0, 4, 0)]

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
            steps += [(STORE32, self.base + offset, self.place + at, 0), (STORE32, self.base + offset + 4, 0, 0)]
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


def virtio_begin(device: str, features: int, queues: Sequence[Virtqueue]) -> Steps:
    base = registers(device)
    steps: Steps = [*enabled(device), *((STORE8, base + 0x14, value, 0) for value in (0, 1, 3))]
    for half, word in enumerate((features, 1)):
        steps += [(STORE32, base + 0x08, half, 0), (STORE32, base + 0x0C, word, 0)]
    steps.append((STORE8, base + 0x14, 0xB, 0))
    for queue in queues:
        steps += queue.begin()
    return [*steps, (STORE8, base + 0x14, 0xF, 0)]


class VirtioDisk(Disk):
    name = "virtio-disk2"
    ring, header, ranges, status = (RINGS + 0x3_0000 + 0x4000 * number for number in range(4))

    def begin(self) -> Steps:
        self._queue = Virtqueue(registers(self.name), 0, self.ring)
        return virtio_begin(self.name, 1 << 9 | 1 << 13, [self._queue])

    def segments(self, chance: random.Random, size: int, area: int) -> Segments:
        return segments(chance, size, area, align=1)

    def transfer(self, sector: int, count: int, parts: Segments, *, writes: bool) -> Steps:
        return self._request(int(writes), sector, [(at, size, not writes) for at, size in parts])

    def discard(self, sector: int, count: int) -> Steps:
        steps = put(self.ranges, struct.pack("<QII", sector, count, 0))
        return [*steps, *self._request(11, 0, [(self.ranges, 16, False)])]

    def flush(self) -> Steps:
        return self._request(4, 0, [])

    def _request(self, kind: int, sector: int, parts: Sequence[tuple[int, int, bool]]) -> Steps:
        chain = [(self.header, 16, False), *parts, (self.status, 1, True)]
        return [*put(self.header, struct.pack("<IIQ", kind, 0, sector)), *self._queue.give(chain)]


class VirtioNic:
    name = "net0"

    def begin(self) -> Steps:
        self._queue = Virtqueue(registers(self.name), 0, RINGS + 0x5_0000)
        return virtio_begin(self.name, 1 << 15, [self._queue])

    def next(self, chance: random.Random) -> tuple[Steps, Asked | None]:
        address = TARGET + chance.randrange(0x2000)
        return [*self._queue.give([(address, chance.choice((100, 700, 2000)), True)]), wait()], None


class E1000:
    name = "net1"
    ring = RINGS + 0x6_0000

    def begin(self) -> Steps:
        self._base, self._tail = registers(self.name), 15
        steps = [*enabled(self.name), (STORE32, self._base, 0x40, 0)]
        for at in range(16):
            steps += put(self.ring + 16 * at, struct.pack("<QQ", TARGET + 0x0FF1 + 0x333 * at, 0))
        for offset, value in (
            (0x2800, self.ring),
            (0x2804, 0),
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
        return steps, Asked("floppy0", operation, sector, count, data)


def drivers(source: bytes) -> dict[str, Driver]:
    """One of each bus master, by name."""
    disks = [("disk0", IdeDisk), ("disk1", AhciDisk), ("disk3", NvmeDisk), ("disk2", VirtioDisk)]
    found: list[Driver] = [kind(drive, source) for drive, kind in disks]
    found += [VirtioNic(), E1000(), Rtl8139(), Floppy(source)]
    return {one.name: one for one in found}
