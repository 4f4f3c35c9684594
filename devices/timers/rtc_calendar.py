"""How the time registers of an MC146818A encode an instant, and when its alarm goes off.

Instants are seconds since 1970-01-01 00:00 of whatever time zone the clock runs in.
Source: Motorola MC146818A data sheet, table 3 and "Time, Calendar, and Alarm Locations"; the century at 32h
is where a PC's firmware keeps it and the ACPI FADT says it is.
"""

from __future__ import annotations

import bisect
import calendar
import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM = range(6)
DAY_OF_WEEK, DAY_OF_MONTH, MONTH, YEAR = range(6, 10)
CENTURY = 0x32
TIME_REGISTERS = (SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DAY_OF_MONTH, MONTH, YEAR, CENTURY)
ALARM_REGISTERS = (HOURS_ALARM, MINUTES_ALARM, SECONDS_ALARM)
DONT_CARE = 0xC0
PM = 0x80
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS_PER_DAY = 86_400
LAST_INSTANT = calendar.timegm((9999, 12, 31, 23, 59, 59))


@dataclass(frozen=True, slots=True)
class Encoding:
    """Register B's DM (binary, else BCD) and 24/12 (24-hour) bits."""

    binary: bool
    hours_24: bool

    def number(self, value: int) -> int:
        return value if self.binary else value // 10 << 4 | value % 10

    def value(self, register: int) -> int:
        return register if self.binary else (register >> 4) * 10 + (register & 0xF)

    def hour(self, hour: int) -> int:
        if self.hours_24:
            return self.number(hour)
        return self.number((hour - 1) % 12 + 1) | (PM if hour >= 12 else 0)

    def hour_value(self, register: int) -> int:
        if self.hours_24:
            return self.value(register)
        return self.value(register & ~PM) % 12 + (12 if register & PM else 0)


def date(instant: int) -> datetime:
    """The calendar date of `instant`. After the year 9999 comes 1970, the first one that fits."""
    return EPOCH + timedelta(seconds=instant % (LAST_INSTANT + 1))


def encode(instant: int, weekday_offset: int, encoding: Encoding) -> dict[int, int]:
    """All time registers at `instant`; the day of the week is 1 for Sunday, moved by `weekday_offset`."""
    at = date(instant)
    number = encoding.number
    return {
        SECONDS: number(at.second),
        MINUTES: number(at.minute),
        HOURS: encoding.hour(at.hour),
        DAY_OF_WEEK: number((at.isoweekday() + weekday_offset) % 7 + 1),
        DAY_OF_MONTH: number(at.day),
        MONTH: number(at.month),
        YEAR: number(at.year % 100),
        CENTURY: number(at.year // 100),
    }


def decode(registers: dict[int, int], encoding: Encoding) -> tuple[int, int]:
    """The instant and the weekday offset of all time registers; a value out of range becomes the nearest."""
    value = encoding.value
    year = max(1970, min(9999, value(registers[CENTURY]) * 100 + min(value(registers[YEAR]), 99)))
    month = max(1, min(12, value(registers[MONTH])))
    day = max(1, min(calendar.monthrange(year, month)[1], value(registers[DAY_OF_MONTH])))
    hour = min(23, encoding.hour_value(registers[HOURS]))
    minute, second = min(59, value(registers[MINUTES])), min(59, value(registers[SECONDS]))
    at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    weekday = value(registers[DAY_OF_WEEK]) - 1
    return calendar.timegm(at.utctimetuple()), (weekday - at.isoweekday()) % 7


def next_alarm(after: int, alarm: tuple[int, int, int], encoding: Encoding) -> int | None:
    """The first instant later than `after` that matches the (hours, minutes, seconds) alarm registers.

    C0h to FFh in a register matches anything. None if no time of day matches.
    """
    times = _matching(alarm, encoding)
    if not all(times):
        return None
    midnight = (after + 1) // SECONDS_PER_DAY * SECONDS_PER_DAY
    time = _time_from(times, after + 1 - midnight)
    return midnight + (time if time is not None else SECONDS_PER_DAY + _time_in_seconds(*(part[0] for part in times)))


@functools.lru_cache(maxsize=16)
def _matching(alarm: tuple[int, int, int], encoding: Encoding) -> tuple[tuple[int, ...], ...]:
    """The hours, the minutes and the seconds that match, each rising."""
    spelled = encoding.hour, encoding.number, encoding.number
    return tuple(
        tuple(number for number in range(count) if register >= DONT_CARE or spell(number) == register)
        for register, spell, count in zip(alarm, spelled, (24, 60, 60), strict=True)
    )


def _time_from(times: tuple[tuple[int, ...], ...], second_of_day: int) -> int | None:
    """The first matching time of that day from a second on, in seconds."""
    hours, minutes, seconds = times
    hour, minute, second = second_of_day // 3600, second_of_day // 60 % 60, second_of_day % 60
    if hour in hours:
        if minute in minutes and (late := _from(seconds, second)) is not None:
            return _time_in_seconds(hour, minute, late)
        if (later := _from(minutes, minute + 1)) is not None:
            return _time_in_seconds(hour, later, seconds[0])
    following = _from(hours, hour + 1)
    return _time_in_seconds(following, minutes[0], seconds[0]) if following is not None else None


def _from(numbers: tuple[int, ...], least: int) -> int | None:
    at = bisect.bisect_left(numbers, least)
    return numbers[at] if at < len(numbers) else None


def _time_in_seconds(hour: int, minute: int, second: int) -> int:
    return (hour * 60 + minute) * 60 + second
