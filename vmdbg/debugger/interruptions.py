"""Finding the interrupt or fault that an instruction returned from: what stepping back in the same context passes over.

A context that was interrupted does nothing until it goes on. So if it is here that it goes on, the last time before now
that it was left is the interruption, and it was left by one: a context that was left by a system call or INT n, or that
did not exist yet, is entered here, and what returned to it comes before it.
"""

from __future__ import annotations

from dataclasses import replace

from vmdbg.debugger.context import (
    current_context,
    interrupted_context,
    is_interruption,
    page_tables,
    return_slot,
)
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.judge import would_stop
from vmdbg.debugger.stops import ExceptionStop, Stop
from vmdbg.engine.exits import Access, BreakpointHit, Delivery, DeliveryKind, ExceptionDelivered, WatchpointHit
from vmdbg.engine.stops import Breakpoints, Catches, Stops, Watchpoint
from vmdbg.machine.inputs import Edit
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.arrivals import Arrival, Came
from vmdbg.timeline.cpu_turns import previous_of
from vmdbg.timeline.outcomes import Passage, TimelineOutcome
from vmdbg.timeline.reverse import reverse_search
from vmdbg.timeline.steps_back import arrival, arrival_by, previous, skip_inputs_back
from vmdbg.timeline.stops import arm
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import LinearMemory

ALL = frozenset(range(256))
RING_3 = 3
NEAR = 16
"""Instructions in which code of the kernel that returns to itself makes its own frame, as Linux does to serialize."""
PAGING, SYSTEM_CALLS = 1 << 31, 1
IRET = b"\xcf"


class InterruptionSearch:
    """One search, back from where the debugger stands, which an instruction has just returned to."""

    def __init__(self, debugger: Debuggee) -> None:
        self._debugger = debugger
        self._here = debugger.position
        self._cpu = debugger.cpu.number
        self._context = current_context(debugger.engine)
        self._space = debugger.engine.read_register("cr3")
        self._idt = Linear(debugger.engine.read_register("idtr_base"))
        self._entry = self._system_call_entry()
        self._found: Delivery | Stop | None = None
        self._lowest, self._is_last = self._here, False

    def _system_call_entry(self) -> Linear | None:
        """Where SYSCALL comes in, with the stack pointer still the caller's."""
        read = self._debugger.engine.read_register
        return Linear(read("lstar")) if self._context.cpl == RING_3 and read("efer") & SYSTEM_CALLS else None

    def find(self) -> Position | Stop | None:
        """The instant before the interruption, and the guest there. A stop that somebody wants, which comes after it:
        the guest stands there. None if there was no interruption, and the guest is where it was.
        """
        debugger, timeline = self._debugger, self._debugger.timeline
        if self._made_its_own_frame():
            return None
        debugger.points.arm(debugger.engine)
        with timeline.undisturbed() as stops:
            arm(debugger.engine, self._armed(stops))
            at = reverse_search(timeline, self._is_stop, debugger.on_progress, self._goes_no_further)
            if at is not None and isinstance(self._found, Delivery):
                arm(debugger.engine, Stops())
                struck = previous(timeline, at)
                if self._ends_here(struck, self._found):
                    timeline.go(struck)
                    return struck
                self._found = None
            if at is None or self._found is None:
                arm(debugger.engine, Stops())
                timeline.go(self._here)
                debugger.look_at(self._cpu)
                return None
        assert not isinstance(self._found, Delivery)
        return self._found

    def _armed(self, stops: Stops) -> Stops:
        linear = stops.breakpoints.linear + ((self._entry,) if self._entry is not None else ())
        catches = replace(stops.catches, vectors=ALL, interrupts=ALL)
        return Stops(Breakpoints(linear, stops.breakpoints.physical), stops.watchpoints, catches)

    def _is_stop(self, outcome: TimelineOutcome) -> bool:
        """Whether the context was left there, or somebody wants a stop."""
        debugger = self._debugger
        found: Stop | None = None
        if isinstance(outcome, ExceptionDelivered):
            delivery = outcome.delivery
            if interrupted_context(debugger.engine, delivery) == self._context:
                self._found = delivery if is_interruption(delivery) else None
                return True
            if is_caught(debugger.points.catches, delivery):
                found = ExceptionStop(delivery)
        elif isinstance(outcome, BreakpointHit) and self._left_by_system_call():
            self._found = None
            return True
        else:
            found = would_stop(debugger, outcome)
        if found is None:
            return False
        self._found = found
        return True

    def _left_by_system_call(self) -> bool:
        """The caller's ring is not to be seen any more: that it had this stack pointer has to do."""
        engine = self._debugger.engine
        if self._debugger.pc != self._entry:
            return False
        rsp, cr3 = engine.read_registers(("rsp", "cr3"))
        return (rsp, page_tables(engine, cr3)) == (self._context.rsp, self._context.memory)

    def _goes_no_further(self) -> bool:
        """Interrupted, or the address space did not exist where the search has come to."""
        position = self._debugger.timeline.position
        if self._debugger.interrupt_wanted:
            return True
        if position < self._lowest:
            if self._is_last:
                return True
            self._lowest = position
            self._is_last = self._context.cpl == RING_3 and not self._exists()
        return False

    def _exists(self) -> bool:
        """Whether interrupts could be delivered in that address space."""
        debugger = self._debugger
        if not debugger.engine.read_register("cr0") & PAGING:
            return False
        memory: LinearMemory = debugger.linear(self._space)
        return memory.translate(self._idt) is not None

    def _made_its_own_frame(self) -> bool:
        """Whether the context ran shortly before. Of ring 0 only: others cannot return to themselves unnoticed."""
        debugger, timeline = self._debugger, self._debugger.timeline
        if self._context.cpl == RING_3:
            return False
        own = False
        with timeline.undisturbed():
            for _ in range(NEAR):
                if timeline.position <= timeline.start:
                    break
                arrived = what_came(debugger)
                if arrived is None:
                    break
                timeline.go(arrived.before)
                if current_context(debugger.engine) == self._context:
                    own = arrived.came is not Came.DELIVERY
                    break
            timeline.go(self._here)
            debugger.look_at(self._cpu)
        return own

    def _ends_here(self, struck: Position, delivery: Delivery) -> bool:
        """Whether a step from there would, as Detour has it, end where the search began. Moves the guest."""
        debugger, timeline = self._debugger, self._debugger.timeline
        timeline.go(struck)
        debugger.machine.step()
        slot, target = return_slot(debugger.engine, delivery), delivery.linear_pc
        watched = (Watchpoint(1, slot, 8, frozenset({Access.WRITE})),) if slot is not None else ()
        passage = Passage(timeline)
        try:
            while timeline.position < self._here:
                arm(debugger.engine, Stops(Breakpoints((target,)), watched))
                outcome = passage.to(self._here)
                if isinstance(outcome, WatchpointHit):
                    target = Linear(debugger.engine.read_integer(Linear(slot or 0), 8) or 0)
                elif (
                    isinstance(outcome, BreakpointHit)
                    and timeline.position < self._here
                    and current_context(debugger.engine) == self._context
                ):
                    return False
        finally:
            arm(debugger.engine, Stops())
        debugger.look_at(self._cpu)
        return debugger.pc == target


