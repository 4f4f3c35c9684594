"""8042 keyboard controller of an AT: ports 60h and 64h, a keyboard on the first port, no auxiliary device.

With a mouse it is in i8042_aux.py.

Sources: IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device Controller; IBM AT
Technical Reference, Keyboard Controller. State at power on is what firmware leaves: self test passed,
translation on.

Bytes take no time on the keyboard's serial line: the next one is in the output buffer as soon as the last was
read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from devices.copied import copied
from devices.keyboard import i8042_registers as reg
from devices.keyboard.hands import Hands, HandsState
from devices.keyboard.key_table import KEYS, KeyType
from devices.keyboard.keyboard import Keyboard, KeyboardState
from devices.keyboard.keys import KeyEvents, KeyInput
from devices.keyboard.scancodes import BREAK_PREFIX, set_2_to_1
from devices.seam import DeviceInput, Line, Rows, Timer
from devices.wiring.bits import bit_names

KEYBOARD_IRQ = 1
AUX_IRQ = 12
KEY_TYPES = frozenset(KeyType)


@dataclass(slots=True)
class I8042State:
    command_byte: int = reg.COMMAND_BYTE_POWER_ON
    ram: list[int] = field(default_factory=lambda: [0] * 32)
    """Controller memory 20h-3Fh; the first byte is unused, the command byte stands there."""
    system_flag: bool = True
    last_write_was_command: bool = True
    awaiting: int = 0
    """The controller command whose data byte comes next, 0 for none."""
    output_full: bool = False
    output_data: int = 0
    output_aux: bool = False
    output_timeout: bool = False
    output_port: int = reg.OUTPUT_PORT_NO_RESET | reg.OUTPUT_PORT_A20
    break_prefix: bool = False
    """The keyboard's last byte was F0h, which translation holds back."""
    keyboard: KeyboardState = field(default_factory=KeyboardState)


@dataclass(slots=True)
class TypedState(I8042State):
    """Of one at whose keyboard somebody has typed, or whose keys have other types in set 3."""

    hands: HandsState = field(default_factory=HandsState)
    key_types: tuple[tuple[int, int], ...] = ()
    """In scan code set 3, of keys by number, where it is not the key's own."""

    def __post_init__(self) -> None:
        if not all(0 <= key < len(KEYS) and value in KEY_TYPES for key, value in self.key_types):
            raise ValueError("a key has a type that there is not")


