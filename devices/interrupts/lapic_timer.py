"""The timer of a local APIC: the current count computed from time, on a bus clock of 1 GHz.

Source: Intel SDM 3A, 11.5.4 and figure 11-10.
"""

from __future__ import annotations

from ctypes import LittleEndianStructure, c_uint32, c_uint64
from dataclasses import dataclass

from devices.interrupts.lapic_registers import DIVIDE_WRITABLE


@dataclass(slots=True)
class LapicTimerState:
    """The count was `count` at guest time `since` and goes down every `divisor` ns; 0 is stopped."""

    initial_count: int = 0
    divide_configuration: int = 0
    count: int = 0
    since: int = 0


class TimerMemory(LittleEndianStructure):
    """LapicTimerState while the timer works; see lapic_memory."""

    _fields_ = (
        ("since", c_uint64),
        ("initial_count", c_uint32),
        ("count", c_uint32),
        ("divide_configuration", c_uint32),
        ("reserved", c_uint32),
    )
    since: int
    initial_count: int
    count: int
    divide_configuration: int

    def load(self, state: LapicTimerState) -> None:
        self.initial_count, self.divide_configuration = state.initial_count, state.divide_configuration
        self.count, self.since = state.count, state.since

    def saved(self) -> LapicTimerState:
        return LapicTimerState(self.initial_count, self.divide_configuration, self.count, self.since)


class LapicTimer:
    """Initial count, current count and divide configuration; one bus clock is one nanosecond."""

    def __init__(self, state: TimerMemory) -> None:
        self.state = state

    @property
    def divisor(self) -> int:
        """Bits 3, 1 and 0 of the divide configuration: 2 to 128, then 1."""
        configuration = self.state.divide_configuration
        return 1 << ((configuration >> 1 & 4 | configuration & 3) + 1 & 7)

    def current_count(self, now: int, *, periodic: bool) -> int:
        state = self.state
        elapsed = (now - state.since) // self.divisor
        if elapsed < state.count:
            return state.count - elapsed
        if not periodic or state.count == 0 or state.initial_count == 0:
            return 0
        return state.initial_count - (elapsed - state.count) % state.initial_count

    def expiry(self) -> int | None:
        """When the count next reaches 0, None if it is stopped."""
        state = self.state
        return state.since + state.count * self.divisor if state.count else None

    def advance(self, now: int, *, periodic: bool) -> bool:
        """Move on to `now`; True if the count has reached 0 on the way, however often."""
        state = self.state
        expiry = self.expiry()
        if expiry is None or expiry > now:
            return False
        period = state.initial_count * self.divisor
        if periodic and period:
            state.since = now - (now - expiry) % period
            state.count = state.initial_count
        else:
            state.count = 0
        return True

    def start(self, initial_count: int, now: int) -> None:
        """A write to the initial count register; 0 stops the timer."""
        self.state.initial_count = self.state.count = initial_count
        self.state.since = now

    def set_divide_configuration(self, value: int, now: int, *, periodic: bool) -> None:
        """The count goes on from where it is at the new rate."""
        state = self.state
        state.count = self.current_count(now, periodic=periodic)
        state.since = now
        state.divide_configuration = value & DIVIDE_WRITABLE
