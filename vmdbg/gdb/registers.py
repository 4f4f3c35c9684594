"""Registers for clients, in one layout whatever mode the CPU is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gdbstub.errors import TargetError
from gdbstub.stops import FIRST_THREAD, ThreadId
from gdbstub.target import Register
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.guest import Epoch
from vmdbg.gdb.architecture import ClientView
from vmdbg.gdb.errors import refusals
from vmdbg.gdb.layout import ORIGINAL_RAX, PSEUDO, TASK, Layout, Row
from vmdbg.gdb.standing import Standing
from vmdbg.gdb.threads import RunningTask, looking_at
from vmdbg.x86.mode import CpuMode

_INSTEAD = {
    "tick": "`monitor goto TICK` and stepi go to another instant",
    "tsc": "it is $tick and $tsc_offset; `monitor goto TICK` and stepi go to another instant",
    "cr8": "it is the task priority of the local APIC",
    "linear_pc": "write $pc",
    "linear_sp": "write $sp",
    "cpl": "the selectors say the ring",
    "cpu": "`thread N` looks at another CPU",
    "lx_pid": "the guest's kernel says which process runs",
    "lx_tid": "the guest's kernel says which thread runs",
    "lx_task": "the guest's kernel says which task runs",
}
"""Why a pseudo-register cannot be written, and what can be done."""


class GuestRegisters:
    """gdbstub's Registers port. Writes are recorded inputs."""

    def __init__(
        self,
        debugger: Debugger,
        layout: Layout,
        view: ClientView,
        running: RunningTask,
        original_rax: Callable[[], int],
        standing: Standing,
    ) -> None:
        """`original_rax`: the number of the system call that is made here, -1 elsewhere."""
        self._original_rax = original_rax
        self._standing = standing
        self._debugger = debugger
        self._running = running
        self._layout = layout
        self._view = view
        self.layout: Sequence[Register] = layout.registers
        self._alone = len(debugger.cpus) == 1
        self._g_rows = layout.rows[: layout.g_count]
        self._g_sources = [row.source for row in self._g_rows]
        self._pc = layout.number("rip")
        self._sizes = [register.bits // 8 for register in self.layout]
        self._bits = {row.source: row.register.bits for row in layout.rows}
        self._readers: list[Callable[[], int] | None] = [None] * len(self.layout)
        self._g: dict[ThreadId, tuple[Epoch, bytes]] = {}

    def read_all(self, thread: ThreadId) -> bytes:
        """Kept for as long as the guest stands: clients ask again and again."""
        if self._debugger.running:
            self._standing.need()
        epoch = self._debugger.epoch
        known = self._g.get(thread)
        if known is None or known[0] != epoch:
            with looking_at(self._debugger, thread):
                values = self._debugger.engine.read_registers(self._g_sources)
                values[self._pc] = self.value("rip")
            known = self._g[thread] = (epoch, b"".join(map(_encode, self._g_rows, values)))
        return known[1]

    def read(self, thread: ThreadId, number: int) -> bytes | None:
        if self._debugger.running:
            self._standing.need()
        value = self._readers[number]
        if value is None:
            value = self._readers[number] = self.reader(number)
        size = self._sizes[number]
        if not self._alone and self._debugger.engine.selected != thread - FIRST_THREAD:
            with looking_at(self._debugger, thread):
                return _cut(value(), size)
        return (value() & (1 << 8 * size) - 1).to_bytes(size, "little")  # _cut(): every stop tells of three registers

    def reader(self, number: int) -> Callable[[], int]:
        """What reads the register of that number, and no others, over and over: of the CPU that is looked at."""
        source = self._layout.rows[number].source
        if source in PSEUDO:
            return lambda: self._pseudo(source)
        if source == "rip" and self._view.linear_pc:
            return lambda: self._debugger.engine.linear_pc
        return self._debugger.engine.register_reader(source)

    def value(self, source: str) -> int:
        """By the engine's name or PSEUDO's; of the CPU that is looked at."""
        if source == "rip" and self._view.linear_pc:
            return self._debugger.engine.linear_pc
        if source in PSEUDO:
            return self._pseudo(source)
        return self._debugger.engine.read_register(source)

    def linear_of(self, shown_pc: int) -> int:
        """The linear address of code at a pc as the client sees it."""
        if self._view.linear_pc:
            return shown_pc
        debugger = self._debugger
        return shown_pc + debugger.pc - debugger.engine.read_register("rip")

    def _pseudo(self, source: str) -> int:
        if source == ORIGINAL_RAX:
            return self._original_rax()
        return self._task(source) if source in TASK else self._debugger.cpu.read(source)

    def _task(self, source: str) -> int:
        """Where no Linux is known there is no process: -1, and no task_struct."""
        task = self._running()
        if task is None:
            return 0 if source == "lx_task" else -1
        return {"lx_pid": task.process, "lx_tid": task.pid, "lx_task": task.address}[source]

    def write(self, thread: ThreadId, number: int, value: bytes) -> None:
        row = self._layout.rows[number]
        with looking_at(self._debugger, thread):
            self._write({row.source: int.from_bytes(value, "little")})

    def write_all(self, thread: ThreadId, values: bytes) -> None:
        """Only what differs is written, so that nothing else is cut to a 32-bit client's width."""
        before, changed, offset = self.read_all(thread), {}, 0
        for row in self._g_rows:
            size = row.register.bits // 8
            value = values[offset : offset + size]
            if value != before[offset : offset + size]:
                changed[row.source] = int.from_bytes(value, "little")
            offset += size
        with looking_at(self._debugger, thread):
            self._write(changed)

    def _write(self, values: Mapping[str, int]) -> None:
        """What a register has already is not written: clients write back what they have read."""
        self._standing.need()
        for source, value in values.items():
            if value == self.value(source) & (1 << self._bits[source]) - 1:
                continue
            if source == ORIGINAL_RAX:
                continue  # gdb writes -1 with every pc, so that no call is restarted
            if source in PSEUDO:
                raise TargetError(f"{source} cannot be written: {_INSTEAD.get(source, 'vmdbg computes it')}")
            with refusals(), self._standing.own_doing():
                self._debugger.write_register(source, self._stored(source, value))

    def _stored(self, source: str, value: int) -> int:
        """What the CPU keeps when the client writes `value`."""
        if source == "rip":
            return self._offset_of(value)
        return value

    def _offset_of(self, pc: int) -> int:
        cpu = self._debugger.cpu
        if not self._view.linear_pc or cpu.mode is CpuMode.LONG64:
            return pc
        return pc - cpu.code_base & 0xFFFFFFFF


def _encode(row: Row, value: int) -> bytes:
    return _cut(value, row.register.bits // 8)


def _cut(value: int, size: int) -> bytes:
    return (value & (1 << 8 * size) - 1).to_bytes(size, "little")
