"""The pins of one CPU: its lines, INIT and start-up. There before the CPU is, for the board is built around them."""

from __future__ import annotations

from devices.scheduler import Scheduler
from vmdbg.engine.port import Engine
from vmdbg.engine.processor import CpuControl
from vmdbg.machine.cpu_lines import IntrLine, NmiLine, owner_of
from vmdbg.machine.cpu_start import init_cpu, start_up_cpu
from vmdbg.units import CpuId

INIT, START_UP = "init", "start-up "


class Entry:
    """Whether code runs now, and whose: what a device does is done in an access of it."""

    def __init__(self) -> None:
        self.in_access = False
        self.engine: Engine | None = None

    @property
    def running(self) -> CpuId:
        """The CPU that runs, or did last."""
        assert self.engine is not None
        return self.engine.selected


class CpuPins:
    """What of a CPU the board's chips drive: devices.interrupts' ProcessorPins.

    A `prompt` CPU takes an interrupt that its code raises before the next instruction, as a real one may; the others
    take it LATENCY later, which costs them nothing.
    """

    def __init__(self, scheduler: Scheduler, entry: Entry, number: CpuId, *, prompt: bool = False) -> None:
        self.number = number
        self._prompt = prompt
        self.owner = owner_of(number)
        """Of deadlines that are the CPU's own."""
        self._scheduler = scheduler
        self._entry = entry
        self._engine: Engine | None = None
        self._cpu: CpuControl | None = None
        self.intr = IntrLine(scheduler, self, self.owner)
        self.nmi = NmiLine(scheduler, self, self.owner)

    def connect(self, engine: Engine, cpu: CpuControl) -> None:
        """The CPU is there."""
        self._engine, self._cpu = engine, cpu
        self.intr.pins = self.nmi.pins = self if self._prompt else cpu

    @property
    def cpu(self) -> CpuControl:
        """The CPU that they are of."""
        assert self._cpu is not None
        return self._cpu

    @property
    def in_access(self) -> bool:
        """Whether this CPU's code runs now, and sees LATENCY later what it does."""
        return self._runs and not self._prompt

    @property
    def _runs(self) -> bool:
        return self._entry.in_access and self._entry.running == self.number

    def set_interrupt(self, level: bool) -> None:
        """INTR of a prompt CPU: cpu_lines.CpuPins."""
        self.cpu.set_interrupt(level)
        if level:
            self._look_behind()

    def raise_nmi(self) -> None:
        """NMI of a prompt CPU."""
        self.cpu.raise_nmi()
        self._look_behind()

    def _look_behind(self) -> None:
        if self._runs:
            assert self._engine is not None
            self._engine.attend_behind()

    def init(self) -> None:
        """INIT is delivered: LATENCY later, to whichever CPU, for its state is set between two instructions."""
        self._soon(INIT)

    def start_up(self, vector: int) -> None:
        """A start-up message: likewise. One for a CPU that does not wait for it changes nothing (SDM 3A 8.4.4.1)."""
        self._soon(f"{START_UP}{vector:02x}")

    def _soon(self, event: str) -> None:
        self._scheduler.schedule(self.owner, event, 0)

    def show(self, event: str) -> None:
        """The deadline of that name has come: the CPU sees what a pin said LATENCY ticks ago."""
        if event == "intr":
            self.intr.show()
        elif event == "nmi":
            self.nmi.show()
        elif event == INIT:
            self._init()
        elif event.startswith(START_UP):
            self._start_up(int(event.removeprefix(START_UP), 16))

    def _init(self) -> None:
        assert self._engine is not None
        cpu = self.cpu
        cpu.halted = False
        cpu.drop_nmi()
        cpu.waits_for_sipi = self.number > 0
        init_cpu(self._engine, self.number)
        if cpu.waits_for_sipi and self._engine.turn.cpu == self.number:
            self._engine.end_turn()

    def _start_up(self, vector: int) -> None:
        assert self._engine is not None
        if self.cpu.waits_for_sipi:
            self.cpu.waits_for_sipi = False
            start_up_cpu(self._engine, self.number, vector)
