"""Calls of several of the kernel's functions, and what they returned."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from vmdbg.engine.exits import BreakpointHit
from vmdbg.engine.stops import Breakpoints, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.linux.scan import LinuxScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear

ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
"""System V ABI, AMD64 supplement, 3.2.3."""


@dataclass(frozen=True, slots=True)
class _Call:
    function: str
    index: int
    registers: dict[str, int]


class KernelCallScan(LinuxScan):
    """Those of `functions` that the kernel has. What one of them calls, or jumps to, is a part of it.

    Calls are told apart by where they return to and their stack pointer: each thread has a stack of its own.
    """

    def __init__(
        self, timeline: Timeline, known: KnownLinux, functions: Iterable[str], wrappers: frozenset[str] = frozenset()
    ) -> None:
        """What one of the `wrappers` calls is a call of its own."""
        super().__init__(timeline, known)
        self._names = {known.functions[name].start: name for name in functions if name in known.functions}
        self._ranges = [known.functions[name] for name in self._names.values() if name not in wrappers]
        self._calls: dict[tuple[int, int], _Call] = {}
        self._sites: set[int] = set()
        self._beyond = False
        self._stops = self._find_stops()

    @property
    def stops(self) -> Stops:
        return self._stops

    def _find_stops(self) -> Stops:
        places = self._sites if self._beyond else {*self._names, *self._sites}
        return Stops(Breakpoints(linear=tuple(map(Linear, sorted(places)))))

    @property
    def wants_more(self) -> bool:
        if not self._beyond:
            self._beyond = True
            self._stops = self._find_stops()
        return bool(self._calls)

    def take(self, outcome: Outcome) -> None:
        if not isinstance(outcome, BreakpointHit):
            return
        engine = self.engine
        pc = engine.linear_pc
        if pc in self._sites:
            rsp, rax = engine.read_registers(("rsp", "rax"))
            call = self._calls.pop((pc, rsp), None)
            if call is not None:
                self.returned(call.index, call.function, rax, call.registers)
        function = self._names.get(pc)
        if function is not None and not self._beyond:
            self._enter(function)

    def _enter(self, function: str) -> None:
        rsp, *values = self.engine.read_registers(("rsp", *ARGUMENTS))
        back = self.read(rsp, 8) or 0
        if (back, rsp + 8) in self._calls or any(one.start <= back < one.end for one in self._ranges):
            return
        registers = dict(zip(ARGUMENTS, values, strict=True))
        index = self.called(function, Linear(back), registers)
        if index is None:
            return
        self._calls[back, rsp + 8] = _Call(function, index, registers)
        if back not in self._sites:
            self._sites.add(back)
            self._stops = self._find_stops()

    @abstractmethod
    def called(self, function: str, caller: Linear, registers: dict[str, int]) -> int | None:
        """At its first instruction. The index of its row; None if its return is of no interest."""

    @abstractmethod
    def returned(self, index: int, function: str, value: int, registers: dict[str, int]) -> None:
        """`registers` as they were when it was called."""
