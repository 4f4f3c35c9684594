"""Actions while they are carried out, a slice at a time."""

from __future__ import annotations

import time
from typing import Protocol

from vmdbg.debugger.actions import Continue, Step, StepMode
from vmdbg.debugger.context import (
    Context,
    current_context,
    interrupted_context,
    is_interruption,
    return_slot,
    stands_where_it_struck,
)
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.guest import Guest
from vmdbg.debugger.judge import judge, judge_breakpoint
from vmdbg.debugger.points import Breakpoint, Watchpoint
from vmdbg.debugger.stops import BreakpointStop, EventStop, StepDone, Stop, WatchpointStop
from vmdbg.engine.exits import Access, BreakpointHit, Delivery, LimitReached, Stepped, StopRequested
from vmdbg.errors import UserError
from vmdbg.timeline.outcomes import has_yet_to_run
from vmdbg.units import Linear, Tick

SLICE_SECONDS = 0.02
PASSES = 64
"""Breakpoints that are passed between two looks at the host's clock."""
NEVER = Tick(-1)
INTERNAL = "step"
RFLAGS_IF = 0x200


class Run(Protocol):
    """One action under way."""

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        """Go on for about `budget` ticks or 20 ms. The stop, or None to be called again."""
        ...

    def abandon(self, debugger: Debuggee) -> None:
        """The action ends before its time: take back what it set up."""
        ...


class ContinueRun:
    """Forwards until something stops the guest.

    Invariants: `_over` says whether what stands at the present instant has been told of, or is what the run began at:
    the next entry passes it. `_judged` is true between a breakpoint's being looked at in the engine and its outcome
    coming out, so that no hit is counted twice; `_found` is then what came of it. `_tick` is when the run began, for as
    long as an interrupt could have come before its first instruction, which is then passed once more; after that NEVER.
    """

    def __init__(self, debugger: Debuggee, action: Continue) -> None:
        self._debugger = debugger
        self._limit = action.limit
        self._over = debugger.passes_here
        debugger.machine.cpus.turns.look()
        engine = debugger.engine
        self._pc = debugger.pc
        self._cpu = engine.selected
        self._deliveries = engine.delivery_count
        self._tick = debugger.machine.clock
        self._until = 0.0
        self._passed = 0
        self._judged = False
        """Whether the breakpoint at which the engine was left has been looked at."""
        self._found: BreakpointStop | EventStop | None = None

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        end = Tick(debugger.machine.clock + budget)
        if self._limit is not None:
            end = min(end, self._limit)
        self._until = time.monotonic() + SLICE_SECONDS
        engine = debugger.engine
        engine.set_breakpoint_filter(self._passes)
        try:
            while True:
                debugger.points.arm(engine)
                self._judged = False
                before = debugger.position
                outcome = debugger.timeline.run(end, over_breakpoint=self._over)
                # left before anything ran, it is still to be passed
                self._over = has_yet_to_run(outcome) or (self._over and debugger.position == before)
                if isinstance(outcome, LimitReached):
                    reached = self._limit is not None and debugger.machine.clock >= self._limit
                    return StepDone() if reached else None
                if isinstance(outcome, StopRequested):
                    return None
                if isinstance(outcome, BreakpointHit):
                    if not self._judged:
                        self._passes()
                    stop: Stop | None = self._found
                else:
                    stop = judge(debugger, outcome)
                if stop is not None or time.monotonic() > self._until:
                    return stop
        finally:
            engine.set_breakpoint_filter(None)

    def _passes(self) -> bool:
        """At a breakpoint: whether to go on, for no condition holds and the slice is not over."""
        self._judged = not self._may_pass()
        return not self._judged

    def _may_pass(self) -> bool:
        debugger = self._debugger
        self._passed += 1
        if self._tick >= 0 and debugger.pc == self._pc and self._is_back_at_origin(debugger):
            return True
        self._found = judge_breakpoint(debugger)
        if self._found is not None or debugger.points.changed:
            return False
        return bool(self._passed % PASSES) or time.monotonic() < self._until

    def _is_back_at_origin(self, debugger: Debuggee) -> bool:
        """An interrupt came before the instruction that the run began at: it has still not run."""
        engine = debugger.engine
        since = engine.delivery_count - self._deliveries
        if not since:
            return False
        first = engine.delivery(since)
        if first is None or first.tick != self._tick or first.cpu != self._cpu:
            self._tick = NEVER
            return False
        if not stands_where_it_struck(debugger, first):
            return False
        self._tick = NEVER
        return True

    def abandon(self, debugger: Debuggee) -> None:
        pass


