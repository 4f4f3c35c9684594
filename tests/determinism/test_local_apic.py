"""What the engine does of the local APIC's work is what the device would have done, whoever looks."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from ctypes import Structure
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.determinism.machines import image_machine, run_in_slices, run_to, running, step_often
from tests.guests.build import assemble
from vmdbg.engine.exits import Exit
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.machine import EngineFactory, Machine
from vmdbg.machine.snapshot import MachineState
from vmdbg.units import Physical, Tick

SCRIPT = Physical(0x300000)
BEGIN, END = 51_000, 131_000
MARKS = range(BEGIN, END + 1, 10_000)
WRITE, READ, HANDLE, ENABLE, DISABLE, HALT, COUNT, PRIORITY = range(1, 9)
TPR, EOI, SVR, ICR_LOW, LVT_TIMER, LINT0, INITIAL_COUNT, DIVIDE = 0x80, 0xB0, 0xF0, 0x300, 0x320, 0x350, 0x380, 0x3E0
PERIODIC, MASKED, LEVEL, EXTINT, SELF, ENABLED = 1 << 17, 1 << 16, 1 << 15, 0x700, 1 << 18, 0x100

Step = tuple[int, int, int, int]
State = tuple[MachineState, bytes]


class WithoutLocalApic(UnicornEngine):
    """All of the APIC's work is the device's: runs end at the timer's deadlines as at others."""

    _due: Tick | None = None

    def attach_local_apic(self, memory: Structure, page: Physical, latency: int) -> None:
        pass

    def prepare_local_apic(self, due: Tick | None, *, observed: bool) -> None:
        super().prepare_local_apic(due, observed=observed)
        self._due = due

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> Exit:
        return super().run(limit if self._due is None else min(limit, self._due), over_breakpoint=over_breakpoint)

    def schedule_local_apic(self, due: Tick) -> None:
        self.lower_limit(due)


def _machine(script: Sequence[Step], make_engine: EngineFactory = UnicornEngine) -> Machine:
    machine = image_machine(assemble((Path(__file__).parent / "apic.asm").read_text()), make_engine=make_engine)
    machine.engine.write_ram(SCRIPT, b"".join(struct.pack("<4I", *step) for step in script) + bytes(16))
    return machine


def _state(machine: Machine) -> State:
    return machine.save(), bytes(machine.engine.ram[: 4 << 20])


def _states(script: Sequence[Step], make_engine: EngineFactory, run: Callable[[Machine, int], object]) -> list[State]:
    with running(lambda: _machine(script, make_engine)) as machine:
        states = []
        for tick in MARKS:
            run(machine, tick)
            states.append(_state(machine))
        return states


def _observed(machine: Machine, tick: int) -> None:
    machine.bus.on_interrupt = lambda _vector, _now: None
    run_to(machine, tick)


def _by_turns(machine: Machine, tick: int) -> None:
    """Now observed, now not."""
    middle = (machine.clock + tick) // 2
    _observed(machine, middle)
    machine.bus.on_interrupt = None
    run_to(machine, tick)


def _in_slices(machine: Machine, tick: int) -> None:
    rng = random.Random(tick)
    run_in_slices(machine, tick, lambda: rng.choice((1, 7, 300, 5000)))


def _stepped(machine: Machine, tick: int) -> None:
    step_often(machine, tick, 2000, 30, random.Random(tick))


ENABLED_TIMER: list[Step] = [(WRITE, SVR, ENABLED | 0xFF, 0), (WRITE, DIVIDE, 0xB, 0)]

