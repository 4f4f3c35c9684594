"""Calls and system calls, with what they were given and what they gave back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from vmdbg.debugger.context import page_tables
from vmdbg.engine.exits import BreakpointHit, EventCaught, EventKind, ExceptionDelivered
from vmdbg.engine.stops import Breakpoints, Catches, Stops
from vmdbg.machine.cpu_start import selected
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.queries.guest_memory import linear_memory, read_integer
from vmdbg.queries.rows import CallRow, SystemCallRow
from vmdbg.queries.scan import Query, Row, RowScan
from vmdbg.queries.unfinished import Unfinished
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import PAGE_MASK, CpuId, Linear
from vmdbg.x86.boundaries import calls_before
from vmdbg.x86.instruction import MAX_LENGTH
from vmdbg.x86.mode import Width, cpu_mode, privilege_level

SYSTEM_V_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
"""System V ABI, AMD64 supplement, 3.2.3."""
LINUX_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
LINUX32_ARGUMENTS = ("rbx", "rcx", "rdx", "rsi", "rdi", "rbp")
STACK_ARGUMENTS = 6
MSR_LSTAR = 0xC0000082
"""SDM 4, table 2-2."""
INT80 = 0x80
_SYSTEM_CALLS = Catches(frozenset({INT80}), frozenset({EventKind.MSR_WRITE}), frozenset({MSR_LSTAR}))
MOST_POPPED = 256
"""Bytes of arguments that a function takes off the stack as it returns, as those of stdcall do."""
WIDE = 8
MOST_OPEN = 4096
"""Calls that are followed at a time: those beyond are given without their return."""
MOST_KEPT = 1024
"""Addresses at which the guest is stopped though no return is looked for there now: others may be soon."""
MOST_TIMES = 32
"""That it may come to one of them for nothing."""


@dataclass(frozen=True, slots=True)
class _Return:
    """How a return is known: its address, the stack pointer there, and whose stack that is.

    `calls` is where instructions lie that it may return behind: who comes there again has done with the call.
    """

    address: int
    rsp: int
    stack: int
    """As stack_of() has it; of a system call CR3 without its PCID."""
    calls: tuple[int, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class _Open:
    """Calls that have not returned: where their rows are in the list. Several are known by one return where a function
    leaves its own to another, by a jump.

    Invariants: `places` has how many returns are looked for at each address; `kept` those where some were, and how
    often the guest came there for nothing since.
    """

    rows: dict[_Return, list[int]] = field(default_factory=dict)
    number: int = 0
    places: Counter[int] = field(default_factory=Counter)
    kept: dict[int, int] = field(default_factory=dict)

    def add(self, known_by: _Return, index: int) -> None:
        if known_by not in self.rows:
            self.places.update({known_by.address, *known_by.calls})
        self.rows.setdefault(known_by, []).append(index)
        self.number += 1

    def take(self, known_by: _Return) -> list[int]:
        found = self.rows.pop(known_by, None)
        if found is None:
            return []
        self.number -= len(found)
        for address in {known_by.address, *known_by.calls}:
            self.places[address] -= 1
            if not self.places[address]:
                del self.places[address]
                self.kept.setdefault(address, 0)
        return found

    def armed(self) -> set[int]:
        """Where to stop. It changes seldom: to set other breakpoints costs more than to come by one for nothing."""
        if len(self.kept) > MOST_KEPT:
            self.kept.clear()
        return {*self.places, *(address for address, times in self.kept.items() if times < MOST_TIMES)}

    def expects(self, address: int) -> bool:
        """Whether a return may be there, where the guest has come. Else, next time it may not stop there any more."""
        if address in self.places:
            return True
        if address in self.kept:
            self.kept[address] += 1
        return False


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Calls of the function at a linear address, with `count` arguments of its ABI: System V, or cdecl in 32 bits."""

    function: int
    count: int = len(SYSTEM_V_ARGUMENTS)

    def begin(self, timeline: Timeline) -> CallScan:
        return CallScan(timeline, self)


def stack_of(timeline: Timeline, address: int) -> int:
    """Tells the stack with that linear address from others at the same.

    In ring 0 by its page of memory: what a kernel thread calls may sleep, and return in another process's space, or, as
    exec does, in its own new one. In ring 3, whose pages a kernel moves, by the page tables without their PCID.
    """
    engine = timeline.machine.engine
    cr0, cr3, rflags, ss_flags = engine.read_registers(("cr0", "cr3", "rflags", "ss_flags"))
    if privilege_level(cr0, rflags, ss_flags):
        return page_tables(engine, cr3)
    physical = engine.translate(Linear(address % (1 << 64)))  # a stack may end at 0
    return -1 if physical is None else physical & ~PAGE_MASK


