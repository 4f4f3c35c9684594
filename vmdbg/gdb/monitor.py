"""gdb's `monitor`: the debugger's commands, as plain text."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.commands.session import Session
from vmdbg.debugger.debugger import Debugger
from vmdbg.gdb.helper_commands import COMMANDS

OWNER = "gdb"


class GuestMonitor:
    """gdbstub's Monitor port. Commands can look and change, not run the guest or reach the host."""

    def __init__(self, session: Session) -> None:
        self._session = session
        for command in COMMANDS:
            session.registry.add(command)

    def run(self, command: str, _write: Callable[[str], None]) -> str:
        return self._session.execute(command)


def monitor_session(debugger: Debugger) -> Session:
    """A session of gdb's own; it ends with the server."""
    return Session(debugger, owner=OWNER)
