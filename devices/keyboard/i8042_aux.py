"""An 8042 with a mouse at its second port, as of a PS/2.

Source: IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device Controller.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from devices.copied import copied
from devices.keyboard import i8042_registers as reg
from devices.keyboard.i8042 import I8042, I8042State, TypedState
from devices.keyboard.keys import KeyEvents, KeyInput
from devices.keyboard.mouse import SAMPLE, Mouse, MouseState
from devices.keyboard.mouse_input import MouseInput
from devices.seam import DeviceInput, Line, Rows, Timer


@dataclass(slots=True)
class AuxState(TypedState):
    mouse: MouseState = field(default_factory=MouseState)


class I8042WithMouse(I8042):
    """The keyboard's bytes go before the mouse's."""

    title = "keyboard and mouse controller"
    INPUTS: ClassVar[tuple[type[DeviceInput], ...]] = (KeyInput, KeyEvents, MouseInput)
    State: ClassVar[type[I8042State]] = AuxState

    def __init__(self, keyboard_irq: Line, aux_irq: Line, a20: Line, reset: Line, timer: Timer) -> None:
        super().__init__(keyboard_irq, aux_irq, a20, reset, timer)
        self._mouse = Mouse(MouseState(), timer)

    def take(self, data: KeyInput | KeyEvents | MouseInput, now: int) -> None:
        """Somebody types, or moves the mouse."""
        if isinstance(data, MouseInput):
            self._mouse.move(data, now)
        else:
            super().take(data, now)

    def on_event(self, name: str, now: int) -> None:
        if name == SAMPLE:
            self._mouse.on_event(now)
            self._go_on(now)
        else:
            super().on_event(name, now)

    def save(self) -> AuxState:
        state = super().save()
        own: dict[str, Any] = {field.name: getattr(state, field.name) for field in fields(state)}
        return AuxState(**own, mouse=copied(self._mouse.state))

    def restore(self, state: I8042State) -> None:
        super().restore(state)
        self._mouse.state = copied(state.mouse) if isinstance(state, AuxState) else MouseState()

    def describe(self, now: int) -> Rows:
        return [*super().describe(now), *self._mouse.describe()]

    def _go_on(self, now: int) -> None:
        super()._go_on(now)
        self._poll_mouse()
        self._mouse.go_on(now)

    def _poll_mouse(self) -> None:
        """Take the next byte from the mouse, if the buffer is empty and its clock is on."""
        s = self._state
        if not s.output_full and not s.command_byte & reg.COMMAND_BYTE_AUX_DISABLE:
            value = self._mouse.take()
            if value is not None:
                self._output(value, aux=True)

    def _test_aux(self) -> None:
        self._output(reg.AUX_TEST_PASSED)

    def _write_aux_buffer(self, value: int) -> None:
        self._output(value, aux=True)

    def _write_aux_device(self, value: int) -> None:
        """It switches the clock of the second port on again."""
        self._state.command_byte &= ~reg.COMMAND_BYTE_AUX_DISABLE
        self._mouse.write(value)
