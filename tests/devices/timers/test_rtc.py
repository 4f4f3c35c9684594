from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.scheduler import Scheduler
from devices.timers.rtc import Rtc
from devices.timers.rtc_calendar import Encoding, decode, encode, next_alarm
from tests.devices.conformance import RecordingLine

SECOND = 1_000_000_000
START = datetime(2024, 2, 28, 23, 59, 57, tzinfo=UTC)
BCD_24 = Encoding(binary=False, hours_24=True)


class Board:
    def __init__(self, start: int | datetime = START) -> None:
        self.scheduler = Scheduler()
        self.irq8 = RecordingLine()
        self.rtc = Rtc(self.scheduler.timer("rtc"), self.irq8, start)
        self.now = 0

    def at(self, now: int) -> "Board":
        while (due := self.scheduler.next_due()) is not None and due <= now:
            event = self.scheduler.pop_due(due)
            assert event is not None
            self.rtc.on_event(event.name, due)
        self.now = now
        return self

    def __getitem__(self, index: int) -> int:
        self.rtc.write(0, 1, index, self.now)
        return self.rtc.read(1, 1, self.now)

    def __setitem__(self, index: int, value: int) -> None:
        self.rtc.write(0, 1, index, self.now)
        self.rtc.write(1, 1, value, self.now)

    def date(self) -> list[int]:
        """Century, year, month, day, hours, minutes, seconds as the registers hold them."""
        return [self[index] for index in (0x32, 9, 8, 7, 4, 2, 0)]


def test_clock_starts_at_the_configured_date_and_rolls_into_a_leap_day():
    board = Board()
    assert board.date() == [0x20, 0x24, 0x02, 0x28, 0x23, 0x59, 0x57]
    assert board[6] == 4
    assert board.at(3 * SECOND - 1)[0] == 0x59
    assert board.at(3 * SECOND).date() == [0x20, 0x24, 0x02, 0x29, 0, 0, 0]
    assert board[6] == 5


def test_century_rolls_over():
    board = Board(datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)).at(SECOND)
    assert board.date() == [0x20, 0, 1, 1, 0, 0, 0]


def test_start_is_seconds_or_a_datetime_and_never_the_host_time_zone():
    naive = START.replace(tzinfo=None)
    elsewhere = START.astimezone(timezone(timedelta(hours=5)))
    assert {Board(start).rtc.save().instant for start in (START, naive, elsewhere, 1709164797)} == {1709164797}


@pytest.mark.parametrize("start", [-1, datetime(1969, 12, 31, tzinfo=UTC), 1 << 60])
def test_a_start_that_no_clock_can_show_is_refused(start):
    with pytest.raises(ValueError, match="1970 to 9999"):
        Board(start)


def test_binary_and_12_hour_modes():
    board = Board()
    board[0x0B] = 0x06
    assert board.date() == [20, 24, 2, 28, 23, 59, 57]
    board[0x0B] = 0x00
    assert board[4] == 0x91
    assert board.at(4 * SECOND)[4] == 0x12


