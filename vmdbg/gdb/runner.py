"""The guest under gdb in the loop of `vmdbg run` (vmdbg.cli.runner.Runner)."""

from __future__ import annotations

from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Ended
from vmdbg.gdb.server import GdbServer
from vmdbg.gdb.stops import exits
from vmdbg.machine.outcome import Outcome
from vmdbg.units import Tick


class GdbRunner:
    """Runs the guest unless a client holds it. With `wait` it stands at its first instruction until one lets it go."""

    def __init__(self, debugger: Debugger, server: GdbServer, *, wait: bool) -> None:
        self._debugger = debugger
        self._server = server
        if not wait:
            debugger.resume(Continue())

    def poll(self) -> bool:
        """Serve the client. Whether the guest is to run."""
        self._server.poll()
        return self._debugger.running

    def advance(self, limit: Tick) -> Outcome | None:
        """Run to `limit` at most. An outcome if the guest has ended and no client is there to look at it."""
        stop = self._debugger.poll(max(limit - self._debugger.machine.clock, 1))
        if not isinstance(stop, Ended):
            return None
        return stop.outcome if exits(self._debugger, stop) or self._server.client is None else None

    def interrupt(self) -> bool:
        """Stop the guest for the attached client. False if there is none."""
        if self._server.client is None:
            return False
        self._debugger.interrupt()
        return True

    @property
    def finished(self) -> bool:
        return self._server.finished

    def close(self) -> None:
        self._server.close()
