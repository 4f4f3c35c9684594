"""The Intel 82077AA floppy disk controller of an AT, ports 3F0h to 3F5h and 3F7h, interrupt 6, DMA channel 2.

Source: Intel 82077AA data sheet (290166). It is in AT mode: status registers A and B are not there. Turns and steps
take a hundredth of what they do, for guests wait for them awake; data comes as from other drives (`timing`). Without an
index pulse, in a drive whose motor stands or that has no disc, the chip would search for ever; here two turns end that
too. Power-down changes nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from devices.copied import copied
from devices.disk import fdc_commands as fdc
from devices.disk import timing
from devices.disk.fdc_commands import Code, Ending, MainStatus, Status3
from devices.disk.fdc_rows import controller_rows
from devices.disk.fdc_state import DRIVES, IDLE_FIFO, FdcState, Flow, Phase, Seek, Transfer
from devices.disk.fdc_transfers import Again, Done, Host, Transfers, begin, first_delay, tell
from devices.disk.floppy_formats import Rate
from devices.disk.floppy_unit import FloppyUnit
from devices.fitting import Slot
from devices.seam import Rows

PORTS = range(0x3F0, 0x3F6)
RATE_PORT = range(0x3F7, 0x3F8)
"""The byte between them is IDE's."""
IRQ, DMA = 6, 2
NOT_DRIVEN = 0xFF
MOST_STEPS = 79
"""Of a recalibration."""
_ENHANCED = 0x90
"""What VERSION answers."""
_RESET, EXECUTE = "reset", "execute"
_SEEK = "seek {}"
_DRIVE, _NOT_RESET, _GATE, _MOTOR = 0x03, 0x04, 0x08, 0x10
"""Bits of DOR; the motors are from _MOTOR on."""
_SOFTWARE_RESET = 0x80
_STEP = {Rate.K500: 10_000, Rate.K300: 16_667, Rate.K250: 20_000, Rate.M1: 5_000}
"""Nanoseconds in a unit of SRT: a hundredth of what they are."""


class Register(enum.IntEnum):
    """Offsets from 3F0h."""

    STATUS_A = 0
    STATUS_B = 1
    CONTROL = 2
    TAPE = 3
    STATUS = 4
    DATA = 5
    RATE = 7


class _RatePort:
    """3F7h."""

    def __init__(self, chip: Fdc) -> None:
        self._chip = chip

    def read(self, offset: int, size: int, now: int) -> int:
        return self._chip.read(Register.RATE, size, now)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._chip.write(Register.RATE, size, value, now)


