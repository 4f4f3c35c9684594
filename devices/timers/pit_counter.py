"""One counter of an 8254, computed from the clock instead of counted down.

Times are indices of CLK pulses. An initial count is loaded by the pulse after the write or the trigger.
Source: Intel 82C54 data sheet (231244), "Mode Definitions" and "Read Operations".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

NEVER = -1


class Access(enum.IntEnum):
    """Bits RW1 and RW0 of the control word."""

    LATCH = 0
    LSB = 1
    MSB = 2
    LSB_THEN_MSB = 3


class Mode(enum.IntEnum):
    INTERRUPT_ON_TERMINAL_COUNT = 0
    HARDWARE_RETRIGGERABLE_ONE_SHOT = 1
    RATE_GENERATOR = 2
    SQUARE_WAVE = 3
    SOFTWARE_TRIGGERED_STROBE = 4
    HARDWARE_TRIGGERED_STROBE = 5

    @property
    def is_periodic(self) -> bool:
        return self in (Mode.RATE_GENERATOR, Mode.SQUARE_WAVE)

    @property
    def is_triggered(self) -> bool:
        """Whether a rising GATE, not the write of a count, starts it."""
        return self in (Mode.HARDWARE_RETRIGGERABLE_ONE_SHOT, Mode.HARDWARE_TRIGGERED_STROBE)


@dataclass(slots=True)
class CounterState:
    """`origin` is the pulse that loaded `initial` into the counting element, NEVER while it holds `held`.

    `load_at` is the pulse that will load `count_register`, NEVER if none is due, and `load_origin` is what
    `origin` becomes then. `stopped_at` is the pulse at which GATE stopped the count, NEVER while it runs.
    """

    mode: Mode = Mode.INTERRUPT_ON_TERMINAL_COUNT
    access: Access = Access.LSB_THEN_MSB
    bcd: bool = False
    gate: bool = True
    count_register: int = 0x1_0000
    count_written: bool = False
    origin: int = NEVER
    initial: int = 0x1_0000
    stopped_at: int = NEVER
    load_at: int = NEVER
    load_origin: int = NEVER
    held: int = 0
    held_out: bool = False
    null_count: bool = True
    lsb_written: int = NEVER
    read_msb_next: bool = False
    latched_count: int = NEVER
    latched_status: int = NEVER


class Counter:
    """One counter: control word, count, GATE, OUT. Every method takes the index of the last CLK pulse."""

    def __init__(self, *, gate: bool) -> None:
        self.state = CounterState(gate=gate)

    def write_control(self, control: int, clock: int) -> None:
        """A control word for this counter that is not a latch command: the counter waits for a count."""
        old = self.state
        mode = control >> 1 & 7
        mode = Mode(mode if mode < 6 else mode - 4)
        self.state = CounterState(
            mode=mode,
            access=Access(control >> 4 & 3),
            bcd=bool(control & 1),
            gate=old.gate,
            count_register=old.count_register,
            held=self._element(clock)[0],
            held_out=mode is not Mode.INTERRUPT_ON_TERMINAL_COUNT,
        )

    def write(self, value: int, clock: int) -> None:
        """One byte of the initial count."""
        state = self.state
        self._commit(clock)
        match state.access:
            case Access.LSB:
                self._write_count(value, clock)
            case Access.MSB:
                self._write_count(value << 8, clock)
            case _ if state.lsb_written == NEVER:
                state.lsb_written = value
                if state.mode is Mode.INTERRUPT_ON_TERMINAL_COUNT:
                    self._hold(clock, out=False)
            case _:
                count = value << 8 | state.lsb_written
                state.lsb_written = NEVER
                self._write_count(count, clock)

    def read(self, clock: int) -> int:
        """One byte: the latched status, else the latched count, else the counting element as it is."""
        state = self.state
        if state.latched_status != NEVER:
            status, state.latched_status = state.latched_status, NEVER
            return status
        count = self.count(clock) if state.latched_count == NEVER else state.latched_count
        both = state.access is Access.LSB_THEN_MSB
        high = state.read_msb_next if both else state.access is Access.MSB
        if both:
            state.read_msb_next = not high
        if high or not both:
            state.latched_count = NEVER
        return count >> 8 if high else count & 0xFF

    def latch_count(self, clock: int) -> None:
        """Counter latch command; a count that is latched already stays."""
        if self.state.latched_count == NEVER:
            self.state.latched_count = self.count(clock)

    def latch_status(self, clock: int) -> None:
        """The status half of the read-back command; a status that is latched already stays."""
        if self.state.latched_status == NEVER:
            self.state.latched_status = self.status(clock)

    def set_gate(self, level: bool, clock: int) -> None:
        """Drive GATE; the effects are those of the data sheet's figure 22."""
        state = self.state
        if level == state.gate:
            return
        self._commit(clock)
        state.gate = level
        mode = state.mode
        if mode.is_triggered:
            if level and state.count_written:
                self._load(clock + 1)
        elif not level:
            if mode.is_periodic and state.origin != NEVER:
                state.load_at = state.load_origin = NEVER
            state.stopped_at = clock if state.load_at == NEVER else max(clock, state.load_at)
        elif mode.is_periodic:
            state.stopped_at = NEVER
            if state.count_written:
                self._load(clock + 1)
        else:
            self._resume(clock)

    def count(self, clock: int) -> int:
        """The counting element as the guest reads it, 16 bits, in BCD if programmed so."""
        value = self._element(clock)[0]
        return _to_bcd(value) if self.state.bcd else value & 0xFFFF

    def out(self, clock: int) -> bool:
        """The level at OUT."""
        return self._element(clock)[1]

    def is_null(self, clock: int) -> bool:
        """Null count: what was written is not in the counting element yet."""
        return self.state.null_count and not self._is_loaded(clock)

    def status(self, clock: int) -> int:
        """The status byte of the read-back command (data sheet, figure 11)."""
        state = self.state
        flags = self.out(clock) << 7 | self.is_null(clock) << 6
        return flags | state.access << 4 | state.mode << 1 | state.bcd

    def next_edge(self, clock: int) -> int | None:
        """The first pulse after `clock` at which OUT changes if nobody touches the counter, None if never."""
        state = self.state
        if state.load_at > clock:
            edge = self._edge_after(clock, state.origin, state.initial)
            if edge is not None and edge < state.load_at:
                return edge
            if self.out(state.load_at) != self.out(state.load_at - 1):
                return state.load_at
            clock = state.load_at
        if self._is_loaded(clock):
            return self._edge_after(clock, state.load_origin, state.count_register)
        return self._edge_after(clock, state.origin, state.initial)

    def wave(self, clock: int) -> tuple[int, int, int] | None:
        """Of OUT from `clock` on, if nobody touches the counter and it has a period: the pulse at which one began, the
        pulses that one has, and the first of them at which OUT is low."""
        state = self.state
        if state.load_at > clock or state.stopped_at != NEVER or not state.mode.is_periodic:
            return None
        loaded = self._is_loaded(clock)
        origin, initial = (state.load_origin, state.count_register) if loaded else (state.origin, state.initial)
        if origin == NEVER or initial == 1:
            return None
        return origin, initial, initial - 1 if state.mode is Mode.RATE_GENERATOR else (initial + 1) // 2

    def _is_loaded(self, clock: int) -> bool:
        return NEVER < self.state.load_at <= clock

    def _element(self, clock: int) -> tuple[int, bool]:
        """The counting element, 0 to 10000h, and OUT."""
        state = self.state
        origin, initial = state.origin, state.initial
        if self._is_loaded(clock):
            origin, initial = state.load_origin, state.count_register
        if origin == NEVER:
            return state.held, state.held_out
        if state.stopped_at != NEVER:
            clock = min(clock, state.stopped_at)
        elapsed = max(0, clock - origin)
        match state.mode:
            case Mode.RATE_GENERATOR:
                count = initial - elapsed % initial
                return count, count != 1 or initial == 1 or state.stopped_at != NEVER
            case Mode.SQUARE_WAVE:
                count, out = _square_wave(initial, elapsed % initial)
                return count, out or state.stopped_at != NEVER
            case Mode.INTERRUPT_ON_TERMINAL_COUNT | Mode.HARDWARE_RETRIGGERABLE_ONE_SHOT:
                return (initial - elapsed) % self._modulus, elapsed >= initial
            case _:
                return (initial - elapsed) % self._modulus, elapsed != initial

    def _edge_after(self, clock: int, origin: int, initial: int) -> int | None:
        state = self.state
        if origin == NEVER or state.stopped_at != NEVER:
            return None
        elapsed = clock - origin
        match state.mode:
            case Mode.RATE_GENERATOR | Mode.SQUARE_WAVE if initial == 1:
                return None
            case Mode.RATE_GENERATOR:
                edges = (initial - 1, initial)
            case Mode.SQUARE_WAVE:
                edges = ((initial + 1) // 2, initial)
            case Mode.INTERRUPT_ON_TERMINAL_COUNT | Mode.HARDWARE_RETRIGGERABLE_ONE_SHOT:
                edges = (initial, initial)
            case _:
                edges = (initial, initial + 1)
        start = clock - elapsed % initial if state.mode.is_periodic else origin
        return next((start + edge for edge in edges if start + edge > clock), None)

    @property
    def _modulus(self) -> int:
        return 10_000 if self.state.bcd else 0x1_0000

    def _commit(self, clock: int) -> None:
        """Make a load that has happened the current count."""
        state = self.state
        if self._is_loaded(clock):
            state.origin, state.initial = state.load_origin, state.count_register
            state.load_at = state.load_origin = NEVER
            state.null_count = False

    def _load(self, at: int, origin: int | None = None) -> None:
        self.state.load_at = at
        self.state.load_origin = at if origin is None else origin

    def _hold(self, clock: int, out: bool) -> None:
        """Keep the counting element and OUT as they are until the next load."""
        state = self.state
        state.held = self._element(clock)[0]
        state.held_out = out
        state.origin = state.load_at = state.load_origin = NEVER

    def _write_count(self, value: int, clock: int) -> None:
        """The complete count has been written. With a trigger in between, it is loaded by the next pulse."""
        state = self.state
        mode = state.mode
        if mode is Mode.INTERRUPT_ON_TERMINAL_COUNT:
            self._hold(clock, out=False)
        state.count_register = (_from_bcd(value) if state.bcd else value) or self._modulus
        state.count_written = state.null_count = True
        if mode.is_triggered:
            return
        if not state.gate:
            self._hold(clock, self.out(clock))
            state.stopped_at = clock + 1
            self._load(clock + 1)
        elif mode.is_periodic and state.origin != NEVER:
            self._load_after_cycle(clock)
        else:
            self._load(clock + 1)

    def _load_after_cycle(self, clock: int) -> None:
        """Modes 2 and 3: the new count waits for the end of the cycle, in mode 3 of the half-cycle."""
        state = self.state
        if state.load_at == clock + 1:
            return
        phase = (clock - state.origin) % state.initial
        start = clock - phase
        high = (state.initial + 1) // 2
        if state.mode is Mode.SQUARE_WAVE and phase < high and state.initial > 1:
            switch = start + high
            self._load(switch, switch - (state.count_register + 1) // 2)
        else:
            self._load(start + state.initial)

    def _resume(self, clock: int) -> None:
        """Modes 0 and 4: GATE rises and the count goes on where it stopped."""
        state = self.state
        if state.stopped_at == NEVER:
            return
        pause = max(0, clock - state.stopped_at)
        state.stopped_at = NEVER
        if state.origin != NEVER:
            state.origin += pause
        if state.load_at != NEVER and state.load_at <= clock:
            state.load_origin += pause


def _square_wave(initial: int, phase: int) -> tuple[int, bool]:
    """Count and OUT of mode 3: down by two in each half, the first half of an odd count one pulse longer."""
    high = (initial + 1) // 2
    even = initial & ~1
    if phase < high:
        return even - 2 * phase, True
    return even - 2 * (phase - high), False


def _from_bcd(value: int) -> int:
    """Four decades; a digit above 9 counts as what its weight makes of it."""
    weights = ((12, 1000), (8, 100), (4, 10), (0, 1))
    return sum((value >> shift & 0xF) * weight for shift, weight in weights) % 10_000


def _to_bcd(value: int) -> int:
    return int(f"{value % 10_000:04}", 16)