def test_set_freezes_the_registers_and_clearing_it_takes_them_over():
    board = Board().at(SECOND // 4)
    board[0x0B] = 0x92
    assert board[0x0B] == 0x82, "SET clears UIE"
    for index, value in (
        (0, 0x30),
        (2, 0x15),
        (4, 0x06),
        (7, 0x01),
        (8, 0x07),
        (9, 0x31),
        (0x32, 0x20),
        (6, 0x03),
    ):
        board[index] = value
    assert board.at(5 * SECOND)[0] == 0x30
    board.at(5 * SECOND + SECOND // 2)[0x0B] = 0x02
    assert board.date() == [0x20, 0x31, 0x07, 0x01, 0x06, 0x15, 0x30]
    assert board[6] == 0x03
    assert board.at(6 * SECOND)[0] == 0x31, "the divider chain kept its phase"


def test_divider_reset_stops_the_clock_and_the_first_update_is_half_a_second_after_release():
    board = Board().at(SECOND // 4)
    board[0x0A] = 0x76
    assert board.at(10 * SECOND)[0] == 0x57
    board[0x0A] = 0x26
    assert board.at(10 * SECOND + SECOND // 2 - 1)[0] == 0x57
    assert board.at(10 * SECOND + SECOND // 2)[0] == 0x58


def test_linux_set_time_sequence():
    board = Board()
    board[0x0B] = 0x82
    board[0x0A] = 0x76
    for index, value in ((0, 0x05), (2, 0x04), (4, 0x03), (7, 0x02), (8, 0x01), (9, 0x30)):
        board[index] = value
    board[0x0B] = 0x02
    board[0x0A] = 0x26
    assert board.date() == [0x20, 0x30, 1, 2, 3, 4, 5]
    assert board.at(SECOND // 2)[0] == 6


def test_invalid_dates_become_the_nearest_valid_one():
    board = Board()
    board[0x0B] = 0x82
    for index, value in (
        (0, 0x99),
        (2, 0xFF),
        (4, 0x77),
        (7, 0x31),
        (8, 0x02),
        (9, 0x23),
        (0x32, 0x20),
        (6, 0xFF),
    ):
        board[index] = value
    board[0x0B] = 0x02
    assert board.date() == [0x20, 0x23, 0x02, 0x28, 0x23, 0x59, 0x59]


def test_uip_rises_2228_us_before_the_seconds_change():
    board = Board()
    assert not board.at(SECOND - 2_228_001)[0x0A] & 0x80
    assert board.at(SECOND - 2_228_000)[0x0A] & 0x80
    assert not board.at(SECOND)[0x0A] & 0x80
    board[0x0B] = 0x82
    assert not board.at(2 * SECOND - 1)[0x0A] & 0x80


def test_periodic_interrupt_at_1024_hz_does_not_drift_and_waits_for_register_c():
    board = Board()
    board[0x0B] = 0x42
    times = []
    while len(times) < 2048:
        due = board.scheduler.next_due()
        assert due is not None
        board.at(due)
        assert board.irq8.level
        assert board.scheduler.next_due() is None
        assert board[0x0C] == 0xC0 or due % SECOND == 0
        assert not board.irq8.level
        times.append(due)
    assert times[1023] == SECOND
    assert times[-1] == 2 * SECOND


@pytest.mark.parametrize(("rate", "hertz"), [(1, 256), (2, 128), (3, 8192), (6, 1024), (15, 2)])
def test_rates_of_table_5(rate, hertz):
    board = Board()
    board[0x0A] = 0x20 | rate
    board[0x0B] = 0x42
    assert board.scheduler.next_due() == -(-SECOND // hertz)


def test_flags_are_set_without_being_enabled():
    board = Board()
    assert board[0x0C] == 0
    assert board.at(SECOND)[0x0C] == 0x50
    assert board[0x0C] == 0
    assert board.irq8.rises() == 0


def test_enabling_an_interrupt_whose_flag_is_up_raises_the_line_at_once():
    board = Board().at(SECOND)
    board[0x0B] = 0x12
    assert board.irq8.level
    assert board[0x0C] & 0x90 == 0x90


def test_update_ended_interrupt_comes_each_second():
    board = Board(12 * 3600)
    board[0x0A] = 0x20
    board[0x0B] = 0x12
    for second in (1, 2, 3):
        assert board.scheduler.next_due() == second * SECOND
        board.at(second * SECOND)
        assert board[0x0C] == 0x90
    assert board.irq8.rises() == 3


def test_alarm_goes_off_at_its_time_of_day_and_again_next_day():
    board = Board()
    board[1], board[3], board[5] = 0x05, 0x00, 0x00
    board[0x0B] = 0x22
    assert board.scheduler.next_due() == 8 * SECOND
    board.at(8 * SECOND)
    assert board[0x0C] & 0xA0 == 0xA0
    assert board.scheduler.next_due() == (8 + 86_400) * SECOND


def test_dont_care_alarm_goes_off_every_minute():
    board = Board()
    board[1], board[3], board[5] = 0x30, 0xC0, 0xFF
    board[0x0B] = 0x22
    assert board.scheduler.next_due() == 33 * SECOND
    board.at(33 * SECOND)
    assert board[0x0C] & 0x20
    assert board.scheduler.next_due() == 93 * SECOND


def test_alarm_that_matches_no_time_of_day_never_comes():
    board = Board()
    board[1], board[3], board[5] = 0x61, 0x00, 0x00
    board[0x0B] = 0x22
    assert board.scheduler.next_due() is None


def test_ram_nmi_mask_and_read_only_registers():
    board = Board()
    board[0x7F] = 0xA5
    assert board[0x7F] == 0xA5
    board[0x8F] = 0x11
    assert board.rtc.nmi_disabled
    assert board[0x0F] == 0x11
    assert not board.rtc.nmi_disabled
    board[0x0D] = 0
    assert board[0x0D] == 0x80
    assert board.rtc.read(0, 1, 0) == 0xFF


def test_memory_size_is_where_firmware_puts_it():
    board = Board()
    board.rtc.set_memory_size(256 << 20, 1 << 30)
    word = {index: board[index] | board[index + 1] << 8 for index in (0x15, 0x17, 0x30, 0x34, 0x5B)}
    assert word == {0x15: 640, 0x17: 0xFFFF, 0x30: 0xFFFF, 0x34: 240 * 16, 0x5B: 1 << 14}
    total = sum(board[index] for index in range(0x10, 0x2E))
    assert (board[0x2E] << 8 | board[0x2F]) == total


def test_describe_with_a_time_shows_the_date():
    assert dict(Board().rtc.describe(3 * SECOND))["time"] == "2024-02-29 00:00:00"


encodings = st.builds(Encoding, binary=st.booleans(), hours_24=st.booleans())


@given(st.integers(0, 253402300799), st.integers(0, 6), encodings)
def test_encoded_dates_decode_to_themselves(instant, offset, encoding):
    assert decode(encode(instant, offset, encoding), encoding) == (instant, offset)


@given(
    st.integers(0, 10**9),
    st.tuples(*[st.sampled_from([0x00, 0x09, 0x10, 0x23, 0x59, 0x91, 0xC0])] * 3),
    encodings,
)
def test_next_alarm_is_the_first_match(after, alarm, encoding):
    def matches(instant: int) -> bool:
        registers = encode(instant, 0, encoding)
        shown = (registers[4], registers[2], registers[0])
        return all(want >= 0xC0 or want == have for want, have in zip(alarm, shown, strict=True))

    due = next_alarm(after, alarm, encoding)
    if due is not None:
        assert after < due <= after + 86_400
        assert matches(due)
    probes = range(after + 1, min(due or after + 500, after + 500))
    assert not any(matches(instant) for instant in probes)
