"""Serial lines that clients come to and leave: sockets and pseudoterminals."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import tty

from vmdbg.errors import UserError
from vmdbg.host.addresses import TcpAddress, UnixPath
from vmdbg.host.listeners import listen, stop_listening
from vmdbg.host.poller import READ, WRITE, Poller
from vmdbg.host.serial_lines import CHUNK, Receive

CONGESTED = 1 << 20
"""Bytes that a client may leave unread before the guest waits for it."""
KEPT = 1 << 16
"""Bytes of output kept for the client that comes next."""


class Outbox:
    """Output on its way to a client, or kept for the next."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        self._data += data

    @property
    def congested(self) -> bool:
        return len(self._data) > CONGESTED

    def __bool__(self) -> bool:
        return bool(self._data)

    def send(self, file: int) -> None:
        """As much as `file` takes now. Raises OSError when the client is gone."""
        with contextlib.suppress(BlockingIOError):
            while self._data:
                del self._data[: os.write(file, self._data)]

    def trim(self) -> None:
        """Nobody is there: keep the end."""
        del self._data[:-KEPT]


class SocketBackend:
    """A listening socket with one client at a time. Others wait until it leaves."""

    live = True

    def __init__(self, address: TcpAddress | UnixPath) -> None:
        self._address = address
        self._outbox = Outbox()
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None

    def open(self, poller: Poller, receive: Receive) -> str | None:
        self._poller, self._receive = poller, receive
        self._listener = _listen(self._address)
        self._poller.watch(self._listener.fileno(), READ, self._accept)
        if isinstance(self._address, UnixPath):
            return f"serial port at {self._address}"
        host, port = self._listener.getsockname()[:2]
        return f"serial port at tcp:{TcpAddress(host, port)}"

    @property
    def congested(self) -> bool:
        return self._client is not None and self._outbox.congested

    def write(self, data: bytes) -> None:
        self._outbox.add(data)

    def flush(self) -> None:
        if self._client is None:
            self._outbox.trim()
            return
        try:
            self._outbox.send(self._client.fileno())
        except OSError:
            self._drop()
            return
        wanted = READ | WRITE if self._outbox else READ
        self._poller.watch(self._client.fileno(), wanted, self._ready)

    def _accept(self, events: int) -> None:
        del events
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        client.setblocking(False)
        self._client = client
        self._poller.forget(self._listener.fileno())
        self.flush()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self.flush()
        if self._client is None or not events & READ:
            return
        try:
            data = self._client.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._receive(data)
        else:
            self._drop()

    def _drop(self) -> None:
        if self._client is None:
            return
        self._poller.forget(self._client.fileno())
        self._client.close()
        self._client = None
        self._outbox.trim()
        if self._listener is not None:
            self._poller.watch(self._listener.fileno(), READ, self._accept)

    def close(self) -> None:
        self._drop()
        if self._listener is not None:
            self._poller.forget(self._listener.fileno())
            stop_listening(self._listener, self._address)


def _listen(address: TcpAddress | UnixPath) -> socket.socket:
    try:
        return listen(address)
    except OSError as error:
        name = address if isinstance(address, UnixPath) else f"tcp:{address}"
        raise UserError(f"cannot listen on {name} for the serial port: {error.strerror}") from None


class PtyBackend:
    """A pseudoterminal in raw mode. What the guest writes while nobody has it open is kept, up to KEPT bytes."""

    live = True

    def __init__(self) -> None:
        self._outbox = Outbox()
        self._master = -1

    def open(self, poller: Poller, receive: Receive) -> str | None:
        self._poller, self._receive = poller, receive
        try:
            self._master, slave = pty.openpty()
        except OSError as error:
            raise UserError(f"cannot make a pseudoterminal for the serial port: {error.strerror}") from None
        name = os.ttyname(slave)
        tty.setraw(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        return f"serial port at {name}"

    @property
    def _connected(self) -> bool:
        poll = select.poll()
        poll.register(self._master, 0)
        return not poll.poll(0)

    @property
    def congested(self) -> bool:
        return self._outbox.congested and self._connected

    def write(self, data: bytes) -> None:
        self._outbox.add(data)

    def flush(self) -> None:
        """A hung-up master is always ready, so it is watched only while somebody has the other end open."""
        if self._master < 0:
            return
        if not self._connected:
            self._poller.forget(self._master)
            self._outbox.trim()
            return
        with contextlib.suppress(OSError):
            self._outbox.send(self._master)
        self._poller.watch(self._master, READ | WRITE if self._outbox else READ, self._ready)

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self.flush()
        if not events & READ:
            return
        try:
            data = os.read(self._master, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._poller.forget(self._master)
            return
        if data:
            self._receive(data)

    def close(self) -> None:
        if self._master >= 0:
            self._poller.forget(self._master)
            os.close(self._master)
            self._master = -1
