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
from vmdbg.units import CpuId, Physical, Tick

OUT0 = (Pit.name, OUT0_EVENT)


class InterruptEngine(InterruptHelper, Processor, Protocol):
    """What of an engine it takes."""


class InterruptsInEngine:
    """What is plain of timers, acknowledges, EOI and masks costs no Python."""

    def __init__(self, pc: Pc, engine: InterruptEngine, scheduler: Scheduler, intr: tuple[IntrLine, ...]) -> None:
        """`intr`: of each CPU."""
        self._engine = engine
        self._scheduler = scheduler
        self._intr = intr
        self._timers = tuple((_lapic_name(cpu), TIMER_EVENT) for cpu in range(len(intr)))
        self._cpus = {timer: CpuId(cpu) for cpu, timer in enumerate(self._timers)}
        self.deadlines = frozenset((*self._timers, OUT0))
        """Owners and names of those that do not end a run."""
        self._prepared: list[Event | bool | None] | None = None
        """What the engine was told last, None once it may know otherwise."""
        self._seen = -1, False
        """The scheduler's count of changes when that was so, and whether it was observed."""
        for cpu, lapic in enumerate(pc.lapics):
            assert lapic.name == self._timers[cpu][0]
            engine.attach_local_apic(CpuId(cpu), lapic.memory, Physical(LAPIC_BASE), LATENCY)
        engine.attach_pic_and_pit(pc.pic.memory, pc.pit.memory, pc.ioapic.memory if pc.ioapic is not None else None)

    def prepare(self, *, observed: bool) -> None:
        """Code is about to run. `observed`: somebody looks at acknowledges or accesses."""
        seen = self._scheduler.changes, observed
        if self._prepared is not None and seen == self._seen:
            return
        self._seen = seen
        pending = self._scheduler.pending
        timers, out0 = list(map(pending, self._timers)), pending(OUT0)
        wanted = [observed, out0, *timers]
        if wanted != self._prepared:
            self._engine.prepare_interrupts(timers, out0, observed=observed)
            self._prepared = wanted

    def lower_limit(self, scheduled: Event) -> None:
        """The deadline was set while code runs."""
        self._prepared = None
        key = (scheduled.owner, scheduled.name)
        if key == OUT0:
            self._engine.schedule_out0(Tick(scheduled.due))
        elif key in self._cpus:
            self._engine.schedule_timer(self._cpus[key], Tick(scheduled.due))
        else:
            self._engine.lower_limit(Tick(scheduled.due))

    def moved(self, cpu: int, scheduled: int, timer: Rescheduled, out0: Rescheduled, intr: bool) -> None:
        """port.Bus.interrupts_moved."""
        self._prepared = None
        self._scheduler.moved(scheduled, Move(*self._timers[cpu], *timer), Move(*OUT0, *out0))
        self._intr[cpu].follow(intr)


def _lapic_name(cpu: int) -> str:
    """As the board names them."""
    return f"{Lapic.name}{cpu}" if cpu else Lapic.name
