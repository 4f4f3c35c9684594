"""Clients come and go, and may end or restart the guest."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.debugger.actions import Continue
from vmdbg.debugger.backward import SeekRun
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.runs import ContinueRun, Run
from vmdbg.debugger.stops import Ended, Stop
from vmdbg.gdb.errors import refusals
from vmdbg.gdb.leaving import Leaving
from vmdbg.gdb.standing import Standing
from vmdbg.host.fate import ended_in_order
from vmdbg.machine.snapshot import Position
from vmdbg.session.disks import taken_back_words

OWNER = "gdb"
"""Of the points and runs of a server's clients, unless it is told another name."""


class OnFromTheEnd:
    """To the end of the history, and on. The client that leaves does not wait for it."""

    def __init__(self, end: Position) -> None:
        self._run: Run = SeekRun(end)

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        stop = self._run.slice(debugger, budget)
        if stop is None or isinstance(self._run, ContinueRun):
            return stop
        self._run = ContinueRun(debugger, Continue())
        return self._run.slice(debugger, budget)

    def abandon(self, debugger: Debuggee) -> None:
        self._run.abandon(debugger)


class GuestLifecycle:
    """gdbstub's Lifecycle and Restart ports. `killed_by_client` says that a client ended the guest.

    A guest that has ended in order is kept while a client looks at its history, and ends when that leaves.
    """

    def __init__(
        self,
        debugger: Debugger,
        standing: Standing,
        forget: Callable[[], object] = lambda: None,
        say: Callable[[str], None] = lambda _line: None,
        leaving: Leaving = Leaving.END,
        *,
        owner: str = OWNER,
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        """`forget` is called for each client: what the one before had prepared is not the next one's.

        `say` tells the user of this process. `is_held`: whether another front end was told that the guest stands.
        """
        self._debugger = debugger
        self._standing = standing
        self._owner = owner
        self._is_held = is_held
        self._forget = forget
        self._say = say
        self._leaving = leaving
        self._over: Position | None = None
        self.killed_by_client = False
        self.let_all_run: Callable[[], None] = lambda: None
        """Called as a client leaves: whom it has held back is no longer."""
        self.found: Stop | None = None
        """Why the guest stood when the client came."""

    def attached(self) -> None:
        """The guest stands before the client hears anything."""
        self._forget()
        self.killed_by_client = False
        if self._debugger.running:
            self._debugger.interrupt(self._owner)
            self._debugger.wait()
        self.found = self._debugger.last_stop
        self._standing.note()

    def ended(self, stop: Ended) -> None:
        """To be told of every such stop."""
        if ended_in_order(self._debugger, stop):
            self._over = self._debugger.position

    def detached(self) -> None:
        """The guest goes on from its end as if nobody had been there; one that has ended, ends again for whoever runs
        it. Where the past is to be stayed in, or where another front end holds it, it stands.
        """
        self._debugger.let_go(self._owner)
        if self._debugger.running:
            return
        self.let_all_run()
        if self._is_held():
            self._say(f"gdb has left; the guest stands for another debugger, {self._place}")
            return
        if self._in_past and self._leaving is Leaving.STAY and not self._is_over:
            self._say(f"gdb has left the guest in the past, {self._place}; what is typed is not taken there")
            return
        self._go_on()

    def vanished(self) -> None:
        """The guest stays as it is, for the client may come back; one that has ended ends for good."""
        self._debugger.let_go(self._owner)
        if self._debugger.running:
            return
        self.let_all_run()
        if self._is_over and not self._is_held():
            self._go_on()
            return
        where = f"in the past, {self._place}; what is typed is not taken there" if self._in_past else self._place
        self._say(f"gdb is gone without letting go: the guest stands {where}; attach and detach to let it run")

    def _go_on(self) -> None:
        timeline = self._debugger.timeline
        if self._in_past:
            self._say(f"gdb has left in the past, {self._place}: back to the end, at tick {timeline.end.tick}")
            self._debugger.carry_out(lambda: OnFromTheEnd(timeline.end))
        else:
            self._debugger.resume(Continue())

    @property
    def _in_past(self) -> bool:
        return self._debugger.position < self._debugger.timeline.end

    @property
    def _is_over(self) -> bool:
        """Whether the guest's history, live, has come to its end."""
        return self._over is not None and self._over == self._debugger.timeline.end

    @property
    def _place(self) -> str:
        return f"at tick {self._debugger.position.tick}"

    def killed(self) -> None:
        self.killed_by_client = True

    def restart(self) -> None:
        """gdb's `run`, which comes after a kill."""
        self.killed_by_client = False
        with refusals():
            taken_back = self._debugger.restart()
        self._standing.note()
        for words in taken_back_words(taken_back):
            self._say(words)
