"""System calls of Linux by their names, arguments and results (arch/x86/entry/entry_64.S)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vmdbg.engine.exits import BreakpointHit, EventCaught, EventKind
from vmdbg.engine.stops import Breakpoints, Catches, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.syscalls import SystemCall, format_return, invocation
from vmdbg.queries.calls import LINUX_ARGUMENTS, MSR_LSTAR
from vmdbg.queries.guest_memory import linear_memory
from vmdbg.queries.linux.known import EVERYBODY, KnownLinux, Who
from vmdbg.queries.linux.scan import LinuxScan
from vmdbg.queries.rows import LinuxCallRow
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear

_PT_REGS = struct.Struct("<21Q")
_AX, _CX, _ORIG_AX, _IP, _CS, _SP = 10, 11, 15, 16, 17, 19
_LAST_NUMBER = 1 << 31
_MAX_ERRNO = 4095
_SYSCALL_LENGTH = 2
_EXECUTING = frozenset({"execve", "execveat"})
_MCONTEXT = 48
"""Of `uc_mcontext` in a signal's frame (arch/x86/include/asm/sigframe.h, uapi/asm/sigcontext.h)."""
_SIGNAL_AX, _SIGNAL_IP = _MCONTEXT + 104, _MCONTEXT + 128
_RESTARTED = "restarted"


@dataclass(frozen=True, slots=True)
class LinuxCallQuery:
    """Calls by SYSCALL, of some numbers or all. `failed` for those alone that return an error."""

    known: KnownLinux
    numbers: frozenset[int] = frozenset()
    who: Who = EVERYBODY
    failed: bool = False

    def begin(self, timeline: Timeline) -> LinuxCallScan:
        return LinuxCallScan(timeline, self)

    def join(self, parts: Sequence[Sequence[LinuxCallRow | _Loose]]) -> list[LinuxCallRow]:
        """A call that was under way at the end of a part returned in one that came later."""
        rows: list[LinuxCallRow] = []
        under_way: dict[int, int] = {}
        for part in parts:
            loose = [row for row in part if isinstance(row, _Loose)]
            for late in loose:
                index = under_way.pop(late.pid, None)
                if index is not None and rows[index].name == late.name:
                    rows[index] = _finished(rows[index], late.result)
            for row in part:
                if isinstance(row, LinuxCallRow):
                    if row.returned is None:
                        under_way[row.pid] = len(rows)
                    else:
                        under_way.pop(row.pid, None)
                    rows.append(row)
        return [row for row in rows if not self.failed or _is_error(row.value)]


@dataclass(frozen=True, slots=True)
class _Result:
    """How a call ended: `value` as two's complement in 64 bits, None where it is to be made again."""

    position: Position
    value: int | None


@dataclass(frozen=True, slots=True)
class _Loose:
    """A return from a call that began in an earlier part."""

    pid: int
    name: str
    result: _Result


@dataclass(slots=True)
class _UnderWay:
    number: int
    row: int | None
    back: int


class LinuxCallScan(LinuxScan):
    def __init__(self, timeline: Timeline, query: LinuxCallQuery) -> None:
        super().__init__(timeline, query.known)
        self._query = query
        self._entry = self.engine.read_register("lstar")
        self._under_way: dict[int, _UnderWay] = {}
        self._seen: set[int] = set()
        """Threads that have entered or left a call in this part."""
        self._loose: list[_Loose] = []
        self._stops = self._find_stops()

    @property
    def stops(self) -> Stops:
        return self._stops

    def _find_stops(self) -> Stops:
        places = {*self.known.exits, *([Linear(self._entry)] if self._entry else [])}
        catches = Catches(frozenset(), frozenset({EventKind.MSR_WRITE}), frozenset({MSR_LSTAR}))
        return Stops(Breakpoints(linear=tuple(sorted(places))), (), catches)

    def take(self, outcome: Outcome) -> None:
        match outcome:
            case EventCaught(EventKind.MSR_WRITE, _, value):
                self._entry = value
                self._stops = self._find_stops()
            case BreakpointHit() if self.engine.linear_pc == self._entry:
                self._entered()
            case BreakpointHit():
                self._leaving()
            case _:
                pass

    def _entered(self) -> None:
        task = self.current()
        rax, rcx, *arguments = self.engine.read_registers(("rax", "rcx", *LINUX_ARGUMENTS))
        number = rax & 0xFFFF_FFFF
        self._seen.add(task.pid)
        query, row = self._query, None
        if (not query.numbers or number in query.numbers) and query.who.matches(task):
            call = self.known.calls.get(number) or SystemCall(number, f"sys_{number}", None)
            made = invocation(call, arguments, linear_memory(self.timeline))
            text = ", ".join(f"{name}={value}" for name, value in made.arguments)
            who = task.name, task.pid, task.process
            nothing_yet = None, None, None, None
            row = self.add(LinuxCallRow(self.timeline.position, *who, call.name, text, *nothing_yet, self.cpu))
        self._under_way[task.pid] = _UnderWay(number, row, rcx)

    def _leaving(self) -> None:
        """About to go back to user mode with what the `struct pt_regs` at the stack pointer has."""
        data = self.engine.read_linear(Linear(self.engine.read_register("rsp")), _PT_REGS.size)
        if len(data) < _PT_REGS.size:
            return
        saved = _PT_REGS.unpack(data)
        number = saved[_ORIG_AX]
        if saved[_CS] & 3 != 3 or number >= _LAST_NUMBER:
            return
        pid = self.current().pid
        begun = self._under_way.pop(pid, None)
        if begun is not None and begun.number == number:
            if begun.row is not None:
                self.rows[begun.row] = _finished(self.rows[begun.row], self._result(saved, begun.back))
        elif begun is None and pid not in self._seen:
            name = self._name(number)
            self._loose.append(_Loose(pid, name, self._result(saved, saved[_CX])))
        self._seen.add(pid)

    def _name(self, number: int) -> str:
        call = self.known.calls.get(number)
        return call.name if call is not None else f"sys_{number}"

    def _result(self, saved: tuple[int, ...], back: int) -> _Result:
        """`back` is where the call was to return to. If a signal's handler runs first, its frame has that."""
        position, ip, value = self.timeline.position, saved[_IP], saved[_AX]
        if ip != back and self._name(saved[_ORIG_AX]) not in _EXECUTING:
            frame = saved[_SP]
            later = self.read(frame + _SIGNAL_IP, 8)
            if ip != back - _SYSCALL_LENGTH and later in (back, back - _SYSCALL_LENGTH):
                ip, value = later, self.read(frame + _SIGNAL_AX, 8) or 0
            if ip == back - _SYSCALL_LENGTH:
                return _Result(position, None)
        return _Result(position, value)

    def finish(self) -> Sequence[LinuxCallRow | _Loose]:
        return [*self._loose, *self.rows]


def _finished(row: LinuxCallRow, result: _Result) -> LinuxCallRow:
    text = _RESTARTED if result.value is None else format_return(result.value)
    ticks = result.position.tick - row.position.tick
    return replace(row, result=text, value=result.value, returned=result.position, ticks=ticks)


def _is_error(value: int | None) -> bool:
    return value is not None and value >= (1 << 64) - _MAX_ERRNO
