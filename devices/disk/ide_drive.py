"""A drive on an IDE cable: its registers, and the phases in which a command moves data (ATA/ATAPI-7, volume 2, 11).

The data phase is one contiguous buffer with an index.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Protocol

from devices.disk.ata import READY, Error, Status, TaskFile
from devices.disk.ata_disk import Addressing, Direction
from devices.disk.ata_identify import MOST_MULTIPLE, Settings
from devices.disk.scsi_cd import CdState

LARGEST_BUFFER = 64 << 10
"""Bytes."""


class Phase(enum.StrEnum):
    """What a drive is at."""

    IDLE = "idle"
    COMMAND = "works, no data"
    READ = "reads"
    """Works towards a buffer that the host is to read."""
    DATA_IN = "data in"
    DATA_OUT = "data out"
    WRITE = "writes"
    """Works off a buffer that the host wrote."""
    DMA_WAIT = "waits for DMA"
    DMA = "DMA"


@dataclass(slots=True)
class DriveState:
    """`status` and `error` are the registers; `task` the rest of the command block.

    `interrupt` says that INTRQ is asserted. `first`, `total`: what the request is for, in sectors of the drive. `lba`,
    `left`: what of it is yet to be read into the buffer, or written out of it. `edge` is where in the buffer the DRQ
    data block ends, `block` sectors from where it began. Of a CD drive, `packet` is the command, and `limit` the bytes
    that the host takes at a time.
    """

    status: int = int(READY)
    error: int = int(Error.PASSED)
    task: TaskFile = field(default_factory=TaskFile)
    settings: Settings = field(default_factory=Settings)
    sense: CdState = field(default_factory=CdState)
    phase: Phase = Phase.IDLE
    command: int = 0
    packet: bytes = b""
    limit: int = 0
    dma: bool = False
    direction: Direction = Direction.IN
    addressing: Addressing = Addressing.LBA28
    first: int = 0
    total: int = 0
    lba: int = 0
    left: int = 0
    block: int = 1
    flush: bool = False
    failure: int = 0
    interrupt: bool = False
    submitted: int = 0
    buffer: bytes = b""
    index: int = 0
    edge: int = 0


class Cable(Protocol):
    """What a drive asks of its channel."""

    def schedule(self, drive: IdeDrive, due: int) -> None: ...

    def interrupt(self, drive: IdeDrive) -> None:
        """INTRQ is asserted."""
        ...

    def dma_request(self, drive: IdeDrive, now: int) -> None:
        """DMARQ: a command waits for the bus master."""
        ...


class BusMasterPort(Protocol):
    """A bus master's end of a DMA transfer, whole at once. False or None: its table has less room than that."""

    def store(self, data: bytes, request: str) -> bool:
        """Into memory."""
        ...

    def load(self, size: int, request: str) -> bytes | None:
        """Out of memory."""
        ...


class IdeDrive:
    """What disks and CD drives have in common. Times are nanoseconds of guest time."""

    def __init__(self, name: str, number: int, cable: Cable) -> None:
        self.name = name
        self.number = number
        self.state = DriveState()
        self.buffer = bytearray()
        self._cable = cable

    @property
    def busy(self) -> bool:
        """The host may not write the command block."""
        return bool(self.state.status & (Status.BSY | Status.DRQ))

    @property
    def packet_device(self) -> bool:
        raise NotImplementedError

    def reset(self, *, hard: bool) -> None:
        """Become ready, with the signature in the task file (ATA-7, volume 2, 9.12)."""
        raise NotImplementedError

    def command(self, code: int, now: int) -> None:
        """The command register is written, and the drive is not busy."""
        raise NotImplementedError

    def on_event(self, now: int) -> None:
        """What the drive worked at is done. Raises MediumError, and nothing has changed then."""
        raise NotImplementedError

    def start_dma(self, now: int) -> None:
        """The bus master is there."""
        raise NotImplementedError

    def dma(self, port: BusMasterPort, now: int) -> bool:
        """The deadline of a DMA transfer: move the data. False if the bus master's table is too short.

        Raises MediumError, and nothing has changed then.
        """
        raise NotImplementedError

    def _block_read(self, now: int) -> None:
        """The host has read up to the edge."""
        raise NotImplementedError

    def _block_written(self, now: int) -> None:
        """The host has written up to the edge."""
        raise NotImplementedError

    def read_data(self, size: int, now: int) -> int:
        """The data port; nothing where no data is due."""
        state = self.state
        if state.phase is not Phase.DATA_IN:
            return 0
        start = state.index
        end = state.index = min(start + size, state.edge)
        value = int.from_bytes(self.buffer[start:end], "little")
        if end == state.edge:
            self._block_read(now)
        return value

    def write_data(self, size: int, value: int, now: int) -> None:
        state = self.state
        if state.phase is not Phase.DATA_OUT:
            return
        start = state.index
        end = state.index = min(start + size, state.edge)
        self.buffer[start:end] = value.to_bytes(size, "little")[: end - start]
        if end == state.edge:
            self._block_written(now)

    def save(self) -> DriveState:
        """An independent copy."""
        state = self.state
        return replace(
            state,
            task=replace(state.task),
            settings=replace(state.settings),
            sense=replace(state.sense),
            buffer=bytes(self.buffer),
        )

    def restore(self, state: DriveState) -> None:
        """Raises ValueError for what no drive can be at."""
        if not 0 <= state.index <= state.edge <= len(state.buffer) or len(state.buffer) > LARGEST_BUFFER:
            raise ValueError(f"a buffer of {len(state.buffer)} bytes is at {state.index} of {state.edge}")
        if min(state.first, state.total, state.lba, state.left) < 0 or not 1 <= state.block <= MOST_MULTIPLE:
            raise ValueError("a transfer of a negative number of sectors")
        self.buffer = bytearray(state.buffer)
        self.state = replace(
            state,
            task=replace(state.task),
            settings=replace(state.settings),
            sense=replace(state.sense),
            buffer=b"",
        )

    def _work(self, phase: Phase, due: int) -> None:
        self.state.phase, self.state.status = phase, int(Status.BSY)
        self._cable.schedule(self, due)

    def _keep(self, data: bytes) -> None:
        """The host is to have that once it is offered."""
        self.buffer, self.state.index, self.state.edge = bytearray(data), 0, 0

    def _offer(self, data: bytes | bytearray, block: int) -> None:
        """The host is to read that, `block` bytes at a time."""
        state = self.state
        self.buffer, state.index, state.edge = bytearray(data), 0, min(block, len(data))
        state.phase, state.status = Phase.DATA_IN, int(READY | Status.DRQ)

    def _ask(self, size: int) -> None:
        """The host is to write as much."""
        state = self.state
        self.buffer, state.index, state.edge = bytearray(size), 0, size
        state.phase, state.status = Phase.DATA_OUT, int(READY | Status.DRQ)

    def idle(self, error: int = 0) -> None:
        """Ready for the next command; with the ERR bit if there is an error."""
        state = self.state
        state.phase, state.error = Phase.IDLE, error
        state.status = int(READY | Status.ERR if error else READY)
        self.buffer, state.index, state.edge = bytearray(), 0, 0
