"""A driver of virtio devices that does what chapter 3 and 4.1 say and nothing more, on a board of its own."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from devices.pci import config_space as cs
from devices.scheduler import Scheduler
from devices.seam import BusMaster
from tests.devices.conformance import BenchSlot

MEMORY = 1 << 20
RINGS = 0x10000
"""Where the rings of queue 0 are, 0x4000 bytes a queue: descriptors, driver area, device area."""
TABLE, DRIVER, DEVICE, PER_QUEUE = 0, 0x2000, 0x2800, 0x4000
NEXT, WRITE, INDIRECT = 1, 2, 4
INDIRECT_DESC, EVENT_IDX, VERSION_1 = 1 << 28, 1 << 29, 1 << 32
MSIX = 0x11


@dataclass
class Ram(BusMaster):
    """Physical memory as bus masters see it; `touched` are their accesses."""

    data: bytearray = field(default_factory=lambda: bytearray(MEMORY))
    largest: int = 0
    accesses: int = 0

    def read(self, address: int, size: int, request: str = "") -> bytes:
        self._note(size)
        return bytes(self.data[address : address + size]).ljust(size, b"\xff")

    def write(self, address: int, data: bytes, request: str = "") -> None:
        self._note(len(data))
        there = max(0, min(len(data), MEMORY - address))
        self.data[address : address + there] = data[:there]

    def look(self, address: int, size: int) -> bytes:
        return bytes(self.data[address : address + size]).ljust(size, b"\xff")

    def _note(self, size: int) -> None:
        self.accesses += 1
        self.largest = max(self.largest, size)

    def word(self, address: int) -> int:
        return int.from_bytes(self.data[address : address + 2], "little")


@dataclass
class Slot(BenchSlot):
    ram: Ram = field(default_factory=Ram)

    def bus_master(self) -> Any:
        return self.ram


class Driver:
    """Of one device, made by `make(slot)`. Its BARs are where reads and writes of the part go straight to."""

    def __init__(self, make: Any, *, features: int = 0, event_index: bool = True, msix: bool = True) -> None:
        self.scheduler = Scheduler()
        self.slot = Slot("virtio", self.scheduler)
        self.ram = self.slot.ram
        self.device = make(self.slot)
        self.function = self.device.function
        self.transport = next(w.device for w in self.slot.windows if w.length == 0x4000)
        self.now = 0
        self.event_index = event_index
        self.msix = msix
        self.wanted = VERSION_1 | INDIRECT_DESC | features | (EVENT_IDX if event_index else 0)
        self.queues: dict[int, Queue] = {}

    # registers

    def get(self, offset: int, size: int) -> int:
        return self.transport.read(offset, size, self.now)

    def put(self, offset: int, size: int, value: int) -> None:
        self.transport.write(offset, size, value, self.now)

    def features(self) -> int:
        found = 0
        for half in (0, 1):
            self.put(0x00, 4, half)
            found |= self.get(0x04, 4) << 32 * half
        return found

    def begin(self, queues: int = 1) -> Driver:
        """From reset to DRIVER_OK."""
        self.function.write_config(cs.COMMAND, 2, 0x6)
        if self.msix:
            at = next(at for at in self.function.capabilities if self.function.read_config(at, 1) == MSIX)
            self.function.write_config(at + 2, 2, 0x8000)
            table = self.function.table
            for vector in range(table.vectors):
                for dword, value in enumerate((0xFEE00000, 0, 0x40 + vector, 0)):
                    table.write(16 * vector + 4 * dword, 4, value, 0)
        self.put(0x14, 1, 0)
        self.put(0x14, 1, 1)
        self.put(0x14, 1, 3)
        for half in (0, 1):
            self.put(0x08, 4, half)
            self.put(0x0C, 4, self.wanted >> 32 * half & 0xFFFF_FFFF)
        self.put(0x14, 1, 0xB)
        assert self.get(0x14, 1) & 8
        self.put(0x10, 2, 0)
        for number in range(queues):
            self.queues[number] = Queue(self, number)
        self.put(0x14, 1, 0xF)
        return self

    def run(self, events: int = 10_000) -> None:
        """All deadlines, on time."""
        for _ in range(events):
            due = self.scheduler.next_due()
            if due is None:
                return
            self.now = max(self.now, due)
            event = self.scheduler.pop_due(self.now)
            self.device.on_event(event.name, self.now)
        raise AssertionError("deadlines without end")

    @property
    def status(self) -> int:
        return self.get(0x14, 1)


class Queue:
    """The driver's side. Buffers lie from 0x40000 on; descriptors are used up in turn."""

    def __init__(self, driver: Driver, number: int) -> None:
        self.driver = driver
        self.number = number
        base = RINGS + PER_QUEUE * number
        self.table, self.avail, self.used = base + TABLE, base + DRIVER, base + DEVICE
        driver.put(0x16, 2, number)
        self.size = min(driver.get(0x18, 2), 64)
        driver.put(0x18, 2, self.size)
        for offset, address in ((0x20, self.table), (0x28, self.avail), (0x30, self.used)):
            driver.put(offset, 4, address)
            driver.put(offset + 4, 4, 0)
        driver.put(0x1A, 2, number + 1)
        driver.put(0x1C, 2, 1)
        self.notify = 0x3000 + 4 * driver.get(0x1E, 2)
        self.added = self.seen = self.free = self.told = 0

    def add(self, parts: list[tuple[int, int, bool]], *, indirect: bool = False) -> int:
        """Address, length and whether the device writes; into the available ring. The head."""
        ram, size = self.driver.ram.data, self.size
        head = self.free % size
        rows = []
        for index, (address, length, writes) in enumerate(parts):
            more = index + 1 < len(parts)
            following = index + 1 if indirect else (self.free + index + 1) % size
            rows.append(struct.pack("<QIHH", address, length, (NEXT if more else 0) | (WRITE if writes else 0),
                                    following if more else 0))  # fmt: skip
        if indirect:
            place = 0x8000 + 0x400 * head % 0x8000
            ram[place : place + 16 * len(rows)] = b"".join(rows)
            rows = [struct.pack("<QIHH", place, 16 * len(rows), INDIRECT, 0)]
        for index, row in enumerate(rows):
            at = self.table + 16 * ((self.free + index) % size)
            ram[at : at + 16] = row
        self.free += len(rows)
        at = self.avail + 4 + 2 * (self.added % size)
        ram[at : at + 2] = head.to_bytes(2, "little")
        self.added += 1
        ram[self.avail + 2 : self.avail + 4] = (self.added & 0xFFFF).to_bytes(2, "little")
        return head

    def kick(self) -> None:
        """Always, whether or not the device asked for it."""
        self.told = self.added
        self.driver.put(self.notify, 2, self.number)

    @property
    def wants_kick(self) -> bool:
        """Whether the device asked to hear of what was added since it was last told (2.7.10)."""
        if self.driver.event_index:
            event = self.driver.ram.word(self.used + 4 + 8 * self.size)
            return (self.added - event - 1 & 0xFFFF) < (self.added - self.told & 0xFFFF)
        return not self.driver.ram.word(self.used) & 1

    def done(self) -> list[tuple[int, int]]:
        """Head and bytes written of what came back since the last time."""
        found = []
        while self.seen & 0xFFFF != self.driver.ram.word(self.used + 2):
            at = self.used + 4 + 8 * (self.seen % self.size)
            found.append(struct.unpack_from("<II", self.driver.ram.data, at))
            self.seen += 1
        if self.driver.event_index:
            at = self.avail + 4 + 2 * self.size
            self.driver.ram.data[at : at + 2] = (self.seen & 0xFFFF).to_bytes(2, "little")
        return found
