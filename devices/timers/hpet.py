"""The high precision event timer: a 64-bit counter at 100 MHz and three comparators, in memory at FED00000h.

Source: IA-PC HPET specification 1.0a (Intel, 2004). Comparators interrupt by inputs of the I/O APIC or by messages.
Legacy replacement is optional: with it a guest can have the first two drive IRQ 0 and IRQ 8 (2.3.5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.seam import Line, Rows, Timer
from devices.timers.hpet_legacy import ReplacedIrq

HPET_BASE, HPET_SIZE = 0xFED0_0000, 0x400
CAPABILITIES, CONFIGURATION, STATUS, COUNTER = 0x000, 0x010, 0x020, 0x0F0
FIRST_TIMER, TIMER_STRIDE = 0x100, 0x20
CONFIG, COMPARATOR, MESSAGE = 0x00, 0x08, 0x10
TIMERS = 3
TICK_NS = 10
FEMTOSECONDS = TICK_NS * 1_000_000
IDENTITY = 0x8086 << 16 | 1 << 13 | TIMERS - 1 << 8 | 1
"""Vendor, 64 bits, timers, revision."""
LEGACY_CAPABLE = 1 << 15
ENABLE, LEGACY = 0x1, 0x2
LEVEL, INTERRUPT, PERIODIC, VALUE_SET, MODE_32 = 0x0002, 0x0004, 0x0008, 0x0040, 0x0100
ROUTE_SHIFT, ROUTE_MASK, MESSAGES = 9, 0x1F, 0x4000
TIMER_WRITABLE = LEVEL | INTERRUPT | PERIODIC | VALUE_SET | MODE_32 | ROUTE_MASK << ROUTE_SHIFT | MESSAGES
PERIODIC_CAPABLE, SIZE_64, MESSAGE_CAPABLE = 0x0010, 0x0020, 0x8000
ROUTES = (20, 21, 22, 23)
"""Inputs of the I/O APIC that a comparator can be led to."""
MATCH = "match"
FARTHEST = 1 << 58
"""Counts: what is farther away does not come."""
WORD = (1 << 64) - 1


@dataclass(slots=True)
class HpetTimerState:
    """`due` is when it matches next, in nanoseconds; -1 while nothing runs, or where that is centuries away."""

    config: int = 0
    comparator: int = WORD
    period: int = 0
    message: int = 0
    due: int = -1
    level: bool = False


@dataclass(slots=True)
class HpetState:
    """The counter was `count` at `origin`, in nanoseconds; it stands still while it is disabled."""

    configuration: int = 0
    status: int = 0
    count: int = 0
    origin: int = 0
    timers: list[HpetTimerState] = field(default_factory=lambda: [HpetTimerState() for _ in range(TIMERS)])


class Hpet:
    """`pins` are those of ROUTES, `send` takes a message signalled interrupt. `replaced` are IRQ 0 and IRQ 8 where
    there is legacy replacement.
    """

    name = "hpet"
    title = "high precision event timer"
    State: ClassVar[type[HpetState]] = HpetState

    def __init__(
        self,
        timer: Timer,
        pins: Mapping[int, Line],
        send: Callable[[int, int], None],
        replaced: Sequence[ReplacedIrq] = (),
    ) -> None:
        self._replaced = tuple(replaced)
        self._timer = timer
        self._pins = pins
        self._send = send
        self._state = HpetState()

    def read(self, offset: int, size: int, now: int) -> int:
        value = self._register(offset & ~7, now) >> 8 * (offset & 7)
        return value & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """Registers take aligned halves or wholes."""
        if size < 4 or offset & size - 1:
            return
        register, shift = offset & ~7, 8 * (offset & 7)
        lanes = (1 << 8 * size) - 1 << shift
        self._write_register(register, lanes, value << shift & lanes, now)

    def on_event(self, name: str, now: int) -> None:
        self._catch_up(now)
        self._schedule()

    def save(self) -> HpetState:
        return copied(self._state)

    def restore(self, state: HpetState) -> None:
        """Raises ValueError for another number of timers."""
        if len(state.timers) != TIMERS:
            raise ValueError(f"it has {TIMERS} timers")
        self._state = copied(state)
        for irq in self._replaced:
            irq.restore(self._in_force)

    def describe(self, now: int) -> Rows:
        s = self._state
        rows = [
            ("configuration", "enabled" if s.configuration & ENABLE else "disabled"),
            *self._legacy_row(),
            ("status", f"{s.status:03b}"),
            ("counter", f"{self._count(now) & WORD:#x}"),
        ]
        return rows + [(f"timer {number}", _described(timer)) for number, timer in enumerate(s.timers)]

    def _legacy_row(self) -> Rows:
        if not self._replaced:
            return []
        wanted = self._state.configuration & LEGACY
        how = "timers 0 and 1 are IRQ 0 and IRQ 8" if self._in_force else "when it is enabled" if wanted else "off"
        return [("legacy replacement", how)]

    @property
    def _in_force(self) -> bool:
        """Whether the 8254 and the RTC are heard no more: both bits say so (2.3.5)."""
        return bool(self._replaced) and self._state.configuration & (ENABLE | LEGACY) == ENABLE | LEGACY

    def _count(self, now: int) -> int:
        """Not cut to 64 bits."""
        s = self._state
        return s.count + ((now - s.origin) // TICK_NS if s.configuration & ENABLE else 0)

    def _register(self, register: int, now: int) -> int:
        s = self._state
        if register == CAPABILITIES:
            return FEMTOSECONDS << 32 | identity(legacy=bool(self._replaced))
        if register == CONFIGURATION:
            return s.configuration
        if register == STATUS:
            return s.status
        if register == COUNTER:
            return self._count(now) & WORD
        number, at = divmod(register - FIRST_TIMER, TIMER_STRIDE)
        if not 0 <= number < TIMERS:
            return 0
        timer = s.timers[number]
        if at == CONFIG:
            routes = sum(1 << pin for pin in self._pins)
            return routes << 32 | MESSAGE_CAPABLE | SIZE_64 | PERIODIC_CAPABLE | timer.config
        return {COMPARATOR: timer.comparator, MESSAGE: timer.message}.get(at, 0)

    def _write_register(self, register: int, lanes: int, value: int, now: int) -> None:
        s = self._state
        self._catch_up(now)
        if register == CONFIGURATION:
            self._configure(s.configuration & ~lanes | value & (ENABLE | LEGACY if self._replaced else ENABLE), now)
        elif register == STATUS:
            self._clear(value)
        elif register == COUNTER:
            s.count, s.origin = self._count(now) & WORD & ~lanes | value, now
            self._arm_all(now)
        elif FIRST_TIMER <= register < FIRST_TIMER + TIMERS * TIMER_STRIDE:
            number, at = divmod(register - FIRST_TIMER, TIMER_STRIDE)
            self._write_timer(number, at, lanes, value, now)
        self._schedule()

    def _configure(self, value: int, now: int) -> None:
        s = self._state
        s.count, s.origin = self._count(now) & WORD, now
        was_in_force = self._in_force
        s.configuration = value
        self._arm_all(now)
        if self._in_force != was_in_force:
            for timer in s.timers:
                timer.level = timer.level and bool(timer.config & LEVEL)
            self._drive()

    def _write_timer(self, number: int, at: int, lanes: int, value: int, now: int) -> None:
        timer = self._state.timers[number]
        if at == CONFIG:
            timer.config = (timer.config & ~lanes | value) & TIMER_WRITABLE
            if timer.config & MODE_32:
                timer.comparator &= 0xFFFF_FFFF
                timer.period &= 0xFFFF_FFFF
            if not (timer.config & LEVEL and self._state.status >> number & 1):
                self._set_level(number, False)
            self._arm(timer, now)
        elif at == COMPARATOR:
            self._write_comparator(timer, lanes, value)
            self._arm(timer, now)
        elif at == MESSAGE:
            timer.message = timer.message & ~lanes | value

    def _write_comparator(self, timer: HpetTimerState, lanes: int, value: int) -> None:
        """Of a periodic one VALUE_SET says that the value is written; else only the period is (2.3.9.2.2)."""
        width = 0xFFFF_FFFF if timer.config & MODE_32 else WORD
        if not timer.config & PERIODIC or timer.config & VALUE_SET:
            timer.comparator = (timer.comparator & ~lanes | value) & width
        if timer.config & PERIODIC:
            timer.period = (timer.period & ~lanes | value) & width
        timer.config &= ~VALUE_SET

    def _arm_all(self, now: int) -> None:
        for timer in self._state.timers:
            self._arm(timer, now)

    def _arm(self, timer: HpetTimerState, now: int) -> None:
        """When it next has the value that it is compared with: not now, that instant has passed."""
        if not self._state.configuration & ENABLE:
            timer.due = -1
            return
        s, count, wrap = self._state, self._count(now), _wrap(timer)
        distance = (timer.comparator - count - 1) % wrap + 1
        timer.due = s.origin + (count - s.count + distance) * TICK_NS if distance < FARTHEST else -1

    def _catch_up(self, now: int) -> None:
        for number, timer in enumerate(self._state.timers):
            if 0 <= timer.due <= now:
                self._matched(number, timer, now)

    def _matched(self, number: int, timer: HpetTimerState, now: int) -> None:
        """Once, however often it would have matched while nobody looked."""
        wrap = _wrap(timer)
        periodic = timer.config & PERIODIC and timer.period
        step = timer.period if periodic else wrap
        passed = (now - timer.due) // (step * TICK_NS) + 1
        timer.due = timer.due + passed * step * TICK_NS if step < FARTHEST else -1
        if periodic:
            timer.comparator = (timer.comparator + passed * step) % wrap
        self._fire(number, timer)

    def _fire(self, number: int, timer: HpetTimerState) -> None:
        if timer.config & LEVEL:
            self._state.status |= 1 << number
        if not timer.config & INTERRUPT:
            return
        if timer.config & MESSAGES:
            self._send(timer.message >> 32, timer.message & 0xFFFF_FFFF)
            return
        if timer.config & LEVEL:
            self._set_level(number, True)
        else:
            self._edge(number)

    def _edge(self, number: int) -> None:
        """A replaced line rises and stays, as OUT0 does: an 8259A forgets an edge whose level is gone before it is
        acknowledged.
        """
        rests = self._replaces(number)
        self._set_level(number, not rests)
        self._set_level(number, rests)

    def _clear(self, bits: int) -> None:
        for number in range(TIMERS):
            if self._state.status & bits & 1 << number:
                self._state.status &= ~(1 << number)
                self._set_level(number, False)

    def _set_level(self, number: int, level: bool) -> None:
        self._state.timers[number].level = level
        self._drive()

    def _drive(self) -> None:
        for pin, line in self._pins.items():
            line.set(any(self._drives(other, pin) for other in range(TIMERS)))
        for irq, timer in zip(self._replaced, self._state.timers, strict=False):
            irq.replace(self._in_force, timer.level)

    def _drives(self, number: int, pin: int) -> bool:
        timer = self._state.timers[number]
        return timer.level and not self._replaces(number) and timer.config >> ROUTE_SHIFT & ROUTE_MASK == pin

    def _replaces(self, number: int) -> bool:
        """Whether it drives a chip's line."""
        return self._in_force and number < len(self._replaced)

    def _schedule(self) -> None:
        s = self._state
        wanted = [timer.due for timer in s.timers if timer.due >= 0 and timer.config & (INTERRUPT | LEVEL)]
        if wanted:
            self._timer.schedule(MATCH, min(wanted))
        else:
            self._timer.cancel(MATCH)


def identity(*, legacy: bool) -> int:
    """The low half of the capabilities, as ACPI's HPET table has it too."""
    return IDENTITY | (LEGACY_CAPABLE if legacy else 0)


def _wrap(timer: HpetTimerState) -> int:
    """Counts until its comparator means the same again."""
    return 1 << (32 if timer.config & MODE_32 else 64)


def _described(timer: HpetTimerState) -> str:
    words = [
        word
        for bit, word in ((INTERRUPT, "interrupt"), (LEVEL, "level"), (PERIODIC, "periodic"), (MODE_32, "32 bits"))
        if timer.config & bit
    ]
    return f"{' '.join(words) or 'off'}, compared with {timer.comparator:#x}, period {timer.period:#x}"
