"""Waiting for the guest to stop: Ctrl-C, other front ends, the guest's output and a sign of progress."""

from __future__ import annotations

import signal
from collections.abc import Callable

from vmdbg.debugger.debugger import SLICE_TICKS, Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.host.companion import Companions
from vmdbg.host.realtime import Pacer
from vmdbg.interruption import INTERRUPTION, StoppedError
from vmdbg.repl.console import GuestConsole
from vmdbg.repl.interruption import on_control_c
from vmdbg.repl.progress import ProgressLine

LONGEST_WAIT = 0.05
"""Seconds until Ctrl-C is noticed at the latest."""


class GuestRun:
    """Carries runs to their stops on behalf of a prompt."""

    def __init__(
        self,
        companions: Companions,
        guest: GuestConsole,
        progress: ProgressLine,
        over: Callable[[], bool],
        pacer: Callable[[], Pacer | None],
    ) -> None:
        """`over`: whether to stop the guest because the run is to end. `pacer` holds it back, if it is to be now."""
        self._companions = companions
        self._guest = guest
        self._progress = progress
        self._over = over
        self._pacer = pacer
        self.active = False
        self.alone = False
        """Whether nobody is there to type another line: Ctrl-C then ends the process."""

    def wait(self, debugger: Debugger) -> Stop:
        self.active = True
        self._progress.begin()
        debugger.on_progress = self._progress.share
        try:
            with on_control_c(lambda _frame: self._interrupt(debugger)):
                return self._carry(debugger)
        finally:
            INTERRUPTION.forget()
            debugger.on_progress = None
            self._progress.end()
            self.active = False

    def _interrupt(self, debugger: Debugger) -> None:
        """At the end of the slice, or wherever a long one looks."""
        debugger.interrupt()
        INTERRUPTION.ask(StoppedError(signal.SIGINT) if self.alone else KeyboardInterrupt())

    def slice(self, debugger: Debugger) -> Stop | None:
        """Let the guest go on for a moment."""
        pacer = self._pacer()
        limit = pacer.limit() if pacer is not None else None
        if limit is None:
            return debugger.poll()
        return debugger.poll(max(1, min(limit - debugger.machine.clock, SLICE_TICKS)))

    def seconds_to_wait(self, debugger: Debugger) -> float:
        """How long until the next moment comes."""
        pacer = self._pacer()
        if pacer is None or debugger.interrupt_wanted:
            return 0.0
        return min(pacer.wait_seconds(), LONGEST_WAIT)

    def _carry(self, debugger: Debugger) -> Stop:
        stop = debugger.poll()  # a step does not wait, nor does the way back in time
        while True:
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
            self._companions.wait(self.seconds_to_wait(debugger))
            stop = self.slice(debugger)