def is_caught(catches: Catches, delivery: Delivery) -> bool:
    """Whether the user wants to stop at it."""
    outside = delivery.kind in (DeliveryKind.EXTERNAL, DeliveryKind.NMI)
    return delivery.vector in (catches.interrupts if outside else catches.vectors)


def what_came(debugger: Debuggee) -> Arrival | None:
    """How the CPU that is looked at came to this instant. The guest stays here. None: it has done nothing yet.

    Nothing is to be armed.
    """
    timeline, now = debugger.timeline, debugger.position
    if len(debugger.cpus) == 1:
        return arrival(timeline, now)
    cpu = debugger.cpu.number
    before = previous_of(timeline, now, cpu)
    found = arrival_by(timeline, debugger.machine.step) if before is not None else None
    timeline.go(now)
    debugger.look_at(cpu)
    return found


def to_first_instant(debugger: Debuggee) -> Stop | None:
    """Back to when the context that is about to run its next instruction came to it.

    That is before inputs, and before interrupts and faults that were taken there and have returned. But it is after
    what a debugger wrote there: the user stood at the instruction with that done. A stop that somebody wants on the way
    there: the guest stands at it.
    """
    timeline = debugger.timeline
    while timeline.position > timeline.start:
        here = timeline.position
        with timeline.undisturbed():
            arrived = what_came(debugger)
            if arrived is None:
                return None
            if arrived.came is Came.INPUT:
                if isinstance(timeline.history.inputs[timeline.history.count_before(here) - 1].input, Edit):
                    return None
                timeline.go(arrived.before)
                skip_inputs_back(timeline)
                continue
        returned = arrived.came is Came.INSTRUCTION and arrived.code.endswith(IRET)
        found = InterruptionSearch(debugger).find() if returned else None
        if not isinstance(found, Position):
            return found
    return None
