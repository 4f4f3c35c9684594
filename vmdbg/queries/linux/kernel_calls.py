"""Calls of several of the kernel's functions, and what they returned."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vmdbg.engine.exits import BreakpointHit
from vmdbg.engine.stops import Breakpoints, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.linux.scan import LinuxScan
from vmdbg.queries.scan import Query, Row
from vmdbg.queries.unfinished import Repeated, Unfinished
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear

ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
"""System V ABI, AMD64 supplement, 3.2.3."""


@dataclass(frozen=True, slots=True)
class _Call:
    function: str
    index: int | None
    """Of its row; None if another part of the history has that."""
    registers: dict[str, int]


Key = tuple[int, int]
"""How a return is known: where to, and the stack pointer there."""


@dataclass(frozen=True, slots=True)
class _Left:
    """A call that has not returned, and what calls after it in its part gave."""

    key: Key
    call: _Call
    given: frozenset[int]


class KernelCallScan(LinuxScan):
    """Those of `functions` that the kernel has. What one of them calls, or jumps to, is a part of it.

    Calls are told apart by where they return to and their stack pointer: each thread has a stack of its own. Beyond the
    part calls make no rows any more, for those of the next part do, but are seen while others are open: which of them
    are a part of one that is, only that one's scan can tell.
    """

    def __init__(
        self,
        timeline: Timeline,
        known: KnownLinux,
        query: Query,
        functions: Iterable[str],
        wrappers: frozenset[str] = frozenset(),
    ) -> None:
        """What one of the `wrappers` calls is a call of its own."""
        super().__init__(timeline, known)
        self._asked = query
        self._names = {known.functions[name].start: name for name in functions if name in known.functions}
        self._ranges = [known.functions[name] for name in self._names.values() if name not in wrappers]
        self._calls: dict[Key, _Call] = {}
        self._sites: set[int] = set()
        self._beyond = False
        self._given_beyond: set[int] = set()
        """What calls gave that have no row here."""
        self._repeated: list[Position] = []
        self._stops = self._find_stops()

    @property
    def stops(self) -> Stops:
        return self._stops

    def _find_stops(self) -> Stops:
        if self._beyond:
            self._sites = {back for back, _ in self._calls}
        return Stops(Breakpoints(linear=tuple(map(Linear, sorted({*self._names, *self._sites})))))

    @property
    def wants_more(self) -> bool:
        self._go_beyond()
        return any(call.index is not None for call in self._calls.values())

    def _go_beyond(self) -> None:
        if not self._beyond:
            self._beyond = True
            self._stops = self._find_stops()

    def take(self, outcome: Outcome) -> None:
        if not isinstance(outcome, BreakpointHit):
            return
        engine = self.engine
        pc = engine.linear_pc
        if pc in self._sites:
            rsp, rax = engine.read_registers(("rsp", "rax"))
            call = self._calls.pop((pc, rsp), None)
            if call is not None:
                self._returned(call, rax)
        function = self._names.get(pc)
        if function is not None:
            self._enter(function)

    def _returned(self, call: _Call, value: int) -> None:
        if call.index is None:
            self._given_beyond.add(value)
        else:
            self.returned(call.index, call.function, value, call.registers)

    def _enter(self, function: str) -> None:
        rsp, *values = self.engine.read_registers(("rsp", *ARGUMENTS))
        back = self.read(rsp, 8) or 0
        key = back, rsp + 8
        if any(one.start <= back < one.end for one in self._ranges):
            return
        open_ = self._calls.get(key)
        if open_ is not None and open_.index is not None:
            if self._beyond:
                self._repeated.append(self.timeline.position)
            return
        registers = dict(zip(ARGUMENTS, values, strict=True))
        index = None if self._beyond else self.called(function, Linear(back), registers)
        if index is None and not self._beyond:
            return
        self._calls[key] = _Call(function, index, registers)
        if back not in self._sites:
            self._sites.add(back)
            self._stops = self._find_stops()

    def follow(self, unfinished: Unfinished) -> None:
        left = unfinished.known_by
        assert isinstance(left, _Left)
        self._beyond = True
        self._calls[left.key] = replace(left.call, index=len(self.rows))
        self.rows.append(unfinished.row)
        self._given_beyond |= left.given
        self._stops = self._find_stops()

    def finish(self) -> Sequence[Row]:
        until = self.timeline.position
        left = {call.index: (key, call) for key, call in self._calls.items()}
        found: list[Row] = [Repeated(position) for position in self._repeated]
        for index, row in enumerate(self.rows):
            if index in left:
                known_by = _Left(*left[index], frozenset(self.given_after(index)))
                found.append(Unfinished(row, self._asked, until, known_by, stands=bool(self.rows_of(index))))
            else:
                found += self.rows_of(index)
        return found

    def ended(self) -> Sequence[Sequence[Row]]:
        return [self.rows_of(index) for index in range(len(self.rows))]

    @property
    def repeated(self) -> Sequence[Position]:
        return self._repeated

    def given_after(self, index: int) -> Iterable[int]:
        """What calls gave that began after that of a row, as far as it matters."""
        return self._given_beyond

    @abstractmethod
    def rows_of(self, index: int) -> Sequence[Row]:
        """What the row of a call comes to, as far as is known."""

    @abstractmethod
    def called(self, function: str, caller: Linear, registers: dict[str, int]) -> int | None:
        """At its first instruction. The index of its row; None if its return is of no interest."""

    @abstractmethod
    def returned(self, index: int, function: str, value: int, registers: dict[str, int]) -> None:
        """`registers` as they were when it was called."""
