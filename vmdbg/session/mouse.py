"""What a user does with the mouse, as the inputs that it makes."""

from __future__ import annotations

from devices.keyboard.i8042 import I8042
from devices.keyboard.mouse_input import BUTTONS, MouseInput
from vmdbg.errors import UserError
from vmdbg.machine.machine import Machine


def need_mouse(machine: Machine) -> None:
    """Raises UserError if the machine has none."""
    if MouseInput not in machine.pc.devices[I8042.name].INPUTS:  # type: ignore[attr-defined]  # it takes inputs
        raise UserError("this machine has no mouse: start it with --mouse")


def mouse_button(name: str) -> int:
    """Its bit. Raises UserError."""
    if name not in BUTTONS:
        raise UserError(f"a mouse has no button {name[:20]!r}; it has: {', '.join(BUTTONS)}")
    return 1 << BUTTONS.index(name)


def mouse_input(*, dx: int = 0, dy: int = 0, wheel: int = 0, press: int = 0, release: int = 0) -> MouseInput:
    """Raises UserError for what no mouse does."""
    try:
        return MouseInput(dx, dy, wheel, press, release)
    except ValueError as error:
        raise UserError(str(error)) from None
