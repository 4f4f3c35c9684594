"""A floppy controller on a board of its own, and a driver that does what the data sheet says and nothing more."""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.board.dma import MASTER_PORTS
from devices.board.dma_transfers import TransferringDma
from devices.disk.fdc import DMA, IRQ, Fdc
from devices.disk.floppy_discs import FloppyDiscs
from devices.disk.floppy_formats import DriveType, format_of
from devices.disk.floppy_unit import FloppyUnit
from devices.disk.medium import SECTOR
from devices.seam import DmaChannel
from devices.wiring.paged import PagedArea
from tests.devices.disk.bench import Board, BytesMedium

DOR, MSR, FIFO, RATE = 0x3F2, 0x3F4, 0x3F5, 0x3F7
PAGE = 0x12
READ, WRITE, SCAN_EQUAL, VERIFY, FORMAT, READ_ID = 0xE6, 0xC5, 0xF1, 0xF6, 0x4D, 0x4A
"""With MT, MFM and SK where they may be."""
Place = tuple[int, int, int]
"""Cylinder, head and sector."""


@dataclass
class FloppyBoard(Board):
    """With paged state and a DMA controller, whose registers are at the ports of the first."""

    name: str = Fdc.name
    areas: list[PagedArea] = field(default_factory=list)
    dma: TransferringDma = field(default_factory=lambda: TransferringDma("dma1", lambda channel: PAGE))

    def __post_init__(self) -> None:
        self.ports.claim(MASTER_PORTS, self.dma, self.dma.name)

    def pages(self, name: str, size: int) -> PagedArea:
        self.areas.append(PagedArea(name, size))
        return self.areas[-1]

    def dma_channel(self, number: int) -> DmaChannel:
        assert number == DMA
        return self.dma.channel(number, self.ram)


@dataclass(frozen=True)
class Result:
    """The seven bytes."""

    status0: int
    status1: int
    status2: int
    cylinder: int
    head: int
    sector: int
    size: int

    @property
    def place(self) -> Place:
        return self.cylinder, self.head, self.sector


class FloppyBench:
    """Two drives, the first with a disc called `a`; out of reset, with motors on, at 500 kbit/s and by DMA."""

    def __init__(self, content: bytes, kind: DriveType = DriveType.THREE_1440, *, read_only: bool = False) -> None:
        self.board = FloppyBoard()
        self.media = {"a": BytesMedium(content), "b": BytesMedium(bytes(1440 << 10))}
        self.discs = FloppyDiscs(self.board, self.media.get)
        self.drives = [
            FloppyUnit("floppy0", kind, self.discs, "a", read_only=read_only),
            FloppyUnit("floppy1", DriveType.THREE_1440, self.discs, ""),
        ]
        self.fdc = Fdc(self.board, self.drives)
        self.write(DOR, 0x3C)
        self.wait()
        for drive in range(4):
            assert self.command(0x08) == bytes((0xC0 | drive, 0))
        self.command(0x03, 0xAF, 0x02)
        self.board.ports.write(0x08, 1, 0, 0)

    def read(self, port: int) -> int:
        self.board.now += 10
        self.board.scheduler.not_before = self.board.now + 4096
        return self.board.ports.read(port, 1, self.board.now)

    def write(self, port: int, value: int) -> None:
        self.board.now += 10
        self.board.scheduler.not_before = self.board.now + 4096
        self.board.ports.write(port, 1, value, self.board.now)

    @property
    def interrupt(self) -> bool:
        return self.board.irqs[IRQ].level

    def pass_time(self) -> bool:
        """To the next deadline. False if there is none."""
        event = self.board.scheduler.pop_due(1 << 62)
        if event is None:
            return False
        self.board.now = max(self.board.now, event.due)
        self.board.scheduler.not_before = 0
        self.fdc.on_event(event.name, self.board.now)
        return True

    def wait(self) -> None:
        """For the interrupt."""
        while not self.interrupt:
            assert self.pass_time(), "no interrupt comes"

    def command(self, *data: int) -> bytes:
        """Of those that have no execution phase: what it answers."""
        for byte in data:
            assert self.read(MSR) & 0xC0 == 0x80
            self.write(FIFO, byte)
        return self.answer()

    def answer(self) -> bytes:
        found = bytearray()
        while self.read(MSR) & 0xD0 == 0xD0:
            found.append(self.read(FIFO))
        return bytes(found)

    def seek(self, drive: int, cylinder: int) -> bytes:
        self.command(0x0F, drive, cylinder)
        assert self.read(MSR) & 1 << drive
        self.wait()
        return self.command(0x08)

    def prepare(self, address: int, size: int, *, to_memory: bool, more: int = 0) -> None:
        """The DMA channel, in page PAGE."""
        write = self.board.ports.write
        for port, value in (
            (0x0A, 4 | DMA),
            (0x0B, 0x40 | (4 if to_memory else 8) | more | DMA),
            (0x0C, 0),
            (2 * DMA, address & 0xFF),
            (2 * DMA, address >> 8),
            (2 * DMA + 1, size - 1 & 0xFF),
            (2 * DMA + 1, size - 1 >> 8),
            (0x0A, DMA),
        ):
            write(port, 1, value, self.board.now)

    def memory(self, address: int, size: int) -> bytes:
        return self.board.ram.read(PAGE << 16 | address, size)

    def set_memory(self, address: int, data: bytes) -> None:
        self.board.ram.write(PAGE << 16 | address, data)

    def transfer(self, code: int, place: Place, last: int, *, drive: int = 0, extra: int = 0xFF) -> Result:
        """One that names a sector, to its result."""
        self.begin(code, place, last, drive=drive, extra=extra)
        self.wait()
        return self.result()

    def begin(self, code: int, place: Place, last: int, *, drive: int = 0, extra: int = 0xFF) -> None:
        cylinder, head, sector = place
        for byte in (code, head << 2 | drive, cylinder, head, sector, 2, last, 0x1B, extra):
            assert self.read(MSR) & 0xC0 == 0x80
            self.write(FIFO, byte)

    def result(self) -> Result:
        assert self.interrupt
        answer = self.answer()
        assert not self.interrupt
        return Result(*answer)


def content(kind: int = 1440 << 10) -> bytes:
    """Sectors that tell themselves apart."""
    form = format_of(kind // SECTOR)
    assert form is not None
    return b"".join(number.to_bytes(2, "little") * (SECTOR // 2) for number in range(kind // SECTOR))
