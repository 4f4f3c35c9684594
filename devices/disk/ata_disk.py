"""What an ATA disk makes of a command, whichever controller brings it (ATA/ATAPI-7, 6)."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from devices.disk.ata import LBA, RECALIBRATE, Command, Error, TaskFile
from devices.disk.ata_identify import MOST_LBA28, MOST_MULTIPLE, MOST_TRIM_BLOCKS, Settings, identify_disk
from devices.disk.geometry import Geometry
from devices.disk.medium import Medium


class Direction(enum.StrEnum):
    """Seen from the host."""

    IN = "in"
    OUT = "out"


class Addressing(enum.StrEnum):
    """How the task file says where."""

    CHS = "chs"
    LBA28 = "lba28"
    LBA48 = "lba48"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Sectors to or from the medium: all within it. `block` are those of a DRQ data block, where it is no DMA."""

    direction: Direction
    lba: int
    sectors: int
    addressing: Addressing
    dma: bool
    block: int = 1
    trim: bool = False
    """What comes are ranges that are wanted no more, for discarded()."""


@dataclass(frozen=True, slots=True)
class Data:
    """What the drive answers with, at once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """Done; `flush`: once what was written stays."""

    flush: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """With ERR, and this in the error register."""

    error: Error


Plan = Transfer | Data | Finished | Failed

_IN, _OUT = Direction.IN, Direction.OUT
_TRANSFERS = {
    Command.READ_SECTORS: (_IN, False, False, False),
    Command.READ_SECTORS_NO_RETRY: (_IN, False, False, False),
    Command.READ_SECTORS_EXT: (_IN, True, False, False),
    Command.READ_MULTIPLE: (_IN, False, False, True),
    Command.READ_MULTIPLE_EXT: (_IN, True, False, True),
    Command.READ_DMA: (_IN, False, True, False),
    Command.READ_DMA_NO_RETRY: (_IN, False, True, False),
    Command.READ_DMA_EXT: (_IN, True, True, False),
    Command.WRITE_SECTORS: (_OUT, False, False, False),
    Command.WRITE_SECTORS_NO_RETRY: (_OUT, False, False, False),
    Command.WRITE_SECTORS_EXT: (_OUT, True, False, False),
    Command.WRITE_MULTIPLE: (_OUT, False, False, True),
    Command.WRITE_MULTIPLE_EXT: (_OUT, True, False, True),
    Command.WRITE_MULTIPLE_FUA_EXT: (_OUT, True, False, True),
    Command.WRITE_DMA: (_OUT, False, True, False),
    Command.WRITE_DMA_NO_RETRY: (_OUT, False, True, False),
    Command.WRITE_DMA_EXT: (_OUT, True, True, False),
    Command.WRITE_DMA_FUA_EXT: (_OUT, True, True, False),
}
"""Direction, whether it is a 48-bit command, whether it is DMA, whether it is a multiple one."""
_VERIFIES = {Command.READ_VERIFY: False, Command.READ_VERIFY_NO_RETRY: False, Command.READ_VERIFY_EXT: True}
_IDLE = frozenset({Command.STANDBY_IMMEDIATE, Command.IDLE_IMMEDIATE, Command.STANDBY, Command.IDLE, Command.SLEEP})
_SPUN_UP = 0xFF
_TRIM = 0x01
_ENTRY = struct.Struct("<Q")
_MOST_LBA = (1 << 48) - 1
_SET_TRANSFER_MODE = 0x03
_KNOWN_FEATURES = {
    0x02: ("write_cache", True),
    0x82: ("write_cache", False),
    0xAA: ("look_ahead", True),
    0x55: ("look_ahead", False),
}
_HARMLESS_FEATURES = (0x05, 0x42, 0x66, 0x85, 0xC2, 0xCC)


class AtaDisk:
    """`settings` is state, kept by the controller."""

    def __init__(self, medium: Medium, serial: str, *, sata: bool = False) -> None:
        self.medium = medium
        self.serial = serial
        self.settings = Settings()
        self._sata = sata

    @property
    def geometry(self) -> Geometry:
        chosen = self.settings
        if not chosen.heads:
            return Geometry.of(self.medium.sectors)
        return Geometry.translated(self.medium.sectors, chosen.heads, chosen.track)

    def plan(self, code: int, task: TaskFile) -> Plan:
        """What the command comes to. It may change settings and answer in the task file; the medium is not touched."""
        if code in _TRANSFERS:
            return self._transfer(code, task)
        if code in _VERIFIES:
            place = self._place(task, long=_VERIFIES[Command(code)])
            return Finished() if place is not None else Failed(Error.IDNF)
        if code in RECALIBRATE or code in _IDLE or code == Command.SEEK:
            return Finished()
        return self._other(code, task)

    def _other(self, code: int, task: TaskFile) -> Plan:
        match code:
            case Command.IDENTIFY:
                return Data(identify_disk(self.medium.sectors, self.serial, self.settings, self.geometry, self._sata))
            case Command.FLUSH_CACHE | Command.FLUSH_CACHE_EXT:
                return Finished(flush=True)
            case Command.DATA_SET_MANAGEMENT:
                return self._data_set(task)
            case Command.SET_FEATURES:
                return self._set_feature(task)
            case Command.SET_MULTIPLE:
                return self._set_multiple(task.count)
            case Command.SET_PARAMETERS:
                return self._set_parameters(task)
            case Command.CHECK_POWER_MODE:
                task.count = _SPUN_UP
                return Finished()
            case Command.READ_NATIVE_MAX:
                task.set_lba28(min(self.medium.sectors, MOST_LBA28) - 1)
                return Finished()
            case Command.READ_NATIVE_MAX_EXT:
                task.set_lba48(self.medium.sectors - 1)
                return Finished()
            case _:
                return Failed(Error.ABRT)

    def _data_set(self, task: TaskFile) -> Plan:
        """TRIM is all that there is (ACS-2, 7.10)."""
        blocks = task.count48
        if task.features != _TRIM or self.medium.read_only or not 1 <= blocks <= MOST_TRIM_BLOCKS:
            return Failed(Error.ABRT)
        return Transfer(_OUT, 0, blocks, Addressing.LBA48, dma=True, trim=True)

    def discarded(self, data: bytes) -> list[tuple[int, int]] | None:
        """First sectors and numbers of what a TRIM names; None if some is not on the medium."""
        entries = [entry for (entry,) in _ENTRY.iter_unpack(data)]
        ranges = [(entry & _MOST_LBA, entry >> 48) for entry in entries if entry >> 48]
        there = all(lba + count <= self.medium.sectors for lba, count in ranges)
        return ranges if there else None

    def _transfer(self, code: int, task: TaskFile) -> Plan:
        direction, long, dma, multiple = _TRANSFERS[Command(code)]
        if multiple and not self.settings.multiple:
            return Failed(Error.ABRT)
        if direction is Direction.OUT and self.medium.read_only:
            return Failed(Error.ABRT)
        place = self._place(task, long=long)
        if place is None:
            return Failed(Error.IDNF)
        lba, sectors, addressing = place
        return Transfer(direction, lba, sectors, addressing, dma, self.settings.multiple if multiple else 1)

    def _place(self, task: TaskFile, *, long: bool) -> tuple[int, int, Addressing] | None:
        """First sector, their number, and how they were addressed; None for what is not all on the medium."""
        if long:
            addressing, lba, sectors = Addressing.LBA48, task.lba48, task.count48 or 1 << 16
            if not task.device & LBA:
                return None
        elif task.device & LBA:
            addressing, lba, sectors = Addressing.LBA28, task.lba28, task.count or 1 << 8
        else:
            found = self.geometry.lba(task.mid | task.high << 8, task.device & 0xF, task.low)
            if found is None:
                return None
            addressing, lba, sectors = Addressing.CHS, found, task.count or 1 << 8
        return (lba, sectors, addressing) if lba + sectors <= self.medium.sectors else None

    def _set_feature(self, task: TaskFile) -> Plan:
        feature = task.features
        if feature in _KNOWN_FEATURES:
            name, value = _KNOWN_FEATURES[feature]
            setattr(self.settings, name, value)
            return Finished(flush=not value)
        if feature == _SET_TRANSFER_MODE:
            return self._set_transfer_mode(task.count)
        return Finished() if feature in _HARMLESS_FEATURES else Failed(Error.ABRT)

    def _set_transfer_mode(self, mode: int) -> Plan:
        """ATA-7, 6.47.4: PIO modes are any up to 4, multiword DMA up to 2, Ultra DMA up to 5."""
        if mode <= 1 or 0x08 <= mode <= 0x0C:
            return Finished()
        if 0x20 <= mode <= 0x22 or 0x40 <= mode <= 0x45:
            self.settings.dma = mode
            return Finished()
        return Failed(Error.ABRT)

    def _set_multiple(self, sectors: int) -> Plan:
        if sectors > MOST_MULTIPLE or sectors & (sectors - 1):
            return Failed(Error.ABRT)
        self.settings.multiple = sectors
        return Finished()

    def _set_parameters(self, task: TaskFile) -> Plan:
        heads, track = (task.device & 0xF) + 1, task.count
        if not track or track > 63:
            return Failed(Error.ABRT)
        self.settings.heads, self.settings.track = heads, track
        return Finished()

    def set_place(self, task: TaskFile, addressing: Addressing, lba: int) -> None:
        """Say in the task file where a transfer has come to."""
        match addressing:
            case Addressing.LBA28:
                task.set_lba28(lba)
            case Addressing.LBA48:
                task.set_lba48(lba)
            case Addressing.CHS:
                cylinder, head, sector = self.geometry.place(lba)
                task.low, task.mid, task.high = sector, cylinder & 0xFF, cylinder >> 8 & 0xFF
                task.device = task.device & 0xF0 | head


def is_transfer(code: int) -> bool:
    """Whether a command moves sectors."""
    return code in _TRANSFERS
