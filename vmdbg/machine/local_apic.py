"""The local APIC's work that the engine does by itself, and who must hear of it."""

from __future__ import annotations

from typing import Protocol

from devices.interrupts.lapic import TIMER_EVENT, Lapic
from devices.scheduler import Event, Scheduler
from vmdbg.engine.local_apic import LocalApicHelper
from vmdbg.engine.processor import Processor
from vmdbg.machine.cpu_lines import LATENCY, IntrLine
from vmdbg.machine.pc import LAPIC_BASE
from vmdbg.units import Physical, Tick

TIMER = (Lapic.name, TIMER_EVENT)
"""Owner and name of the deadline that does not end a run."""


class LocalApicEngine(LocalApicHelper, Processor, Protocol):
    """What of an engine it takes."""


class LocalApicInEngine:
    """Timer, acknowledges, EOI and initial count cost no Python; `lapic` is None in a machine without one."""

    def __init__(self, lapic: Lapic | None, engine: LocalApicEngine, scheduler: Scheduler, intr: IntrLine) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self._intr = intr
        if lapic is not None:
            engine.attach_local_apic(lapic.memory, Physical(LAPIC_BASE), LATENCY)

    def prepare(self, *, observed: bool) -> None:
        """Code is about to run. `observed`: somebody looks at acknowledges or accesses."""
        due = self._scheduler.due(*TIMER)
        self._engine.prepare_local_apic(None if due is None else Tick(due), observed=observed)

    def lower_limit(self, scheduled: Event) -> None:
        """The deadline was set while code runs."""
        if (scheduled.owner, scheduled.name) == TIMER:
            self._engine.schedule_local_apic(Tick(scheduled.due))
        else:
            self._engine.lower_limit(Tick(scheduled.due))

    def moved(self, scheduled: int, due: int | None, intr: bool) -> None:
        """port.Bus.local_apic_moved."""
        self._scheduler.moved(*TIMER, scheduled, due)
        self._intr.follow(intr)
