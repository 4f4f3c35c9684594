"""Back in time to what an interrupt, a fault or a system call came to: of a frame that is not left by a return."""

from __future__ import annotations

from dataclasses import replace

from vmdbg.debugger.back_to import stands_at
from vmdbg.debugger.context import page_tables, stack_memory
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.guest import Guest
from vmdbg.debugger.interruptions import ALL, is_caught
from vmdbg.debugger.judge import counted, would_stop
from vmdbg.debugger.stops import HistoryStart, Interrupted, StepDone, Stop
from vmdbg.engine.exits import BreakpointHit, Delivery, ExceptionDelivered
from vmdbg.engine.stops import Breakpoints, Stops
from vmdbg.timeline.outcomes import TimelineOutcome
from vmdbg.timeline.reverse import reverse_search
from vmdbg.timeline.steps_back import previous
from vmdbg.timeline.stops import arm
from vmdbg.units import PAGE_SIZE, Linear
from vmdbg.x86.disassembly import disassembler
from vmdbg.x86.instruction import Kind

_ENTERS = Kind.INTERRUPT | Kind.SYSTEM_CALL
_LENGTHS = (1, 2)
"""Bytes of INT3, INTO and INT1; of INT n, SYSCALL and SYSENTER."""


def entries_to(guest: Guest, pc: int) -> tuple[Linear, ...]:
    """Where INT n, SYSCALL and the like lie that return to `pc`."""
    found = []
    for length in _LENGTHS:
        code = guest.linear().read_suffix(pc, length)
        instruction = disassembler(guest.cpu.width).decode(code or b"\xff", 0)
        if instruction.length == len(code) == length and instruction.kind & _ENTERS:
            found.append(Linear(pc - length))
    return tuple(found)


class ToInterrupted:
    """One search, back to when the code at `pc`, with that RSP, was left."""

    def __init__(self, debugger: Debuggee, pc: int, rsp: int) -> None:
        self._debugger = debugger
        self._rsp = rsp
        self._entries = entries_to(debugger, pc)
        self._places = {pc, *self._entries}
        self._stands = stands_at(debugger, rsp)
        self._page = stack_memory(debugger.engine, 0, rsp)
        self._tables = self._tables_of(debugger.engine.read_register("cr3"))
        self._found: Delivery | Stop | None = None

    def _tables_of(self, cr3: int) -> int:
        return page_tables(self._debugger.engine, cr3)

    def search(self) -> Stop:
        """The guest stands before the delivery or the system call; or at another stop, after that."""
        debugger, timeline, origin = self._debugger, self._debugger.timeline, self._debugger.position
        debugger.points.arm(debugger.engine)
        with timeline.undisturbed() as stops:
            arm(debugger.engine, self._armed(stops))
            at = reverse_search(timeline, self._is_stop, debugger.on_progress, lambda: debugger.interrupt_wanted)
            if at is not None and isinstance(self._found, Delivery):
                arm(debugger.engine, Stops())
                timeline.go(previous(timeline, at))
                debugger.look_at(self._found.cpu)
                return StepDone()
        if debugger.interrupt_wanted and debugger.position >= origin:
            return Interrupted()
        if at is None or self._found is None:
            return HistoryStart()
        assert not isinstance(self._found, Delivery)
        return counted(self._found, debugger.position) or self.search()

    def _armed(self, stops: Stops) -> Stops:
        places = Breakpoints(stops.breakpoints.linear + self._entries, stops.breakpoints.physical)
        return Stops(places, stops.watchpoints, replace(stops.catches, vectors=ALL, interrupts=ALL))

    def _is_stop(self, outcome: TimelineOutcome) -> bool:
        """Whether it was left there, or somebody wants a stop."""
        debugger = self._debugger
        found: Delivery | Stop | None
        match outcome:
            case ExceptionDelivered(delivery) if self._is_it(delivery):
                found = delivery
            case ExceptionDelivered(delivery) if not is_caught(debugger.points.catches, delivery):
                found = None
            case BreakpointHit() if debugger.pc in self._entries and self._stands(debugger):
                found = StepDone()
            case _:
                found = would_stop(debugger, outcome)
        if found is None:
            return False
        self._found = found
        return True

    def _is_it(self, delivery: Delivery) -> bool:
        if delivery.rsp != self._rsp or delivery.linear_pc not in self._places:
            return False
        if self._tables_of(delivery.cr3) == self._tables:
            return True
        page = self._debugger.linear(delivery.cr3).translate(Linear((self._rsp - 1) % (1 << 64)))
        return page is not None and page // PAGE_SIZE == self._page
