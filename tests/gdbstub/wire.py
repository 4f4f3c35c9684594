"""A client for tests: packets in, the stub's bytes taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gdbstub.session import Session
from gdbstub.stops import StopReason
from tests.gdbstub.machine import Machine

_REPLY = re.compile(rb"([$%])([^#]*)#([0-9a-f]{2})", re.DOTALL)


def framed(payload: bytes) -> bytes:
    return b"$%b#%02x" % (payload, sum(payload) & 0xFF)


def expand(payload: bytes) -> bytes:
    """Undo run-length encoding, as the GDB manual tells a client to."""
    return re.sub(rb"(.)\*(.)", lambda run: run[1] * (run[2][0] - 28), payload, flags=re.DOTALL)


def payloads(stream: bytes) -> list[bytes]:
    """The payloads of all packets, notifications with their %; checksums are checked, acks left out."""
    found = []
    position = 0
    while position < len(stream):
        if stream[position : position + 1] in (b"+", b"-"):
            position += 1
            continue
        match = _REPLY.match(stream, position)
        assert match is not None, f"no packet at {stream[position : position + 40]!r}"
        mark, payload, checksum = match.groups()
        assert int(checksum, 16) == sum(payload) & 0xFF
        found.append((b"%" if mark == b"%" else b"") + expand(payload))
        position = match.end()
    return found


class Client:
    """A session over a `Machine`, in no-ack mode unless told otherwise."""

    def __init__(self, features: str = "swbreak+;hwbreak+", machine: Machine | None = None, ack: bool = False) -> None:
        self.machine = machine or Machine()
        self.session = Session(self.machine.target())
        self.machine.report = self.session.stopped
        if not ack:
            self.send("QStartNoAckMode")
        self.offer(features)

    def offer(self, features: str) -> None:
        self.send("qSupported:" + features)

    def feed(self, chunks: Iterator[bytes] | list[bytes]) -> list[bytes]:
        for chunk in chunks:
            self.session.receive(chunk)
            while self.session.pending and not self.session.stalled:
                self.session.receive(b"")
        return self.take()

    def take(self) -> list[bytes]:
        return payloads(self.session.take_output())

    def send(self, *packets: str | bytes) -> list[bytes]:
        """Send packets in one go; the replies."""
        wire = b"".join(framed(p.encode("latin-1") if isinstance(p, str) else p) for p in packets)
        return self.feed([wire])

    def ask(self, packet: str | bytes) -> bytes:
        """One packet with one reply."""
        (reply,) = self.send(packet)
        return reply

    def stop(self, reason: StopReason) -> list[bytes]:
        self.machine.stop(reason)
        return self.take()
