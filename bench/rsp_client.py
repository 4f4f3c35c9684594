"""A client of the GDB remote serial protocol that costs little, so that what is measured is the server."""

from __future__ import annotations

import contextlib
import socket

RECEIVE = 1 << 20
DEFAULT_PACKET_SIZE = 0x400


class Unsupported(Exception):  # noqa: N818 - an answer rather than an error
    """The server has no such request."""


class Client:
    """One connection; the guest stands once it is there. Detaches at the end."""

    def __init__(self, path: str, patience: float = 30) -> None:
        """`patience`: seconds that a reply may take."""
        self._patience = patience
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(patience)
        self._socket.connect(path)
        self._pending = b""
        self._acknowledged = True
        self.send("?")
        self._drain()
        features = self._features()
        sizes = [item.partition("=")[2] for item in features.split(";") if item.startswith("PacketSize=")]
        self.packet_size = int(sizes[0], 16) if sizes else DEFAULT_PACKET_SIZE
        if self.ask("QStartNoAckMode") == b"OK":
            self._acknowledged = False

    def _features(self) -> str:
        """What the server can do. A stop that it reports unasked may come first, however late on a busy machine."""
        self.send("qSupported:swbreak+;hwbreak+;vContSupported+")
        while b"PacketSize=" not in (reply := self.receive()):
            pass
        return reply.decode()

    def _drain(self) -> None:
        """QEMU reports unasked that it stopped for us."""
        self._socket.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while self._socket.recv(RECEIVE):
                pass
        self._socket.sendall(b"+")
        self._socket.settimeout(self._patience)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.ask("D")
        self._socket.close()

    def send(self, text: str) -> None:
        data = text.encode()
        self._socket.sendall(b"$%b#%02x" % (data, sum(data) & 0xFF))

    def interrupt(self) -> None:
        self._socket.sendall(b"\x03")

    def receive(self) -> bytes:
        """The next packet's contents."""
        buffer = self._pending
        start = buffer.find(b"$")
        searched = 0
        while start < 0 or (end := buffer.find(b"#", max(start, searched))) < 0 or len(buffer) < end + 3:
            searched = len(buffer) - 2
            data = self._socket.recv(RECEIVE)
            if not data:
                raise ConnectionError("the server closed the connection")
            buffer += data
            if start < 0:
                start = buffer.find(b"$")
        self._pending = buffer[end + 3 :]
        if self._acknowledged:
            self._socket.sendall(b"+")
        return buffer[start + 1 : end]

    def ask(self, text: str, *, supported: bool = False) -> bytes:
        """The reply. With `supported`, Unsupported for an empty one."""
        self.send(text)
        reply = self.receive()
        if supported and not reply:
            raise Unsupported(text)
        return reply
