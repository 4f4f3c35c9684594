"""The DAP server among the front ends of a machine (vmdbg.host.front_end.FrontEnd)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from dapstub.errors import ClientGoneError
from dapstub.server import Server
from vmdbg.dap.guest import GuestDebugger
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.host.front_end import EndWanted, Presence


class Loop(Protocol):
    """What of the run loop one needs who has the thread (vmdbg.host.run_loop)."""

    def serve(self) -> None: ...

    def slice(self) -> None: ...

    def over(self) -> bool: ...


class Turns(Protocol):
    """vmdbg.host.arbiter."""

    def turn(self) -> AbstractContextManager[None]: ...


class DapFrontEnd:
    """One client at a time. With `only`, the run is over when that client is gone."""

    def __init__(
        self, debugger: Debugger, server: Server, guest: GuestDebugger, loop: Loop, turns: Turns, *, only: bool = False
    ) -> None:
        self._debugger = debugger
        self._server = server
        self._guest = guest
        self._loop = loop
        self._turns = turns
        self._only = only
        self._busy = False
        """A request is worked on: what the loop serves meanwhile is for others."""
        guest.wait, guest.hear = self._wait, server.hear

    @property
    def owner(self) -> str:
        return self._guest.owner

    @property
    def presence(self) -> Presence:
        if not self._guest.has_client:
            return Presence.AWAY
        return Presence.HOLDS if self._guest.holds else Presence.WATCHES

    @property
    def end_wanted(self) -> EndWanted:
        if self._only:
            return EndWanted.NOW if self._server.gone or self._guest.ended else EndWanted.NO
        return EndWanted.WHEN_ALONE if self._guest.ended and not self._guest.has_client else EndWanted.NO

    def fileno(self) -> int:
        return self._server.fileno()

    def poll(self) -> bool:
        if self._busy:
            return False
        self._busy = True
        try:
            return self._server.poll()
        finally:
            self._busy = False

    def linger(self) -> bool:
        return False

    def _wait(self, debugger: Debugger) -> Stop:
        """For a command that lets the guest run: all others are served meanwhile, and this client may pause it."""
        with self._turns.turn():
            while debugger.running:
                try:
                    self._server.hear()
                except ClientGoneError:
                    debugger.interrupt(self.owner)
                if self._loop.over():
                    debugger.interrupt(self.owner)
                self._loop.serve()
                self._loop.slice()
        return debugger.last_stop

    def wants_turn(self, *, alone: bool) -> bool:
        del alone
        return False

    def take_turn(self) -> None: ...

    def break_in(self) -> bool:
        if not self._guest.has_client:
            return False
        self._debugger.interrupt()
        return True

    def stands_unseen(self, words: str) -> None:
        """A client that comes is told where the guest stands."""

    def close(self) -> None:
        self._guest.close()
        self._server.close()
