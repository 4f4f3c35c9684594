"""The HPET's counter and comparators, by what its lines did and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.scheduler import Scheduler
from devices.timers.hpet import ROUTES, Hpet
from devices.timers.hpet_legacy import ReplacedIrq
from tests.devices.conformance import RecordingLine

ENABLE, LEGACY = 1, 2
LEVEL, INTERRUPT, PERIODIC, VALUE_SET, MODE_32, MESSAGES = 0x2, 0x4, 0x8, 0x40, 0x100, 0x4000


@dataclass
class TimedLine(RecordingLine):
    """Remembers when it rose too."""

    bench: Bench | None = None
    rose: list[int] = field(default_factory=list)

    def set(self, level: bool) -> None:
        if level and not self.level and self.bench is not None:
            self.rose.append(self.bench.now)
        super().set(level)


class Bench:
    def __init__(self, *, legacy: bool = False) -> None:
        self.now = 0
        self.scheduler = Scheduler()
        self.pins = {pin: TimedLine(bench=self) for pin in ROUTES}
        self.sent: list[tuple[int, int]] = []
        timer = self.scheduler.timer(Hpet.name)
        self.irqs = (TimedLine(bench=self), TimedLine(bench=self)) if legacy else ()
        self.replaced = [ReplacedIrq(line) for line in self.irqs]
        self.hpet = Hpet(timer, self.pins, lambda at, data: self.sent.append((at, data)), self.replaced)

    def write(self, register: int, value: int, size: int = 8) -> None:
        self.hpet.write(register, size, value, self.now)

    def read(self, register: int, size: int = 8) -> int:
        return self.hpet.read(register, size, self.now)

    def run(self, until: int) -> None:
        while (due := self.scheduler.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            event = self.scheduler.pop_due(self.now)
            assert event is not None
            self.hpet.on_event(event.name, self.now)
        self.now = until


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_says_what_it_is(bench: Bench) -> None:
    assert bench.read(0) == 10_000_000 << 32 | 0x8086_2201
    assert bench.read(0x100) >> 32 == sum(1 << pin for pin in ROUTES)
    assert bench.read(4, 4) == 10_000_000


def test_the_counter_runs_while_it_is_enabled(bench: Bench) -> None:
    bench.run(1000)
    assert bench.read(0xF0) == 0
    bench.write(0x10, ENABLE)
    bench.run(2005)
    assert bench.read(0xF0) == 100
    bench.write(0x10, 0)
    bench.run(9000)
    assert bench.read(0xF0) == 100
    bench.write(0xF0, 0xFFFF_FFFF)
    bench.write(0x10, ENABLE)
    bench.run(9010)
    assert bench.read(0xF0) == 1 << 32
    assert (bench.read(0xF0, 4), bench.read(0xF4, 4)) == (0, 1)


def test_a_periodic_one_is_given_its_value_and_then_its_period(bench: Bench) -> None:
    """As hpet_clkevt_set_state_periodic() does it: first value, then period."""
    bench.write(0x10, ENABLE, 4)
    bench.write(0x100, INTERRUPT | PERIODIC | VALUE_SET | MODE_32 | 20 << 9, 4)
    bench.write(0x108, 1000, 4)
    bench.write(0x108, 400, 4)
    bench.run(25_000)
    assert bench.pins[20].rose == [10_000, 14_000, 18_000, 22_000]


def test_one_shot_of_32_bits_matches_again_after_a_wrap(bench: Bench) -> None:
    bench.write(0x100, INTERRUPT | MODE_32 | 21 << 9, 4)
    bench.write(0x108, 50)
    bench.write(0x10, ENABLE)
    wrap = (1 << 32) * 10
    bench.run(wrap + 1000)
    assert bench.pins[21].rose == [500, wrap + 500]


def test_a_level_stays_until_its_status_is_cleared(bench: Bench) -> None:
    bench.write(0x120, INTERRUPT | LEVEL | 20 << 9)
    bench.write(0x128, 50)
    bench.write(0x10, ENABLE)
    bench.run(600)
    assert (bench.pins[20].level, bench.read(0x20)) == (True, 2)
    bench.write(0x20, 2)
    assert (bench.pins[20].level, bench.read(0x20)) == (False, 0)


def test_messages_are_sent_for_a_comparator_that_has_them(bench: Bench) -> None:
    bench.write(0x140, INTERRUPT | MESSAGES)
    bench.write(0x150, 0xFEE0_0000 << 32 | 0x41)
    bench.write(0x148, 10)
    bench.write(0x10, ENABLE)
    bench.run(200)
    assert bench.sent == [(0xFEE0_0000, 0x41)]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("compare"), st.integers(0, 300)),
        st.tuples(st.just("wait"), st.integers(0, 2000)),
        st.tuples(st.just("enable"), st.integers(0, 1)),
        st.tuples(st.just("count"), st.integers(0, 300)),
    ),
    max_size=25,
)


@given(steps)
def test_a_one_shot_fires_at_each_instant_that_the_counter_comes_to_its_value(steps: list[tuple[str, int]]) -> None:
    """Against a model that counts one by one."""
    bench, expected = Bench(), []
    bench.write(0x100, INTERRUPT | 20 << 9)
    comparator, counter, enabled, fraction = (1 << 64) - 1, 0, False, 0
    for action, value in steps:
        if action == "compare":
            bench.write(0x108, value)
            comparator = value
        elif action == "enable":
            bench.write(0x10, value)
            fraction = 0
            enabled = bool(value)
        elif action == "count":
            bench.write(0xF0, value)
            counter, fraction = value, 0
        else:
            for at in range(bench.now + 1, bench.now + value + 1):
                fraction += enabled
                if fraction == 10:
                    fraction, counter = 0, counter + 1
                    if counter == comparator:
                        expected.append(at)
            bench.run(bench.now + value)
    assert bench.pins[20].rose == expected
    assert bench.read(0xF0) == counter


def test_legacy_replacement_is_there_if_it_was_asked_for(bench: Bench) -> None:
    bench.write(0x10, LEGACY)
    assert bench.read(0x10) == 0
    other = Bench(legacy=True)
    other.write(0x10, LEGACY)
    assert (other.read(0x10), other.read(0) & 0xFFFF_FFFF) == (LEGACY, 0x8086_A201)


def test_two_timers_are_irq_0_and_irq_8_in_place_of_the_chips() -> None:
    """Wherever their routes lead; the third keeps its own."""
    bench = Bench(legacy=True)
    for number in range(3):
        bench.write(0x100 + 0x20 * number, INTERRUPT | PERIODIC | VALUE_SET | 20 << 9)
        bench.write(0x108 + 0x20 * number, 100 * (number + 1))
    for irq in bench.replaced:
        irq.set(True)
        irq.set(False)
    assert [len(line.rose) for line in bench.irqs] == [1, 1]
    bench.write(0x10, ENABLE | LEGACY)
    for irq in bench.replaced:
        irq.set(True)
    bench.run(6500)
    assert all(line.level for line in bench.irqs), "until the CPU takes it"
    assert [line.rose[1:] for line in bench.irqs] == [list(range(1000, 6001, 1000)), [2000, 4000, 6000]]
    assert bench.pins[20].rose == [3000, 6000]


levels = st.booleans()
legacy_steps = st.lists(
    st.one_of(
        st.tuples(st.just("chip"), st.integers(0, 1), levels),
        st.tuples(st.just("configure"), st.integers(0, 3), levels),
        st.tuples(st.sampled_from(["timer", "edges"]), st.integers(0, 2), levels),
        st.tuples(st.just("clear"), st.integers(0, 7), levels),
        st.tuples(st.just("wait"), st.integers(1, 500), levels),
        st.tuples(st.just("save"), st.just(0), levels),
    ),
    max_size=30,
)


@given(legacy_steps)
def test_a_line_is_always_that_of_the_one_that_is_heard(steps: list[tuple[str, int, bool]]) -> None:
    bench, chips, replaced = Bench(legacy=True), [False, False], [False, False]
    for number, irq in enumerate(bench.replaced):
        irq.chip_level = partial(chips.__getitem__, number)
        irq.on_replaced = partial(replaced.__setitem__, number)
    for what, number, flag in steps:
        match what:
            case "chip":
                chips[number] = flag
                bench.replaced[number].set(flag)
            case "configure":
                bench.write(0x10, number)
            case "timer" | "edges":
                how = (LEVEL if what == "timer" else 0) | (INTERRUPT if flag else 0)
                bench.write(0x100 + 0x20 * number, how | PERIODIC | VALUE_SET | 21 << 9)
                bench.write(0x108 + 0x20 * number, 7 + number)
            case "clear":
                bench.write(0x20, number)
            case "wait":
                bench.run(bench.now + number)
            case "save":
                bench.hpet.restore(bench.hpet.save())
        in_force = bench.read(0x10) == ENABLE | LEGACY
        timers = bench.hpet.save().timers
        assert replaced == [in_force, in_force]
        for irq, chip, timer in zip(bench.irqs, chips, timers, strict=False):
            assert irq.level == (timer.level if in_force else chip)
        heard = timers[2:] if in_force else timers
        assert bench.pins[21].level == any(timer.level and timer.config >> 9 & 31 == 21 for timer in heard)