def _linear(addresses: Iterable[int]) -> Breakpoints:
    return Breakpoints(linear=tuple(Linear(address) for address in sorted(addresses)))


class ReturningScan(RowScan):
    """What scans for calls and their returns have in common.

    Invariant: a return is that of all the open calls that are known so. Where calls make no rows any more, beyond the
    part, they still take the place of those that will not return.
    """

    def __init__(self, timeline: Timeline, query: Query) -> None:
        super().__init__(timeline)
        self._asked = query
        self._open = _Open()
        self._armed = frozenset[int](), Breakpoints()
        self._beyond = False

    def breakpoints(self, entry: int) -> Breakpoints:
        """Where calls begin, and end."""
        wanted = frozenset({*self._open.armed(), *([entry] if entry else [])})
        if wanted != self._armed[0]:
            self._armed = wanted, _linear(wanted)
        return self._armed[1]

    @property
    def wants_more(self) -> bool:
        self._beyond = True
        return bool(self._open.rows)

    def follow(self, unfinished: Unfinished) -> None:
        assert isinstance(unfinished.known_by, _Return)
        self._beyond = True
        self._open.add(unfinished.known_by, len(self.rows))
        self.rows.append(unfinished.row)

    def ended(self) -> Sequence[Sequence[Row]]:
        return [(row,) for row in self.rows]

    @property
    def repeated(self) -> Sequence[Position]:
        return ()

    def finish(self) -> Sequence[Row]:
        until = self.timeline.position
        for known_by, indices in self._open.rows.items():
            for index in indices:
                self.rows[index] = Unfinished(self.rows[index], self._asked, until, known_by)
        return self.rows

    def entered(self, row: Row, known_by: _Return, *, anew: bool = True) -> None:
        """A call begins. `anew`: those before it that are known so have not returned, and will not."""
        if anew:
            self._open.take(known_by)
        index = None if self._beyond else self.add(row)
        if index is not None and self._open.number < MOST_OPEN:
            self._open.add(known_by, index)

    def returned(self, known_by: _Return, value: int) -> None:
        """Calls end, if any are known so."""
        for index in self._open.take(known_by):
            self.rows[index] = replace(self.rows[index], returned=self.timeline.position, value=value)


class CallScan(ReturningScan):
    def __init__(self, timeline: Timeline, query: CallQuery) -> None:
        super().__init__(timeline, query)
        self._query = query
        self._known: dict[tuple[bytes, Width], list[int]] = {}

    @property
    def stops(self) -> Stops:
        return Stops(self.breakpoints(self._query.function))

    @property
    def looked_for(self) -> Stops:
        return Stops(_linear({*self._open.places, self._query.function}))

    def take(self, outcome: Outcome) -> None:
        if not isinstance(outcome, BreakpointHit):
            return
        engine = self.timeline.machine.engine
        pc = engine.linear_pc
        expected = self._open.expects(pc)
        if not expected and pc != self._query.function:
            return
        rsp, cr3, rax = engine.read_registers(("rsp", "cr3", "rax"))
        if expected:
            self.returned(self._known_by(pc, rsp), rax)
            self._call_again(pc, rsp)
        if pc == self._query.function:
            self._entered(rsp, cr3)

    def _call_again(self, pc: int, rsp: int) -> None:
        """What was called from here, and was left by another way than a return, will not return."""
        for one in [one for one in self._open.rows if one.rsp == rsp and pc in one.calls]:
            if one.stack == stack_of(self.timeline, rsp - word_size(self.timeline)):
                self._open.take(one)

    def _known_by(self, pc: int, rsp: int) -> _Return:
        """The return that this is: with the stack pointer from before the call, or above, behind RET n."""
        word = word_size(self.timeline)
        exact = _Return(pc, rsp, stack_of(self.timeline, rsp - word))
        if exact in self._open.rows:
            return exact
        near = [one for one in self._open.rows if one.address == pc and 0 < rsp - one.rsp <= MOST_POPPED]
        own = [one for one in near if one.stack == stack_of(self.timeline, one.rsp - word)]
        return max(own, key=lambda one: one.rsp, default=exact)

    def _entered(self, rsp: int, cr3: int) -> None:
        timeline, engine = self.timeline, self.timeline.machine.engine
        size = word_size(timeline)
        caller = read_integer(timeline, rsp, size)
        if size == WIDE:
            arguments = tuple(engine.read_registers(SYSTEM_V_ARGUMENTS[: self._query.count]))
        else:
            places = range(rsp + size, rsp + size * (1 + min(self._query.count, STACK_ARGUMENTS)), size)
            arguments = tuple(read_integer(timeline, place, size) for place in places)
        function = Linear(self._query.function)
        row = CallRow(timeline.position, function, Linear(caller), arguments, cr3, None, None, self.cpu)
        calls = self._calls_to(Linear(caller))
        self.entered(row, _Return(caller, rsp + size, stack_of(timeline, rsp), calls), anew=not calls)

    def _calls_to(self, back: Linear) -> tuple[int, ...]:
        width = cpu_mode(*self.engine.read_registers(("cr0", "efer", "rflags", "cs_flags"))).width
        code = self.engine.read_linear(Linear(max(0, back - MAX_LENGTH)), min(back, MAX_LENGTH))
        if len(code) < MAX_LENGTH:
            code = linear_memory(self.timeline).read_suffix(back, MAX_LENGTH)
        offsets = self._known.get((code, width))
        if offsets is None:
            offsets = self._known[code, width] = [offset - len(code) for offset in calls_before(code, width)]
        return tuple(back + offset for offset in offsets)


