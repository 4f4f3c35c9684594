"""Runs to a change of ring: to user space and its system calls, forwards and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vmdbg.debugger.actions import Continue, Step, StepMode
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.interruptions import what_came
from vmdbg.debugger.judge import counted, would_stop
from vmdbg.debugger.runs import ContinueRun, Run, StepRun
from vmdbg.debugger.stops import EventStop, ExceptionStop, HistoryStart, Interrupted, StepDone, Stop
from vmdbg.engine.exits import DeliveryKind, EventCaught, EventKind, ExceptionDelivered
from vmdbg.engine.stops import Catches
from vmdbg.timeline.arrivals import Came
from vmdbg.timeline.outcomes import TimelineOutcome
from vmdbg.timeline.reverse import reverse_search
from vmdbg.timeline.steps_back import previous
from vmdbg.timeline.stops import arm

USER = 3
Wanted = Callable[[Debuggee], bool]
"""Whether an arrival counts, asked with the guest standing there."""


def always(debugger: Debuggee) -> bool:
    del debugger
    return True


class RingRun:
    """Forwards to a change of ring that `arrives` takes for the end, or to whatever else stops the guest."""

    def __init__(self, debugger: Debuggee) -> None:
        self._asked = debugger.points.catches
        debugger.points.update_catches(events=self._asked.events | {EventKind.RING})
        self._run: Run = ContinueRun(debugger, Continue())

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        stop = self._run.slice(debugger, budget)
        if stop is None:
            return None
        if isinstance(self._run, StepRun):
            return self._after_step(debugger, stop)
        end = self._at(debugger, stop)
        if end is not None:
            return end
        if not isinstance(self._run, StepRun):
            self._run = ContinueRun(debugger, Continue())
        return None

    def _at(self, debugger: Debuggee, stop: Stop) -> Stop | None:
        """At a stop: the end, or None to go on, be it with another run."""
        raise NotImplementedError

    def _after_step(self, debugger: Debuggee, stop: Stop) -> Stop | None:
        raise NotImplementedError

    def _is_asked(self, stop: Stop) -> bool:
        return is_asked(self._asked, stop)

    def abandon(self, debugger: Debuggee) -> None:
        self._run.abandon(debugger)
        debugger.points.update_catches(events=self._asked.events)


class ToUserRun(RingRun):
    """To the first instruction in ring 3 after a return to it."""

    def __init__(self, debugger: Debuggee, wanted: Wanted = always) -> None:
        super().__init__(debugger)
        self._wanted = wanted

    def _at(self, debugger: Debuggee, stop: Stop) -> Stop | None:
        if self._is_asked(stop):
            return stop
        if isinstance(stop, EventStop) and stop.value == USER:
            self._run = StepRun(debugger, Step(mode=StepMode.ARCHITECTURAL))
        return None

    def _after_step(self, debugger: Debuggee, stop: Stop) -> Stop | None:
        if not isinstance(stop, StepDone) and self._is_asked(stop):
            return stop
        if debugger.cpu.ring == USER and self._wanted(debugger):
            return StepDone()
        self._run = ContinueRun(debugger, Continue())
        return None


class ToSystemCallRun(RingRun):
    """To the next instruction that is about to make a system call, or, of INT n, has."""

    def __init__(self, debugger: Debuggee, wanted: Wanted = always) -> None:
        super().__init__(debugger)
        self._wanted = wanted

    def _at(self, debugger: Debuggee, stop: Stop) -> Stop | None:
        if self._is_asked(stop):
            return stop
        return StepDone() if is_system_call(stop) and self._wanted(debugger) else None

    def _after_step(self, debugger: Debuggee, stop: Stop) -> Stop | None:
        del debugger
        return stop


def is_system_call(stop: Stop) -> bool:
    """Of stops at changes of ring, those at calls of the kernel."""
    match stop:
        case EventStop(EventKind.RING, subject, _):
            return subject == USER
        case ExceptionStop(delivery):
            return delivery.kind is DeliveryKind.SOFTWARE and delivery.cpl == USER
        case _:
            return False


def is_asked(catches: Catches, stop: Stop) -> bool:
    """Whether somebody else wants this stop."""
    match stop:
        case EventStop(kind):
            return kind in catches.events
        case ExceptionStop(delivery):
            outside = delivery.kind in (DeliveryKind.EXTERNAL, DeliveryKind.NMI)
            changes = EventKind.RING in catches.events and delivery.cpl == USER
            return changes or delivery.vector in (catches.interrupts if outside else catches.vectors)
        case _:
            return True


def back_to_user(debugger: Debuggee) -> Stop:
    """Back to the last instruction in ring 3 that ran or was interrupted."""
    return _back(debugger, lambda stop: _left_user(stop))


def back_to_system_call(debugger: Debuggee) -> Stop:
    """Back to the last instruction that made a system call."""
    return _back(debugger, is_system_call)


def _left_user(stop: Stop) -> bool:
    match stop:
        case EventStop(EventKind.RING, subject, _):
            return subject == USER
        case ExceptionStop(delivery):
            return delivery.cpl == USER
        case _:
            return False


def _back(debugger: Debuggee, wanted: Callable[[Stop], bool]) -> Stop:
    """A delivery was found after it was made: the instant before it is meant."""
    timeline, engine, asked = debugger.timeline, debugger.engine, debugger.points.catches
    last: list[tuple[Stop, bool]] = []

    def is_stop(outcome: TimelineOutcome) -> bool:
        stop = would_stop(debugger, outcome)
        if stop is None:
            return False
        own = isinstance(outcome, EventCaught | ExceptionDelivered) and wanted(stop)
        if not own and not is_asked(asked, stop):
            return False
        last[:] = [(stop, own)]
        return True

    with timeline.undisturbed():
        if timeline.position > timeline.start:
            arrived, struck = what_came(debugger), engine.delivery()
            delivered = arrived is not None and arrived.came is Came.DELIVERY
            if arrived is not None and delivered and struck is not None and wanted(ExceptionStop(struck)):
                timeline.go(arrived.before)
                return StepDone()
    debugger.points.arm(engine)
    with timeline.undisturbed() as stops:
        catches = replace(stops.catches, events=stops.catches.events | {EventKind.RING})
        arm(engine, replace(stops, catches=catches))
        found = reverse_search(timeline, is_stop, debugger.on_progress, lambda: debugger.interrupt_wanted)
        arm(engine, replace(stops, catches=Catches(), watchpoints=(), breakpoints=type(stops.breakpoints)()))
        if found is None:
            return Interrupted() if debugger.interrupt_wanted else HistoryStart()
        stop, own = last[0]
        if own and isinstance(stop, ExceptionStop):
            timeline.go(previous(timeline, found))
    return StepDone() if own else counted(stop, debugger.position) or StepDone()