class I8042:
    """`data` is the window of port 60h, `command` that of port 64h.

    `a20` is high while A20 is passed; `reset` is pulsed to reset the processor; the others are interrupt
    requests. `save` leaves out what typing has added as long as nobody has typed.
    """

    name = "i8042"
    title = "keyboard controller"
    INPUTS: ClassVar[tuple[type[DeviceInput], ...]] = (KeyInput, KeyEvents)
    State: ClassVar[type[I8042State]] = TypedState

    def __init__(self, keyboard_irq: Line, aux_irq: Line, a20: Line, reset: Line, timer: Timer) -> None:
        self._keyboard_irq = keyboard_irq
        self._aux_irq = aux_irq
        self._a20 = a20
        self._reset = reset
        self._state = I8042State()
        self._keyboard = Keyboard(self._state.keyboard)
        self._hands = Hands(self._keyboard, timer)
        self.data = DataPort(self)
        self.command = CommandPort(self)

    def take(self, data: KeyInput | KeyEvents, now: int) -> None:
        """Somebody types."""
        if isinstance(data, KeyInput):
            self._keyboard.press(data.codes)
        else:
            self._hands.take(data, now)
        self._go_on(now)

    def on_event(self, name: str, now: int) -> None:
        self._hands.on_event(name, now)
        self._go_on(now)

    def save(self) -> I8042State:
        state = copied(self._state)
        hands, key_types = copied(self._hands.state), tuple(sorted(self._keyboard.key_types.items()))
        if hands == HandsState() and not key_types:
            return state
        return TypedState(**_fields_of(state), hands=hands, key_types=key_types)

    def restore(self, state: I8042State) -> None:
        kept = copied(state)
        self._state = I8042State(**_fields_of(kept))
        self._keyboard.state = self._state.keyboard
        typed = kept if isinstance(kept, TypedState) else TypedState()
        self._hands.state = typed.hands
        self._keyboard.key_types = dict(typed.key_types)

    def describe(self, now: int) -> Rows:
        s = self._state
        return [
            ("status", bit_names(self.read_status(), reg.STATUS_BITS)),
            ("command byte", f"{s.command_byte:02x} {bit_names(s.command_byte, reg.COMMAND_BYTE_BITS)}"),
            ("output buffer", f"{s.output_data:02x} {'full' if s.output_full else 'empty'}"),
            ("output port", f"{self._output_port():02x} {bit_names(s.output_port, reg.OUTPUT_PORT_BITS)}"),
            ("awaiting data of", f"command {s.awaiting:02x}" if s.awaiting else "none"),
            *self._keyboard.describe(),
            *self._hands.describe(),
        ]

    def read_status(self) -> int:
        s = self._state
        return (
            reg.STATUS_UNLOCKED
            | (reg.STATUS_OBF if s.output_full else 0)
            | (reg.STATUS_SYSTEM if s.system_flag else 0)
            | (reg.STATUS_COMMAND if s.last_write_was_command else 0)
            | (reg.STATUS_AUX_OBF if s.output_full and s.output_aux else 0)
            | (reg.STATUS_TIMEOUT if s.output_full and s.output_timeout else 0)
        )

    def read_data(self, now: int) -> int:
        """The output buffer; reading empties it, and the keyboard may send on."""
        s = self._state
        value = s.output_data
        if s.output_full:
            s.output_full = False
            self._update_irqs()
            self._go_on(now)
        return value

    def write_data(self, value: int, now: int) -> None:
        """Data of the command before, or else a byte for the keyboard, which switches its clock on again."""
        s = self._state
        s.last_write_was_command = False
        awaiting, s.awaiting = s.awaiting, 0
        if awaiting:
            self._command_data(awaiting, value)
        else:
            s.command_byte &= ~reg.COMMAND_BYTE_KEYBOARD_DISABLE
            self._keyboard.write(value)
        self._go_on(now)

    def write_command(self, value: int, now: int) -> None:
        """A controller command. Unknown ones do nothing."""
        s = self._state
        s.last_write_was_command = True
        s.awaiting = 0
        if value in reg.READ_RAM:
            self._output(s.ram[value - reg.READ_RAM.start] if value != reg.READ_RAM.start else s.command_byte)
        elif value in reg.WRITE_RAM or value in reg.WITH_DATA:
            s.awaiting = value
        elif value in reg.PULSE_OUTPUT:
            self._drive_reset(value)
        elif value in (reg.A20_OFF, reg.A20_ON):
            self._set_a20(value == reg.A20_ON)
        else:
            self._simple_command(value)
        self._update_irqs()
        self._go_on(now)

    def _simple_command(self, value: int) -> None:
        s = self._state
        match value:
            case reg.PASSWORD_INSTALLED_TEST:
                self._output(reg.NO_PASSWORD)
            case reg.AUX_DISABLE:
                s.command_byte |= reg.COMMAND_BYTE_AUX_DISABLE
            case reg.AUX_ENABLE:
                s.command_byte &= ~reg.COMMAND_BYTE_AUX_DISABLE
            case reg.AUX_TEST:
                self._test_aux()
            case reg.SELF_TEST:
                s.system_flag = True
                self._output(reg.SELF_TEST_PASSED)
            case reg.KEYBOARD_TEST:
                self._output(reg.KEYBOARD_TEST_PASSED)
            case reg.KEYBOARD_DISABLE:
                s.command_byte |= reg.COMMAND_BYTE_KEYBOARD_DISABLE
            case reg.KEYBOARD_ENABLE:
                s.command_byte &= ~reg.COMMAND_BYTE_KEYBOARD_DISABLE
            case reg.READ_INPUT_PORT:
                self._output(reg.INPUT_PORT)
            case reg.READ_OUTPUT_PORT:
                self._output(self._output_port())
            case reg.READ_TEST_INPUTS:
                self._output(0)
            case _:
                pass

    def _command_data(self, command: int, value: int) -> None:
        s = self._state
        match command:
            case reg.WRITE_COMMAND_BYTE:
                s.command_byte = value & 0x7F
                s.system_flag = bool(value & reg.COMMAND_BYTE_SYSTEM)
                self._update_irqs()
            case reg.WRITE_OUTPUT_PORT:
                s.output_port = value & 0x0F | reg.OUTPUT_PORT_NO_RESET
                self._a20.set(bool(value & reg.OUTPUT_PORT_A20))
                self._drive_reset(value)
            case reg.WRITE_KEYBOARD_BUFFER:
                self._output(value)
            case reg.WRITE_AUX_BUFFER:
                self._write_aux_buffer(value)
            case reg.WRITE_AUX_DEVICE:
                self._write_aux_device(value)
            case _:
                s.ram[command - reg.WRITE_RAM.start] = value

    def _test_aux(self) -> None:
        """There is nothing at the second port."""
        self._output(reg.AUX_CLOCK_STUCK_LOW)

    def _write_aux_buffer(self, value: int) -> None:
        """Without an auxiliary port there is one output buffer only, so the byte comes back as the keyboard's: Linux
        sees at once that the loop is broken, instead of waiting half a second.
        """
        self._output(value)

    def _write_aux_device(self, value: int) -> None:
        self._output(reg.DEVICE_TIMEOUT, aux=True, timeout=True)

    def _output(self, value: int, *, aux: bool = False, timeout: bool = False) -> None:
        """Put a byte into the output buffer, over whatever is there."""
        s = self._state
        s.output_full = False
        self._update_irqs()
        s.output_full = True
        s.output_data = value
        s.output_aux = aux
        s.output_timeout = timeout
        self._update_irqs()

    def _go_on(self, now: int) -> None:
        """Whoever has something to send, and can, does."""
        self._poll_keyboard()
        self._hands.go_on(now)

    def _poll_keyboard(self) -> None:
        """Take from the keyboard what it has to send, as long as the buffer is empty and its clock is on."""
        s = self._state
        while not s.output_full and not s.command_byte & reg.COMMAND_BYTE_KEYBOARD_DISABLE:
            code = self._keyboard.take()
            if code is None:
                return
            if not s.command_byte & reg.COMMAND_BYTE_XLATE:
                self._output(code)
            elif code == BREAK_PREFIX:
                s.break_prefix = True
            else:
                self._output(set_2_to_1(code) | (0x80 if s.break_prefix else 0))
                s.break_prefix = False

    def _update_irqs(self) -> None:
        s = self._state
        keyboard = s.output_full and not s.output_aux
        aux = s.output_full and s.output_aux
        self._keyboard_irq.set(keyboard and bool(s.command_byte & reg.COMMAND_BYTE_KEYBOARD_INTERRUPT))
        self._aux_irq.set(aux and bool(s.command_byte & reg.COMMAND_BYTE_AUX_INTERRUPT))

    def _output_port(self) -> int:
        s = self._state
        keyboard = reg.OUTPUT_PORT_KEYBOARD_IRQ if s.output_full and not s.output_aux else 0
        aux = reg.OUTPUT_PORT_AUX_IRQ if s.output_full and s.output_aux else 0
        return s.output_port | reg.OUTPUT_PORT_LINES | keyboard | aux

    def _set_a20(self, level: bool) -> None:
        s = self._state
        s.output_port = s.output_port & ~reg.OUTPUT_PORT_A20 | (reg.OUTPUT_PORT_A20 if level else 0)
        self._a20.set(level)

    def _drive_reset(self, output_port: int) -> None:
        """The reset output is active low; holding it resets the processor once, as pulsing it does."""
        if not output_port & reg.OUTPUT_PORT_NO_RESET:
            self._reset.set(True)
            self._reset.set(False)


def _fields_of(state: I8042State) -> dict[str, Any]:
    """Those of the base class; `Any` is each field's own type."""
    return {field.name: getattr(state, field.name) for field in fields(I8042State)}


class DataPort:
    """Port 60h."""

    def __init__(self, controller: I8042) -> None:
        self._controller = controller

    def read(self, offset: int, size: int, now: int) -> int:
        return self._controller.read_data(now)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._controller.write_data(value & 0xFF, now)


class CommandPort:
    """Port 64h: the status register to read, commands to write."""

    def __init__(self, controller: I8042) -> None:
        self._controller = controller

    def read(self, offset: int, size: int, now: int) -> int:
        return self._controller.read_status()

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._controller.write_command(value & 0xFF, now)
