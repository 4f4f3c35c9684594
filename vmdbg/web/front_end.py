"""The pages among the front ends of a machine (vmdbg.host.front_end.FrontEnd)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.host.front_end import EndWanted, Presence
from vmdbg.web.desk import Desk


class Loop(Protocol):
    """What of the run loop one needs who has the thread (vmdbg.host.run_loop)."""

    def serve(self) -> None: ...

    def slice(self) -> None: ...

    def over(self) -> bool: ...


class Turns(Protocol):
    """vmdbg.host.arbiter."""

    def turn(self) -> AbstractContextManager[None]: ...


class WebFrontEnd:
    """All pages are one front end: they have one session, and what one sets all see."""

    def __init__(self, debugger: Debugger, desk: Desk, loop: Loop, turns: Turns) -> None:
        self._debugger = debugger
        self._desk = desk
        self._loop = loop
        self._turns = turns
        self._busy = False
        """A request is worked on: what the loop serves meanwhile is for others."""
        desk.wait = self._wait

    @property
    def owner(self) -> str:
        return self._desk.owner

    @property
    def presence(self) -> Presence:
        if not self._desk.has_pages:
            return Presence.AWAY
        return Presence.WATCHES if self._debugger.running else Presence.HOLDS

    @property
    def end_wanted(self) -> EndWanted:
        return EndWanted.NO

    def fileno(self) -> int:
        return self._desk.fileno()

    def poll(self) -> bool:
        if self._busy:
            return False
        self._busy = True
        try:
            return self._desk.poll()
        finally:
            self._busy = False

    def linger(self) -> bool:
        return False

    def _wait(self, debugger: Debugger) -> Stop:
        """For a command that lets the guest run: all others are served meanwhile, and any page may stop it."""
        with self._turns.turn():
            while debugger.running:
                self._desk.hear()
                if self._loop.over() or not self._desk.has_pages:
                    debugger.interrupt(self.owner)
                self._loop.serve()
                self._loop.slice()
        return debugger.last_stop

    def wants_turn(self, *, alone: bool) -> bool:
        del alone
        return False

    def take_turn(self) -> None: ...

    def break_in(self) -> bool:
        if not self._desk.has_pages:
            return False
        self._debugger.interrupt()
        return True

    def stands_unseen(self, words: str) -> None:
        """A page that comes is told where the guest stands, and why."""

    def close(self) -> None:
        self._desk.close()
