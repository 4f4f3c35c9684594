"""The few monitor commands that need nothing but a debugger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from vmdbg.debugger.actions import StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest

HELP = """\
digest               hashes of the CPU, of RAM and of the devices, at this tick
help                 this list
step-mode [MODE]     how steps treat interrupts: same-context or architectural
tick                 the guest's clock
"""


class BasicCommands:
    """MonitorCommands for a server on its own."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger

    def run(self, line: str, _write: Callable[[str], None]) -> str:
        match line.split():
            case ["tick"]:
                return f"{self._debugger.position}\n"
            case ["digest"]:
                values = asdict(digest(self._debugger.machine))
                return "".join(f"{name:8}{value}\n" for name, value in values.items())
            case ["step-mode"]:
                return f"{self._debugger.step_mode.value}\n"
            case ["step-mode", name]:
                self._debugger.step_mode = _step_mode(name)
                return ""
            case [] | ["help"]:
                return HELP
        raise UserError(f"unknown command {line!r}; try: monitor help")


def _step_mode(name: str) -> StepMode:
    try:
        return StepMode(name)
    except ValueError:
        modes = ", ".join(mode.value for mode in StepMode)
        raise UserError(f"{name!r} is no way of stepping: choose one of {modes}") from None
