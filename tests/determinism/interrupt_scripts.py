"""Scripts for interrupts.asm, and an engine that leaves all work of interrupt controllers and timers to the devices."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from ctypes import Structure
from pathlib import Path

from tests.determinism.machines import image_machine, run_in_slices, run_to, running, step_often
from tests.guests.build import assemble
from vmdbg.engine.exits import Exit
from vmdbg.engine.interrupts import Deadline
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.machine import EngineFactory, Machine
from vmdbg.machine.snapshot import MachineState
from vmdbg.units import CpuId, Physical, Tick

SCRIPT = Physical(0x300000)
BEGIN, END = 51_000, 131_000
MARKS = range(BEGIN, END + 1, 10_000)
WRITE, READ, HANDLE, ENABLE, DISABLE, HALT, COUNT, PRIORITY, OUT, IN, END_LINES, IN_DWORD = range(1, 13)

Step = tuple[int, int, int, int]
State = tuple[MachineState, bytes]


class WithoutHelp(UnicornEngine):
    """All of that work is the devices': runs end at their deadlines as at others."""

    _due: int | None = None

    def attach_local_apic(self, cpu: CpuId, memory: Structure, page: Physical, latency: int) -> None:
        pass

    def attach_pic_and_pit(self, pic: Structure, pit: Structure, io_apic: Structure | None) -> None:
        pass

    def share_plain_ports(self, ports: range, memory: Structure) -> None:
        pass

    def share_stream_port(self, port: int, memory: Structure) -> None:
        pass

    def share_pm_timer(self, memory: Structure) -> None:
        pass

    def share_vga(self, vga: Structure, at: int, size: int) -> None:
        pass

    def prepare_interrupts(self, timers: Sequence[Deadline | None], out0: Deadline | None, *, observed: bool) -> None:
        super().prepare_interrupts([None for _ in timers], None, observed=observed)
        self._due = min((deadline.due for deadline in (*timers, out0) if deadline is not None), default=None)

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> Exit:
        limit = limit if self._due is None else min(limit, Tick(self._due))
        return super().run(limit, over_breakpoint=over_breakpoint)

    def schedule_timer(self, cpu: CpuId, due: Tick) -> None:
        self.lower_limit(due)

    def schedule_out0(self, due: Tick) -> None:
        self.lower_limit(due)


def scripted_machine(
    script: Sequence[Step], make_engine: EngineFactory = UnicornEngine, *, apic: bool = True
) -> Machine:
    image = assemble((Path(__file__).parent / "interrupts.asm").read_text())
    machine = image_machine(image, make_engine=make_engine, apic=apic)
    machine.engine.write_ram(SCRIPT, b"".join(struct.pack("<4I", *step) for step in script) + bytes(16))
    return machine


def _state(machine: Machine) -> State:
    return machine.save(), bytes(machine.engine.ram[: 4 << 20])


def states(
    script: Sequence[Step], make_engine: EngineFactory, run: Callable[[Machine, int], object], *, apic: bool = True
) -> list[State]:
    """At each of MARKS."""
    with running(lambda: scripted_machine(script, make_engine, apic=apic)) as machine:
        found = []
        for tick in MARKS:
            run(machine, tick)
            found.append(_state(machine))
        return found


def observed(machine: Machine, tick: int) -> None:
    machine.bus.on_interrupt = lambda _vector, _now: None
    run_to(machine, tick)


def by_turns(machine: Machine, tick: int) -> None:
    """Now observed, now not."""
    middle = (machine.clock + tick) // 2
    observed(machine, middle)
    machine.bus.on_interrupt = None
    run_to(machine, tick)


def in_slices(machine: Machine, tick: int) -> None:
    rng = random.Random(tick)
    run_in_slices(machine, tick, lambda: rng.choice((1, 7, 300, 5000)))


def stepped(machine: Machine, tick: int) -> None:
    step_often(machine, tick, 2000, 30, random.Random(tick))


WAYS = (run_to, observed, by_turns, in_slices, stepped)
