"""What the engine does of the local APIC's work is what the device would have done, whoever looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.determinism.interrupt_scripts import (
    BEGIN,
    COUNT,
    DISABLE,
    ENABLE,
    END,
    HALT,
    HANDLE,
    PRIORITY,
    READ,
    WAYS,
    WRITE,
    Step,
    WithoutHelp,
    scripted_machine,
    states,
)
from tests.determinism.machines import run_to, running
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.machine import Machine

TPR, EOI, SVR, ICR_LOW, LVT_TIMER, LINT0, INITIAL_COUNT, DIVIDE = 0x80, 0xB0, 0xF0, 0x300, 0x320, 0x350, 0x380, 0x3E0
PERIODIC, MASKED, LEVEL, EXTINT, SELF, ENABLED = 1 << 17, 1 << 16, 1 << 15, 0x700, 1 << 18, 0x100


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
    expected = states(script, WithoutHelp, run_to)
    for run in WAYS:
        assert states(script, UnicornEngine, run) == expected, run


@pytest.mark.parametrize("script", [PERIODIC_TIMER, ONE_SHOT_TIMER], ids=["periodic", "one-shot"])
@pytest.mark.parametrize("run", WAYS)
def test_two_busy_timers_are_as_the_devices_have_it(script: list[Step], run: Callable[[Machine, int], object]) -> None:
    script = [(COUNT, 7, 0, 0), *script]
    assert states(script, UnicornEngine, run) == states(script, WithoutHelp, run_to)


@pytest.mark.parametrize("script", [PERIODIC_TIMER, ONE_SHOT_TIMER], ids=["periodic", "one-shot"])
def test_a_busy_timer_costs_no_python(script: list[Step]) -> None:
    with running(lambda: scripted_machine(script)) as machine:
        run_to(machine, BEGIN + 10_000)
        lapic = machine.pc.lapic
        assert lapic is not None
        lapic.acknowledge = lapic.write = lapic.on_event = None  # type: ignore[method-assign, assignment]  # not called
        before = machine.engine.statistics().interrupts
        run_to(machine, END)
        assert machine.engine.statistics().interrupts - before > 15
        assert machine.engine.statistics().single_steps < 500, "a limit that was passed is not lifted"
