"""The execution phase of an 82077AA: sectors between a disc and the host, one at each deadline.

Source: Intel 82077AA data sheet, 5.1. An image has no address marks and one layout: nothing on it is deleted, what is
written as deleted is not, and a format that would give it another layout finds it not writable.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.disk import fdc_commands as fdc
from devices.disk import timing
from devices.disk.fdc_commands import Code, Ending, Status1, Status2
from devices.disk.fdc_state import FdcState, Flow, Transfer
from devices.disk.floppy_unit import FloppyUnit, Track
from devices.disk.medium import SECTOR
from devices.disk.overlay import SECTORS
from devices.disk.requests import Operation
from devices.seam import DmaChannel

TURN = 2_000_000
"""Nanoseconds: a hundredth of a drive's."""
_SIZE_CODE = 2
"""N of sectors of 512 bytes."""
_ID = 4
"""Bytes that a format takes for each sector."""
_ANY = 0xFF
"""In a scan it is equal to all."""


@dataclass(frozen=True, slots=True)
class Again:
    """The next sector is due after so many nanoseconds."""

    delay: int


@dataclass(frozen=True, slots=True)
class Host:
    """The host is to move a buffer of so many bytes by itself."""

    flow: Flow
    size: int


@dataclass(frozen=True, slots=True)
class Done:
    ending: Ending


Step = Again | Host | Done


@dataclass(frozen=True, slots=True)
class _Found:
    """A sector, as the image has it."""

    track: Track
    lba: int


@dataclass(frozen=True, slots=True)
class _Missing:
    status1: int
    status2: int = 0


def begin(code: Code, command: bytes, now: int) -> Transfer:
    """A command that has come whole."""
    transfer = Transfer(code, command[0], command[1] & 3, command[1] >> 2 & 1, submitted=now)
    transfer.used = transfer.side
    if code in fdc.ADDRESSED:
        transfer.cylinder, transfer.head, transfer.sector, transfer.size, transfer.last, _, transfer.extra = command[2:]
        transfer.counts = code is Code.VERIFY and bool(command[1] & 0x80)
    elif code is Code.FORMAT_TRACK:
        transfer.size, transfer.extra, _, transfer.last = command[2:]
    return transfer


def first_delay(code: Code) -> int:
    """Nanoseconds to the first sector."""
    if code is Code.READ_ID:
        return timing.COMMAND
    return timing.writing(SECTOR) if code in fdc.WRITES or code is Code.FORMAT_TRACK else timing.reading(SECTOR)


def tell(unit: FloppyUnit, transfer: Transfer, now: int) -> None:
    """Whoever listens, of what was moved."""
    if transfer.first >= 0 and transfer.code is not Code.VERIFY:
        writes = transfer.code in fdc.WRITES or transfer.code is Code.FORMAT_TRACK
        operation = Operation.WRITE if writes else Operation.READ
        unit.done(operation, transfer.first, transfer.done, transfer.submitted, now)


