"""`--net socket:...` and `--net tap:NAME`: frames to another virtual machine by a stream, and to the host's kernel.

The stream is QEMU's of `-netdev socket` and `-netdev stream`: each frame after its length in four bytes, big-endian.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterator

from devices.network.frame import LONGEST
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.host.addresses import TcpAddress, UnixPath
from vmdbg.host.listeners import listen, stop_listening
from vmdbg.host.net_backend import Receive
from vmdbg.host.poller import READ, WRITE, Poller

CHUNK = 1 << 16
CONNECT_SECONDS = 10.0
MOST_UNSENT = 1 << 20
"""Bytes that the other end may leave unread; frames beyond that are lost."""
TUN = "/dev/net/tun"
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x4004_54CA, 2, 0x1000
LONGEST_NAME = 15


class SocketBackend:
    """vmdbg.host.net_backend.NetBackend. Who `listens` takes one that comes after the other."""

    def __init__(self, address: TcpAddress | UnixPath, *, listens: bool) -> None:
        self._address = address
        self._listens = listens
        self._listener: socket.socket | None = None
        self._peer: socket.socket | None = None
        self._inbox, self._outbox = bytearray(), bytearray()

    def open(self, poller: Poller, receive: Receive) -> str | None:
        self._poller, self._receive = poller, receive
        try:
            if self._listens:
                return self._listen()
            self._connect()
        except (OSError, OverflowError) as error:
            verb = "listen at" if self._listens else "reach"
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"--net socket cannot {verb} {printable(str(self._address))}: {reason}") from None
        return None

    def _listen(self) -> str:
        self._listener = listen(self._address)
        if isinstance(self._address, UnixPath):
            return f"waits for the other end at {printable(self._address.path)}"
        host, port = self._listener.getsockname()[:2]
        return f"waits for the other end at {TcpAddress(host, port)}"

    def _connect(self) -> None:
        if isinstance(self._address, UnixPath):
            self._peer = socket.socket(socket.AF_UNIX)
            self._peer.settimeout(CONNECT_SECONDS)
            self._peer.connect(self._address.path)
        else:
            self._peer = socket.create_connection((self._address.host, self._address.port), CONNECT_SECONDS)
        self._peer.setblocking(False)

    def _accept(self, events: int) -> None:
        assert self._listener is not None, "it is watched"
        with contextlib.suppress(OSError):
            self._peer, _ = self._listener.accept()
            self._peer.setblocking(False)
            self._poller.forget(self._listener.fileno())

    def send(self, frame: bytes) -> None:
        if self._peer is not None and len(self._outbox) < MOST_UNSENT:
            self._outbox += struct.pack(">I", len(frame)) + frame

    def settle(self, *, listening: bool) -> None:
        self._push()
        if self._peer is not None:
            events = (READ if listening else 0) | (WRITE if self._outbox else 0)
            if events:
                self._poller.watch(self._peer.fileno(), events, self._turn)
            else:
                self._poller.forget(self._peer.fileno())
        elif self._listener is not None:
            self._poller.watch(self._listener.fileno(), READ, self._accept)

    def _push(self) -> None:
        try:
            while self._peer is not None and self._outbox:
                del self._outbox[: self._peer.send(self._outbox)]
        except BlockingIOError:
            return
        except OSError:
            self._lose()

    def _turn(self, events: int) -> None:
        if events & WRITE:
            self._push()
        if events & READ and self._peer is not None:
            try:
                data = self._peer.recv(CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lose()
                return
            self._inbox += data
            self._take()

    def _take(self) -> None:
        frames = list(self._whole())
        if frames:
            self._receive(frames)

    def _whole(self) -> Iterator[bytes]:
        """Frames out of what has come."""
        while len(self._inbox) >= 4:
            size = int.from_bytes(self._inbox[:4], "big")
            if size > LONGEST:
                self._lose()  # it speaks another protocol
                return
            if len(self._inbox) < 4 + size:
                return
            frame = bytes(self._inbox[4 : 4 + size])
            del self._inbox[: 4 + size]
            yield frame

    def _lose(self) -> None:
        """The other end is gone; who listens waits for the next."""
        if self._peer is not None:
            self._poller.forget(self._peer.fileno())
            self._peer.close()
            self._peer = None
        self._inbox.clear()
        self._outbox.clear()

    def restart(self) -> None:
        """The other end does not go back in time; what was on its way is lost."""
        self._outbox.clear()

    def close(self) -> None:
        self._lose()
        if self._listener is not None:
            self._poller.forget(self._listener.fileno())
            stop_listening(self._listener, self._address)


class TapBackend:
    """vmdbg.host.net_backend.NetBackend: a TAP interface of Linux, which somebody has made or who may is this user."""

    def __init__(self, name: str, attach: Callable[[str], int] | None = None) -> None:
        self._name = name
        self._attach = attach if attach is not None else _attached
        self._file = -1

    def open(self, poller: Poller, receive: Receive) -> str | None:
        self._poller, self._receive = poller, receive
        try:
            self._file = self._attach(self._name)
        except OSError as error:
            name = printable(self._name)
            how = f"`ip tuntap add {name} mode tap user $USER` and `ip link set {name} up`"
            raise UserError(f"--net tap:{name}: {error.strerror}; make it as root, with {how}") from None
        os.set_blocking(self._file, False)
        return None

    def send(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # its queue is full, or it is down
            os.write(self._file, frame)

    def settle(self, *, listening: bool) -> None:
        if listening:
            self._poller.watch(self._file, READ, self._turn)
        else:
            self._poller.forget(self._file)

    def _turn(self, events: int) -> None:
        try:
            self._receive([os.read(self._file, LONGEST)])
        except BlockingIOError:
            return
        except OSError:
            self._poller.forget(self._file)

    def restart(self) -> None:
        """The host does not go back in time."""

    def close(self) -> None:
        if self._file >= 0:
            self._poller.forget(self._file)
            os.close(self._file)
            self._file = -1


def _attached(name: str) -> int:
    """Raises OSError."""
    import fcntl

    file = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TAP | _IFF_NO_PI).ljust(40, b"\0"))
    except BaseException:
        os.close(file)
        raise
    return file
