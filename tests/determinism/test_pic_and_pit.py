"""What the engine does of the 8259A pair's and the 8254's work is what the devices would have done, whoever looks."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.determinism.interrupt_scripts import (
    BEGIN,
    COUNT,
    DISABLE,
    ENABLE,
    END,
    END_LINES,
    HALT,
    IN,
    IN_DWORD,
    OUT,
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

MASTER, SLAVE, PIT_0, PIT_2, PIT_CONTROL = 0x20, 0xA0, 0x40, 0x42, 0x43
KEYBOARD, SPEAKER, KEYBOARD_COMMAND = 0x60, 0x61, 0x64
PORT_92, RTC, PM_TIMER = 0x92, 0x70, 0x608
LINT0, LVT_TIMER, INITIAL_COUNT, IOREGSEL, IOWIN = 0x350, 0x320, 0x380, 0, 0
EXTINT, MASKED, PERIODIC = 0x700, 1 << 16, 1 << 17
MODE_2, MODE_3 = 0x34, 0x36


def _out(port: int, *values: int, spent: int = 0) -> list[Step]:
    return [*((OUT, port, value, 0) for value in values[:-1]), (OUT, port, values[-1], spent)]


def _counter_0(control: int, count: int) -> list[Step]:
    """Of a control word with two bytes of count."""
    return [*_out(PIT_CONTROL, control), *_out(PIT_0, count & 0xFF, count >> 8)]


def _counter_2(control: int, count: int) -> list[Step]:
    return [*_out(PIT_CONTROL, control), *_out(PIT_2, count & 0xFF, count >> 8)]


def _initialized(base: int, icw1: int, vectors: int, icw3: int, icw4: int) -> list[Step]:
    return [*_out(base, icw1), *_out(base + 1, vectors, icw3, icw4)]


def _keyboard_output(command: int) -> list[Step]:
    """D2h: a byte as from the keyboard, IRQ 1; D3h: as from the mouse, IRQ 12."""
    return [*_out(KEYBOARD_COMMAND, command), *_out(KEYBOARD, 0x55)]


def _halted(lint0: list[Step]) -> list[Step]:
    """A halt that ends, whatever was before."""
    master = [*_initialized(MASTER, 0x11, 0x20, 4, 1), *_out(MASTER + 1, 0)]
    return [*lint0, *master, *_counter_0(MODE_2, 12), (HALT, 0, 0, 0)]


counts = st.one_of(st.integers(1, 3), st.integers(4, 40))
chips = st.sampled_from([MASTER, SLAVE])
levels = st.integers(0, 7)
masks = st.sampled_from([0, 0, 0xFE, 0xFB, 0x55, 0xFF])
dwords = st.sampled_from([PM_TIMER, PM_TIMER - 1, RTC - 2, PORT_92])
rounds = st.one_of(st.integers(0, 5), st.integers(100, 1500))
single = st.one_of(
    st.builds(lambda chip, command, level: _out(chip, command << 5 | level), chips, st.integers(0, 7), levels),
    st.builds(lambda chip, bits: _out(chip, 0x08 | bits), chips, st.sampled_from([0x02, 0x03, 0x04, 0x40, 0x60])),
    st.builds(lambda chip, mask: _out(chip + 1, mask), chips, masks),
    st.builds(lambda chip, odd: [(IN, chip + odd, 0, 0)], chips, st.integers(0, 1)),
    st.builds(_counter_0, st.sampled_from([MODE_2, MODE_3, MODE_2, 0x30, 0x38, 0x35]), counts),
    st.builds(lambda low: _out(PIT_0, low, 0), counts),
    st.sampled_from([[(IN, PIT_0, 0, 0)], _out(PIT_CONTROL, 0), _out(PIT_CONTROL, 0xC2)]),
    st.builds(lambda control: _out(SPEAKER, control), st.sampled_from([0, 1, 1, 3])),
    st.builds(lambda mode, count: _counter_2(mode, count), st.sampled_from([0xB0, 0xB2, 0xB4, 0xB6]), counts),
    st.just([(IN, SPEAKER, 0, 0)] * 3),
    st.just([(IN, SPEAKER, 0, 300)] * 5),
    st.sampled_from([_keyboard_output(0xD2), _keyboard_output(0xD3), [(IN, KEYBOARD, 0, 0)]]),
    st.builds(lambda port, spent: [(IN, port, 0, spent)] * 2, st.sampled_from([PORT_92, RTC]), rounds),
    st.builds(lambda port, value: _out(port, value), st.sampled_from([PORT_92, RTC]), st.sampled_from([0, 2, 0x8E])),
    st.builds(lambda port, spent: [(IN_DWORD, port, 0, spent)] * 3, dwords, rounds),
    st.builds(
        lambda ltim, icw4: _initialized(MASTER, 0x11 | ltim, 0x20, 4, icw4),
        st.sampled_from([0, 8]),
        st.sampled_from([1, 3, 0x11]),
    ),
    st.builds(lambda icw4: _initialized(SLAVE, 0x11, 0x28, 2, icw4), st.sampled_from([1, 3])),
    st.builds(lambda ending: [(END_LINES, ending, 0, 0)], st.integers(0, 1)),
    st.sampled_from([[(ENABLE, 0, 0, 0)], [(DISABLE, 0, 0, 0)]]),
)
steps = st.builds(lambda some, spent: [*some[:-1], (*some[-1][:3], spent)], single, rounds)
on_apic = st.one_of(
    st.builds(lambda entry: [(WRITE, LINT0, entry, 0)], st.sampled_from([EXTINT, EXTINT | MASKED, 0x35, 0x400])),
    st.builds(lambda count: [(WRITE, INITIAL_COUNT, count, 0)], st.integers(500, 9_000)),
    st.builds(lambda entry: [(WRITE, LVT_TIMER, entry, 0)], st.sampled_from([0x40 | PERIODIC, 0x40 | MASKED])),
)


def _script(parts: list[list[Step]], lint0: list[Step], count: int, control: int) -> list[Step]:
    return [
        *lint0,
        *_out(MASTER + 1, 0),
        *_out(SLAVE + 1, 0),
        *_out(KEYBOARD_COMMAND, 0x60),
        *_out(KEYBOARD, 0x03),
        *_counter_0(control, count),
        (ENABLE, 0, 0, 500),
        *(step for part in parts for step in part),
        *_halted(lint0),
        (ENABLE, 0, 0, 100_000),
    ]


periodic = st.sampled_from([MODE_2, MODE_3])
TO_LINT0: list[Step] = [(WRITE, LINT0, EXTINT, 0)]
with_apic = st.builds(
    _script,
    st.lists(st.one_of(steps, steps, on_apic, st.just(_halted(TO_LINT0))), min_size=8, max_size=30),
    st.just(TO_LINT0),
    counts,
    periodic,
)
without_apic = st.builds(
    _script,
    st.lists(st.one_of(steps, steps, st.just(_halted([]))), min_size=8, max_size=30),
    st.just([]),
    counts,
    periodic,
)
BUSY = {
    "rate generator": [(COUNT, 5, 0, 0), *_out(MASTER + 1, 0xFE), (ENABLE, 0, 0, 100_000)],
    "square wave": [*_counter_0(MODE_3, 9), *_out(MASTER + 1, 0xFE), (ENABLE, 0, 0, 100_000)],
}
QUIET = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUIET
@given(with_apic)
@example(_script([_out(MASTER, 0x0C), [(IN, MASTER, 0, 0)], _keyboard_output(0xD3)], TO_LINT0, 4, MODE_2))
def test_any_use_behind_the_local_apic_is_as_the_devices_have_it(script: list[Step]) -> None:
    expected = states(script, WithoutHelp, run_to)
    for run in WAYS:
        assert states(script, UnicornEngine, run) == expected, run


@QUIET
@given(without_apic)
def test_any_use_without_a_local_apic_is_as_the_devices_have_it(script: list[Step]) -> None:
    expected = states(script, WithoutHelp, run_to, apic=False)
    for run in WAYS:
        assert states(script, UnicornEngine, run, apic=False) == expected, run


@pytest.mark.parametrize("script", BUSY.values(), ids=BUSY)
@pytest.mark.parametrize("apic", [True, False], ids=["local APIC", "no APIC"])
def test_a_busy_timer_costs_no_python(script: list[Step], apic: bool) -> None:
    with running(lambda: scripted_machine(script, apic=apic)) as machine:
        run_to(machine, BEGIN + 10_000)
        _forbid(machine)
        before = machine.engine.statistics().interrupts
        run_to(machine, END)
        assert machine.engine.statistics().interrupts - before > 7


def test_a_bios_asks_no_python_for_the_ports_it_reads_all_the_time() -> None:
    reads: list[Step] = [(IN, PORT_92, 0, 0), (IN, RTC, 0, 0), (IN_DWORD, PM_TIMER, 0, 0)]
    with running(lambda: scripted_machine([(DISABLE, 0, 0, 15_000), *reads * 10])) as machine:
        run_to(machine, BEGIN)
        machine.engine.port_read = _never  # type: ignore[attr-defined,method-assign]  # not called
        run_to(machine, END)
        assert BEGIN < machine.pc.acpi_pm.save().last_access < END


def _never(*_arguments: object) -> None:
    raise AssertionError("Python was asked")


def _forbid(machine: Machine) -> None:
    pic, pit = machine.pc.pic, machine.pc.pit
    for part, names in ((pic, ("acknowledge",)), (pic.master, ("write", "set_line")), (pit, ("on_event",))):
        for name in names:
            setattr(part, name, _never)
    machine.bus.acknowledge = _never  # type: ignore[assignment,method-assign]  # not called
