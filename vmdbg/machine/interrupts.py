"""The work of timers and interrupt controllers that the engine does by itself, and who must hear of it."""

from __future__ import annotations

from typing import Protocol

from devices.interrupts.lapic import TIMER_EVENT, Lapic
from devices.scheduler import Event, Move, Scheduler
from devices.timers.pit import OUT0_EVENT, Pit
from vmdbg.engine.interrupts import InterruptHelper, Rescheduled
from vmdbg.engine.processor import Processor
from vmdbg.machine.cpu_lines import LATENCY, IntrLine
from vmdbg.machine.pc import LAPIC_BASE, Pc
from vmdbg.units import Physical, Tick

TIMER = (Lapic.name, TIMER_EVENT)
OUT0 = (Pit.name, OUT0_EVENT)
IN_ENGINE = frozenset((TIMER, OUT0))
"""Owners and names of the deadlines that do not end a run."""


class InterruptEngine(InterruptHelper, Processor, Protocol):
    """What of an engine it takes."""


class InterruptsInEngine:
    """What is plain of timers, acknowledges, EOI and masks costs no Python."""

    def __init__(self, pc: Pc, engine: InterruptEngine, scheduler: Scheduler, intr: IntrLine) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self._intr = intr
        self._prepared: tuple[Event | None, Event | None, bool] | None = None
        """What the engine was told last, None once it may know otherwise."""
        if pc.lapics:
            engine.attach_local_apic(pc.lapics[0].memory, Physical(LAPIC_BASE), LATENCY)
        engine.attach_pic_and_pit(pc.pic.memory, pc.pit.memory, pc.ioapic.memory if pc.ioapic is not None else None)

    def prepare(self, *, observed: bool) -> None:
        """Code is about to run. `observed`: somebody looks at acknowledges or accesses."""
        pending = self._scheduler.pending
        wanted = (pending(TIMER), pending(OUT0), observed)
        if wanted != self._prepared:
            self._engine.prepare_interrupts(wanted[0], wanted[1], observed=observed)
            self._prepared = wanted

    def lower_limit(self, scheduled: Event) -> None:
        """The deadline was set while code runs."""
        self._prepared = None
        match (scheduled.owner, scheduled.name):
            case key if key == TIMER:
                self._engine.schedule_timer(Tick(scheduled.due))
            case key if key == OUT0:
                self._engine.schedule_out0(Tick(scheduled.due))
            case _:
                self._engine.lower_limit(Tick(scheduled.due))

    def moved(self, scheduled: int, timer: Rescheduled, out0: Rescheduled, intr: bool) -> None:
        """port.Bus.interrupts_moved."""
        self._prepared = None
        self._scheduler.moved(scheduled, Move(*TIMER, *timer), Move(*OUT0, *out0))
        self._intr.follow(intr)
