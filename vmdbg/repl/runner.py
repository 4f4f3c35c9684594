"""The user's prompt, and gdb beside it, on one machine in the loop of `vmdbg run`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.describe import died
from vmdbg.debugger.stops import Ended
from vmdbg.host.fate import Fate
from vmdbg.machine.outcome import HaltedForever, Outcome
from vmdbg.repl.app import Repl
from vmdbg.repl.leaving import Leave
from vmdbg.units import Tick

if TYPE_CHECKING:
    from vmdbg.gdb.server import GdbServer


Interject = Callable[[Callable[[], None]], None]
AtPrompt = Callable[[Interject], AbstractContextManager[bool]]


def resume_waiting(debugger: Debugger, outcome: Outcome) -> None:
    """A guest that waits for input alone goes on when it comes."""
    if isinstance(outcome, HaltedForever) and outcome.interrupts_enabled:
        debugger.resume(Continue())


class PromptRunner:
    """While the guest runs, the user has its console; where it stands, the prompt, unless a gdb client holds it.

    `stay`: the prompt comes at the guest's first instruction and after its end too. `scripted` lines are carried out
    before the first prompt; without `stay` they are all there is. `at_prompt` is entered while the prompt has the
    terminal, with the way to show lines there, and says whether the prompt is to show what the guest writes;
    `at_console` is called when the guest's console has the terminal again.
    """

    def __init__(
        self,
        debugger: Debugger,
        repl: Repl,
        server: GdbServer | None,
        at_prompt: AtPrompt,
        at_console: Callable[[], None],
        *,
        stay: bool,
        stands: bool,
        scripted: Sequence[str] = (),
    ) -> None:
        self._debugger = debugger
        self._repl = repl
        self._server = server
        self._at_prompt = at_prompt
        self._at_console = at_console
        self._stay = stay
        self._wanted = stands
        self._scripted = list(scripted)
        self._only_scripted = bool(scripted) and not stay
        repl.alone |= self._only_scripted
        self._quit = False
        self._fate = Fate(debugger)
        self.failed = False
        """Whether a scripted line failed."""
        if not stands:
            debugger.resume(Continue())

    def poll(self) -> bool:
        """Serve gdb, and the user if it is the user's turn. Whether the guest is to run."""
        if self._server is not None:
            self._server.poll()
        if not self._debugger.running and not self.finished and self._users_turn:
            self._prompt()
        return self._debugger.running and not self.finished

    @property
    def _users_turn(self) -> bool:
        return self._wanted or self._stay or self._server is None or self._server.client is None

    def _prompt(self) -> None:
        self._wanted = False
        with self._at_prompt(self._repl.interject) as echo, self._repl.echoing(echo):
            if self._scripted:
                lines, self._scripted = self._scripted, []
                self.failed = not self._repl.execute_all(lines)
                left = self._repl.left or (Leave.QUIT if self._only_scripted or self.failed else self._repl.run())
            else:
                left = self._repl.run()
        if left is not Leave.CONSOLE:
            self._quit = left is Leave.QUIT
            return
        self._at_console()
        if not self._debugger.running:
            self._debugger.resume(Continue())

    def advance(self, limit: Tick) -> Outcome | None:
        """Run to `limit` at most. An outcome if the guest has ended and nobody is to look at it.

        One that has died is for the user to look at, or for a client that may come.
        """
        stop = self._debugger.poll(max(limit - self._debugger.machine.clock, 1))
        watched = self._stay or (self._server is not None and self._server.client is not None)
        if not isinstance(stop, Ended) or watched or died(stop.outcome):
            return None
        resume_waiting(self._debugger, stop.outcome)
        return stop.outcome

    def interrupt(self) -> bool:
        """The user wants the prompt."""
        self._wanted = True
        self._debugger.interrupt()
        return True

    @property
    def finished(self) -> bool:
        return self._quit or (not self._stay and self._server is not None and self._server.finished)

    @property
    def ended(self) -> Outcome | None:
        return self._fate.outcome

    def close(self) -> None:
        self._repl.close()
        if self._server is not None:
            self._server.close()