@dataclass(frozen=True, slots=True)
class SystemCallQuery:
    """SYSCALL, by the address in LSTAR, and INT 80h."""

    numbers: frozenset[int] = frozenset()

    def begin(self, timeline: Timeline) -> SystemCallScan:
        return SystemCallScan(timeline, self)


class SystemCallScan(ReturningScan):
    def __init__(self, timeline: Timeline, query: SystemCallQuery) -> None:
        super().__init__(timeline, query)
        self._numbers = query.numbers
        self._entry = entry_of(timeline)

    @property
    def stops(self) -> Stops:
        return Stops(self.breakpoints(self._entry), (), _SYSTEM_CALLS)

    @property
    def looked_for(self) -> Stops:
        return Stops(_linear({*self._open.places, *([self._entry] if self._entry else [])}), (), _SYSTEM_CALLS)

    def take(self, outcome: Outcome) -> None:
        match outcome:
            case EventCaught(EventKind.MSR_WRITE, _, value):
                self._entry = value
            case ExceptionDelivered(delivery) if delivery.cpl == 3:
                self._interrupted()
            case BreakpointHit():
                self._at_breakpoint()
            case _:
                pass

    def _at_breakpoint(self) -> None:
        engine = self.timeline.machine.engine
        pc = engine.linear_pc
        rsp, cr3, rax, rcx = engine.read_registers(("rsp", "cr3", "rax", "rcx"))
        if self._open.expects(pc):
            self.returned(_Return(pc, rsp, page_tables(engine, cr3)), rax)
        if pc == self._entry:
            arguments = tuple(engine.read_registers(LINUX_ARGUMENTS))
            self._entered(rax, arguments, cr3, rcx, rsp)

    def _interrupted(self) -> None:
        """INT 80h: the frame on the stack says where it came from (SDM 3A 6.12.1, 6.14.2)."""
        engine = self.timeline.machine.engine
        rsp, cr3, rax = engine.read_registers(("rsp", "cr3", "rax"))
        arguments = tuple(engine.read_registers(LINUX32_ARGUMENTS))
        size = word_size(self.timeline)
        back, stack = (read_integer(self.timeline, rsp + size * index, size) for index in (0, 3))
        self._entered(rax, arguments, cr3, back, stack)

    def _entered(self, number: int, arguments: tuple[int, ...], cr3: int, back: int, rsp: int) -> None:
        number &= 0xFFFFFFFF
        if self._numbers and number not in self._numbers:
            return
        row = SystemCallRow(self.timeline.position, Linear(back), number, arguments, cr3, None, None, self.cpu)
        self.entered(row, _Return(back, rsp, page_tables(self.engine, cr3)))


def entry_of(timeline: Timeline) -> int:
    """Where SYSCALL leads; the same on all CPUs that have been told, 0 if none has."""
    engine, found = timeline.machine.engine, []
    for cpu in range(len(engine.cpus)):
        with selected(engine, CpuId(cpu)):
            found.append(engine.read_register("lstar"))
    return max(found)


def word_size(timeline: Timeline) -> int:
    """Bytes of a return address."""
    return WIDE if is_long_mode(timeline) else WIDE // 2


def is_long_mode(timeline: Timeline) -> bool:
    """Whether the CPU runs 64-bit code: EFER.LMA and CS.L (SDM 3A 2.2.4, 3.4.5)."""
    efer, flags = timeline.machine.engine.read_registers(("efer", "cs_flags"))
    return bool(efer & 1 << 10 and flags & 1 << 21)
