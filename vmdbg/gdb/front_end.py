"""gdb's server among the front ends of a machine (vmdbg.host.front_end.FrontEnd)."""

from __future__ import annotations

import threading

from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.gdb.server import GdbServer
from vmdbg.host.front_end import EndWanted, Presence


class GdbFrontEnd:
    """One client at a time. Several servers serve several."""

    def __init__(self, debugger: Debugger, server: GdbServer) -> None:
        self._debugger = debugger
        self._server = server
        debugger.progress_listeners.append(self._hear)
        loader = threading.Thread(target=catalog.commands, name="commands loader", daemon=True)
        loader.start()
        self._loader: threading.Thread | None = loader

    @property
    def owner(self) -> str:
        return self._server.owner

    @property
    def presence(self) -> Presence:
        if self._server.holds:
            return Presence.HOLDS
        return Presence.WATCHES if self._server.watched else Presence.AWAY

    @property
    def end_wanted(self) -> EndWanted:
        """A client that has killed the guest may yet start it again, as long as it is there."""
        return EndWanted.WHEN_ALONE if self._server.killed and self._server.client is None else EndWanted.NO

    def fileno(self) -> int:
        return self._server.fileno()

    def poll(self) -> bool:
        served = self._server.poll()
        if served:
            self._have_commands()
        return served

    def _have_commands(self) -> None:
        """The first client's monitor commands, which it need not wait for if they were loaded before it came."""
        if self._loader is not None:
            self._loader.join()
            self._loader = None

    def linger(self) -> bool:
        return self._server.linger()

    def _hear(self, _done: float) -> None:
        """In the midst of a way through time: Ctrl-C ends it, and so does that who asked for it is gone."""
        self._server.hear()

    def wants_turn(self, *, alone: bool) -> bool:
        del alone
        return False

    def take_turn(self) -> None: ...

    def break_in(self) -> bool:
        if self._server.client is None:
            return False
        self._debugger.interrupt()
        return True

    def stands_unseen(self, words: str) -> None:
        self._server.say(f"{words}; gdb can still attach, and go back; Ctrl-C ends the run")

    def close(self) -> None:
        self._debugger.progress_listeners.remove(self._hear)
        self._server.close()
