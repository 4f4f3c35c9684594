"""The 8254 programmable interval timer of a PC, ports 40h to 43h.

CLK is 1,193,182 Hz and its pulses are counted from time 0 in whole numbers, so nothing drifts.
Source: Intel 82C54 data sheet (231244).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from devices.seam import NANOSECONDS_PER_SECOND, Line, Rows, Timer
from devices.timers.pit_counter import Access, Counter, CounterState
from devices.timers.pit_memory import PitMemory

CLOCK_HZ = 1_193_182
CONTROL_WORD = 3
READ_BACK = 3
READ_BACK_NO_COUNT, READ_BACK_NO_STATUS = 0x20, 0x10
OUT0_EVENT = "out0"
SPEAKER_COUNTER = 2
MODE_NAMES = (
    "interrupt on terminal count",
    "hardware retriggerable one-shot",
    "rate generator",
    "square wave",
    "software triggered strobe",
    "hardware triggered strobe",
)


def clock_at(now: int) -> int:
    """The number of CLK pulses up to `now` nanoseconds."""
    return now * CLOCK_HZ // NANOSECONDS_PER_SECOND


def time_of(clock: int) -> int:
    """The first nanosecond at which CLK pulse `clock` has happened."""
    return -(-clock * NANOSECONDS_PER_SECOND // CLOCK_HZ)


@dataclass(slots=True)
class PitState:
    """`out0` is the level that the IRQ 0 line was last set to; `out0_clock` the CLK pulse it stands for."""

    counters: list[CounterState] = field(default_factory=list)
    out0: bool = False
    out0_clock: int = 0


class Pit:
    """Three counters. OUT0 drives IRQ 0 through events; OUT1 and OUT2 are computed when someone looks."""

    name = "pit"
    title = "8254 timer"
    State: ClassVar[type[PitState]] = PitState

    def __init__(self, timer: Timer, irq0: Line) -> None:
        self._timer = timer
        self._irq0 = irq0
        self.on_speaker: Callable[[], None] = lambda: None
        """Called when OUT2 may do otherwise from now on than speaker_edge() has said."""
        self._counters = (Counter(gate=True), Counter(gate=True), Counter(gate=False))
        self.memory = PitMemory()
        """At one place for as long as the chip is."""
        self._is_heard = True

    def read(self, offset: int, size: int, now: int) -> int:
        if offset >= CONTROL_WORD:
            return (1 << 8 * size) - 1
        return self._counters[offset].read(clock_at(now))

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self.on_speaker()
        clock = clock_at(now)
        value &= 0xFF
        if offset == 0 or (offset == CONTROL_WORD and value <= 0x3F and value >> 4 != Access.LATCH):
            self._follow_out0(clock)
            self._write(offset, value, clock)
            self._follow_out0(clock)
            self._schedule(clock)
        else:
            self._write(offset, value, clock)

    def on_event(self, name: str, now: int) -> None:
        clock = clock_at(now)
        self._follow_out0(clock)
        self._schedule(clock)

    def set_speaker_gate(self, level: bool, now: int) -> None:
        """Drive GATE2, port 61h bit 0. GATE0 and GATE1 are tied high."""
        self.on_speaker()
        self._counters[SPEAKER_COUNTER].set_gate(level, clock_at(now))

    def speaker_out(self, now: int) -> bool:
        """The level at OUT2."""
        return self._counters[SPEAKER_COUNTER].out(clock_at(now))

    def speaker_edge(self, now: int) -> int | None:
        """When OUT2 changes next if nobody touches the counter; None if never."""
        edge = self._counters[SPEAKER_COUNTER].next_edge(clock_at(now))
        return None if edge is None else time_of(edge)

    @property
    def out0(self) -> bool:
        """The level at OUT0 when it was last followed."""
        return self.memory.out0

    def set_replaced(self, replaced: bool) -> None:
        """Whether something else drives IRQ 0; then its line takes no levels, and faster code knows of no wave."""
        self._is_heard = not replaced
        self._note_wave()

    def save(self) -> PitState:
        counters = [copy.copy(counter.state) for counter in self._counters]
        return PitState(counters, self.memory.out0, self.memory.out0_clock)

    def restore(self, state: PitState) -> None:
        for counter, saved in zip(self._counters, state.counters, strict=True):
            counter.state = copy.copy(saved)
        self.memory.out0 = state.out0
        self.memory.out0_clock = state.out0_clock
        self._note_wave()
        self.on_speaker()

    def describe(self, now: int) -> Rows:
        """The counters' programming, and their counts and outputs at `now`."""
        rows = []
        for number, counter in enumerate(self._counters):
            rows += [(f"counter {number} {name}", text) for name, text in _describe(counter, now)]
        return [*rows, ("IRQ 0", "high" if self.memory.out0 else "low")]

    def _write(self, offset: int, value: int, clock: int) -> None:
        if offset < CONTROL_WORD:
            self._counters[offset].write(value, clock)
        elif offset == CONTROL_WORD:
            self._write_control(value, clock)

    def _write_control(self, control: int, clock: int) -> None:
        select = control >> 6
        if select == READ_BACK:
            self._read_back(control, clock)
        elif control >> 4 & 3 == Access.LATCH:
            self._counters[select].latch_count(clock)
        else:
            self._counters[select].write_control(control, clock)

    def _read_back(self, control: int, clock: int) -> None:
        for number, counter in enumerate(self._counters):
            if control & 2 << number:
                if not control & READ_BACK_NO_COUNT:
                    counter.latch_count(clock)
                if not control & READ_BACK_NO_STATUS:
                    counter.latch_status(clock)

    def _follow_out0(self, clock: int) -> None:
        """Bring IRQ 0 from where it was left to `clock`: one edge of each kind stands for all that passed."""
        counter = self._counters[0]
        passed = counter.next_edge(self.memory.out0_clock)
        if passed is not None and passed <= clock:
            self._set_out0(counter.out(passed))
            again = counter.next_edge(passed)
            if again is not None and again <= clock:
                self._set_out0(counter.out(again))
        self._set_out0(counter.out(clock))
        self.memory.out0_clock = clock

    def _set_out0(self, level: bool) -> None:
        if level != self.memory.out0:
            self.memory.out0 = level
            self._irq0.set(level)

    def _schedule(self, clock: int) -> None:
        """The deadline of OUT0's next edge; it was followed to `clock`."""
        self._note_wave()
        edge = self._counters[0].next_edge(clock)
        if edge is None:
            self._timer.cancel(OUT0_EVENT)
        else:
            self._timer.schedule(OUT0_EVENT, time_of(edge))

    def _note_wave(self) -> None:
        memory = self.memory
        wave = self._counters[0].wave(memory.out0_clock) if self._is_heard else None
        memory.origin, memory.period, memory.low_from = wave or (0, 0, 0)


def _describe(counter: Counter, now: int) -> list[tuple[str, str]]:
    state = counter.state
    clock = clock_at(now)
    return [
        ("mode", f"{state.mode.value}, {MODE_NAMES[state.mode]}{', BCD' if state.bcd else ''}"),
        ("access", state.access.name.replace("_", " ")),
        ("initial count", str(state.count_register) if state.count_written else "not written"),
        ("GATE", "high" if state.gate else "low"),
        ("count", f"{counter.count(clock):#06x}{' (null count)' if counter.is_null(clock) else ''}"),
        ("OUT", "high" if counter.out(clock) else "low"),
    ]
