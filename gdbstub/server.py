"""The only layer that touches sockets: TCP and Unix, one client at a time, no threads.

server = Server(target)
server.listen_tcp(port=1234)
while True:
    server.poll(0 if target is running else None)
    ... run a slice of the target; server.stopped(reason) when it stops ...
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import selectors
import socket
import stat
import struct
import time
from collections.abc import Callable

from gdbstub.errors import ClientGoneError
from gdbstub.session import MAX_UNSENT, Session
from gdbstub.stops import StopReason
from gdbstub.target import Target
from gdbstub.turned_away import TurnedAway

RECEIVE = 1 << 16
SPIN_SECONDS = 1e-4
"""How long linger() looks again and again first: being woken takes longer than most clients take to go on."""
MAX_READS = 16
"""Reads from one client in one poll, so that the target gets its turn."""
MAX_BACKLOG = 1 << 20
"""Bytes of requests kept while earlier ones are answered; more are left with the client."""
CHECK_SECONDS = 0.1
"""How often a long request looks whether its client is still there."""
LINGER_SECONDS = 0.002
"""How long linger() waits for the attached client to go on."""
_NO_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
"""Says in a call that it is not to wait. Where there is no such flag (Windows) no call on a client's socket ever
waits.
"""


class Server:
    """Listens, attaches one client after the other, and passes their bytes to a Session each.

    `log` is called with one line of text when clients come and go. Errors of a client's connection end only
    that client.
    """

    def __init__(self, target: Target | Callable[[], Target], log: Callable[[str], None] = lambda _line: None) -> None:
        """`target` may be made anew for each client, which is then shown what fits the target at that time."""
        self._target = target
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._unix_paths: list[str] = []
        self._turned_away = TurnedAway(self._selector)
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._awake = False
        self._next_check = 0.0
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._client: socket.socket | None = None
        self._peer = ""
        self._session: Session | None = None
        self._output = b""
        self._interest = 0
        self._received = 0

    def listen_tcp(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen on `host`, the loopback unless told otherwise. Returns the address and port. OSError."""
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
        self._listen(listener)
        name = listener.getsockname()
        return str(name[0]), int(name[1])

    def listen_unix(self, path: str) -> None:
        """Listen on a socket file that only its owner can use; it is removed by `close`. OSError.

        A socket left behind by a server that is gone is replaced, any other file is not.
        """
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(path).st_mode
            if not stat.S_ISSOCK(mode):
                what = "a directory" if stat.S_ISDIR(mode) else "a file that is no socket"
                raise OSError(errno.EEXIST, f"there is {what}")
            if not _answers(path):
                os.unlink(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            listener.bind(path)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(mask)
        self._unix_paths.append(path)
        self._listen(listener)

    def _listen(self, listener: socket.socket) -> None:
        listener.listen(1)
        listener.setblocking(False)
        self._listeners.append(listener)
        self._selector.register(listener, selectors.EVENT_READ)

    @property
    def client(self) -> str | None:
        """Who is attached, for people."""
        return self._peer if self._client is not None else None

    @property
    def session(self) -> Session | None:
        """The attached client's session."""
        return self._session

    def fileno(self) -> int:
        """Readable when `poll` has something to do: for an event loop around this one."""
        descriptor: int = self._selector.fileno()
        return descriptor

    def poll(self, timeout: float | None = 0) -> bool:
        """Wait up to `timeout` seconds (None: for ever) and do what is due. Whether anything happened."""
        ready = self._selector.select(timeout)
        for key, events in ready:
            if key.fileobj is self._client:
                self._serve(events)
            elif key.fileobj is self._wake_reader:
                self._go_on()
        for key, _ in ready:
            if not isinstance(key.fileobj, socket.socket) or key.fileobj is self._wake_reader:
                continue
            if key.fileobj in self._listeners:
                self._accept(key.fileobj)
            else:
                self._turned_away.serve(key.fileobj)
        return bool(ready)

    def _wake(self) -> None:
        """Have the next poll() go on with requests that were left."""
        if not self._awake:
            self._awake = True
            self._wake_writer.send(b"!")

    def _go_on(self) -> None:
        """Answer what was left unanswered."""
        self._wake_reader.recv(16)
        self._awake = False
        if self._client is None or self._session is None:
            return
        if _hung_up(self._client):
            self._drop("connection closed")
            return
        if self._session.pending and not self._output:
            self._session.receive(b"")
        self._send()

    def linger(self) -> bool:
        """Wait up to LINGER_SECONDS for the attached client alone. Whether it said anything.

        Costs less than poll() between requests that follow one another. Does not wait where there is nothing to
        wait for: without a client, or with one that does not read its replies.
        """
        if self._client is None or self._output or self._awake:
            return self.poll()
        if not _NO_WAIT:
            return self.poll(LINGER_SECONDS)
        before, until = self._received, time.perf_counter() + SPIN_SECONDS
        while self._received == before and self._client is not None and time.perf_counter() < until:
            self._receive()
        if self._received == before:
            self._receive(0)
        return self._received != before

    def hear(self) -> None:
        """Take what the attached client has said, and nothing else: for a target in the midst of what takes long."""
        if not self._awake:
            self._receive()

    def stopped(self, reason: StopReason) -> None:
        """The target stopped."""
        if self._session is not None:
            self._session.stopped(reason)
            self._send()

    def console(self, text: str) -> None:
        """Show `text` to the client's user, if it can be shown now."""
        if self._session is not None:
            self._session.console(text)
            self._send()

    def close(self) -> None:
        """Drop the client and stop listening."""
        self._drop("server closed")
        for listener in self._listeners:
            self._selector.unregister(listener)
            listener.close()
        self._listeners.clear()
        self._turned_away.close()
        for path in self._unix_paths:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._unix_paths.clear()
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, address = listener.accept()
        except OSError:
            return
        if self._client is not None:
            self._receive()  # it may just have left
        if self._client is not None:
            self._log(f"gdb client refused: {self._peer} is attached")
            self._turned_away.add(connection, f"another client is attached to this guest: {self._peer}")
            return
        self._attach(connection, _shown(address))

    def _attach(self, connection: socket.socket, peer: str) -> None:
        _wait_by_call(connection)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(connection)
        self._client, self._peer, self._output = connection, peer, b""
        self._interest = selectors.EVENT_READ
        self._selector.register(connection, self._interest)
        target = self._target if isinstance(self._target, Target) else self._target()
        self._session = Session(target, self._check, self._log)
        self._log(f"gdb client attached from {peer}")

    def _serve(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._send()
        if events & selectors.EVENT_READ:
            self._receive()

    def _receive(self, flags: int = _NO_WAIT) -> None:
        for _ in range(MAX_READS):
            if self._client is None or self._session is None or self._output:
                return
            try:
                data = self._client.recv(RECEIVE, flags)
            except BlockingIOError:
                return
            except OSError as error:
                self._drop(error.strerror or "connection lost")
                return
            flags = _NO_WAIT
            self._received += 1
            if not data:
                self._drop("connection closed")
                return
            self._session.receive(data)
            self._send()
            if len(data) < RECEIVE or self._awake:
                return

    def _check(self) -> None:
        """A client that has hung up is not worked for."""
        now = time.monotonic()
        if now < self._next_check or self._client is None:
            return
        self._next_check = now + CHECK_SECONDS
        if _hung_up(self._client):
            raise ClientGoneError("the client is gone")

    def _send(self) -> None:
        """Send what the session has; what does not fit waits for the socket to take more."""
        client, session = self._client, self._session
        if client is None or session is None:
            return
        if len(self._output) < MAX_UNSENT:
            self._output += session.take_output()
        if self._output and not self._send_some(client):
            return
        if self._output or not session.settled or self._interest != selectors.EVENT_READ:
            self._follow_up(client, session)

    def _send_some(self, client: socket.socket) -> bool:
        """Hand bytes to the socket. Whether the client is still there."""
        try:
            sent = client.send(self._output, _NO_WAIT)
        except BlockingIOError:
            return True
        except OSError as error:
            self._drop(error.strerror or "connection lost")
            return False
        self._output = self._output[sent:]
        return True

    def _follow_up(self, client: socket.socket, session: Session) -> None:
        """There is more to come than the client's next request."""
        if session.ended and not self._output:
            self._drop("session ended")
            return
        if session.pending and not self._output:
            self._wake()
        self._want(client, session)

    def _want(self, client: socket.socket, session: Session) -> None:
        """Say what this client's socket is waited for: a client that does not read is not read from."""
        interest = selectors.EVENT_WRITE if self._output else selectors.EVENT_READ
        if not self._output and session.backlog > MAX_BACKLOG:
            interest = 0
        if interest == self._interest:
            return
        if not interest:
            self._selector.unregister(client)
        elif not self._interest:
            self._selector.register(client, interest)
        else:
            self._selector.modify(client, interest)
        self._interest = interest

    def _drop(self, why: str) -> None:
        if self._client is None:
            return
        client, session = self._client, self._session
        self._client = self._session = None
        if self._interest:
            self._selector.unregister(client)
        client.close()
        if session is not None:
            session.closed()
        self._log(f"gdb client {self._peer} left: {why}")


def _wait_by_call(connection: socket.socket) -> None:
    """Have each call say whether it waits, which costs less than a poll() before it. One that does waits for
    LINGER_SECONDS, rounded up to the kernel's clock (socket(7), SO_RCVTIMEO).
    """
    connection.setblocking(bool(_NO_WAIT))
    if _NO_WAIT:
        limit = struct.pack("ll", *divmod(int(LINGER_SECONDS * 1e6), 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


def _hung_up(connection: socket.socket) -> bool:
    """Whether the other side has closed, however much of what it said is unread. False where that cannot be told."""
    gone = getattr(select, "POLLRDHUP", 0)
    if not gone:
        return False
    poller = select.poll()
    poller.register(connection, gone)
    return bool(poller.poll(0))


def _keep_alive(connection: socket.socket) -> None:
    """Notice within half a minute that a client's host is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _answers(path: str) -> bool:
    """Whether a server listens on the socket file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def _shown(address: object) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "a local socket"
