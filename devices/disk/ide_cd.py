"""A CD drive on an IDE cable: the PACKET command (ATA/ATAPI-7, volume 2, 11.10 and 11.11)."""

from __future__ import annotations

from devices.disk import timing
from devices.disk.ata import OBSOLETE, Command, Error, Reason, Status, TaskFile
from devices.disk.ata_identify import identify_cd
from devices.disk.cd_unit import CdUnit
from devices.disk.ide_drive import BusMasterPort, Cable, DriveState, IdeDrive, Phase
from devices.disk.requests import Operation
from devices.disk.scsi_cd import (
    CD_SECTOR,
    PACKET_SIZE,
    RATIO,
    CdState,
    CheckCondition,
    Good,
    ReadBlocks,
    Reply,
    ScsiCd,
    Sense,
)

MOST_AT_ONCE = 0xFFFE
"""Bytes of a DRQ data block."""
LARGEST_DMA = 4096
"""Sectors of a READ by DMA: what is more is refused, as an out-of-range one."""
SIGNATURE = (0x14, 0xEB)
_DMA, _OVERLAPPED = 1, 2
"""Bits of the features register with PACKET."""
_SET_TRANSFER_MODE = 0x03
_BARE = frozenset({Command.IDLE_IMMEDIATE, Command.STANDBY_IMMEDIATE, Command.SLEEP, Command.FLUSH_CACHE})