class Transfers:
    """`channel` is the controller's way to memory."""

    def __init__(self, channel: DmaChannel) -> None:
        self._channel = channel

    def go_on(self, state: FdcState, unit: FloppyUnit | None, now: int, *, dma: bool) -> Step:
        """A deadline has come. `unit` is the drive, None if there is none or it does not turn; `dma` whether DRQ is
        let through. Raises MediumError, and nothing has changed then.
        """
        transfer = state.transfer
        if transfer.code in fdc.READS and state.buffer:
            state.buffer = bytearray()
            return self._moved(transfer, reached=False)
        found = _find(state, unit, now)
        if isinstance(found, _Missing):
            if not transfer.searched:
                transfer.searched = True
                return Again(2 * TURN)
            transfer.status1 |= found.status1
            transfer.status2 |= found.status2
            return Done(Ending.ABNORMAL)
        transfer.searched = False
        assert unit is not None, "no sector is found without a drive"
        match transfer.code:
            case Code.READ_ID:
                return Done(Ending.NORMAL)
            case Code.VERIFY:
                found.track.disc.overlay.read(found.lba, 1)
                _count(transfer, found)
                return self._verified(transfer)
            case Code.FORMAT_TRACK:
                return self._format(state, unit, found.track, dma=dma)
            case code if code in fdc.READS:
                return self._read(state, found, dma=dma)
            case _:
                return self._from_host(state, unit, found, dma=dma)

    def _read(self, state: FdcState, found: _Found, *, dma: bool) -> Step:
        transfer = state.transfer
        if transfer.code is Code.READ_DELETED_DATA:
            transfer.status2 |= Status2.CONTROL_MARK
            if transfer.options & fdc.SK:
                return self._moved(transfer, reached=False)
        data = found.track.disc.overlay.read(found.lba, 1)
        if state.settings.non_dma:
            _count(transfer, found)
            state.buffer = bytearray(data)
            return Host(Flow.READS, SECTOR)
        moved, reached = self._channel.store(data, f"read of sector {found.lba}") if dma else (0, False)
        if moved < SECTOR and not reached:
            return _overrun(transfer)
        _count(transfer, found)
        return self._moved(transfer, reached=reached)

    def _from_host(self, state: FdcState, unit: FloppyUnit, found: _Found, *, dma: bool) -> Step:
        """A write or a scan."""
        transfer, overlay = state.transfer, found.track.disc.overlay
        if transfer.code in fdc.WRITES and unit.read_only:
            transfer.status1 |= Status1.NOT_WRITABLE
            return Done(Ending.ABNORMAL)
        before = overlay.page(found.lba // SECTORS)
        if state.settings.non_dma:
            if not state.buffer:
                return Host(Flow.WRITES, SECTOR)
            data, reached = bytes(state.buffer), False
            state.buffer = bytearray()
        else:
            name = "write" if transfer.code in fdc.WRITES else "scan"
            data, reached = self._channel.load(SECTOR, f"{name} of sector {found.lba}") if dma else (b"", False)
            if len(data) < SECTOR and not reached:
                return _overrun(transfer)
        _count(transfer, found)
        if transfer.code in fdc.WRITES:
            overlay.write(found.lba, data.ljust(SECTOR, b"\0"))
            return self._moved(transfer, reached=reached)
        start = found.lba % SECTORS * SECTOR
        return self._scanned(transfer, before[start : start + SECTOR], data, reached=reached)

    def _moved(self, transfer: Transfer, *, reached: bool) -> Step:
        """A sector is through; `reached` at terminal count."""
        if transfer.code is Code.READ_DELETED_DATA and not transfer.options & fdc.SK:
            return Done(Ending.NORMAL)
        if transfer.code is Code.READ_TRACK:
            transfer.sector += 1
            ended = transfer.done >= transfer.last
            wrong = transfer.status1 & Status1.NO_DATA
            if reached or ended:
                return Done(Ending.ABNORMAL if wrong else Ending.NORMAL)
            return Again(timing.streaming(SECTOR))
        ended = _next(transfer)
        if reached:
            return Done(Ending.NORMAL)
        if ended:
            transfer.status1 |= Status1.END_OF_CYLINDER
            return Done(Ending.ABNORMAL)
        return Again(timing.streaming(SECTOR))

    def _verified(self, transfer: Transfer) -> Step:
        ended = _next(transfer)
        if transfer.done == transfer.extra if transfer.counts else ended:
            return Done(Ending.NORMAL)
        if ended:
            transfer.status1 |= Status1.END_OF_CYLINDER
            return Done(Ending.ABNORMAL)
        return Again(timing.streaming(SECTOR))

    def _scanned(self, transfer: Transfer, disc: bytes, host: bytes, *, reached: bool) -> Step:
        transfer.status2 &= ~(Status2.SCAN_EQUAL_HIT | Status2.SCAN_NOT_SATISFIED)
        differing = next(((a, b) for a, b in zip(disc, host, strict=False) if a != b and _ANY not in (a, b)), None)
        if differing is None:
            transfer.status2 |= Status2.SCAN_EQUAL_HIT
            return Done(Ending.NORMAL)
        lower = differing[0] < differing[1]
        if transfer.code is (Code.SCAN_LOW_OR_EQUAL if lower else Code.SCAN_HIGH_OR_EQUAL):
            return Done(Ending.NORMAL)
        transfer.status2 |= Status2.SCAN_NOT_SATISFIED
        step, ended = max(1, transfer.extra), False
        for _ in range(step):
            ended = _next(transfer) or ended
        return Done(Ending.NORMAL) if reached or ended else Again(timing.streaming(SECTOR))

    def _format(self, state: FdcState, unit: FloppyUnit, track: Track, *, dma: bool) -> Step:
        transfer, form = state.transfer, track.disc.form
        size = _ID * transfer.extra
        if unit.read_only or transfer.size != _SIZE_CODE or transfer.extra != form.track:
            transfer.status1 |= Status1.NOT_WRITABLE
            return Done(Ending.ABNORMAL)
        first = form.lba(track.cylinder, track.head, 1)
        track.disc.overlay.read(first, form.track)
        if state.settings.non_dma:
            if not state.buffer:
                return Host(Flow.WRITES, size)
            ids = bytes(state.buffer)
        else:
            ids, _ = self._channel.load(size, f"format of sector {first}") if dma else (b"", False)
            if len(ids) < size:
                return _overrun(transfer)
        wanted = {bytes((track.cylinder, track.head, sector, _SIZE_CODE)) for sector in range(1, form.track + 1)}
        transfer.cylinder, transfer.head, transfer.sector, transfer.size = ids[-_ID:]
        if {ids[at : at + _ID] for at in range(0, size, _ID)} != wanted:
            transfer.status1 |= Status1.NOT_WRITABLE
            return Done(Ending.ABNORMAL)
        track.disc.overlay.write(first, bytes((transfer.last,)) * (SECTOR * form.track))
        transfer.first, transfer.done = first, form.track
        return Done(Ending.NORMAL)


def _find(state: FdcState, unit: FloppyUnit | None, now: int) -> _Found | _Missing:
    """What the command asks for, under the head."""
    transfer = state.transfer
    track = unit.track(transfer.side) if unit is not None else None
    if unit is None or track is None or not transfer.options & fdc.MFM:
        return _Missing(Status1.MISSING_ADDRESS_MARK)
    form = track.disc.form
    if unit.type.rate(form) != state.rate:
        return _Missing(Status1.MISSING_ADDRESS_MARK)
    match transfer.code:
        case Code.FORMAT_TRACK:
            return _Found(track, form.lba(track.cylinder, track.head, 1))
        case Code.READ_ID:
            transfer.cylinder, transfer.head, transfer.size = track.cylinder, track.head, _SIZE_CODE
            transfer.sector = now % TURN * form.track // TURN + 1
            return _Found(track, 0)
        case Code.READ_TRACK:
            return _in_turn(transfer, track)
        case _:
            return _named(transfer, track)


def _named(transfer: Transfer, track: Track) -> _Found | _Missing:
    form = track.disc.form
    if transfer.cylinder != track.cylinder:
        return _Missing(Status1.NO_DATA, Status2.WRONG_CYLINDER)
    there = transfer.head == track.head and transfer.size == _SIZE_CODE and 1 <= transfer.sector <= form.track
    if not there:
        return _Missing(Status1.NO_DATA)
    return _Found(track, form.lba(track.cylinder, track.head, transfer.sector))


def _in_turn(transfer: Transfer, track: Track) -> _Found | _Missing:
    """READ TRACK takes them as they come behind the index hole, and says if they are not those that were named."""
    number = transfer.done + 1
    if number > track.disc.form.track or not transfer.last:
        return _Missing(Status1.NO_DATA)
    if (transfer.cylinder, transfer.head, transfer.sector) != (track.cylinder, track.head, number):
        transfer.status1 |= Status1.NO_DATA
    return _Found(track, track.disc.form.lba(track.cylinder, track.head, number))


def _next(transfer: Transfer) -> bool:
    """On to the next sector (table 5-6); whether that is beyond the cylinder."""
    if transfer.sector != transfer.last:
        transfer.sector = transfer.sector + 1 & 0xFF
        return False
    transfer.sector = 1
    if transfer.options & fdc.MT:
        transfer.head ^= 1
        transfer.side ^= 1
        if transfer.side:
            return False
    transfer.cylinder = transfer.cylinder + 1 & 0xFF
    return True


def _count(transfer: Transfer, found: _Found) -> None:
    if transfer.first < 0:
        transfer.first = found.lba
    transfer.done += 1
    transfer.used = found.track.head


def _overrun(transfer: Transfer) -> Step:
    transfer.status1 |= Status1.OVERRUN
    return Done(Ending.ABNORMAL)
