"""What reaches the keyboard from outside: keys that go down and up, or codes as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from devices.keyboard.key_table import KEYS

if TYPE_CHECKING:
    from devices.keyboard.layout_us import Chord

MOST_CODES: Final = 1 << 16
MOST_EVENTS: Final = 1 << 17
RELEASE: Final = 0x80
PAUSE_NS: Final = 10_000_000
"""Between two events where nobody says: 50 keys a second. A BIOS, which keeps 15, takes more than that at any menu."""
LONGEST_PAUSE: Final = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class KeyInput:
    """Bytes that the keyboard sends, whatever set it is in: as the system takes them, and no key is down for it."""

    codes: bytes

    def __post_init__(self) -> None:
        if len(self.codes) > MOST_CODES:
            raise ValueError(f"{len(self.codes)} codes are more than the {MOST_CODES} that are taken at once")

    @property
    def device(self) -> str:
        return "i8042"


@dataclass(frozen=True, slots=True)
class KeyEvents:
    """Keys by their numbers in KEYS, with bit 7 where one is released; `pause` in nanoseconds comes after each.

    What is typed waits until the system has taken what was typed before, so that nothing is lost.
    """

    events: bytes
    pause: int = PAUSE_NS

    def __post_init__(self) -> None:
        if len(self.events) > MOST_EVENTS:
            raise ValueError(f"{len(self.events)} key events are more than the {MOST_EVENTS} that are taken at once")
        unknown = [event for event in self.events if event & ~RELEASE >= len(KEYS)]
        if unknown:
            raise ValueError(f"there is no key {unknown[0] & ~RELEASE}")
        if not 0 <= self.pause <= LONGEST_PAUSE:
            raise ValueError(f"a pause of {self.pause} ns between keys is none: 0 to an hour")

    @property
    def device(self) -> str:
        return "i8042"


def strokes(chords: Iterable[Chord], pause: int = PAUSE_NS) -> KeyEvents:
    """Each pressed and released. Raises ValueError for too many."""
    return KeyEvents(b"".join(bytes(chord) + released(chord) for chord in chords), pause)


def held(chord: Chord, hold: int, pause: int = PAUSE_NS) -> tuple[KeyEvents, ...]:
    """Its last key stays down for `hold` nanoseconds. Raises ValueError."""
    return KeyEvents(bytes(chord[:-1]), pause), KeyEvents(bytes(chord[-1:]), hold), KeyEvents(released(chord), pause)


def released(chord: Chord) -> bytes:
    return bytes(number | RELEASE for number in reversed(chord))
