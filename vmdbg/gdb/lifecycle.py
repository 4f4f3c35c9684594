"""Clients come and go, and may end or restart the guest."""

from __future__ import annotations

import enum
from collections.abc import Callable

from vmdbg.debugger.actions import Continue, Seek
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Ended, Stop
from vmdbg.gdb.errors import refusals
from vmdbg.machine.outcome import PoweredOff, TestExited
from vmdbg.machine.snapshot import Position


class Leaving(enum.Enum):
    """Where a client that detaches in the past leaves the guest; the value is what users write."""

    END = "end"
    STAY = "stay"


def ended_in_order(debugger: Debugger, stop: Stop) -> bool:
    """Whether the guest ended by itself, live. A recording's guest does not: who debugs it has come to its end."""
    in_order = isinstance(stop, Ended) and isinstance(stop.outcome, PoweredOff | TestExited)
    return in_order and not debugger.timeline.closed


class GuestLifecycle:
    """gdbstub's Lifecycle and Restart ports. `killed_by_client` says that a client ended the guest.

    A guest that has ended in order is kept while a client looks at its history, and ends when that leaves.
    """

    def __init__(
        self,
        debugger: Debugger,
        forget: Callable[[], object] = lambda: None,
        say: Callable[[str], None] = lambda _line: None,
        leaving: Leaving = Leaving.END,
    ) -> None:
        """`forget` is called for each client: what the one before had prepared is not the next one's.

        `say` tells the user of this process.
        """
        self._debugger = debugger
        self._forget = forget
        self._say = say
        self._leaving = leaving
        self._over: Position | None = None
        self.killed_by_client = False
        self.found: Stop | None = None
        """Why the guest stood when the client came."""

    def attached(self) -> None:
        """The guest stands before the client hears anything."""
        self._forget()
        self.killed_by_client = False
        if self._debugger.running:
            self._debugger.interrupt()
            self._debugger.wait()
        self.found = self._debugger.last_stop

    def stopped(self, stop: Stop) -> None:
        """To be told of every stop."""
        if ended_in_order(self._debugger, stop):
            self._over = self._debugger.position

    def detached(self) -> None:
        """The guest goes on from its end as if nobody had been there; one that has ended, ends again for whoever runs
        it. Where the past is to be stayed in, it stands.
        """
        if self._debugger.running:
            return
        if self._in_past and self._leaving is Leaving.STAY and not self._is_over:
            self._say(f"gdb has left the guest in the past, {self._place}; what is typed is not taken there")
            return
        self._go_on()

    def vanished(self) -> None:
        """The guest stays as it is, for the client may come back; one that has ended ends for good."""
        if self._debugger.running:
            return
        if self._is_over:
            self._go_on()
            return
        where = f"in the past, {self._place}; what is typed is not taken there" if self._in_past else self._place
        self._say(f"gdb is gone without letting go: the guest stands {where}; attach and detach to let it run")

    def _go_on(self) -> None:
        timeline = self._debugger.timeline
        if self._in_past:
            self._say(f"gdb has left in the past, {self._place}: back to the end, at tick {timeline.end.tick}")
            with refusals():
                self._debugger.resume(Seek(timeline.end))
                self._debugger.wait()
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
            self._debugger.restart()
