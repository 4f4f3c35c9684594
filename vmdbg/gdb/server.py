"""The gdb server of a machine: who listens, and how it fits into a loop that runs the guest.

server = GdbServer(debugger)
server.listen_tcp("127.0.0.1", 1234)
while not server.killed:
    server.poll(0 if debugger.running else None)
    debugger.poll()
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gdbstub.server import Server
from gdbstub.stops import StopReason
from gdbstub.target import Target
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Ended, Stop
from vmdbg.errors import UserError
from vmdbg.gdb.architecture import DEFAULT_VIEW, ClientView, in_long_mode
from vmdbg.gdb.leaving import Leaving
from vmdbg.gdb.lifecycle import OWNER, GuestLifecycle
from vmdbg.gdb.monitor import GuestMonitor
from vmdbg.gdb.standing import Standing
from vmdbg.gdb.target import GuestTarget, guest_target
from vmdbg.session.new_files import NewFiles
from vmdbg.session.symbol_file import SymbolFile

LONG_MODE = (
    "the CPU is in long mode now, and you are shown 32 bits of its registers: detach, load a 64-bit file or none "
    "(`file`), and attach again\n"
)
Log = Callable[[str], None]


class GdbServer:
    """Serves one client at a time. `log` gets a line of text when something happens that people want to know.

    gdb's monitor commands write new files where `files` says, and know the names of `symbols` besides the guest's own.
    """

    def __init__(
        self,
        debugger: Debugger,
        *,
        view: ClientView = DEFAULT_VIEW,
        files: NewFiles | None = None,
        symbols: Sequence[SymbolFile] = (),
        leaving: Leaving = Leaving.END,
        log: Log = lambda _line: None,
        owner: str = OWNER,
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        """`owner` names the points and runs of clients; `is_held`: whether another front end was told that the guest
        stands.
        """
        self._debugger = debugger
        self.owner = owner
        self._log = log
        self._view = view
        self._standing = Standing(debugger, owner, lambda: self.waits)
        self._monitor = GuestMonitor(debugger, self._standing, files, symbols, owner)
        self._lifecycle = GuestLifecycle(
            debugger, self._standing, self._monitor.next_run, log, leaving, owner=owner, is_held=is_held
        )
        self._guest: GuestTarget | None = None
        self._shows_halves = False
        """Whether registers would be cut in long mode, of which the client was not told."""
        self._server = Server(self._for_client, log)
        debugger.stop_listeners.append(self._stopped)

    def _for_client(self) -> Target:
        """The guest as the client that has just come is shown it."""
        self._guest = guest_target(
            self._debugger,
            self._view,
            self._monitor,
            self._lifecycle,
            write=self._console,
            tell=self._tell,
            standing=self._standing,
            owner=self.owner,
            extended=lambda: self.may_restart,
        )
        self._shows_halves = not self._guest.architecture.is_64bit
        return self._guest.target

    def listen_tcp(self, host: str, port: int) -> tuple[str, int]:
        """Listen, and say where. A host other than the loopback is warned of. Raises UserError."""
        try:
            address = self._server.listen_tcp(host, port)
        except OSError as error:
            raise UserError(f"cannot listen for gdb on {host}:{port}: {error.strerror or error}") from error
        if not address[0].startswith("127.") and address[0] != "::1":
            self._log(f"gdb can attach from other hosts, on {address[0]}: whoever reaches that port owns the guest")
        return address

    def listen_unix(self, path: str) -> None:
        """Listen on a socket file. Raises UserError."""
        try:
            self._server.listen_unix(path)
        except OSError as error:
            raise UserError(f"cannot listen for gdb on {path}: {error.strerror or error}") from error

    def say(self, line: str) -> None:
        """Tell the user of this process."""
        self._log(line)

    def tell(self, text: str) -> None:
        """Tell the client's user, if that is possible now."""
        self._console(text)

    def fileno(self) -> int:
        """Readable when poll() has something to do."""
        return self._server.fileno()

    def poll(self, timeout: float | None = 0) -> bool:
        """Wait up to `timeout` seconds (None: for ever) for clients and do what they ask. Whether anything was."""
        return self._server.poll(timeout)

    def linger(self) -> bool:
        """Wait a little for the attached client. Whether it asked anything."""
        return self._server.linger()

    def hear(self) -> None:
        """Hear the attached client's Ctrl-C in the midst of a way through time."""
        self._server.hear()

    @property
    def client(self) -> str | None:
        """Who is attached, for people."""
        return self._server.client

    @property
    def may_restart(self) -> bool:
        """Whether a client is there that can start a guest that has ended again."""
        session = self._server.session
        return session is not None and session.extended

    @property
    def watched(self) -> bool:
        """Whether a client holds the guest, or can start it again."""
        session = self._server.session
        return session is not None and (session.attached or session.extended)

    @property
    def waits(self) -> bool:
        """Whether the client has let the guest run and waits for it to stop."""
        session = self._server.session
        return session is not None and session.waiting

    @property
    def holds(self) -> bool:
        """Whether the client was told that the guest stands."""
        session = self._server.session
        return session is not None and session.attached and not session.waiting

    @property
    def killed(self) -> bool:
        """Whether the last client has ended the guest."""
        return self._lifecycle.killed_by_client

    def _stopped(self, stop: Stop) -> None:
        if isinstance(stop, Ended):
            self._lifecycle.ended(stop)
        if self._guest is not None:
            if self._shows_halves:
                self._tell_of_long_mode()
            if self.waits:
                self._tell(self._guest.reasons.of(stop))

    def _tell(self, reason: StopReason) -> None:
        """The client then knows how the guest stands."""
        self._standing.note()
        self._server.stopped(reason)

    def _tell_of_long_mode(self) -> None:
        """A client keeps the layout that it was given; one of 32 bits shows only halves of registers now."""
        if in_long_mode(self._debugger):
            self._shows_halves = False
            self._console(LONG_MODE)

    def _console(self, text: str) -> None:
        self._server.console(text)

    def close(self) -> None:
        """Let the client go and stop listening."""
        if self._stopped in self._debugger.stop_listeners:
            self._debugger.stop_listeners.remove(self._stopped)
        self._server.close()
        self._debugger.points.remove_owned(self.owner)
