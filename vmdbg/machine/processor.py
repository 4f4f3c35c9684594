"""The CPU as it sits on the board: its pins, its sleep, and the way into the engine and out of it."""

from __future__ import annotations

from collections.abc import Callable

from devices.scheduler import Scheduler
from devices.wiring.shared_ports import StreamPort
from vmdbg.engine.exits import Exit, Halted, WatchpointHit
from vmdbg.engine.port import Engine
from vmdbg.machine.bus import MachineBus
from vmdbg.machine.cpu_lines import OWNER, IntrLine, NmiLine
from vmdbg.machine.interrupts import InterruptsInEngine
from vmdbg.machine.pc import Pc
from vmdbg.machine.phase import Phase
from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick

RFLAGS_IF = 0x200


class CpuPins:
    """The lines that end at the CPU; there before it is, for the board is built around them."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.in_access = False
        """Whether code runs now: what a device does is done in an access of it."""
        self.intr = IntrLine(scheduler, self)
        self.nmi = NmiLine(scheduler, self)

    def show(self, line: str) -> None:
        """The deadline named `line` has come: the CPU sees what the line said LATENCY ticks ago."""
        (self.intr if line == "intr" else self.nmi).show()


class FittedCpu:
    """An engine between a board's pins and its bus.

    Invariant: while `halted`, the engine stands after a HLT and is not entered to run code; `halt_tick` is then when
    that retired, unless the CPU was restored asleep: whoever restored it says when, or does not know.
    """

    owner = OWNER
    """Of deadlines that are the CPU's own."""

    def __init__(self, engine: Engine, pins: CpuPins, bus: MachineBus, pc: Pc, scheduler: Scheduler) -> None:
        self.engine = engine
        self.pins = pins
        self._bus = bus
        self._scheduler = scheduler
        pins.intr.pins = pins.nmi.pins = engine
        self.interrupts = InterruptsInEngine(pc, engine, scheduler, pins.intr)
        bus.interrupts = self.interrupts
        for ports, memory in pc.shared_ports:
            if isinstance(memory, StreamPort):
                engine.share_stream_port(ports.start, memory)
            else:
                engine.share_plain_ports(ports, memory)
        self.halted = False
        self.halt_tick = Tick(0)
        self._phase = Phase(engine)

    @property
    def position(self) -> Position:
        """Where the CPU is in time."""
        return self._phase.position

    def count_input(self) -> None:
        """An input is taken now: it is an instant of its own."""
        self._phase.count()

    def run(self, limit: Tick, *, over_breakpoint: bool) -> Exit:
        return self._entered(lambda: self.engine.run(limit, over_breakpoint=over_breakpoint))

    def step(self) -> Exit:
        return self._entered(self.engine.step)

    def _entered(self, go: Callable[[], Exit]) -> Exit:
        """Code runs: what a device does meanwhile is done in an access of it."""
        self.interrupts.prepare(observed=self._bus.is_observed)
        self.pins.in_access = True
        try:
            exit_ = go()
        finally:
            self.pins.in_access = False
            self._scheduler.not_before = 0
        if isinstance(exit_, Halted):
            self.halted = True
            self.halt_tick = self.engine.clock
        return exit_

    @property
    def last_hits(self) -> WatchpointHit | None:
        """What the instruction that ended a run had touched of what is watched."""
        hits = self.engine.watch_hits
        return WatchpointHit(hits) if hits else None

    @property
    def takes_interrupts(self) -> bool:
        """IF: whether an external interrupt could wake it."""
        return bool(self.engine.read_register("rflags") & RFLAGS_IF)

    def wake(self) -> bool:
        """Whether the halted CPU goes on."""
        if (self.engine.interrupt and self.takes_interrupts) or self.engine.nmi_pending:
            self.halted = False
        return not self.halted

    def restored(self, *, halted: bool, phase: int) -> None:
        """The engine was restored to an instant of that phase."""
        self.halted = halted
        self._phase.restore(phase)