class Fdc:
    """`units` are the drives, from 0 on."""

    name = "fdc"
    title = "82077AA floppy disk controller"
    State: ClassVar[type[FdcState]] = FdcState

    def __init__(self, slot: Slot, units: Sequence[FloppyUnit]) -> None:
        self._units = units
        self._timer = slot.timer()
        self._irq = slot.irq(IRQ)
        self._transfers = Transfers(slot.dma_channel(DMA))
        self._state = FdcState()
        slot.claim_ports(PORTS, self)
        slot.claim_ports(RATE_PORT, _RatePort(self))

    def read(self, offset: int, size: int, now: int) -> int:
        match offset:
            case Register.CONTROL:
                return self._state.control
            case Register.TAPE:
                return self._state.tape
            case Register.STATUS:
                return self._main_status()
            case Register.DATA:
                return self._read_data(now)
            case Register.RATE:
                unit = self._unit(self._state.control & _DRIVE)
                changed = unit is not None and self._turns(self._state.control & _DRIVE) and unit.changed
                return NOT_DRIVEN if changed else NOT_DRIVEN & 0x7F
            case _:
                return NOT_DRIVEN

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        value &= 0xFF
        match offset:
            case Register.CONTROL:
                self._control(value, now)
            case Register.TAPE:
                self._state.tape = value & 3
            case Register.STATUS:
                self._state.rate = value & 3
                if value & _SOFTWARE_RESET and self._state.control & _NOT_RESET:
                    self._reset()
                    self._leave_reset(now)
            case Register.DATA:
                self._write_data(value, now)
            case Register.RATE:
                self._state.rate = value & 3
        self._drive_line()

    def on_event(self, name: str, now: int) -> None:
        if name == _RESET:
            if self._state.settings.polling:
                for number, seek in enumerate(self._state.seeks):
                    seek.ending = Ending.POLLED | number
                self._state.interrupt = True
        elif name == EXECUTE:
            self._go_on(now)
        else:
            self._arrive(int(name.rpartition(" ")[2]))
        self._drive_line()

    def save(self) -> FdcState:
        return copied(self._state)

    def restore(self, state: FdcState) -> None:
        if len(state.seeks) != DRIVES:
            raise ValueError(f"a floppy controller has {DRIVES} drives")
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        return controller_rows(self._state, self._main_status(), self._units)

    def _unit(self, drive: int) -> FloppyUnit | None:
        return self._units[drive] if drive < len(self._units) else None

    def _turns(self, drive: int) -> bool:
        """Whether a drive's motor is on."""
        return bool(self._state.control & _MOTOR << drive)

    def _drive_line(self) -> None:
        self._irq.set(self._state.interrupt and bool(self._state.control & _GATE))

    def _control(self, value: int, now: int) -> None:
        before, self._state.control = self._state.control, value
        if not value & _NOT_RESET:
            self._reset()
        elif not before & _NOT_RESET:
            self._leave_reset(now)

    def _reset(self) -> None:
        """By software: of the settings those stay that LOCK keeps, and heads where they are."""
        before = self._state
        for name in (_RESET, EXECUTE, *(_SEEK.format(number) for number in range(DRIVES))):
            self._timer.cancel(name)
        settings = replace(before.settings, perpendicular=before.settings.perpendicular & 0x3C)
        settings.configuration &= 0x2F
        if not settings.locked:
            settings.configuration, settings.precompensation_start = IDLE_FIFO, 0
        seeks = [Seek(seek.cylinder) for seek in before.seeks]
        self._state = FdcState(before.control, before.tape, before.rate, settings=settings, seeks=seeks)

    def _leave_reset(self, now: int) -> None:
        """It polls the drives then, unless it is told not to before that."""
        self._state.ready = True
        self._timer.schedule(_RESET, now + timing.COMMAND)

    def _main_status(self) -> int:
        state = self._state
        if not state.ready:
            return 0
        status = sum(1 << number for number, seek in enumerate(state.seeks) if seek.target >= 0)
        match state.phase:
            case Phase.COMMAND:
                status |= MainStatus.REQUEST | (MainStatus.COMMAND_BUSY if state.command else 0)
            case Phase.EXECUTION:
                status |= MainStatus.COMMAND_BUSY | (MainStatus.NON_DMA if state.settings.non_dma else 0)
                if state.flow is not Flow.NONE:
                    status |= MainStatus.REQUEST | (MainStatus.TO_HOST if state.flow is Flow.READS else 0)
            case Phase.RESULT:
                status |= MainStatus.COMMAND_BUSY | MainStatus.REQUEST | MainStatus.TO_HOST
        return int(status)

    def _read_data(self, now: int) -> int:
        state = self._state
        if state.phase is Phase.RESULT:
            value, state.result = state.result[0], state.result[1:]
            if state.transfer.code is not Code.INVALID:  # of a command that was executed: its interrupt is served
                state.interrupt, state.transfer.code = False, Code.INVALID
            if not state.result:
                state.phase = Phase.COMMAND
            self._drive_line()
            return value
        if state.flow is not Flow.READS:
            return 0
        value = state.buffer[state.index]
        self._through(now)
        return value

    def _write_data(self, value: int, now: int) -> None:
        state = self._state
        if state.flow is Flow.WRITES:
            state.buffer[state.index] = value
            self._through(now)
        elif state.phase is Phase.COMMAND and state.ready:
            state.command += bytes((value,))
            code, parameters = fdc.decode(state.command[0])
            if len(state.command) > parameters:
                whole, state.command = state.command, b""
                self._perform(code, whole, now)

    def _through(self, now: int) -> None:
        """A byte went by the host; with the last of the buffer the chip goes on."""
        state = self._state
        state.index += 1
        if state.index == len(state.buffer):
            state.interrupt = False
            state.flow = Flow.NONE
            self._timer.schedule(EXECUTE, now + timing.streaming(len(state.buffer)))
            self._drive_line()

    def _perform(self, code: Code, command: bytes, now: int) -> None:
        settings = self._state.settings
        match code:
            case Code.SPECIFY:
                settings.step_and_unload, settings.load_and_mode = command[1], command[2]
            case Code.CONFIGURE:
                settings.configuration, settings.precompensation_start = command[2] & 0x7F, command[3]
            case Code.PERPENDICULAR_MODE:
                overwrites = bool(command[1] & 0x80)
                drives = command[1] & 0x3C if overwrites else settings.perpendicular & 0x3C
                settings.perpendicular = drives | command[1] & 0x03
            case Code.LOCK:
                settings.locked = bool(command[0] & 0x80)
                self._answer(settings.locked << 4)
            case Code.VERSION:
                self._answer(_ENHANCED)
            case Code.DUMPREG:
                self._answer(*self._registers())
            case Code.SENSE_DRIVE_STATUS:
                self._answer(self._status3(command[1] & 7))
            case Code.SENSE_INTERRUPT_STATUS:
                self._sense_interrupt()
            case Code.RECALIBRATE:
                self._recalibrate(command[1] & 3, now)
            case Code.SEEK:
                drive, target = command[1] & 3, command[2]
                self._seek(drive, target, target - self._state.seeks[drive].cylinder, now)
            case Code.RELATIVE_SEEK:
                drive, steps = command[1] & 3, command[2] if command[0] & 0x40 else -command[2]
                self._seek(drive, (self._state.seeks[drive].cylinder + steps) & 0xFF, steps, now, relative=True)
            case Code.INVALID:
                self._answer(Ending.INVALID)
            case _:
                self._execute(code, command, now)

    def _answer(self, *result: int) -> None:
        self._state.phase, self._state.result = Phase.RESULT, bytes(result)

    def _status3(self, selected: int) -> int:
        unit = self._unit(selected & 3)
        status = Status3.ALWAYS | selected
        if unit is not None:
            status |= Status3.TRACK_0 if unit.at_track_0 else 0
            status |= Status3.WRITE_PROTECTED if unit.write_protected else 0
        return status

    def _registers(self) -> list[int]:
        settings = self._state.settings
        return [
            *(seek.cylinder for seek in self._state.seeks),
            settings.step_and_unload,
            settings.load_and_mode,
            settings.last_track,
            settings.locked << 7 | settings.perpendicular,
            settings.configuration,
            settings.precompensation_start,
        ]

    def _sense_interrupt(self) -> None:
        """Of the first drive that has something to tell."""
        waiting = [seek for seek in self._state.seeks if seek.ending >= 0]
        if not waiting:
            self._answer(Ending.INVALID)
            return
        self._answer(waiting[0].ending, waiting[0].cylinder)
        waiting[0].ending = -1
        self._state.interrupt = len(waiting) > 1

    def _recalibrate(self, drive: int, now: int) -> None:
        unit = self._unit(drive)
        steps = -min(MOST_STEPS, unit.cylinder if unit is not None else MOST_STEPS)
        self._seek(drive, 0, steps, now, relative=True)

    def _seek(self, drive: int, target: int, steps: int, now: int, *, relative: bool = False) -> None:
        """One that is `relative` ends at track 0 or says that it is not there."""
        seek = self._state.seeks[drive]
        seek.target, seek.steps, seek.outwards = target, steps, relative and steps <= 0
        self._timer.schedule(_SEEK.format(drive), now + max(timing.SHORTEST, self._stepping(steps)))

    def _stepping(self, steps: int) -> int:
        """In nanoseconds."""
        return abs(steps) * (16 - (self._state.settings.step_and_unload >> 4)) * _STEP[Rate(self._state.rate)]

    def _arrive(self, drive: int) -> None:
        seek, unit = self._state.seeks[drive], self._unit(drive)
        failed = seek.outwards
        if unit is not None:
            failed = failed and (-seek.steps > unit.cylinder or (-seek.steps < unit.cylinder and seek.target == 0))
            unit.step(seek.steps)
        seek.ending = fdc.SEEK_END | drive | (Ending.ABNORMAL | fdc.EQUIPMENT_CHECK if failed else 0)
        seek.cylinder, seek.target = seek.target, -1
        self._state.interrupt = True

    def _execute(self, code: Code, command: bytes, now: int) -> None:
        state = self._state
        state.phase, state.transfer = Phase.EXECUTION, begin(code, command, now)
        state.buffer, state.index = bytearray(), 0
        transfer, delay = state.transfer, first_delay(code)
        unit, seek = self._unit(transfer.drive), state.seeks[transfer.drive]
        if state.settings.implied_seek and code in fdc.ADDRESSED and seek.target < 0:
            steps, seek.cylinder = transfer.cylinder - seek.cylinder, transfer.cylinder
            delay += self._stepping(steps)
            if unit is not None:
                unit.step(steps)
        self._timer.schedule(EXECUTE, now + delay)

    def _go_on(self, now: int) -> None:
        state = self._state
        transfer = state.transfer
        unit = self._unit(transfer.drive) if self._turns(transfer.drive) else None
        match self._transfers.go_on(state, unit, now, dma=bool(state.control & _GATE)):
            case Again(delay):
                self._timer.schedule(EXECUTE, now + delay)
            case Host(flow, size):
                state.flow, state.index, state.interrupt = flow, 0, True
                state.buffer = state.buffer if flow is Flow.READS else bytearray(size)
            case Done(ending):
                self._finish(transfer, ending)
                if unit is not None:
                    tell(unit, transfer, now)

    def _finish(self, transfer: Transfer, ending: Ending) -> None:
        state = self._state
        state.buffer, state.index, state.flow = bytearray(), 0, Flow.NONE
        if transfer.code is Code.FORMAT_TRACK:
            state.settings.last_track = transfer.extra
        elif transfer.code in fdc.ADDRESSED:
            state.settings.last_track = transfer.last
        status0 = ending | transfer.used << 2 | transfer.drive
        place = transfer.cylinder & 0xFF, transfer.head & 0xFF, transfer.sector & 0xFF, transfer.size
        self._answer(status0, transfer.status1, transfer.status2, *place)
        state.interrupt = True
