"""The guest under gdb in the loop of `vmdbg run` (vmdbg.host.runner.Runner)."""

from __future__ import annotations

import threading
import time

from vmdbg.commands import catalog
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.describe import describe_ending, died
from vmdbg.debugger.stops import Ended
from vmdbg.gdb.server import GdbServer
from vmdbg.gdb.watcher import ClientWatcher
from vmdbg.host.fate import Fate
from vmdbg.machine.outcome import Outcome
from vmdbg.units import Tick

STAY_SECONDS = 0.05
"""A client that has just asked something mostly asks more: it alone is served for that long."""


class GdbRunner:
    """Runs the guest unless a client holds it. With `wait` it stands at its first instruction until one lets it go."""

    def __init__(self, debugger: Debugger, server: GdbServer, *, wait: bool) -> None:
        self._debugger = debugger
        self._server = server
        self._watcher = ClientWatcher(server.fileno(), debugger.engine.interrupt_run)
        debugger.on_progress = self._hear
        self._fresh = True
        self._fate = Fate(debugger)
        loader = threading.Thread(target=catalog.commands, name="commands loader", daemon=True)
        loader.start()
        self._loader: threading.Thread | None = loader
        if not wait:
            debugger.resume(Continue())

    def poll(self) -> bool:
        """Serve the client, and stay with one that goes on asking. Whether the guest is to run."""
        if self._server.poll():
            self._have_commands()
            self._stay(time.monotonic() + STAY_SECONDS)
        return self._debugger.running

    def _hear(self, _done: float) -> None:
        """In the midst of a way back: Ctrl-C ends it, and so does that nobody waits for its end any more."""
        self._server.hear()
        if self._server.client is None:
            self._debugger.interrupt()

    def _have_commands(self) -> None:
        """The first client's monitor commands, which it need not wait for if they were loaded before it came."""
        if self._loader is not None:
            self._loader.join()
            self._loader = None

    def _stay(self, until: float) -> bool:
        """Serve a client that asks one thing after another. Whether it let the guest run."""
        while not self._debugger.running and self._server.linger() and time.monotonic() < until:
            pass
        self._fresh = True
        return self._debugger.running

    def advance(self, limit: Tick) -> Outcome | None:
        """Run to `limit` at most. An outcome if the guest has ended and no client looks at it.

        One that has died stands for a client that may come. A client that continues at every stop is not made to wait
        for the loop around this.
        """
        until = time.monotonic() + STAY_SECONDS
        while self._debugger.machine.clock < limit:
            self._watch_client()
            stop = self._debugger.poll(limit - self._debugger.machine.clock)
            if isinstance(stop, Ended):
                return self._ended(stop)
            if self._server.client is None or (stop is None and not self._client_spoke()) or not self._stay(until):
                return None
        return None

    def _ended(self, stop: Ended) -> Outcome | None:
        if self._server.watched:
            return None
        if not died(stop.outcome):
            return stop.outcome
        self._server.say(f"{describe_ending(stop.outcome)}; gdb can still attach, and go back; Ctrl-C ends the run")
        return None

    def _client_spoke(self) -> bool:
        """Whether it was the watcher that ended the run. What the client said is served; it may be so already, and
        the run was ended for nothing.
        """
        if not self._watcher.take_report():
            return False
        self._server.poll()
        return True

    def _watch_client(self) -> None:
        """From the second slice on: many runs are over in the first, whose client speaks next. One that is still to
        come is watched for as well.
        """
        if not self._fresh:
            self._watcher.arm()
        self._fresh = False

    def interrupt(self) -> bool:
        """Stop the guest for the attached client. False if there is none."""
        if self._server.client is None:
            return False
        self._debugger.interrupt()
        return True

    @property
    def finished(self) -> bool:
        return self._server.finished

    failed = False

    @property
    def ended(self) -> Outcome | None:
        return self._fate.outcome

    def close(self) -> None:
        self._watcher.close()
        self._server.close()
