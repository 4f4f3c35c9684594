"""Packets on the wire (GDB manual, Overview): bytes in, events out, replies to bytes. No I/O.

    framing = Framing()
    framing.receive(data)
    while (event := framing.next_event()) is not None: ...
    socket.send(framing.take_output())

Events are taken one at a time because an answer may change what comes next (QStartNoAckMode).
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache

PACKET_SIZE = 0x20000
"""Bytes between $ and # that are promised with PacketSize; a longer request is refused, a longer reply never
sent.
"""

RUN_LENGTH_LIMIT = 4096
"""Longer payloads go out plainly: encoding them costs more time than it saves on the way."""

MAX_RESENDS = 8
"""Consecutive NAKs answered with the last packet again; after that the line is taken to be beyond repair."""

_ESCAPED = re.compile(rb"}(.)", re.DOTALL)
_ESCAPES = ((b"}", b"}]"), (b"$", b"}\x04"), (b"#", b"}\x03"), (b"*", b"}\x0a"))
_RUN = re.compile(rb"0{16,98}|x{16,98}|f{16,98}")
_ZEROS, _XS, _FS = b"0" * 16, b"x" * 16, b"f" * 16


@dataclass(frozen=True, slots=True)
class Packet:
    """A request's payload, checksum right, escapes still in."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CtrlC:
    """Byte 03 between packets."""


@dataclass(frozen=True, slots=True)
class Oversize:
    """A packet longer than PACKET_SIZE was dropped; it was acknowledged and wants an error for an answer."""


Event = Packet | CtrlC | Oversize


class Framing:
    """One connection's framing. Starts in acknowledged mode; every event that is an answerable packet was
    acked.
    """

    def __init__(self, packet_size: int = PACKET_SIZE) -> None:
        self.packet_size = packet_size
        self.acknowledged = True
        self._input = bytearray()
        self._scanned = 1
        """From where on, behind its $, the packet at the start of the input is looked through for its #."""
        self._dropping = False
        self._output = bytearray()
        self._last = b""
        self._resends = 0

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._input += data

    def take_output(self) -> bytes:
        """Bytes to send; the caller owns them now."""
        output = bytes(self._output)
        self._output.clear()
        return output

    @property
    def pending_output(self) -> int:
        return len(self._output)

    @property
    def unread(self) -> int:
        """Bytes of input that were not looked at."""
        return len(self._input)

    def send(self, payload: bytes) -> None:
        """Queue a reply whose binary parts are already escaped."""
        self._last = frame(payload)
        self._output += self._last
        self._resends = 0

    def notify(self, payload: bytes) -> None:
        """Queue a notification (%...), which is never acknowledged nor sent again."""
        self._output += b"%%%b#%02x" % (payload, checksum(payload))

    def next_event(self) -> Event | None:
        """The next event, or None until more bytes come."""
        data = self._input
        while data:
            if data[0] == 0x24:  # $
                end = self._packet_end()
                if end is None:
                    return None
                event = self._packet(end)
                if event is not None:
                    return event
            elif data[0] == 0x03:
                del data[0]
                return CtrlC()
            else:
                self._between(data)
        return None

    def _between(self, data: bytearray) -> None:
        """Acks, NAKs and noise up to the next packet or Ctrl-C."""
        if data[0] == 0x2D:  # -
            self._resend()
        elif data[0] == 0x2B:  # +
            self._resends = 0
        del data[0]

    def _resend(self) -> None:
        if self.acknowledged and self._resends < MAX_RESENDS:
            self._output += self._last
            self._resends += 1

    def _packet_end(self) -> int | None:
        """Where the # of the packet at the start of the input is, once both checksum digits are there."""
        data = self._input
        end = data.find(b"#", self._scanned)
        if end < 0:
            self._restart_or_shorten()
            return None
        if len(data) < end + 3:
            self._scanned = end
            return None
        self._scanned = 1
        return end

    def _restart_or_shorten(self) -> None:
        """A new $ begins the packet anew. Of one that no longer fits only the $ is kept."""
        data = self._input
        restart = data.rfind(b"$", self._scanned)
        if restart > 0:
            del data[:restart]
            self._dropping = False
        if len(data) > self.packet_size + 1:
            del data[1:]
            self._dropping = True
        self._scanned = len(data)

    def _packet(self, end: int) -> Event | None:
        """Take the packet off the input; None when its checksum is wrong: it will come again."""
        data = self._input
        start = data.rfind(b"$", 0, end) + 1
        payload, given = bytes(data[start:end]), data[end + 1 : end + 3]
        del data[: end + 3]
        dropped, self._dropping = self._dropping and start == 1, False
        is_oversize = dropped or len(payload) > self.packet_size
        if self.acknowledged:
            is_right = is_oversize or _checksum_matches(payload, given)
            self._output += b"+" if is_right else b"-"
            if not is_right:
                return None
        return Oversize() if is_oversize else Packet(payload)


def _checksum_matches(payload: bytes, given: bytearray) -> bool:
    try:
        return int(given, 16) == checksum(payload)
    except ValueError:
        return False


def checksum(payload: bytes) -> int:
    """The sum of the bytes modulo 256.

    Adler-32's lower half is 1 + the sum modulo 65521, exact for 256 bytes (512 of ASCII) at most, and many times
    faster.
    """
    size = len(payload)
    if size <= 256:
        return zlib.adler32(payload) - 1 & 0xFF
    chunk = 512 if payload.isascii() else 256
    view, adler = memoryview(payload), zlib.adler32
    sums = [adler(view[at : at + chunk]) & 0xFFFF for at in range(0, size, chunk)]
    return sum(sums) - len(sums) & 0xFF


def frame(payload: bytes) -> bytes:
    """$payload#checksum, run-length encoded where that pays."""
    if 16 <= len(payload) <= RUN_LENGTH_LIMIT and (_ZEROS in payload or _FS in payload or _XS in payload):
        payload = encode_runs(payload)
    return b"$%b#%02x" % (payload, checksum(payload))


def escape(data: bytes) -> bytes:
    """Binary data for a reply: } $ # * as } and the byte with bit 5 flipped."""
    for plain, escaped in _ESCAPES:
        data = data.replace(plain, escaped)
    return data


def unescape(data: bytes) -> bytes:
    """The inverse of `escape`; a lone } at the end is dropped."""
    escapes = data.count(b"}")
    if not escapes:
        return data
    if sum(data.count(escaped) for _, escaped in _ESCAPES) != escapes or b"}}" in data:
        return _ESCAPED.sub(lambda match: bytes((match[1][0] ^ 0x20,)), data).removesuffix(b"}")
    for plain, escaped in reversed(_ESCAPES):
        data = data.replace(escaped, plain)
    return data


@lru_cache(maxsize=16)
def encode_runs(payload: bytes) -> bytes:
    """The long runs that hex data has (0, f, and x for what is unavailable) as byte, *, and repeats + 29.

    Runs of 7 and 8, whose count would be written # and $, are too short to matter.
    """
    return _RUN.sub(lambda match: b"%c*%c" % (match[0][0], len(match[0]) + 28), payload)
