"""An ATA disk on an IDE cable: PIO data in and out, multiple mode, DMA (ATA/ATAPI-7, volume 2, 11.6 to 11.9)."""

from __future__ import annotations

from devices.disk import timing
from devices.disk.ata import OBSOLETE, Command, Error, Status, TaskFile
from devices.disk.ata_disk import AtaDisk, Data, Direction, Failed, Finished, Transfer
from devices.disk.ide_drive import BusMasterPort, Cable, DriveState, IdeDrive, Phase
from devices.disk.medium import SECTOR
from devices.disk.requests import Operation
from devices.disk.unit import DiskUnit

CHUNK = 16
"""Sectors that PIO reads ahead in one go: as many as a DRQ data block can have."""


class IdeDisk(IdeDrive):
    """Device `number` of a cable."""

    packet_device = False

    def __init__(self, number: int, unit: DiskUnit, cable: Cable) -> None:
        super().__init__(unit.name, number, cable)
        self._unit = unit
        self._disk = AtaDisk(unit, unit.serial)

    def reset(self, *, hard: bool) -> None:
        settings = DriveState().settings if hard else self.state.settings
        self.state = DriveState(task=TaskFile(device=OBSOLETE | self.state.task.device & 0x10), settings=settings)
        self.buffer = bytearray()

    def command(self, code: int, now: int) -> None:
        state = self.state
        state.command, state.error, state.submitted = code, 0, now
        state.flush, state.failure, state.total, state.left = False, 0, 0, 0
        self._disk.settings = state.settings
        plan = self._disk.plan(code, state.task)
        match plan:
            case Finished(flush):
                state.flush = flush
                self._work(Phase.COMMAND, now + timing.COMMAND)
            case Failed(error):
                state.failure = int(error)
                self._work(Phase.COMMAND, now + timing.COMMAND)
            case Data(data):
                self._keep(data)
                self._work(Phase.READ, now + timing.reading(len(data)))
            case Transfer():
                self._begin(plan, now)

    def _begin(self, plan: Transfer, now: int) -> None:
        state = self.state
        state.direction, state.addressing, state.block = plan.direction, plan.addressing, plan.block
        state.first = state.lba = plan.lba
        state.total = state.left = plan.sectors
        if plan.dma:
            state.phase, state.status = Phase.DMA_WAIT, int(Status.BSY)
            self._cable.dma_request(self, now)
        elif plan.direction is Direction.IN:
            self._work(Phase.READ, now + timing.reading(self._chunk * SECTOR))
        else:
            self._ask(min(state.left, state.block) * SECTOR)

    @property
    def _chunk(self) -> int:
        """Sectors of the next buffer: whole DRQ data blocks."""
        return min(self.state.left, CHUNK // self.state.block * self.state.block)

    def on_event(self, now: int) -> None:
        match self.state.phase:
            case Phase.COMMAND:
                if self.state.flush:
                    self._unit.flush()
                    self._unit.done(Operation.FLUSH, 0, 0, self.state.submitted, now)
                self.idle(self.state.failure)
            case Phase.READ:
                self._read(now)
            case Phase.WRITE:
                self._write(now)
            case _:
                return
        self._cable.interrupt(self)

    def _read(self, now: int) -> None:
        state = self.state
        if not state.total:  # IDENTIFY DEVICE, which is in the buffer
            self._offer(self.buffer, len(self.buffer))
            return
        count = self._chunk
        data = self._unit.read(state.lba, count)
        state.lba, state.left = state.lba + count, state.left - count
        if not state.left:
            self._unit.done(Operation.READ, state.first, state.total, state.submitted, now)
        self._tell_place()
        self._offer(data, state.block * SECTOR)

    def _block_read(self, now: int) -> None:
        state = self.state
        if state.index < len(self.buffer):
            state.edge = min(state.edge + state.block * SECTOR, len(self.buffer))
            self._cable.interrupt(self)
        elif state.left:
            self._work(Phase.READ, now + timing.streaming(self._chunk * SECTOR))
        else:
            self.idle()

    def _block_written(self, now: int) -> None:
        going_on = self.state.left < self.state.total
        self._work(Phase.WRITE, now + (timing.streaming if going_on else timing.writing)(len(self.buffer)))

    def _write(self, now: int) -> None:
        state, count = self.state, len(self.buffer) // SECTOR
        self._unit.write(state.lba, bytes(self.buffer))
        state.lba, state.left = state.lba + count, state.left - count
        self._tell_place()
        if state.left:
            self._ask(min(state.left, state.block) * SECTOR)
        else:
            self._unit.done(Operation.WRITE, state.first, state.total, state.submitted, now)
            self.idle()

    def _tell_place(self) -> None:
        state = self.state
        self._disk.set_place(state.task, state.addressing, state.lba)
        state.task.count = state.left & 0xFF

    def start_dma(self, now: int) -> None:
        size = self.state.total * SECTOR
        takes = timing.reading if self.state.direction is Direction.IN else timing.writing
        self._work(Phase.DMA, now + takes(size))

    def dma(self, port: BusMasterPort, now: int) -> bool:
        state = self.state
        if state.direction is Direction.IN:
            operation, request = Operation.READ, f"read of sector {state.first}"
            moved = port.store(self._unit.read(state.first, state.total), request)
        else:
            operation, request = Operation.WRITE, f"write of sector {state.first}"
            data = port.load(state.total * SECTOR, request)
            if state.command == Command.DATA_SET_MANAGEMENT:
                return self._trim(data, now)
            moved = data is not None
            if data is not None:
                self._unit.write(state.first, data)
        if moved:
            self._unit.done(operation, state.first, state.total, state.submitted, now)
            state.lba, state.left = state.first + state.total, 0
            self._tell_place()
        self.idle()
        return moved

    def _trim(self, data: bytes | None, now: int) -> bool:
        """The ranges have come, or have not."""
        ranges = self._disk.discarded(data) if data is not None else None
        for lba, count in ranges or ():
            self._unit.discard(lba, count)
            self._unit.done(Operation.DISCARD, lba, count, self.state.submitted, now)
        self.state.left = 0
        self.idle(int(Error.IDNF) if data is not None and ranges is None else 0)
        return data is not None
