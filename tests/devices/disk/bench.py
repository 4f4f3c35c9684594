"""An IDE function on a board of its own, and a driver that does what data sheets say and nothing more."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devices.disk.ata import Command, Error, Status
from devices.disk.cd_unit import CdUnit
from devices.disk.ide import PORTS, Ide
from devices.disk.medium import SECTOR, Medium
from devices.disk.overlay import PAGE, Overlay, page_count
from devices.disk.unit import DiskUnit
from devices.pci.config_space import ConfigSpace, Pin, Place
from devices.scheduler import OwnedTimer, Scheduler
from devices.seam import AddressedDevice, BusMaster, Line
from devices.wiring.bus import PortBus
from devices.wiring.memory_bus import MemoryBus
from devices.wiring.paged import PagedArea
from devices.wiring.shared_ports import PlainPorts, StreamPort
from tests.devices.conformance import RecordingLine, Sink

MASTER_BASE = 0xC000
MEMORY = 4 << 20


class BytesMedium:
    """A medium in memory. `fail` makes the host's disk fail."""

    read_only = False

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.sectors = len(data) // SECTOR
        self.fail: Exception | None = None
        self.flushes = 0

    def read(self, sector: int, count: int) -> bytes:
        self._check(sector, count)
        return bytes(self.data[sector * SECTOR : (sector + count) * SECTOR])

    def write(self, sector: int, data: bytes) -> None:
        self._check(sector, len(data) // SECTOR)
        self.data[sector * SECTOR : sector * SECTOR + len(data)] = data

    def flush(self) -> None:
        self._check(0, 1)
        self.flushes += 1

    def _check(self, sector: int, count: int) -> None:
        assert sector >= 0
        assert count > 0
        assert sector + count <= self.sectors
        if self.fail is not None:
            raise self.fail


@dataclass
class Memory(BusMaster):
    """Physical memory for bus masters."""

    data: bytearray = field(default_factory=lambda: bytearray(MEMORY))

    def read(self, address: int, size: int, request: str = "") -> bytes:
        return bytes(self.data[address : address + size]).ljust(size, b"\xff")

    def write(self, address: int, data: bytes, request: str = "") -> None:
        there = max(0, min(len(data), len(self.data) - address))
        self.data[address : address + there] = data[:there]

    def look(self, address: int, size: int) -> bytes:
        return self.read(address, size)


@dataclass
class Board:
    """A devices.fitting.Slot, and the buses that a CPU would see."""

    name: str = "ide"
    scheduler: Scheduler = field(default_factory=Scheduler)
    ports: PortBus = field(default_factory=PortBus)
    memory: MemoryBus = field(default_factory=MemoryBus)
    ram: Memory = field(default_factory=Memory)
    irqs: dict[int, RecordingLine] = field(default_factory=dict)
    functions: list[ConfigSpace] = field(default_factory=list)
    shared: list[tuple[range, PlainPorts | StreamPort]] = field(default_factory=list)
    now: int = 0
    option_rom: bytes = b""

    def share_ports(self, ports: range, memory: PlainPorts | StreamPort) -> None:
        self.shared.append((ports, memory))

    def claim_ports(self, ports: range, part: AddressedDevice, *, wide: bool = False) -> None:
        self.ports.claim(ports, part, self.name, wide=wide)

    def claim_memory(self, addresses: range, part: AddressedDevice) -> None:
        self.memory.claim(addresses, part, self.name)

    def window_ports(self, size: int, part: AddressedDevice, *, wide: bool = False):
        return self.ports.window(size, part, self.name, wide=wide)

    def window_memory(self, size: int, part: AddressedDevice):
        return self.memory.window(size, part, self.name)

    def bus_master(self) -> Memory:
        return self.ram

    def msi(self) -> Callable[[int, int], None]:
        return lambda address, data: None

    def pci_function(self, target: ConfigSpace, pin: Pin, place: Place | None = None) -> Line:
        self.functions.append(target)
        return RecordingLine()

    def irq(self, number: int) -> Line:
        return self.irqs.setdefault(number, RecordingLine())

    def pages(self, name: str, size: int) -> PagedArea:
        return PagedArea(name, size)

    def any_irq(self, number: int) -> Line:
        return self.irq(number)

    def timer(self) -> OwnedTimer:
        return self.scheduler.timer(self.name)

    @property
    def debug_output(self) -> Sink:
        return Sink()

    def end_run(self, code: int) -> None:
        pass


def disk(name: str, data: bytes) -> DiskUnit:
    """With what is written beside it, as it is for users."""
    return DiskUnit(name, over(BytesMedium(data)), f"S{name}")


def over(base: Medium) -> Overlay:
    """With nothing written yet."""
    pages = page_count(base.sectors)
    return Overlay(base, PagedArea("data", pages * PAGE), PagedArea("map", pages // 8 + 1))


class Bench:
    """A board with an IDE function whose bus masters are enabled, and time."""

    def __init__(self, units: Sequence[DiskUnit | CdUnit | None]) -> None:
        self.board = Board()
        self.ide = Ide(self.board, [*units, *[None] * (4 - len(units))])
        self.board.functions[0].write_config(0x20, 4, MASTER_BASE)
        self.board.functions[0].write_config(0x04, 2, 5)

    def read(self, port: int, size: int = 1) -> int:
        self.board.now += 10
        self.board.scheduler.not_before = self.board.now + 4096
        return self.board.ports.read(port, size, self.board.now)

    def write(self, port: int, value: int, size: int = 1) -> None:
        self.board.now += 10
        self.board.scheduler.not_before = self.board.now + 4096
        self.board.ports.write(port, size, value, self.board.now)

    def pass_time(self, nanoseconds: int = 0) -> bool:
        """Let the next deadline come, or those of so long. False if there is none."""
        scheduler = self.board.scheduler
        end = self.board.now + nanoseconds if nanoseconds else scheduler.next_due()
        if end is None:
            return False
        while (due := scheduler.next_due()) is not None and due <= end:
            self.board.now = max(self.board.now, due)
            event = scheduler.pop_due(self.board.now)
            assert event is not None
            scheduler.not_before = 0
            self.ide.on_event(event.name, self.board.now)
        self.board.now = max(self.board.now, end)
        return True


class AtaError(Exception):
    """ERR; the name of what the error register has."""


@dataclass
class Driver:
    """Drives one device as a host of few words would: polls where there is no interrupt, believes only registers."""

    bench: Bench
    channel: int = 0
    device: int = 0
    interrupts: bool = True

    @property
    def base(self) -> int:
        return PORTS[self.channel][0]

    @property
    def control(self) -> int:
        return PORTS[self.channel][1]

    @property
    def master(self) -> int:
        return MASTER_BASE + 8 * self.channel

    def wait(self) -> int:
        """Until it is not busy; the status, which acknowledges the interrupt."""
        while self.bench.read(self.control) & Status.BSY:
            assert self.bench.pass_time(), "busy for ever"
        if self.interrupts:
            irq = self.bench.board.irqs[PORTS[self.channel][2]]
            while not irq.level:
                assert self.bench.pass_time(), "no interrupt comes"
        status = self.bench.read(self.base + 7)
        if status & Status.ERR:
            raise AtaError(Error(self.bench.read(self.base + 1) & 0x14).name or "sense")
        return status

    def issue(
        self, command: int, lba: int = 0, count: int = 0, *, long: bool = False, chs: bool = False, features: int = 0
    ) -> None:
        write, base = self.bench.write, self.base
        write(self.control, 0 if self.interrupts else 2)
        top = (0x40 if not chs else 0) | (self.device << 4) | 0xA0
        write(base + 6, top | (0 if long else lba >> 24 & 0xF))
        assert not self.bench.read(self.control) & (Status.BSY | Status.DRQ)
        if long:
            for offset, value in ((1, 0), (2, count >> 8), (3, lba >> 24), (4, lba >> 32), (5, lba >> 40)):
                write(base + offset, value & 0xFF)
        for offset, value in ((1, features), (2, count), (3, lba), (4, lba >> 8), (5, lba >> 16)):
            write(base + offset, value & 0xFF)
        write(base + 7, command)

    def pio_in(self, size: int, block: int, width: int = 2) -> bytes:
        data = bytearray()
        while len(data) < size:
            assert self.wait() & Status.DRQ
            for _ in range(min(block, size - len(data)) // width):
                data += self.bench.read(self.base, width).to_bytes(width, "little")
        self._must_be_idle()
        return bytes(data)

    def pio_out(self, data: bytes, block: int, width: int = 2) -> None:
        while self.bench.read(self.control) & Status.BSY:
            assert self.bench.pass_time()
        for start in range(0, len(data), block):
            assert self.bench.read(self.control) & Status.DRQ
            for at in range(start, min(start + block, len(data)), width):
                self.bench.write(self.base, int.from_bytes(data[at : at + width], "little"), width)
            self.wait()
        self._must_be_idle()

    def _must_be_idle(self) -> None:
        assert self.bench.read(self.control) & ~Status.SEEK == Status.DRDY

    def command(self, code: int, lba: int = 0, count: int = 0, **how: object) -> None:
        """One that moves no data."""
        self.issue(code, lba, count, **how)
        self.wait()

    def dma(self, regions: Sequence[tuple[int, int]], to_memory: bool, start: Callable[[], None]) -> None:
        """`regions` of memory; `start` issues the command."""
        self.prepare(regions, to_memory)
        start()
        self.bench.write(self.master, 1 | 8 * to_memory)
        try:
            self.wait()
        finally:
            status = self.bench.read(self.master + 2)
            self.bench.write(self.master, 0)
            self.bench.write(self.master + 2, 0x66)
        assert status & 0x04
        assert not status & 0x02

    def prepare(self, regions: Sequence[tuple[int, int]], to_memory: bool, table: int = 0x1000) -> None:
        entries = [struct.pack("<II", address, size & 0xFFFF) for address, size in regions]
        entries[-1] = struct.pack("<II", regions[-1][0], regions[-1][1] & 0xFFFF | 1 << 31)
        self.bench.board.ram.write(table, b"".join(entries))
        self.bench.write(self.master + 4, table, 4)
        self.bench.write(self.master + 2, 0x06)
        self.bench.write(self.master, 8 * to_memory)

    def identify(self, code: int = Command.IDENTIFY) -> list[int]:
        self.issue(code)
        return list(struct.unpack("<256H", self.pio_in(512, 512)))

    def packet(self, packet: bytes, limit: int = 0xFFFE) -> bytes:
        """By PIO; what the device answers with."""
        write, base = self.bench.write, self.base
        write(base + 6, 0xA0 | self.device << 4)
        for offset, value in ((1, 0), (4, limit & 0xFF), (5, limit >> 8)):
            write(base + offset, value)
        write(base + 7, Command.PACKET)
        assert self.bench.read(self.control) & Status.DRQ
        assert self.bench.read(base + 2) == 1
        self._write_packet(packet)
        data = bytearray()
        while self.wait() & Status.DRQ:
            assert self.bench.read(base + 2) == 2
            size = self.bench.read(base + 4) | self.bench.read(base + 5) << 8
            assert 0 < size <= limit
            for at in range(0, size, 2):
                data += self.bench.read(base, 2).to_bytes(2, "little")[: size - at]
        assert self.bench.read(base + 2) == 3
        return bytes(data)

    def _write_packet(self, packet: bytes) -> None:
        for at in range(0, 12, 2):
            self.bench.write(self.base, int.from_bytes(packet.ljust(12, b"\0")[at : at + 2], "little"), 2)

    def packet_dma(self, packet: bytes, regions: Sequence[tuple[int, int]]) -> None:
        def start() -> None:
            write, base = self.bench.write, self.base
            write(base + 6, 0xA0 | self.device << 4)
            write(base + 1, 1)
            write(base + 7, Command.PACKET)
            self._write_packet(packet)

        self.dma(regions, True, start)


def whole(medium: Medium) -> bytes:
    return medium.read(0, medium.sectors)
