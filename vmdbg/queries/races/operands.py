"""Where instructions find their data: those of a function, and the locked ones, whoever runs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vmdbg.debugger.cpu import Cpu
from vmdbg.debugger.registers import RegisterFile
from vmdbg.engine.exits import BreakpointHit, EventKind
from vmdbg.engine.stops import Breakpoints, Catches, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.queries.races.analysis import GRANULE
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear
from vmdbg.x86.conditions import DF
from vmdbg.x86.disassembly import disassembler
from vmdbg.x86.instruction import MAX_LENGTH, Instruction, Kind, MemoryOperand, OperandAccess
from vmdbg.x86.mode import Width, cpu_mode
from vmdbg.x86.taken import effective_address

STACK = 1 << 14
"""Bytes, and alignment, of the stack that the CPU is on: what lies there is its own."""
_NO_POINTERS = (None, "rip", "eip", "ip")
MOST_REPEATED = 4096
"""Bytes of a string instruction that are looked at."""


@dataclass(frozen=True, slots=True)
class Data:
    """Whole granules of linear memory, and the first and the last instant at which they are accessed so."""

    start: int
    end: int
    first: Position
    last: Position


@dataclass(frozen=True, slots=True)
class OperandQuery:
    """What the instructions at these addresses access beyond the stack, or all locked ones anywhere: words by which
    CPUs are in step may be in the memory of a stack."""

    instructions: tuple[Linear, ...] = ()
    locked: bool = False

    def begin(self, timeline: Timeline) -> OperandScan:
        return OperandScan(timeline, self)

    def join(self, parts: Sequence[Sequence[Data]]) -> list[Data]:
        return merged(data for part in parts for data in part)

    @property
    def stops(self) -> Stops:
        if self.locked:
            return Stops(catches=Catches(events=frozenset({EventKind.LOCKED})))
        return Stops(Breakpoints(linear=self.instructions))


class OperandScan(RowScan):
    def __init__(self, timeline: Timeline, query: OperandQuery) -> None:
        super().__init__(timeline)
        self._stops = query.stops
        self._everywhere = query.locked
        self._seen: dict[int, tuple[Position, Position]] = {}
        self._read = RegisterFile(Cpu(timeline.machine)).read

    @property
    def stops(self) -> Stops:
        return self._stops

    def take(self, outcome: Outcome) -> None:
        if not isinstance(outcome, BreakpointHit):
            return
        width = cpu_mode(*self.engine.read_registers(("cr0", "efer", "rflags", "cs_flags"))).width
        code = self.engine.read_linear(Linear(self.engine.linear_pc), MAX_LENGTH)
        found = disassembler(width).decode(code, self._read("rip"))
        stack = self._read("rsp") // STACK
        for operand in found.memory:
            if operand.access is OperandAccess.ADDRESS:
                continue
            start, size = self._reached(found, operand)
            if size and (self._everywhere or is_static(operand) or start // STACK != stack):
                self._add(start, size)

    def _reached(self, found: Instruction, operand: MemoryOperand) -> tuple[int, int]:
        """The first byte, and how many: of a repeated string instruction those that it comes to first."""
        start, size = effective_address(found, operand, self._read), operand.size or GRANULE
        if Kind.REPEATED not in found.kind:
            return start, size
        times = min(self._read("rcx") & (1 << operand.address_size) - 1, MOST_REPEATED // size)
        downwards = self._read("rflags") & DF and times
        return start - (times - 1) * size if downwards else start, times * size

    def _add(self, start: int, size: int) -> None:
        now = self.timeline.position
        for granule in range(start // GRANULE, -(-(start + size) // GRANULE)):
            self._seen[granule] = self._seen.get(granule, (now, now))[0], now

    def finish(self) -> Sequence[Data]:
        """Neighbours are one."""
        return merged(Data(granule * GRANULE, (granule + 1) * GRANULE, *when) for granule, when in self._seen.items())


def is_static(operand: MemoryOperand) -> bool:
    """Whether no pointer leads there: such data is no stack, however near to one it lies."""
    return operand.base in _NO_POINTERS


def merged(pieces: Iterable[Data]) -> list[Data]:
    """Ascending; those that touch or overlap are one."""
    found: list[Data] = []
    for piece in sorted(pieces, key=lambda one: one.start):
        if found and piece.start <= found[-1].end:
            one = found[-1]
            first, last = min(one.first, piece.first), max(one.last, piece.last)
            found[-1] = Data(one.start, max(one.end, piece.end), first, last)
        else:
            found.append(piece)
    return found


def data_instructions(code: bytes, start: int, width: Width) -> tuple[Linear, ...]:
    """The addresses of the instructions of a function that access memory by an operand."""
    listed = disassembler(width).iterate(code, start)
    return tuple(
        one.address for one in listed if any(operand.access is not OperandAccess.ADDRESS for operand in one.memory)
    )
