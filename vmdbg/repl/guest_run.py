"""Waiting for the guest to stop: Ctrl-C, other front ends, the guest's output and a sign of progress."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.repl.companion import Companions
from vmdbg.repl.console import GuestConsole
from vmdbg.repl.interruption import on_control_c
from vmdbg.repl.progress import ProgressLine


class GuestRun:
    """Carries runs to their stops on behalf of a prompt."""

    def __init__(
        self, companions: Companions, guest: GuestConsole, progress: ProgressLine, over: Callable[[], bool]
    ) -> None:
        """`over`: whether to stop the guest because the run is to end."""
        self._companions = companions
        self._guest = guest
        self._progress = progress
        self._over = over
        self.active = False

    def wait(self, debugger: Debugger) -> Stop:
        self.active = True
        self._progress.begin()
        debugger.on_progress = self._progress.share
        try:
            with on_control_c(lambda _frame: debugger.interrupt()):
                return self._carry(debugger)
        finally:
            debugger.on_progress = None
            self._progress.end()
            self.active = False

    def _carry(self, debugger: Debugger) -> Stop:
        while True:
            stop = debugger.poll()
            self._guest.flush()
            if stop is not None:
                return stop
            if not debugger.running:
                return debugger.last_stop
            if self._guest.at_line_start:
                self._progress.tick(debugger.machine.clock)
            self._companions.poll()
            if self._over():
                debugger.interrupt()
