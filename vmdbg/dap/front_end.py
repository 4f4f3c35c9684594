"""The DAP server among the front ends of a machine (vmdbg.host.front_end.FrontEnd)."""

from __future__ import annotations

from dapstub.errors import ClientGoneError
from dapstub.server import Server
from vmdbg.dap.guest import GuestDebugger
from vmdbg.debugger.debugger import Debugger
from vmdbg.host.client_front_end import ClientFrontEnd, Loop, Turns
from vmdbg.host.front_end import EndWanted, Presence


class DapFrontEnd(ClientFrontEnd):
    """One client at a time. With `only`, the run is over when that client is gone."""

    def __init__(
        self, debugger: Debugger, server: Server, guest: GuestDebugger, loop: Loop, turns: Turns, *, only: bool = False
    ) -> None:
        super().__init__(debugger, loop, turns)
        self._server = server
        self._guest = guest
        self._only = only
        guest.wait, guest.hear = self._wait, server.hear

    @property
    def owner(self) -> str:
        return self._guest.owner

    @property
    def _is_attended(self) -> bool:
        return self._guest.has_client

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

    def _serve(self) -> bool:
        self._guest.look()
        return self._server.poll()

    def _hear(self) -> bool:
        try:
            self._server.hear()
        except ClientGoneError:
            return False
        return True

    def close(self) -> None:
        self._guest.close()
        self._server.close()
