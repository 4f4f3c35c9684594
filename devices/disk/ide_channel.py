"""An IDE channel: two drives on a cable, the command and control blocks, an interrupt line (ATA/ATAPI-7, volume 2)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from devices.disk import timing
from devices.disk.ata import OBSOLETE, SECOND, Command, Status
from devices.disk.bus_master import BusMasterState, ChannelMaster
from devices.disk.ide_drive import DriveState, IdeDrive, Phase
from devices.seam import BusMaster, Line, Timer
from devices.wiring.shared_ports import Flow, PlainPorts, StreamPort

COMMAND_BLOCK = 8
"""Ports."""
NOTHING_THERE = 0x7F
"""What a cable without drives reads as: DD7 is pulled down."""
_NIEN, _SRST, _HOB = 0x02, 0x04, 0x80
"""Bits of the device control register."""
_DIAGNOSTIC = "diagnostic"
FLOWS = {Phase.DATA_IN: Flow.TO_GUEST, Phase.DATA_OUT: Flow.FROM_GUEST}


class Register(enum.IntEnum):
    """Offsets in the command block."""

    DATA = 0
    ERROR = 1
    COUNT = 2
    LOW = 3
    MID = 4
    HIGH = 5
    DEVICE = 6
    STATUS = 7


_TASK = {
    Register.ERROR: "features",
    Register.COUNT: "count",
    Register.LOW: "low",
    Register.MID: "mid",
    Register.HIGH: "high",
}
"""Registers that keep what was in them before, for 48-bit commands."""


@dataclass(slots=True)
class ChannelState:
    """`line` is the level of the interrupt line; `drives` has one state for each place, if a drive is there or not."""

    selected: int = 0
    control: int = 0
    line: bool = False
    master: BusMasterState = field(default_factory=BusMasterState)
    drives: list[DriveState] = field(default_factory=list)


class IdeChannel:
    """`number` is 0 for the primary channel. Deadlines are named after it and the drive."""

    def __init__(
        self,
        number: int,
        irq: Line,
        timer: Timer,
        memory: BusMaster | None,
        may_master: Callable[[], bool],
    ) -> None:
        self.number = number
        self.drives: list[IdeDrive | None] = [None, None]
        self.master = ChannelMaster(memory, may_master, self._master_started, self._master_stopped)
        self._irq = irq
        self._timer = timer
        self._state = ChannelState()
        self.stream = StreamPort()
        """The data register: what of the selected drive's buffer is yet to go through it."""
        self.plain = PlainPorts()
        self.plain_control = PlainPorts()
        self._streamed: bytearray | None = None
        """The buffer that `stream` has."""

    def attach(self, drives: Sequence[IdeDrive | None]) -> None:
        """Device 0 and device 1."""
        self.drives = [*drives]
        self._push()

    @property
    def selected(self) -> int:
        """Which device the host speaks to."""
        return self._state.selected

    @property
    def line(self) -> bool:
        """The level of the interrupt line."""
        return self._state.line

    @property
    def _there(self) -> list[IdeDrive]:
        return [drive for drive in self.drives if drive is not None]

    @property
    def _selected(self) -> IdeDrive | None:
        return self.drives[self._state.selected]

    def schedule(self, drive: IdeDrive, due: int) -> None:
        """ide_drive.Cable."""
        self._timer.schedule(self._deadline(drive), due)

    def interrupt(self, drive: IdeDrive) -> None:
        """ide_drive.Cable."""
        drive.state.interrupt = True
        self._drive_line()

    def dma_request(self, drive: IdeDrive, now: int) -> None:
        """ide_drive.Cable."""
        if self.master.started:
            drive.start_dma(now)

    def _deadline(self, drive: IdeDrive) -> str:
        return f"channel {self.number} drive {drive.number}"

    def deadlines(self) -> list[str]:
        """All names that on_event() takes."""
        return [f"channel {self.number} {_DIAGNOSTIC}", *(self._deadline(drive) for drive in self._there)]

    def pull(self) -> None:
        """The selected drive hears of what went through the data register without it."""
        stream, drive = self.stream, self._selected
        if stream.flow == Flow.NONE or drive is None:
            return
        state = drive.state
        if stream.flow == Flow.FROM_GUEST:
            drive.buffer[state.index : stream.index] = stream.taken(state.index)
        state.index = stream.index

    def _push(self) -> None:
        """What can be done without the drive until it is asked again."""
        drive = self._selected
        flow = Flow.NONE if drive is None else FLOWS.get(drive.state.phase, Flow.NONE)
        stream = self.stream
        stream.flow = flow
        if drive is not None and flow:
            if drive.buffer is not self._streamed:
                stream.load(drive.buffer)
                self._streamed = drive.buffer
            stream.index, stream.edge = drive.state.index, drive.state.edge
        status = self.read_alternate()
        self.plain_control.show(0, status)
        if drive is not None and drive.state.interrupt:
            self.plain.hide(Register.STATUS)
        else:
            self.plain.show(Register.STATUS, status)

    def on_event(self, name: str, now: int) -> None:
        """Raises MediumError, and nothing has changed then."""
        self.pull()
        try:
            self._event(name, now)
        finally:
            self._push()

    def _event(self, name: str, now: int) -> None:
        if name.endswith(_DIAGNOSTIC):
            self._diagnosed()
            return
        for drive in self._there:
            if name == self._deadline(drive):
                self._come(drive, now)

    def _come(self, drive: IdeDrive, now: int) -> None:
        if drive.state.phase is not Phase.DMA:
            drive.on_event(now)
            return
        moved = drive.dma(self.master, now)
        self.master.finish()
        if moved:
            self.interrupt(drive)

    def _master_started(self, now: int) -> None:
        for drive in self._there:
            if drive.state.phase is Phase.DMA_WAIT:
                drive.start_dma(now)
                self._push()
                return

    def _master_stopped(self) -> None:
        """What was going on has not happened, and waits."""
        for drive in self._there:
            if drive.state.phase is Phase.DMA:
                self._timer.cancel(self._deadline(drive))
                drive.state.phase = Phase.DMA_WAIT

    def _drive_line(self) -> None:
        """The selected drive's INTRQ, unless the host has disabled it."""
        drive = self._selected
        level = drive is not None and drive.state.interrupt and not self._state.control & _NIEN
        if level and not self._state.line:
            self.master.interrupt()
        self._state.line = level
        self._irq.set(level)

    def read(self, offset: int, size: int, now: int) -> int:
        """The command block. Only the data register is wider than a byte."""
        self.pull()
        try:
            return self._read(offset, size, now)
        finally:
            self._push()

    def _read(self, offset: int, size: int, now: int) -> int:
        if offset == Register.DATA:
            drive = self._selected
            return drive.read_data(size, now) if drive is not None else 0
        return sum(self._read_register(offset + lane) << 8 * lane for lane in range(min(size, COMMAND_BLOCK - offset)))

    def _read_register(self, offset: int) -> int:
        if offset == Register.STATUS:
            return self._read_status()
        drive = self._selected or next(iter(self._there), None)
        if drive is None:
            return NOTHING_THERE
        state = drive.state
        if offset == Register.ERROR and not self._state.control & _HOB:
            return state.error
        if offset == Register.DEVICE:
            return state.task.device
        prefix = "hob_" if self._state.control & _HOB else ""
        value: int = getattr(state.task, prefix + _TASK[Register(offset)])
        return value

    def _read_status(self) -> int:
        status = self.read_alternate()
        drive = self._selected
        if drive is not None and drive.state.interrupt:
            drive.state.interrupt = False
            self._drive_line()
        return status

    def read_alternate(self) -> int:
        """The status, which acknowledges nothing so."""
        if not self._there:
            return NOTHING_THERE
        drive = self._selected
        return drive.state.status if drive is not None else 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self.pull()
        try:
            self._write(offset, size, value, now)
        finally:
            self._push()

    def _write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset == Register.DATA:
            drive = self._selected
            if drive is not None:
                drive.write_data(size, value, now)
            return
        for lane in range(min(size, COMMAND_BLOCK - offset)):
            self._write_register(offset + lane, value >> 8 * lane & 0xFF, now)

    def _write_register(self, offset: int, value: int, now: int) -> None:
        self._state.control &= ~_HOB
        if offset == Register.STATUS:
            self._command(value, now)
        elif offset == Register.DEVICE:
            self._state.selected = 1 if value & SECOND else 0
            for drive in self._there:
                if not drive.busy:
                    drive.state.task.device = value | OBSOLETE
            self._drive_line()
        else:
            name = _TASK[Register(offset)]
            for drive in self._there:
                if not drive.busy:
                    task = drive.state.task
                    setattr(task, f"hob_{name}", getattr(task, name))
                    setattr(task, name, value)

    def _command(self, code: int, now: int) -> None:
        if self._state.control & _SRST:
            return
        if code == Command.DIAGNOSTIC:
            self._diagnose(now)
            return
        drive = self._selected
        if drive is None or (drive.busy and not (code == Command.DEVICE_RESET and drive.packet_device)):
            return
        if drive.state.interrupt:
            drive.state.interrupt = False
            self._drive_line()
        if code == Command.DEVICE_RESET:
            self._timer.cancel(self._deadline(drive))
        drive.command(code, now)

    def _diagnose(self, now: int) -> None:
        if not self._there:
            return
        self._halt_drives()
        self._timer.schedule(f"channel {self.number} {_DIAGNOSTIC}", now + timing.COMMAND)

    def _diagnosed(self) -> None:
        self._reset_drives()
        self.interrupt(self._there[0])

    def _halt_drives(self) -> None:
        for drive in self._there:
            self._timer.cancel(self._deadline(drive))
            drive.state.interrupt = False
            drive.state.phase, drive.state.status = Phase.IDLE, int(Status.BSY)
        self._timer.cancel(f"channel {self.number} {_DIAGNOSTIC}")
        self._drive_line()

    def _reset_drives(self) -> None:
        self._state.selected = 0
        for drive in self._there:
            drive.reset(hard=False)
            drive.state.task.device = OBSOLETE
        self._drive_line()

    def write_control(self, value: int) -> None:
        """The device control register. SRST resets both drives: they are busy as long as it is set."""
        self.pull()
        before, self._state.control = self._state.control, value
        if value & _SRST and not before & _SRST:
            self._halt_drives()
        elif before & _SRST and not value & _SRST and self._there:
            self._reset_drives()
        self._drive_line()
        self._push()

    def save(self) -> ChannelState:
        """An independent copy."""
        self.pull()
        drives = [drive.save() if drive is not None else DriveState() for drive in self.drives]
        return replace(self._state, master=replace(self.master.state), drives=drives)

    def restore(self, state: ChannelState) -> None:
        """Raises ValueError for the state of another channel."""
        if len(state.drives) != len(self.drives) or state.selected not in (0, 1):
            raise ValueError("an IDE channel has two drives")
        self._state = replace(state, drives=[], master=BusMasterState())
        self.master.state = replace(state.master)
        for drive, saved in zip(self.drives, state.drives, strict=True):
            if drive is not None:
                drive.restore(saved)
        self._streamed = None
        self._push()