class Detour:
    """An interrupt or fault that came while stepping, run to its return into the same context."""

    def __init__(self, debugger: Debuggee, delivery: Delivery, context: Context, pc: int) -> None:
        self._context = context
        self._back: Breakpoint = debugger.points.add_breakpoint(pc, owner=INTERNAL, condition=self._is_back)
        slot = return_slot(debugger.engine, delivery)
        self._slot: Watchpoint | None = None
        if slot is not None:
            self._slot = debugger.points.add_watchpoint(slot, 8, {Access.WRITE}, owner=INTERNAL)
        self._run = ContinueRun(debugger, Continue())

    def _is_back(self, guest: Guest) -> bool:
        return current_context(guest.engine) == self._context

    def slice(self, debugger: Debuggee, budget: int) -> tuple[bool, Stop | None]:
        """(whether it is over, the stop of somebody else's that ended it)."""
        stop = self._run.slice(debugger, budget)
        if isinstance(stop, WatchpointStop) and all(point is self._slot for point, _ in stop.hits):
            self._follow_return(debugger)
            return False, None
        if isinstance(stop, BreakpointStop) and self._back in stop.breakpoints:
            self.remove(debugger)
            others = tuple(point for point in stop.breakpoints if point is not self._back)
            return True, BreakpointStop(others) if others else None
        if stop is not None:
            self.remove(debugger)
        return stop is not None, stop

    def _follow_return(self, debugger: Debuggee) -> None:
        """The handler chose another place to return to, as fixups do."""
        assert self._slot is not None
        place = int.from_bytes(debugger.linear().read_prefix(Linear(self._slot.address), 8), "little")
        moved = debugger.points.add_breakpoint(place, owner=INTERNAL, condition=self._is_back)
        debugger.points.remove(self._back)
        self._back = moved

    def remove(self, debugger: Debuggee) -> None:
        debugger.points.remove(self._back)
        if self._slot is not None:
            debugger.points.remove(self._slot)


def _sleeps_for_good(debugger: Debuggee) -> bool:
    """Whether the CPU that is looked at is halted, with nothing pending that wakes it, and heeds no interrupts."""
    cpu = debugger.engine.cpus[debugger.engine.selected]
    return cpu.halted and not cpu.can_run and not debugger.engine.read_register("rflags") & RFLAGS_IF


class StepRun:
    """Steps forwards the CPU that is looked at; the others run meanwhile what they would have run anyway."""

    def __init__(self, debugger: Debuggee, action: Step) -> None:
        """Raises UserError for a CPU that runs nothing."""
        engine = debugger.engine
        self._cpu = engine.selected
        if engine.cpus[self._cpu].waits_for_sipi:
            raise UserError(f"CPU {self._cpu} cannot be stepped: it waits to be started by another")
        if len(engine.cpus) > 1 and _sleeps_for_good(debugger):
            raise UserError(
                f"CPU {self._cpu} cannot be stepped: it is halted with interrupts off, as one that was unplugged; "
                "an NMI or an INIT alone wakes it. `cpu N` looks at another, `continue` goes on"
            )
        self._over = debugger.passes_here
        self._left = action.count
        self._span = action.span
        self._mode = action.mode or debugger.step_mode
        self._detour: Detour | None = None

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        stop = self._go_on(debugger, budget)
        if stop is not None:
            return stop
        until = time.monotonic() + SLICE_SECONDS
        while stop is None and time.monotonic() < until:
            stop = self._go_on(debugger, budget)
        return stop

    def _go_on(self, debugger: Debuggee, budget: int) -> Stop | None:
        if self._detour is not None:
            over, stop = self._detour.slice(debugger, budget)
            if over:
                self._detour = None
                self._cpu = debugger.cpu.number  # the context may have moved
            return stop
        debugger.points.arm(debugger.engine)
        if debugger.machine.cpus.turns.several and not debugger.cpus[self._cpu].has_turn:
            return self._others_run(debugger, budget)
        engine = debugger.engine
        deliveries, inputs = engine.delivery_count, debugger.timeline.history.taken()
        before = debugger.position
        outcome = debugger.timeline.step(patient=False)
        if isinstance(outcome, StopRequested):
            return None
        if not isinstance(outcome, Stepped):
            stop = judge(debugger, outcome)
            if stop is not None:
                return stop
            if debugger.position == before:  # devices had done something that is of no interest: nothing ran
                return None
        if self._mode is StepMode.SAME_CONTEXT and debugger.timeline.history.taken() != inputs:
            return None
        since = engine.delivery_count - deliveries
        if since and self._mode is StepMode.SAME_CONTEXT and self._start_detour(debugger, since):
            return None
        return self._finished(debugger)

    def _others_run(self, debugger: Debuggee, budget: int) -> Stop | None:
        """Until it is the CPU's turn, or something else stops the guest."""
        before = debugger.position
        with debugger.machine.cpus.turns.awaiting(self._cpu):
            outcome = debugger.timeline.run(Tick(debugger.machine.clock + budget), over_breakpoint=self._over)
        self._over = has_yet_to_run(outcome) or (self._over and debugger.position == before)
        if debugger.machine.ending is not None:
            debugger.machine.cpus.turns.look()  # it was another's, and may have been before this step
        stop = judge(debugger, outcome)
        if stop is None:
            debugger.look_at(self._cpu)
        return stop

    def _start_detour(self, debugger: Debuggee, since: int) -> bool:
        """Whether the first of the last `since` deliveries took the CPU away from what it ran."""
        first = debugger.engine.delivery(since)
        if first is None or not is_interruption(first):
            return False
        context = interrupted_context(debugger.engine, first)
        self._detour = Detour(debugger, first, context, first.linear_pc)
        return True

    def _finished(self, debugger: Debuggee) -> Stop | None:
        """A breakpoint come to by a step is hit; it ends all but the last, which ends there anyway."""
        here = judge_breakpoint(debugger)
        self._left -= 1
        if self._span is not None:
            low, high = self._span
            return here if low <= debugger.pc < high else StepDone()
        return here if self._left > 0 else StepDone()

    def abandon(self, debugger: Debuggee) -> None:
        if self._detour is not None:
            self._detour.remove(debugger)
