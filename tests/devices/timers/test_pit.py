"""82C54 data sheet behaviour, checked against the clock and against a counter that really counts down."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.board.port61 import Port61
from devices.scheduler import Scheduler
from devices.timers.pit import Pit, clock_at, time_of
from devices.timers.pit_counter import Counter
from tests.devices.conformance import RecordingLine


class Board:
    """A PIT whose events are delivered on time as `at` moves the clock, in CLK pulses."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.irq0 = RecordingLine()
        self.pit = Pit(self.scheduler.timer("pit"), self.irq0)
        self.port61 = Port61(self.pit)
        self.now = 0

    def at(self, clock: int) -> "Board":
        end = time_of(clock)
        while (due := self.scheduler.next_due()) is not None and due <= end:
            event = self.scheduler.pop_due(due)
            assert event is not None
            self.pit.on_event(event.name, due)
        self.now = end
        return self

    def out(self, offset: int, *values: int) -> "Board":
        for value in values:
            self.pit.write(offset, 1, value, self.now)
        return self

    def word(self, offset: int = 0) -> int:
        return self.pit.read(offset, 1, self.now) | self.pit.read(offset, 1, self.now) << 8

    def latched(self, counter: int = 0) -> int:
        self.out(3, counter << 6)
        return self.word(counter)

    def status(self, counter: int = 0) -> int:
        self.out(3, 0xE0 | 2 << counter)
        return self.pit.read(counter, 1, self.now)

    def out2(self) -> bool:
        return bool(self.port61.read(0, 1, self.now) & 0x20)


def test_clock_does_not_drift_in_a_day():
    day = 86_400 * 10**9
    assert clock_at(day) == 86_400 * 1_193_182
    assert all(clock_at(time_of(clock)) == clock and clock_at(time_of(clock) - 1) < clock for clock in (1, 7, 10**12))


def test_mode_0_raises_out_n_plus_1_pulses_after_the_write_and_stays_high():
    board = Board().out(3, 0x30).out(0, 4, 0)
    assert board.at(4).irq0.level is False
    assert board.at(5).irq0.level is True
    assert board.at(200_000).irq0.rises() == 1


def test_mode_0_counts_on_through_ffff_and_a_new_count_lowers_out_at_once():
    board = Board().out(3, 0x30).out(0, 4, 0).at(6)
    assert board.latched() == 0xFFFF
    board.out(0, 9)
    assert board.irq0.level is False
    assert board.at(100).latched() == 0xFFFF
    board.out(0, 0)
    assert board.at(101).latched() == 9


def test_mode_2_interrupts_every_n_pulses_without_drift():
    board = Board().out(3, 0x34).out(0, 11932 & 0xFF, 11932 >> 8)
    board.at(1_193_200)
    assert board.irq0.rises() == 1 + 99
    board.at(1_193_201)
    assert board.irq0.rises() == 1 + 100


def test_mode_2_out_is_low_for_the_last_pulse():
    board = Board().out(3, 0x34).out(0, 5, 0)
    assert [board.at(clock).irq0.level for clock in range(1, 12)] == [True] * 4 + [False] + [True] * 4 + [
        False,
        True,
    ]


def test_mode_2_new_count_takes_effect_after_the_current_period():
    board = Board().out(3, 0x14).out(0, 10).at(4).out(0, 3)
    assert board.status() & 0x40
    assert [board.at(clock).pit.read(0, 1, board.now) for clock in range(9, 15)] == [2, 1, 3, 2, 1, 3]
    assert not board.status() & 0x40


@pytest.mark.parametrize(("count", "high", "low"), [(4, 2, 2), (5, 3, 2), (2, 1, 1)])
def test_mode_3_square_wave(count, high, low):
    board = Board().out(3, 0x16).out(0, count)
    levels = [board.at(clock).irq0.level for clock in range(1, 1 + 3 * count)]
    assert levels == ([True] * high + [False] * low) * 3


def test_mode_3_counts_down_by_two_from_an_even_count():
    board = Board().out(3, 0x16).out(0, 5)
    assert [board.at(clock).pit.read(0, 1, board.now) for clock in range(1, 7)] == [4, 2, 0, 4, 2, 4]


def test_mode_3_new_count_takes_effect_after_the_half_cycle():
    board = Board().out(3, 0x16).out(0, 8).at(2).out(0, 4)
    assert [board.at(clock).irq0.level for clock in range(3, 13)] == [True] * 2 + [False] * 2 + [True] * 2 + [
        False
    ] * 2 + [True] * 2


def test_mode_4_strobes_once_as_linux_uses_it_for_one_shots():
    board = Board().out(3, 0x38).out(0, 3, 0)
    assert [board.at(clock).irq0.level for clock in range(1, 7)] == [True, True, True, False, True, True]
    rises = board.irq0.rises()
    assert board.at(300_000).irq0.rises() == rises
    board.out(0, 3, 0)
    assert board.at(300_010).irq0.rises() == rises + 1


def test_mode_1_starts_on_the_gate_and_restarts_on_each_trigger():
    board = Board().out(3, 0x92).out(2, 4)
    assert board.at(50).out2()
    board.port61.write(0, 1, 1, board.now)
    assert [board.at(clock).out2() for clock in (51, 54, 55)] == [False, False, True]
    for level in (0, 1):
        board.port61.write(0, 1, level, board.now)
    board.at(58)
    for level in (0, 1):
        board.port61.write(0, 1, level, board.now)
    assert [board.at(clock).out2() for clock in (60, 62, 63)] == [False, False, True]


