"""gdb's `monitor`: the commands of the debugger, as plain text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gdbstub.errors import TargetError
from vmdbg.errors import VmdbgError


class MonitorCommands(Protocol):
    """Who carries out a line. Raises VmdbgError with what is wrong."""

    def run(self, line: str, write: Callable[[str], None]) -> str: ...


class GuestMonitor:
    """gdbstub's Monitor port."""

    def __init__(self, commands: MonitorCommands) -> None:
        self._commands = commands

    def run(self, command: str, write: Callable[[str], None]) -> str:
        try:
            return self._commands.run(command, write)
        except VmdbgError as error:
            raise TargetError(str(error)) from error
