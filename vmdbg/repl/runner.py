"""The prompt in the loop of `vmdbg run`: shaped as vmdbg.cli.runner.Runner."""

from __future__ import annotations

from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.repl.app import Repl
from vmdbg.repl.leaving import Leave
from vmdbg.units import Tick


class ReplRunner:
    """Whenever the guest stands, the user has the prompt; while it runs, its console. `wait` begins at the prompt."""

    def __init__(self, debugger: Debugger, repl: Repl, *, wait: bool) -> None:
        self._debugger = debugger
        self._repl = repl
        self.finished = False
        if not wait:
            debugger.resume(Continue())

    def poll(self) -> bool:
        """Serve companions, and the user if the guest stands. Whether the guest is to run."""
        self._repl.companions.poll()
        if not self._debugger.running and not self.finished:
            self._prompt()
        return self._debugger.running and not self.finished

    def _prompt(self) -> None:
        if self._repl.run() is Leave.QUIT:
            self.finished = True
        elif not self._debugger.running:
            self._debugger.resume(Continue())

    def advance(self, limit: Tick) -> None:
        """Run to `limit` at most. A stop brings the prompt with the next poll()."""
        self._debugger.poll(max(limit - self._debugger.machine.clock, 1))

    def interrupt(self) -> bool:
        """The user wants the prompt."""
        self._debugger.interrupt()
        return True

    def close(self) -> None:
        self._repl.close()
