"""Waiting for the guest to stop: Ctrl-C, other front ends, the guest's output and a sign of progress."""

from __future__ import annotations

import signal

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.host.control_c import on_control_c
from vmdbg.host.run_loop import RunLoop
from vmdbg.interruption import INTERRUPTION, StoppedError
from vmdbg.repl.console import GuestConsole
from vmdbg.repl.progress import ProgressLine


class GuestRun:
    """Carries runs to their stops on behalf of a prompt."""

    def __init__(self, loop: RunLoop, guest: GuestConsole, progress: ProgressLine) -> None:
        self._loop = loop
        self._guest = guest
        self._progress = progress
        self.active = False
        self.alone = False
        """Whether nobody is there to type another line: Ctrl-C then ends the process."""

    def wait(self, debugger: Debugger) -> Stop:
        self.active = True
        self._progress.begin()
        debugger.progress_listeners.append(self._progress.share)
        try:
            with on_control_c(lambda _frame: self._interrupt(debugger)):
                return self._carry(debugger)
        finally:
            INTERRUPTION.forget()
            debugger.progress_listeners.remove(self._progress.share)
            self._progress.end()
            self.active = False

    def _interrupt(self, debugger: Debugger) -> None:
        """At the end of the slice, or wherever a long one looks."""
        debugger.interrupt()
        INTERRUPTION.ask(StoppedError(signal.SIGINT) if self.alone else KeyboardInterrupt())

    def _carry(self, debugger: Debugger) -> Stop:
        """A step does not wait, nor does the way back in time."""
        before = debugger.stop_count
        self._loop.slice()
        while debugger.stop_count == before and debugger.running:
            self._guest.flush()
            if self._guest.at_line_start or self._progress.elsewhere is not None:
                self._progress.tick(debugger.machine.clock)
            self._loop.serve()
            if self._loop.over():
                debugger.interrupt()
            self._loop.wait(self._loop.idle_seconds)
            if debugger.stop_count == before:
                self._loop.slice()
        self._guest.flush()
        return debugger.last_stop
