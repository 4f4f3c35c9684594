"""The CPUs as they sit on the board: their pins, sleep and turns, and the way into the engine and out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from devices.scheduler import Scheduler
from devices.wiring.shared_ports import StreamPort
from vmdbg.engine.exits import Exit, Halted, WatchpointHit
from vmdbg.engine.port import Engine
from vmdbg.machine.bus import MachineBus
from vmdbg.machine.cpu_pins import CpuPins, Entry
from vmdbg.machine.cpu_start import init_cpu
from vmdbg.machine.interrupts import InterruptsInEngine
from vmdbg.machine.pc import Pc
from vmdbg.machine.phase import Phase
from vmdbg.machine.schedule import Schedule
from vmdbg.machine.turns import Turns
from vmdbg.units import CpuId, Tick

RFLAGS_IF = 0x200
Given = ParamSpec("Given")


class FittedCpus:
    """An engine between a board's pins and its bus.

    Invariants: while `halted`, no CPU can run and the engine is not entered to run code; `halt_tick` is then when the
    last of them halted, unless they were restored asleep: whoever restored them says when, or does not know. Wherever
    the machine is seen, several CPUs are asleep or it is the turn of one: the next is chosen right after the deadlines
    of the boundary at which a turn ends, and after whatever wakes one.
    """

    def __init__(
        self,
        engine: Engine,
        pins: tuple[CpuPins, ...],
        entry: Entry,
        bus: MachineBus,
        pc: Pc,
        scheduler: Scheduler,
        schedule: Schedule,
    ) -> None:
        self.engine = engine
        self.pins = pins
        self._entry = entry
        self._bus = bus
        self._scheduler = scheduler
        entry.engine = engine
        for number, ends in enumerate(pins):
            ends.connect(engine, engine.cpus[number])
        self.interrupts = InterruptsInEngine(pc, engine, scheduler, tuple(ends.intr for ends in pins))
        bus.interrupts = self.interrupts
        for ports, memory in pc.shared_ports:
            if isinstance(memory, StreamPort):
                engine.share_stream_port(ports.start, memory)
            else:
                engine.share_plain_ports(ports, memory)
        engine.share_pm_timer(pc.acpi_pm.shared)
        for vga, video in pc.shared_vga:
            engine.share_vga(vga, video.at, video.size)
        self.turns = Turns(engine, schedule)
        self.halt_tick = Tick(0)
        self.phase = Phase(engine)
        """Which also says where the CPUs are in time."""
        self.power_on()

    def power_on(self) -> None:
        """The first CPU runs, the others wait to be started (SDM 3A 8.4.3), as an INIT leaves them."""
        for number, cpu in enumerate(self.engine.cpus):
            cpu.halted, cpu.waits_for_sipi = False, number > 0
            if number:
                init_cpu(self.engine, CpuId(number))
        self.turns.start()

    def count_input(self) -> None:
        """An input is taken now: it is an instant of its own."""
        self.phase.count()

    @property
    def halted(self) -> bool:
        """Whether all of them sleep."""
        return self.turns.are_over

    def run(self, limit: Tick, *, over_breakpoint: bool) -> Exit:
        return self._entered(self.engine.run, limit, over_breakpoint=over_breakpoint)

    def step(self) -> Exit:
        return self._entered(self.engine.step)

    def _entered(self, go: Callable[Given, Exit], *arguments: Given.args, **options: Given.kwargs) -> Exit:
        """Code runs: what a device does meanwhile is done in an access of it."""
        self.interrupts.prepare(observed=self._bus.is_observed or self.engine.catches_ipis)
        self._entry.in_access = True
        try:
            exit_ = go(*arguments, **options)
        finally:
            self._entry.in_access = False
            self._scheduler.not_before = 0
        if isinstance(exit_, Halted):
            self.halt_tick = self.engine.clock
        return exit_

    def show(self, owner: str, event: str) -> bool:
        """A deadline has come: whether it was a CPU's, as its pins have them."""
        for ends in self.pins:
            if ends.owner == owner:
                ends.show(event)
                return True
        return False

    def owns(self, owner: str) -> bool:
        """Whether deadlines of that owner are for show()."""
        return any(ends.owner == owner for ends in self.pins)

    @property
    def last_hits(self) -> WatchpointHit | None:
        """What the instruction that ended a run had touched of what is watched."""
        hits = self.engine.watch_hits
        return WatchpointHit(hits) if hits else None

    @property
    def take_interrupts(self) -> bool:
        """Whether an external interrupt could wake one of them: its IF is set."""
        return any(
            self.read_of(CpuId(number), "rflags") & RFLAGS_IF
            for number, cpu in enumerate(self.engine.cpus)
            if not cpu.waits_for_sipi
        )

    def read_of(self, cpu: CpuId, register: str) -> int:
        """A register of that CPU, whichever is selected."""
        engine = self.engine
        before = engine.selected
        engine.select(cpu)
        value = engine.read_register(register)
        engine.select(before)
        return value

    def wake(self) -> bool:
        """Whether some CPU runs on."""
        self.turns.choose()
        return not self.halted

    def restored(self, phase: int) -> None:
        """The engine was restored to an instant of that phase."""
        self.phase.restore(phase)
