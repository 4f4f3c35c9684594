"""The hands at the keyboard: keys that somebody presses and releases, one after the other, in guest time.

A key goes down only when the system has taken all that the keyboard had to send, and scanning is on: text of any length
comes through however slow the guest is, at instants that follow from what the guest does alone. Keys that are down
repeat after the typematic delay, at the typematic rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from devices.keyboard.key_codes import break_codes, make_codes, repeats
from devices.keyboard.key_table import KEYS
from devices.keyboard.keyboard import BUFFER_SIZE, Keyboard
from devices.keyboard.keys import RELEASE, KeyEvents
from devices.seam import Rows, Timer

NEXT: Final = "next key"
TYPEMATIC: Final = "typematic"
MOST_WAITING: Final = 1 << 20
"""Events. What is pressed beyond is not typed."""
NOBODY: Final = -1
LONGEST_CODES: Final = 8
_DELAY_STEP, _RATE_STEP = 250_000_000, 4_170_000


@dataclass(slots=True)
class Waiting:
    """Events of one input that have yet to come, and the pause after each."""

    events: bytes
    pause: int

    def __post_init__(self) -> None:
        KeyEvents(self.events, self.pause)  # which raises for what is none


@dataclass(slots=True)
class HandsState:
    waiting: list[Waiting] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    """Numbers of the keys that are pressed, in the order in which they were."""
    ready_at: int = 0
    """When the next event may come."""
    armed: bool = False
    """Whether there is a deadline for it."""
    repeating: int = NOBODY
    """The number of the key that repeats, NOBODY for none."""

    def __post_init__(self) -> None:
        if not all(0 <= number < len(KEYS) for number in self.down) or not NOBODY <= self.repeating < len(KEYS):
            raise ValueError("a key is down that no keyboard has")


class Hands:
    """Presses keys of `keyboard`; on_event() is for NEXT and TYPEMATIC."""

    def __init__(self, keyboard: Keyboard, timer: Timer) -> None:
        self._keyboard = keyboard
        self._timer = timer
        self.state = HandsState()

    def take(self, data: KeyEvents, now: int) -> None:
        """After what is being typed."""
        waiting = self.state.waiting
        room = MOST_WAITING - sum(len(part.events) for part in waiting)
        if data.events[:room]:
            waiting.append(Waiting(data.events[:room], data.pause))
        self.go_on(now)

    def go_on(self, now: int) -> None:
        """See to it that the next event comes, once it can."""
        s = self.state
        if s.waiting and not s.armed and self._can_come(s.waiting[0].events[0]):
            s.armed = True
            self._timer.schedule(NEXT, max(s.ready_at, now))

    def on_event(self, name: str, now: int) -> None:
        if name == TYPEMATIC:
            self._repeat(now)
            return
        s = self.state
        s.armed = False
        if s.waiting and self._can_come(s.waiting[0].events[0]):
            part = s.waiting[0]
            event, part.events = part.events[0], part.events[1:]
            s.ready_at = now + part.pause
            if not part.events:
                s.waiting.pop(0)
            self._do(event, now)

    def stop_repeating(self) -> None:
        """The keyboard was told something that ends it."""
        self.state.repeating = NOBODY
        self._timer.cancel(TYPEMATIC)

    def describe(self) -> Rows:
        s = self.state
        events = sum(len(part.events) for part in s.waiting)
        names = [KEYS[number].name + (" (repeats)" if number == s.repeating else "") for number in s.down]
        return [("keys down", ", ".join(names) or "none"), ("keys waiting", f"{events} events" if events else "none")]

    def _can_come(self, event: int) -> bool:
        keyboard = self._keyboard
        if not keyboard.state.scanning:
            return False
        if event & RELEASE:
            return keyboard.room >= LONGEST_CODES
        return keyboard.idle

    def _do(self, event: int, now: int) -> None:
        number = event & ~RELEASE
        if event & RELEASE:
            self._release(number)
        elif number not in self.state.down:
            self._press(number, now)

    def _press(self, number: int, now: int) -> None:
        s, keyboard, key = self.state, self._keyboard, KEYS[number]
        self.stop_repeating()
        keyboard.scan(make_codes(key, keyboard.state.scancode_set, s.down, keyboard.state.leds))
        s.down.append(number)
        if repeats(key, keyboard.state.scancode_set, keyboard.key_type(key)):
            s.repeating = number
            self._timer.schedule(TYPEMATIC, now + typematic_delay(keyboard.state.typematic))

    def _release(self, number: int) -> None:
        s, keyboard, key = self.state, self._keyboard, KEYS[number]
        if number not in s.down:
            return
        s.down.remove(number)
        if s.repeating == number:
            self.stop_repeating()
        state = keyboard.state
        keyboard.scan(break_codes(key, state.scancode_set, s.down, state.leds, keyboard.key_type(key)))

    def _repeat(self, now: int) -> None:
        s, keyboard = self.state, self._keyboard
        if s.repeating == NOBODY or not keyboard.state.scanning:
            s.repeating = NOBODY
            return
        others = [number for number in s.down if number != s.repeating]
        codes = make_codes(KEYS[s.repeating], keyboard.state.scancode_set, others, keyboard.state.leds)
        if len(codes) <= keyboard.room <= BUFFER_SIZE:
            keyboard.scan(codes)
        self._timer.schedule(TYPEMATIC, now + typematic_period(keyboard.state.typematic))


def typematic_delay(typematic: int) -> int:
    """Nanoseconds until a key repeats, of the parameter of F3h."""
    return ((typematic >> 5 & 3) + 1) * _DELAY_STEP


def typematic_period(typematic: int) -> int:
    """Nanoseconds from one repetition to the next."""
    return (8 + (typematic & 7)) * (1 << (typematic >> 3 & 3)) * _RATE_STEP