vectors = st.sampled_from([0x30, 0x31, 0x3F, 0x45])
any_vectors = st.one_of(vectors, st.just(0x05))
counts = st.one_of(st.just(0), st.integers(100, 4_000), st.integers(5_000, 20_000))
timers = st.builds(lambda vector, mode: (WRITE, LVT_TIMER, vector | mode, 0), vectors, st.sampled_from([0, PERIODIC]))
lint0s = st.one_of(st.just(EXTINT), vectors.map(lambda vector: vector | LEVEL))
writes = st.one_of(
    st.tuples(st.just(LVT_TIMER), any_vectors.map(lambda vector: vector | PERIODIC)),
    st.tuples(st.just(LVT_TIMER), vectors.map(lambda vector: vector | MASKED)),
    st.tuples(st.just(INITIAL_COUNT), counts),
    st.tuples(st.just(DIVIDE), st.sampled_from([0xB, 0])),
    st.tuples(st.just(TPR), st.sampled_from([0, 0, 0x20, 0x35, 0x40])),
    st.tuples(st.just(SVR), st.sampled_from([ENABLED | 0xFF, 0xFF])),
    st.tuples(st.just(LINT0), lint0s),
)
self_interrupts = st.tuples(st.just(ICR_LOW), vectors.map(lambda vector: vector | SELF))
ends = st.just((EOI, 0))
rounds = st.one_of(st.integers(0, 5), st.integers(100, 1500))
steps = st.one_of(
    st.builds(lambda write, spent: (WRITE, *write, spent), st.one_of(self_interrupts, ends, writes), rounds),
    st.tuples(st.just(READ), st.sampled_from([0xA0, 0x120, 0x220, 0x390]), st.just(0), rounds),
    st.tuples(st.just(HANDLE), st.integers(0, 31), counts, rounds),
    st.tuples(st.sampled_from([ENABLE, DISABLE, HALT]), st.just(0), st.just(0), rounds),
    st.tuples(st.just(PRIORITY), st.just(0), st.integers(0, 5), rounds),
)
scripts = st.builds(
    lambda timer, lint0, handling, count, period, steps: [
        (WRITE, LINT0, lint0, 0),
        (COUNT, period, 0, 0),  # also lest anything halt for ever
        *ENABLED_TIMER,
        timer,
        (HANDLE, handling, count, 0),
        (WRITE, INITIAL_COUNT, count, 0),
        (ENABLE, 0, 0, 0),
        *steps,
    ],
    timers,
    lint0s,
    st.integers(0, 31),
    counts,
    st.integers(5, 50),
    st.lists(steps, min_size=10, max_size=40),
)
PERIODIC_TIMER: list[Step] = [
    *ENABLED_TIMER,
    (WRITE, LVT_TIMER, 0x40 | PERIODIC, 0),
    (HANDLE, 2, 0, 0),
    (WRITE, INITIAL_COUNT, 2_000, 0),
    (ENABLE, 0, 0, 100_000),
]
ONE_SHOT_TIMER: list[Step] = [
    *ENABLED_TIMER,
    (WRITE, LVT_TIMER, 0x40, 0),
    (HANDLE, 6, 2_500, 0),
    *PERIODIC_TIMER[4:],
]


SAME_CLASS_IN_SERVICE: list[Step] = [
    (COUNT, 50, 0, 0),
    *ENABLED_TIMER,
    (HANDLE, 0, 0, 0),
    (ENABLE, 0, 0, 0),
    (WRITE, ICR_LOW, 0x31 | SELF, 2_000),
    (WRITE, LVT_TIMER, 0x3F, 0),
    (WRITE, INITIAL_COUNT, 5_000, 3_000),
    (WRITE, EOI, 0, 100_000),
]
EXPIRED_UNSEEN: list[Step] = [
    (COUNT, 50, 0, 0),
    *ENABLED_TIMER,
    (HANDLE, 2, 0, 0),
    (WRITE, LVT_TIMER, 0x30, 0),
    (ENABLE, 0, 0, 0),
    (WRITE, INITIAL_COUNT, 200, 100),
    (WRITE, INITIAL_COUNT, 15_000, 100_000),
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scripts)
@example(SAME_CLASS_IN_SERVICE)
@example(EXPIRED_UNSEEN)
def test_any_use_of_the_local_apic_is_as_the_device_has_it(script: list[Step]) -> None:
    expected = _states(script, WithoutLocalApic, run_to)
    for run in (run_to, _observed, _by_turns, _in_slices, _stepped):
        assert _states(script, UnicornEngine, run) == expected, run


@pytest.mark.parametrize("script", [PERIODIC_TIMER, ONE_SHOT_TIMER], ids=["periodic", "one-shot"])
@pytest.mark.parametrize("run", [run_to, _observed, _by_turns, _in_slices, _stepped])
def test_two_busy_timers_are_as_the_devices_have_it(script: list[Step], run: Callable[[Machine, int], object]) -> None:
    script = [(COUNT, 7, 0, 0), *script]
    assert _states(script, UnicornEngine, run) == _states(script, WithoutLocalApic, run_to)


@pytest.mark.parametrize("script", [PERIODIC_TIMER, ONE_SHOT_TIMER], ids=["periodic", "one-shot"])
def test_a_busy_timer_costs_no_python(script: list[Step]) -> None:
    with running(lambda: _machine(script)) as machine:
        run_to(machine, BEGIN + 10_000)
        lapic = machine.pc.lapic
        assert lapic is not None
        lapic.acknowledge = lapic.write = lapic.on_event = None  # type: ignore[method-assign, assignment]  # not called
        before = machine.engine.statistics().interrupts
        run_to(machine, END)
        assert machine.engine.statistics().interrupts - before > 15
        assert machine.engine.statistics().single_steps < 500, "a limit that was passed is not lifted"
