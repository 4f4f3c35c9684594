"""The pages among the front ends of a machine (vmdbg.host.front_end.FrontEnd)."""

from __future__ import annotations

from vmdbg.debugger.debugger import Debugger
from vmdbg.host.client_front_end import ClientFrontEnd, Loop, Turns
from vmdbg.host.front_end import EndWanted, Presence
from vmdbg.web.desk import Desk


class WebFrontEnd(ClientFrontEnd):
    """All pages are one front end: they have one session, and what one sets all see."""

    def __init__(self, debugger: Debugger, desk: Desk, loop: Loop, turns: Turns) -> None:
        super().__init__(debugger, loop, turns)
        self._desk = desk
        desk.wait = self._wait

    @property
    def owner(self) -> str:
        return self._desk.owner

    @property
    def _is_attended(self) -> bool:
        return self._desk.has_pages

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

    def _serve(self) -> bool:
        return self._desk.poll()

    def _hear(self) -> bool:
        self._desk.hear()
        return self._desk.has_pages

    def close(self) -> None:
        self._desk.close()
