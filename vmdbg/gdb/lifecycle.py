"""Clients come and go, and may end or restart the guest."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.gdb.errors import refusals


class GuestLifecycle:
    """gdbstub's Lifecycle and Restart ports. `killed_by_client` says that a client ended the guest."""

    def __init__(self, debugger: Debugger, forget: Callable[[], object] = lambda: None) -> None:
        """`forget` is called for each client: what the one before had prepared is not the next one's."""
        self._debugger = debugger
        self._forget = forget
        self.killed_by_client = False

    def attached(self) -> None:
        """The guest stands before the client hears anything."""
        self._forget()
        self.killed_by_client = False
        if self._debugger.running:
            self._debugger.interrupt()
            self._debugger.wait()

    def detached(self) -> None:
        """The guest goes on as if nobody had been there; one that has ended, ends again for whoever runs it."""
        if not self._debugger.running:
            self._debugger.resume(Continue())

    def vanished(self) -> None:
        """The guest stays as it is: the client may come back."""

    def killed(self) -> None:
        self.killed_by_client = True

    def restart(self) -> None:
        """gdb's `run`, which comes after a kill."""
        self.killed_by_client = False
        with refusals():
            self._debugger.restart()
