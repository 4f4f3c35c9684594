"""The only layer that touches files: TCP and Unix sockets, or a pair of pipes; one client at a time, no threads.

server = Server(debugger)
server.listen_tcp("127.0.0.1", 4711)
while True:
    server.poll(0 if target is running else None)
    ... run a slice of the target; server.session.stopped(event) when it stops ...
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import stat
from collections.abc import Callable

from dapstub.errors import ClientGoneError
from dapstub.framing import encode
from dapstub.session import Session
from dapstub.target import Debugger

RECEIVE = 1 << 16
MAX_READS = 16
"""Reads from the client in one poll, so that the target gets its turn."""
MAX_UNSENT = 4 << 20
"""A client that does not read so much is not read from."""
TAKEN = "another client is attached here"


class Stream:
    """A client's two directions, neither of which ever waits."""

    def __init__(self, reads: int, writes: int, close: Callable[[], None]) -> None:
        self.reads = reads
        self.writes = writes
        self._close = close
        self._blocking = {file: os.get_blocking(file) for file in (reads, writes)}
        for file in self._blocking:
            os.set_blocking(file, False)

    def close(self) -> None:
        """Others may have the files too: they are left as they were."""
        for file, blocking in self._blocking.items():
            with contextlib.suppress(OSError):
                os.set_blocking(file, blocking)
        self._close()


class Server:
    """Listens, attaches one client after the other, and passes their bytes to a Session each."""

    def __init__(
        self, debugger: Debugger, log: Callable[[str], None] = lambda _line: None, *, held: bool = False
    ) -> None:
        """`log` is called with one line of text when clients come and go. `held`: as Session has it."""
        self._debugger = debugger
        self._held = held
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._unix_paths: list[str] = []
        self._stream: Stream | None = None
        self._output = bytearray()
        self.session: Session | None = None
        """The attached client's."""
        self._released = False
        self.gone = False
        """Whether a client has come and left."""

    def listen_tcp(self, host: str, port: int) -> tuple[str, int]:
        """Listen, and say where. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            self._listen(listener)
        except BaseException:
            listener.close()
            raise
        found = listener.getsockname()
        return str(found[0]), int(found[1])

    def listen_unix(self, path: str) -> None:
        """Listen on a socket file of its own. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(path).st_mode
            if not stat.S_ISSOCK(mode):
                what = "a directory" if stat.S_ISDIR(mode) else "a file that is no socket"
                raise OSError(errno.EEXIST, f"there is {what}")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            self._listen(listener)
        except BaseException:
            listener.close()
            raise
        self._unix_paths.append(path)

    def _listen(self, listener: socket.socket) -> None:
        listener.listen(4)
        listener.setblocking(False)
        self._listeners.append(listener)
        self._selector.register(listener, selectors.EVENT_READ)

    def serve_pipes(self, reads: int, writes: int) -> None:
        """The client that has started this process."""
        self._attach(Stream(reads, writes, lambda: None))

    def release(self, debugger: Debugger) -> None:
        """There is the debugger that was waited for; poll() goes on with what was kept."""
        self._debugger, self._held, self._released = debugger, False, True
        if self.session is not None:
            self.session.release(debugger)

    def refuse(self, words: str) -> None:
        """What was kept cannot be done."""
        if self.session is not None:
            self.session.refuse(words)
            self.send()

    def fileno(self) -> int:
        """Readable when poll() has something to do."""
        descriptor: int = self._selector.fileno()
        return descriptor

    def poll(self, timeout: float | None = 0) -> bool:
        """Wait up to `timeout` seconds (None: for ever) and do what is due. Whether anything happened."""
        if self._released and self.session is not None:
            self._released = False
            self.session.receive(b"")
        ready = self._selector.select(timeout)
        for key, events in ready:
            if isinstance(key.fileobj, socket.socket):
                self._accept(key.fileobj)
                continue
            if self._stream is None:
                continue
            if events & selectors.EVENT_WRITE:
                self.send()
            if events & selectors.EVENT_READ:
                self._receive()
        self.send()
        return bool(ready)

    def hear(self) -> None:
        """In the midst of an answer: hear what would end it, and say how far it is. Raises ClientGoneError."""
        if self._stream is None:
            raise ClientGoneError("the client is gone")
        self.send()
        self._receive()
        if self._stream is None:
            raise ClientGoneError("the client is gone")

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        if self._stream is not None:
            _turn_away(client)
            return
        client.setblocking(False)
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._log("DAP client attached")
        self._attach(Stream(client.fileno(), client.fileno(), client.close))

    def _attach(self, stream: Stream) -> None:
        self._stream, self.session = stream, Session(self._debugger, held=self._held)
        self._output.clear()
        self._want()

    def _receive(self) -> None:
        for _ in range(MAX_READS):
            if self._stream is None or self.session is None or len(self._output) > MAX_UNSENT:
                return
            try:
                data = os.read(self._stream.reads, RECEIVE)
            except BlockingIOError:
                return
            except OSError as error:
                self._drop(error.strerror or "connection lost")
                return
            if not data:
                self._drop("connection closed")
                return
            self.session.receive(data)
            self.send()

    def send(self) -> None:
        """Send what the session has; what does not fit waits until the client reads."""
        if self._stream is None or self.session is None:
            return
        self._output += self.session.take_output()
        try:
            sent = os.write(self._stream.writes, self._output) if self._output else 0
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._drop(error.strerror or "connection lost")
            return
        del self._output[:sent]
        if self.session.ended and not self._output:
            self._drop("it left")
            return
        self._want()

    def _want(self) -> None:
        """Say what the client is waited for."""
        assert self._stream is not None
        wanted: dict[int, int] = {}
        if len(self._output) <= MAX_UNSENT:
            wanted[self._stream.reads] = selectors.EVENT_READ
        if self._output:
            wanted[self._stream.writes] = wanted.get(self._stream.writes, 0) | selectors.EVENT_WRITE
        for file in {self._stream.reads, self._stream.writes}:
            known = self._selector.get_map().get(file)
            events = wanted.get(file, 0)
            if known is None and events:
                self._selector.register(file, events)
            elif known is not None and not events:
                self._selector.unregister(file)
            elif known is not None and known.events != events:
                self._selector.modify(file, events)

    def _drop(self, why: str) -> None:
        stream, session = self._stream, self.session
        if stream is None or session is None:
            return
        for file in {stream.reads, stream.writes}:
            if file in self._selector.get_map():
                self._selector.unregister(file)
        self._stream, self.session, self.gone = None, None, True
        session.closed()
        stream.close()
        self._log(f"DAP client gone: {why}")

    def close(self) -> None:
        """Let the client go and stop listening."""
        self.send()
        self._drop("the debugger has ended")
        for listener in self._listeners:
            self._selector.unregister(listener)
            listener.close()
        for path in self._unix_paths:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._listeners.clear()
        self._selector.close()


def _turn_away(client: socket.socket) -> None:
    body = {"category": "important", "output": f"{TAKEN}\n"}
    with client, contextlib.suppress(OSError):
        client.setblocking(False)
        client.send(encode({"seq": 1, "type": "event", "event": "output", "body": body}))
