"""A port of an AHCI host bus adapter with what is at it (Serial ATA AHCI 1.3.1, 3.3, 4 and 5).

Commands are done one after the other, each in two deadlines: one in which its header and FIS are read, one in which
its data moves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from devices.disk import timing
from devices.disk.ahci_memory import PIO_FIS, REGISTER_FIS, PortMemory
from devices.disk.ahci_port_registers import (
    EXCHANGED,
    NOTHING_THERE,
    SLOTS,
    WRITABLE_CMD,
    Cmd,
    Interrupt,
    PortRegister,
    PortState,
    Work,
)
from devices.disk.ata import READY, Command, Error, Reason, Status, TaskFile
from devices.disk.ata_disk import AtaDisk, Data, Direction, Failed, Finished, Transfer, is_transfer
from devices.disk.ata_identify import Settings, identify_cd
from devices.disk.cd_unit import CdUnit
from devices.disk.fis import SRST, pio_setup_fis, register_fis, task_of
from devices.disk.medium import SECTOR
from devices.disk.requests import Operation
from devices.disk.scsi_cd import PACKET_SIZE, RATIO, CdState, CheckCondition, ReadBlocks, Reply, ScsiCd
from devices.disk.unit import DiskUnit
from devices.seam import BusMaster

_CD_SIGNATURE = (0x14, 0xEB)
_LARGEST_PACKET_DATA = 4096
"""Sectors of one READ of a CD."""


class Adapter(Protocol):
    """What a port asks of its adapter."""

    def schedule(self, port: AhciPort, due: int) -> None: ...

    def cancel(self, port: AhciPort) -> None: ...

    def interrupt(self, port: AhciPort) -> None:
        """PxIS has changed."""
        ...


class AhciPort:
    """`unit` is what is at it, None if nothing. Times are nanoseconds of guest time."""

    def __init__(self, number: int, unit: DiskUnit | CdUnit | None, memory: BusMaster, adapter: Adapter) -> None:
        self.number = number
        self.unit = unit
        self.state = PortState()
        self._memory = PortMemory(memory)
        self._adapter = adapter
        self._disk = AtaDisk(unit, unit.serial, sata=True) if isinstance(unit, DiskUnit) else None
        self._cd = ScsiCd(unit) if isinstance(unit, CdUnit) else None
        self._connect()

    def _connect(self) -> None:
        """COMRESET: what is there sends its signature (5.3.2.1, 10.4.2)."""
        state = self.state
        state.settings, state.sense = Settings(), CdState(changes=state.sense.changes)
        if self.unit is None:
            return
        state.error |= EXCHANGED
        self._sign()

    def reset(self) -> None:
        """With the adapter."""
        self._adapter.cancel(self)
        self.state = PortState(sense=self.state.sense)
        self._connect()

    @property
    def request(self) -> str:
        """What it works at, in words."""
        state = self.state
        command, _, task = task_of(state.fis) if state.fis else (None, 0, TaskFile())
        if state.work is not Work.TRANSFER or command is None:
            return state.work
        name = Command(command).name.replace("_", " ") if command in list(Command) else f"command {command:02x}h"
        return f"{name}, {task.count48} sectors from {task.lba48}"

    def _sign(self) -> TaskFile:
        """Show the signature of what is there; the task file has it too."""
        mid, high = _CD_SIGNATURE if self._cd is not None else (0, 0)
        self.state.tfd = int(Error.PASSED) << 8 | (0 if self._cd is not None else int(READY))
        self.state.signature = high << 24 | mid << 16 | 0x0101
        return TaskFile(mid=mid, high=high, device=0)

    def read(self, register: int) -> int:
        state = self.state
        match register:
            case PortRegister.CLB | PortRegister.FB:
                return (state.clb if register == PortRegister.CLB else state.fb) & 0xFFFF_FFFF
            case PortRegister.CLBU | PortRegister.FBU:
                return (state.clb if register == PortRegister.CLBU else state.fb) >> 32
            case PortRegister.IS:
                return state.status
            case PortRegister.IE:
                return state.enable
            case PortRegister.CMD:
                return self._read_cmd()
            case PortRegister.TFD:
                return state.tfd
            case PortRegister.SIG:
                return state.signature
            case PortRegister.SSTS:
                return 0x123 if self.unit is not None and not state.control & 1 else 0
            case PortRegister.SCTL:
                return state.control
            case PortRegister.SERR:
                return state.error
            case PortRegister.CI:
                return state.issued
            case _:
                return 0

    def _read_cmd(self) -> int:
        state, cmd = self.state, self.state.cmd
        running = Cmd.CR if cmd & Cmd.ST else 0
        receiving = Cmd.FR if cmd & Cmd.FRE else 0
        return cmd | running | receiving | state.slot << 8

    def write(self, register: int, value: int, now: int) -> None:
        state = self.state
        match register:
            case PortRegister.CLB:
                state.clb = state.clb & ~0xFFFF_FFFF | value & ~0x3FF
            case PortRegister.CLBU:
                state.clb = state.clb & 0xFFFF_FFFF | value << 32
            case PortRegister.FB:
                state.fb = state.fb & ~0xFFFF_FFFF | value & ~0xFF
            case PortRegister.FBU:
                state.fb = state.fb & 0xFFFF_FFFF | value << 32
            case PortRegister.IS:
                state.status &= ~value
                self._adapter.interrupt(self)
            case PortRegister.IE:
                state.enable = value
                self._adapter.interrupt(self)
            case PortRegister.CMD:
                self._write_cmd(value, now)
            case PortRegister.SCTL:
                self._write_control(value)
            case PortRegister.SERR:
                state.error &= ~value
            case PortRegister.CI:
                self._issue(value, now)

    def _write_cmd(self, value: int, now: int) -> None:
        state, before = self.state, self.state.cmd
        state.cmd = value & WRITABLE_CMD
        if value & Cmd.CLO:
            state.tfd &= ~(Status.BSY | Status.DRQ)
        if before & Cmd.ST and not value & Cmd.ST:
            self._stop()
        elif not before & Cmd.ST and value & Cmd.ST:
            self._next(now)

    def _stop(self) -> None:
        """Commands that were issued are forgotten (3.3.7, ST)."""
        self.state.issued, self.state.slot, self.state.work, self.state.halted = 0, 0, Work.IDLE, False
        if self.state.tfd & Status.BSY:
            self.state.tfd = int(READY)
        self._adapter.cancel(self)

    def _write_control(self, value: int) -> None:
        state, before = self.state, self.state.control
        state.control = value & 0xFFF
        if before & 1 and not value & 1:
            self._stop()
            self._connect()
        elif value & 1:
            self._stop()
            state.tfd = NOTHING_THERE | Status.BSY if self.unit is not None else NOTHING_THERE

    def _issue(self, value: int, now: int) -> None:
        state = self.state
        if not state.cmd & Cmd.ST:
            return
        for slot in range(SLOTS):
            if value & ~state.issued & 1 << slot:
                state.submitted[slot] = now
        state.issued |= value
        self._next(now)

    def _next(self, now: int) -> None:
        """Begin with the next command that was issued, unless one is at work or has failed."""
        state = self.state
        if state.work is not Work.IDLE or not state.issued or self.unit is None or not state.cmd & Cmd.ST:
            return
        if state.halted or state.tfd & Status.BSY:
            return
        order = [*range(state.slot + 1, SLOTS), *range(state.slot + 1)]
        state.slot = next(slot for slot in order if state.issued & 1 << slot)
        state.work = Work.FETCH
        state.tfd |= int(Status.BSY)
        self._adapter.schedule(self, now + timing.SHORTEST)

    def on_event(self, now: int) -> None:
        """Raises MediumError, and nothing has changed then."""
        if self.state.work is Work.FETCH:
            self._fetch(now)
        elif self.state.work is Work.TRANSFER:
            self._transfer(now)

    def _fetch(self, now: int) -> None:
        state = self.state
        state.fis, packet = self._memory.command(state, packet=self._cd is not None)
        command, control, task = task_of(state.fis)
        if command is None:
            self._controlled(control, now)
            return
        state.packet = packet
        state.work = Work.TRANSFER
        self._adapter.schedule(self, now + self._duration(command, task))

    def _duration(self, command: int, task: TaskFile) -> int:
        if self._disk is not None and is_transfer(command):
            plan = self._disk.plan(command, task)
            if isinstance(plan, Transfer):
                size = plan.sectors * SECTOR
                return timing.reading(size) if plan.direction is Direction.IN else timing.writing(size)
        return timing.READ_BASE if self._cd is not None else timing.COMMAND

    def _controlled(self, control: int, now: int) -> None:
        """The control register was written: with SRST the device resets, without it it is there again."""
        state = self.state
        if control & SRST:
            state.issued &= ~(1 << state.slot)
            state.work = Work.IDLE
            state.tfd = int(READY)
            self._next(now)
            return
        self._finish(self._sign(), state.tfd & 0xFF, state.tfd >> 8, now)

    def _transfer(self, now: int) -> None:
        command, _, task = task_of(self.state.fis)
        assert command is not None, "_fetch() has seen to that"
        if self._disk is not None:
            self._do_disk(self._disk, command, task, now)
        elif self._cd is not None:
            self._do_cd(self._cd, command, task, now)

    def _do_disk(self, disk: AtaDisk, command: int, task: TaskFile, now: int) -> None:
        unit, state = disk.medium, self.state
        assert isinstance(unit, DiskUnit)
        if command in (Command.FLUSH_CACHE, Command.FLUSH_CACHE_EXT):
            unit.flush()
            unit.done(Operation.FLUSH, 0, 0, state.submitted[state.slot], now)
        disk.settings = state.settings
        plan = disk.plan(command, task)
        match plan:
            case Transfer():
                self._move(disk, unit, plan, task, now)
            case Data(data):
                self._answer(data, task, now)
            case Finished():
                self._finish(task, int(READY), 0, now)
            case Failed(error):
                self._finish(task, int(READY | Status.ERR), int(error), now)

    def _move(self, disk: AtaDisk, unit: DiskUnit, plan: Transfer, task: TaskFile, now: int) -> None:
        size, state = plan.sectors * SECTOR, self.state
        operation = Operation.READ if plan.direction is Direction.IN else Operation.WRITE
        words = f"{operation} of sector {plan.lba}"
        regions = list(self._memory.regions(state, size))
        if sum(length for _, length in regions) < size:
            self._finish(task, int(READY | Status.ERR), int(Error.ABRT), now)
            return
        if plan.trim:
            self._trim(disk, unit, self._memory.load(regions, words), task, now)
            return
        if plan.direction is Direction.IN:
            self._memory.store(regions, unit.read(plan.lba, plan.sectors), words)
        else:
            unit.write(plan.lba, self._memory.load(regions, words))
        unit.done(operation, plan.lba, plan.sectors, state.submitted[state.slot], now)
        disk.set_place(task, plan.addressing, plan.lba + plan.sectors - 1)
        task.count = task.hob_count = 0
        self._memory.count(state, size)
        if plan.dma or plan.direction is Direction.OUT:
            self._finish(task, int(READY), 0, now)
        else:
            self._finish_pio(task, size, now)

    def _trim(self, disk: AtaDisk, unit: DiskUnit, data: bytes, task: TaskFile, now: int) -> None:
        state, ranges = self.state, disk.discarded(data)
        if ranges is None:
            self._finish(task, int(READY | Status.ERR), int(Error.IDNF), now)
            return
        for lba, count in ranges:
            unit.discard(lba, count)
            unit.done(Operation.DISCARD, lba, count, state.submitted[state.slot], now)
        task.count = task.hob_count = 0
        self._memory.count(state, len(data))
        self._finish(task, int(READY), 0, now)

    def _answer(self, data: bytes, task: TaskFile, now: int) -> None:
        """By PIO."""
        self._memory.store(self._memory.regions(self.state, len(data)), data, "answer to a command")
        self._memory.count(self.state, len(data))
        self._finish_pio(task, len(data), now)

    def _do_cd(self, cd: ScsiCd, command: int, task: TaskFile, now: int) -> None:
        unit, state = self.unit, self.state
        assert isinstance(unit, CdUnit)
        match command:
            case Command.PACKET:
                self._packet(cd, unit, task, now)
            case Command.IDENTIFY_PACKET:
                self._answer(identify_cd(unit.serial, state.settings, sata=True), task, now)
            case Command.SET_FEATURES | Command.IDLE_IMMEDIATE | Command.STANDBY_IMMEDIATE | Command.FLUSH_CACHE:
                self._finish(task, int(READY), 0, now)
            case Command.DEVICE_RESET:
                self._finish(self._sign(), 0, int(Error.PASSED), now)
            case _:
                task.mid, task.high = _CD_SIGNATURE
                self._finish(task, int(READY | Status.ERR), int(Error.ABRT), now)

    def _packet(self, cd: ScsiCd, unit: CdUnit, task: TaskFile, now: int) -> None:
        state = self.state
        before = replace(state.sense)
        outcome = cd.execute(state.packet, state.sense)
        data = b""
        match outcome:
            case Reply(data):
                pass
            case ReadBlocks(lba, count) if count <= _LARGEST_PACKET_DATA and unit.medium is not None:
                try:
                    data = unit.medium.read(lba * RATIO, count * RATIO)
                except Exception:
                    state.sense = before
                    raise
                unit.done(Operation.READ, lba * RATIO, count * RATIO, state.submitted[state.slot], now)
        self._memory.store(self._memory.regions(state, len(data)), data, "answer to a packet")
        self._memory.count(state, len(data))
        key, code, qualifier = outcome.sense.value if isinstance(outcome, CheckCondition) else (0, 0, 0)
        state.sense.key, state.sense.code, state.sense.qualifier = key, code, qualifier
        task.count = int(Reason.COMMAND | Reason.TO_HOST)
        error = key << 4 | int(Error.ABRT) if key else 0
        self._finish(task, int(READY | Status.ERR if key else READY), error, now)

    def _finish(self, task: TaskFile, status: int, error: int, now: int) -> None:
        """A Register FIS ends the command; one that failed stays issued, and those after it wait (6.2.2)."""
        state = self.state
        self._memory.receive(state, REGISTER_FIS, register_fis(task, status, error))
        state.tfd = error << 8 | status
        failed = bool(status & Status.ERR)
        self._done(Interrupt.DHRS | (Interrupt.TFES if failed else Interrupt(0)), failed, now)

    def _finish_pio(self, task: TaskFile, size: int, now: int) -> None:
        self._memory.receive(self.state, PIO_FIS, pio_setup_fis(task, int(READY | Status.DRQ), int(READY), size))
        self.state.tfd = int(READY)
        self._done(Interrupt.PSS, False, now)

    def _done(self, why: Interrupt, failed: bool, now: int) -> None:
        state = self.state
        state.work, state.status = Work.IDLE, state.status | int(why)
        state.halted = failed
        if not failed:
            state.issued &= ~(1 << state.slot)
        self._adapter.interrupt(self)
        self._next(now)

    def save(self) -> PortState:
        return self.state.copy()

    def restore(self, state: PortState) -> None:
        """Raises ValueError for what no port can be at."""
        if len(state.submitted) != SLOTS or not 0 <= state.slot < SLOTS:
            raise ValueError(f"a port has {SLOTS} command slots")
        if state.work is Work.TRANSFER and (len(state.fis) != 20 or task_of(state.fis)[0] is None):
            raise ValueError("a port works at a command that is none")
        if state.work is Work.TRANSFER and self._cd is not None and len(state.packet) != PACKET_SIZE:
            raise ValueError(f"a packet has {PACKET_SIZE} bytes")
        self.state = state.copy()
