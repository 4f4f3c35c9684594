"""An MF2 (IBM enhanced, 101/102 key) keyboard: the device at the other end of the 8042's first port.

Source: IBM PS/2 Hardware Interface Technical Reference, Keyboard (101- and 102-Key), commands from and to the
system. Commands, their answers and the 16-byte output buffer are here; who presses keys is in hands.py, and what they
send in key_codes.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.keyboard.key_table import BY_SET_3, KEYS, Key, KeyType
from devices.wiring.bits import bit_names

BUFFER_SIZE = 16
OVERRUN = 0x00

ACK = 0xFA
RESEND = 0xFE
ECHO = 0xEE
SELF_TEST_PASSED = 0xAA
IDENTITY = (0xAB, 0x83)

SET_LEDS = 0xED
SELECT_SCANCODE_SET = 0xF0
IDENTIFY = 0xF2
SET_TYPEMATIC = 0xF3
ENABLE = 0xF4
DEFAULT_DISABLE = 0xF5
SET_DEFAULT = 0xF6
SET_ALL_KEYS = range(0xF7, 0xFB)
SET_KEY_TYPE = range(0xFB, 0xFE)
RESET = 0xFF
WITH_PARAMETER = frozenset({SET_LEDS, SELECT_SCANCODE_SET, SET_TYPEMATIC, *SET_KEY_TYPE})

TYPES = {
    0xF7: KeyType.TYPEMATIC,
    0xF8: KeyType.MAKE_BREAK,
    0xF9: KeyType.MAKE_ONLY,
    0xFA: KeyType.TYPEMATIC_MAKE_BREAK,
    0xFB: KeyType.TYPEMATIC,
    0xFC: KeyType.MAKE_BREAK,
    0xFD: KeyType.MAKE_ONLY,
}
"""What SET_ALL_KEYS and SET_KEY_TYPE make of keys."""

DEFAULT_TYPEMATIC = 0x2B
"""10.9 characters a second after 500 ms."""
LEDS = ("scroll lock", "num lock", "caps lock")


@dataclass(slots=True)
class KeyboardState:
    output: list[int] = field(default_factory=list)
    """What the keyboard has yet to send, oldest first; at most BUFFER_SIZE bytes."""
    typed: list[int] = field(default_factory=list)
    """Codes of keys that have yet to be sent, the oldest first."""
    last_sent: int = 0
    awaiting: int = 0
    """The command whose parameter comes next, 0 for none."""
    scanning: bool = True
    leds: int = 0
    scancode_set: int = 2
    typematic: int = DEFAULT_TYPEMATIC


class Keyboard:
    """Works on the state that the keyboard controller keeps for it.

    `key_types` are the types of keys in set 3 that are not their own, by the keys' numbers.
    """

    def __init__(self, state: KeyboardState) -> None:
        self.state = state
        self.key_types: dict[int, int] = {}

    @property
    def room(self) -> int:
        """Bytes that its buffer can take."""
        return BUFFER_SIZE - len(self.state.output)

    @property
    def idle(self) -> bool:
        """Whether the system has taken all that it had to send."""
        return not self.state.output and not self.state.typed

    def key_type(self, key: Key) -> KeyType:
        """In scan code set 3."""
        return KeyType(self.key_types.get(key.number, key.type))

    def scan(self, codes: bytes) -> None:
        """A key has gone down or up."""
        self._send(*codes)

    def take(self) -> int | None:
        """The next byte to the system, None if there is none."""
        s = self.state
        waiting = s.output or (s.typed if s.scanning else [])
        if not waiting:
            return None
        s.last_sent = waiting.pop(0)
        return s.last_sent

    def press(self, codes: bytes) -> None:
        """Codes as if keys had sent them."""
        self.state.typed += codes

    def write(self, value: int) -> None:
        """A byte from the system: a command, or the parameter that the last one waits for."""
        awaiting, self.state.awaiting = self.state.awaiting, 0
        if awaiting and value < SET_LEDS:
            self._parameter(awaiting, value)
        else:
            self._command(value)

    def describe(self) -> list[tuple[str, str]]:
        s = self.state
        return [
            (
                "keyboard",
                f"scanning {'enabled' if s.scanning else 'disabled'}, scan code set {s.scancode_set}",
            ),
            ("keyboard LEDs", bit_names(s.leds, LEDS)),
            ("keyboard typematic", f"{s.typematic:02x}"),
            ("keyboard output", " ".join(f"{byte:02x}" for byte in s.output) or "empty"),
            ("codes waiting", f"{len(s.typed)}" if s.typed else "none"),
        ]

    def _send(self, *values: int) -> None:
        for value in values:
            if len(self.state.output) < BUFFER_SIZE:
                self.state.output.append(value)
            else:
                self.state.output[-1] = OVERRUN

    def _set_default(self, scanning: bool) -> None:
        s = self.state
        s.output.clear()
        s.scanning = scanning
        s.scancode_set = 2
        s.typematic = DEFAULT_TYPEMATIC
        self.key_types.clear()

    def _command(self, value: int) -> None:
        if value in WITH_PARAMETER:
            self.state.awaiting = value
            self._send(ACK)
        elif value == RESET:
            self._set_default(scanning=True)
            self.state.leds = 0
            self._send(ACK, SELF_TEST_PASSED)
        elif value == IDENTIFY:
            self._send(ACK, *IDENTITY)
        elif value == ENABLE:
            self.state.output.clear()
            self.state.scanning = True
            self._send(ACK)
        elif value in (DEFAULT_DISABLE, SET_DEFAULT):
            self._set_default(scanning=value == SET_DEFAULT)
            self._send(ACK)
        elif value in SET_ALL_KEYS:
            self.key_types = {key.number: TYPES[value] for key in KEYS if key.type is not TYPES[value]}
            self._send(ACK)
        elif value == ECHO:
            self._send(ECHO)
        elif value == RESEND:
            self._send(self.state.last_sent)
        else:
            self._send(RESEND)

    def _parameter(self, command: int, value: int) -> None:
        s = self.state
        if command == SELECT_SCANCODE_SET and value > 3:
            self._send(RESEND)
            return
        self._send(ACK)
        if command == SET_LEDS:
            s.leds = value & 7
        elif command == SET_TYPEMATIC:
            s.typematic = value & 0x7F
        elif command == SELECT_SCANCODE_SET and value == 0:
            self._send(s.scancode_set)
        elif command == SELECT_SCANCODE_SET:
            s.scancode_set = value
        elif command in SET_KEY_TYPE:
            self._set_type(value, TYPES[command])
            s.awaiting = command  # more keys may follow, until a command does

    def _set_type(self, code: int, key_type: KeyType) -> None:
        """Of the key that has that make code in set 3."""
        key = BY_SET_3.get(code)
        if key is not None:
            self.key_types[key.number] = key_type