def test_mode_5_strobes_after_the_trigger():
    board = Board().out(3, 0x9A).out(2, 3).at(10)
    board.port61.write(0, 1, 1, board.now)
    assert [board.at(clock).out2() for clock in range(11, 17)] == [True, True, True, False, True, True]


def test_gate_pauses_mode_0_and_linux_calibration_sees_out2_rise_in_time():
    board = Board()
    board.port61.write(0, 1, 0, 0)
    board.out(3, 0xB0).out(2, 100, 0).at(500)
    assert board.latched(2) == 100
    board.port61.write(0, 1, 1, board.now)
    assert board.at(560).latched(2) == 40
    board.port61.write(0, 1, 0, board.now)
    board.at(1000).port61.write(0, 1, 1, board.now)
    assert [board.at(clock).out2() for clock in (1039, 1040)] == [False, True]


def test_gate_stops_mode_3_with_out_high_and_restarts_it_whole():
    board = Board()
    board.port61.write(0, 1, 1, 0)
    board.out(3, 0x96).out(2, 10).at(8)
    assert not board.out2()
    board.port61.write(0, 1, 0, board.now)
    assert board.at(100).out2()
    board.port61.write(0, 1, 1, board.now)
    assert [board.at(clock).out2() for clock in (101, 105, 106)] == [True, True, False]


def test_latched_count_holds_until_both_bytes_are_read():
    board = Board().out(3, 0x34).out(0, 0, 0).at(0x101)
    board.out(3, 0x00).at(0x333).out(3, 0x00)
    assert board.word() == 0xFF00
    assert board.word() == 0xFCCE


def test_read_back_latches_status_before_count_of_the_chosen_counters():
    board = Board().out(3, 0x34).out(0, 0x34, 0x12)
    board.out(3, 0xC2)
    assert board.pit.read(0, 1, board.now) & 0x7F == 0x40 | 0x34
    board.word()
    board.at(2).out(3, 0xC2)
    assert board.pit.read(0, 1, board.now) == 0x80 | 0x34
    assert board.word() == 0x1233


def test_lsb_only_and_msb_only_access():
    board = Board().out(3, 0x14).out(0, 0x80).at(2)
    assert [board.pit.read(0, 1, board.now) for _ in range(2)] == [0x7F, 0x7F]
    board.out(3, 0x24).out(0, 0x12).at(3)
    assert board.at(4).pit.read(0, 1, board.now) == 0x11


def test_bcd_counts_in_decades():
    board = Board().out(3, 0x35).out(0, 0x00, 0x10).at(2)
    assert board.latched() == 0x0999
    board.out(3, 0x31).out(0, 0, 0)
    assert board.at(board_clock := clock_at(board.now) + 2).latched() == 0x9999
    assert board.at(board_clock + 9_998).irq0.level is False
    assert board.at(board_clock + 9_999).irq0.level is True


def test_control_port_reads_as_nothing_and_illegal_count_of_one_schedules_nothing():
    board = Board().out(3, 0x14).out(0, 1).at(1)
    assert board.pit.read(3, 1, board.now) == 0xFF
    board.at(5)
    assert board.scheduler.next_due() is None


def test_late_events_lose_no_edge():
    board = Board().out(3, 0x34).out(0, 0, 0).at(1)
    assert board.irq0.level
    event = board.scheduler.pop_due(time_of(70_000))
    board.pit.on_event(event.name, time_of(70_000))
    assert board.irq0.rises() == 2
    assert board.irq0.level


def test_refresh_bit_toggles_and_written_bits_read_back():
    board = Board()
    board.port61.write(0, 1, 0xFF, 0)
    seen = [board.port61.read(0, 1, now) for now in (0, 15_085, 30_170)]
    assert [value & 0x10 for value in seen] == [0, 0x10, 0]
    assert seen[0] & 0xCF == 0x0F


class CountedDown:
    """The data sheet's counting element, one CLK pulse at a time, with GATE high."""

    def __init__(self, mode: int, count: int) -> None:
        self.mode, self.n = mode, count
        self.element, self.out = count, mode != 0
        self.done = False

    def pulse(self) -> None:
        if self.mode == 0:
            self.element = (self.element - 1) % 0x10000
            self.out = self.out or self.element == 0
        elif self.mode == 2:
            self.element = self.element - 1 or self.n
            self.out = self.element != 1
        elif self.mode == 4:
            self.element = (self.element - 1) % 0x10000
            self.out = self.done or self.element != 0
            self.done = self.done or self.element == 0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0, 2, 4]), st.integers(2, 60), st.integers(0, 200))
def test_computed_counter_equals_one_that_counts(mode, count, start):
    counter, model = Counter(gate=True), CountedDown(mode, count)
    counter.write_control(0x10 | mode << 1, start)
    counter.write(count, start)
    for clock in range(start + 1, start + 150):
        assert (counter.count(clock), counter.out(clock)) == (model.element, model.out)
        model.pulse()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 5),
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["gate", "count"]), st.integers(1, 9)), max_size=8),
)
def test_next_edge_is_where_out_really_changes(mode, script):
    counter, clock = Counter(gate=False), 0
    counter.write_control(0x10 | mode << 1, clock)
    for wait, action, value in script:
        clock += wait
        if action == "gate":
            counter.set_gate(bool(value & 1), clock)
        else:
            counter.write(value, clock)
        changes = [t for t in range(clock + 1, clock + 40) if counter.out(t) != counter.out(t - 1)]
        predicted, edge = [], counter.next_edge(clock)
        while edge is not None and edge < clock + 40:
            predicted.append(edge)
            edge = counter.next_edge(edge)
        assert predicted == changes