class IdeCd(IdeDrive):
    """Device `number` of a cable."""

    packet_device = True

    def __init__(self, number: int, unit: CdUnit, cable: Cable) -> None:
        super().__init__(unit.name, number, cable)
        self._unit = unit
        self._cd = ScsiCd(unit)
        self.reset(hard=True)

    def reset(self, *, hard: bool) -> None:
        settings = DriveState().settings if hard else self.state.settings
        sense = CdState(changes=self.state.sense.changes)
        task = TaskFile(mid=SIGNATURE[0], high=SIGNATURE[1], device=OBSOLETE | self.state.task.device & 0x10)
        self.state = DriveState(status=0, task=task, settings=settings, sense=sense)
        self.buffer = bytearray()

    def command(self, code: int, now: int) -> None:
        state = self.state
        state.command, state.submitted, state.failure, state.packet = code, now, 0, b""
        state.error = 0
        match code:
            case Command.PACKET:
                self._take_packet()
            case Command.IDENTIFY_PACKET:
                self._keep(identify_cd(self._unit.serial, state.settings))
                self._work(Phase.READ, now + timing.reading(len(self.buffer)))
            case Command.DEVICE_RESET:
                self.reset(hard=False)
            case Command.IDENTIFY | Command.READ_SECTORS:
                state.task.count, state.task.low = 1, 1
                state.task.mid, state.task.high = SIGNATURE
                self._fail(now)
            case Command.SET_FEATURES if state.task.features == _SET_TRANSFER_MODE:
                if state.task.count >= 0x20:
                    state.settings.dma = state.task.count & 0x67
                self._work(Phase.COMMAND, now + timing.COMMAND)
            case _ if code in _BARE:
                self._work(Phase.COMMAND, now + timing.COMMAND)
            case _:
                self._fail(now)

    def _fail(self, now: int) -> None:
        self.state.failure = int(Error.ABRT)
        self._work(Phase.COMMAND, now + timing.COMMAND)

    def _take_packet(self) -> None:
        task, state = self.state.task, self.state
        if task.features & _OVERLAPPED:
            self._fail(state.submitted)
            return
        state.dma = bool(task.features & _DMA)
        limit = task.mid | task.high << 8
        state.limit = min(limit or MOST_AT_ONCE, MOST_AT_ONCE) & ~1 or 2
        self._ask(PACKET_SIZE)
        task.count = int(Reason.COMMAND)

    def _block_written(self, now: int) -> None:
        self.state.packet = bytes(self.buffer)
        self._work(Phase.COMMAND, now + timing.READ_BASE)

    def on_event(self, now: int) -> None:
        match self.state.phase:
            case Phase.COMMAND if self.state.packet:
                self._execute(now)
            case Phase.COMMAND:
                self.idle(self.state.failure)
                self._cable.interrupt(self)
            case Phase.READ if self.state.packet:
                self._read(now)
            case Phase.READ:
                self._offer(self.buffer, len(self.buffer))
                self._cable.interrupt(self)
            case _:
                return

    def _execute(self, now: int) -> None:
        state = self.state
        outcome = self._cd.execute(state.packet, state.sense)
        match outcome:
            case CheckCondition(sense):
                self._complete(sense)
            case Good():
                self._complete(Sense.NONE)
            case Reply(data) if not data:
                self._complete(Sense.NONE)
            case Reply(data):
                state.total = state.left = 0
                self._keep(data)
                self._move(len(data), now)
            case ReadBlocks(_, count) if state.dma and count > LARGEST_DMA:
                self._complete(Sense.OUT_OF_RANGE)
            case ReadBlocks(lba, count):
                state.first = state.lba = lba
                state.total = state.left = count
                self._move(count * CD_SECTOR, now)

    def _move(self, size: int, now: int) -> None:
        state = self.state
        if state.dma:
            state.phase, state.status = Phase.DMA_WAIT, int(Status.BSY)
            self._cable.dma_request(self, now)
        elif state.total:
            self._work(Phase.READ, now + timing.streaming(min(size, self._chunk * CD_SECTOR)))
        else:
            self._present(bytes(self.buffer))

    @property
    def _chunk(self) -> int:
        """Sectors read in one go: a DRQ data block's, or one if that has less."""
        return max(1, min(self.state.left, self.state.limit // CD_SECTOR))

    def _read(self, now: int) -> None:
        state, count = self.state, self._chunk
        data = self._read_medium(state.lba, count)
        if data is None:
            self._complete(Sense.NO_MEDIUM)
            return
        state.lba, state.left = state.lba + count, state.left - count
        if not state.left:
            self._done(now)
        self._present(data)

    def _read_medium(self, lba: int, count: int) -> bytes | None:
        """None if the disc has gone, or is another."""
        medium = self._unit.medium
        if medium is None or (lba + count) * RATIO > medium.sectors:
            return None
        return medium.read(lba * RATIO, count * RATIO)

    def _done(self, now: int) -> None:
        state = self.state
        self._unit.done(Operation.READ, state.first * RATIO, state.total * RATIO, state.submitted, now)

    def _present(self, data: bytes) -> None:
        self._offer(data, self.state.limit)
        self._tell_block()

    def _tell_block(self) -> None:
        """How much of it is in this DRQ data block."""
        task, size = self.state.task, self.state.edge - self.state.index
        task.count, task.mid, task.high = int(Reason.TO_HOST), size & 0xFF, size >> 8
        self._cable.interrupt(self)

    def _block_read(self, now: int) -> None:
        state = self.state
        if state.index < len(self.buffer):
            state.edge = min(state.edge + state.limit, len(self.buffer))
            self._tell_block()
        elif not state.packet:
            self.idle()
        elif state.total and state.left:
            self._work(Phase.READ, now + timing.streaming(self._chunk * CD_SECTOR))
        else:
            self._complete(Sense.NONE)

    def _complete(self, sense: Sense) -> None:
        self._conclude(sense)
        self._cable.interrupt(self)

    def _conclude(self, sense: Sense) -> None:
        """The status of a packet."""
        state = self.state
        key, code, qualifier = sense.value
        state.sense.key, state.sense.code, state.sense.qualifier = key, code, qualifier
        self.idle(key << 4 | int(Error.ABRT) if key else 0)
        state.packet, state.total, state.left = b"", 0, 0
        state.task.count = int(Reason.COMMAND | Reason.TO_HOST)

    def start_dma(self, now: int) -> None:
        size = self.state.total * CD_SECTOR or len(self.buffer)
        self._work(Phase.DMA, now + timing.streaming(size))

    def dma(self, port: BusMasterPort, now: int) -> bool:
        state = self.state
        data: bytes | None = bytes(self.buffer)
        if state.total:
            data = self._read_medium(state.first, state.total)
        if data is None:
            self._conclude(Sense.NO_MEDIUM)
            return True
        moved = port.store(data, f"read of sector {state.first}" if state.total else "answer to a packet")
        if moved and state.total:
            self._done(now)
        self._conclude(Sense.NONE)
        return moved
