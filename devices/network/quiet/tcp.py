"""The passive side of TCP: connections that the guest opens. Source: RFC 9293; RFC 5681, 3.2 (fast retransmit).

What is out of order is not kept: it comes again. Everything is a function of segments and when they came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from devices.network.quiet.connection import FIRST_WAIT, LONGEST_WAIT, WORD, Connection, Phase
from devices.network.quiet.packets import Ends, Flag, Segment

MOST_CONNECTIONS = 64
WINDOW = 65_535
"""Bytes that either side has on its way at most."""
USUAL_MSS, LEAST_MSS, OUR_MSS = 536, 64, 1460
MOST_TRIES = 8
REPEATS = 3
LINGER, PATIENCE = 1_000_000_000, 60_000_000_000
"""Nanoseconds in TIME-WAIT, and for a FIN of the guest's."""
_HALF = 1 << 31
_ENDED = (Phase.FIN_WAIT_1, Phase.FIN_WAIT_2, Phase.CLOSING, Phase.LAST_ACK, Phase.TIME_WAIT)
"""Our FIN was sent."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """`output` sends, `listens` says whether there is somebody at an address and port, `received` takes what has come
    into the inbox, or the guest's end; `drained` may have more to send; `dropped` is told of one that is no more.
    """

    output: Callable[[Ends, Segment], None]
    listens: Callable[[bytes, int], bool]
    received: Callable[[Connection, int], None]
    drained: Callable[[Connection, int], None]
    dropped: Callable[[Connection], None]


class Tcp:
    """All connections, by key, in the order in which they were opened."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self.connections: dict[str, Connection] = {}
        self.opened = 0

    # segments

    def take(self, ends: Ends, segment: Segment, now: int) -> None:
        key = f"{ends.guest.hex()}:{segment.guest_port} {ends.ours.hex()}:{segment.our_port}"
        known = self.connections.get(key)
        if known is not None and known.phase is Phase.TIME_WAIT and Flag.SYN in segment.flags:
            known = None
        if known is not None:
            known.used = now
            self._take_known(known, segment, now)
        elif Flag.RST in segment.flags:
            return
        elif Flag.SYN in segment.flags and Flag.ACK not in segment.flags:
            self._open(ends, segment, now)
        else:
            self._refuse(ends, segment)

    def _refuse(self, ends: Ends, segment: Segment) -> None:
        """3.10.7.1: what belongs to no connection is reset."""
        if Flag.ACK in segment.flags:
            self._send(ends, segment, Flag.RST, segment.acknowledged, 0)
        else:
            size = len(segment.data) + (Flag.SYN in segment.flags) + (Flag.FIN in segment.flags)
            self._send(ends, segment, Flag.RST | Flag.ACK, 0, segment.sequence + size & WORD)

    def _send(self, ends: Ends, to: Segment, flags: Flag, sequence: int, acknowledged: int) -> None:
        self._handlers.output(ends, Segment(to.guest_port, to.our_port, sequence, acknowledged, flags, 0))

    def _open(self, ends: Ends, segment: Segment, now: int) -> None:
        if not self._handlers.listens(ends.ours, segment.our_port):
            self._refuse(ends, segment)
            return
        if len(self.connections) >= MOST_CONNECTIONS:
            oldest = min(self.connections.values(), key=lambda one: one.used)
            self.drop(oldest)
        mss, scale = _offered(segment.options)
        first = self._first_sequence(ends, segment)
        one = Connection(
            ends, segment.guest_port, segment.our_port, first, first, first, segment.sequence + 1 & WORD,
            segment.window, scale if scale is not None else 0, min(max(mss, LEAST_MSS), OUR_MSS), used=now,
        )  # fmt: skip
        self.connections[one.key] = one
        self._greet(one, scaled=scale is not None, now=now)

    def _first_sequence(self, ends: Ends, segment: Segment) -> int:
        """Another for each connection, and the same in each run."""
        self.opened += 1
        words = f"{self.opened} {ends.guest.hex()} {segment.guest_port} {segment.our_port}".encode()
        return int.from_bytes(hashlib.blake2b(words, digest_size=4).digest(), "big")

    def _greet(self, one: Connection, *, scaled: bool, now: int) -> None:
        options = b"\x02\x04" + OUR_MSS.to_bytes(2, "big") + (b"\x01\x03\x03\x00" if scaled else b"")
        self._emit(one, one.unacked, Flag.SYN | Flag.ACK, options=options)
        one.next = one.highest = one.unacked + 1 & WORD
        one.due = now + one.wait

    def _emit(self, one: Connection, sequence: int, flags: Flag, data: bytes = b"", options: bytes = b"") -> None:
        segment = Segment(one.guest_port, one.our_port, sequence, one.expected, flags, WINDOW, data, options)
        self._handlers.output(one.ends, segment)

    def _take_known(self, one: Connection, segment: Segment, now: int) -> None:
        flags = segment.flags
        ahead = segment.sequence - one.expected & WORD
        if Flag.RST in flags:
            if ahead <= WINDOW:
                self.drop(one)
            return
        if Flag.SYN in flags:
            if one.phase is Phase.SYN_RECEIVED:
                self._greet(one, scaled=bool(one.scale), now=now)
            else:
                self._emit(one, one.next, Flag.ACK)
            return
        if Flag.ACK not in flags:
            return
        if not self._acknowledge(one, segment, now):
            return
        came = self._receive(one, segment)
        before = one.next
        if came and one.key in self.connections:
            self._handlers.received(one, now)
        if one.key in self.connections:
            self._handlers.drained(one, now)
            self.pump(one, now)
            if (came or segment.data or Flag.FIN in flags or ahead) and one.next == before:
                self._emit(one, one.next, Flag.ACK)

    def _acknowledge(self, one: Connection, segment: Segment, now: int) -> bool:
        """Whether the connection goes on."""
        acked = segment.acknowledged - one.unacked & WORD
        if acked > (one.highest - one.unacked & WORD):
            if acked < _HALF:
                self._emit(one, one.next, Flag.ACK)
            return acked >= _HALF
        window = segment.window << one.scale
        if acked:
            self._advance(one, acked)
        elif one.sent and not segment.data and window == one.window and Flag.FIN not in segment.flags:
            one.repeats += 1
            if one.repeats == REPEATS:
                one.next = one.unacked
        one.window = window
        ended = one.phase in _ENDED and not one.out and one.unacked == one.highest
        if one.phase is Phase.SYN_RECEIVED and acked:
            one.phase = Phase.ESTABLISHED
        elif ended and one.phase is Phase.LAST_ACK:
            self.drop(one)
            return False
        elif ended and one.phase is Phase.FIN_WAIT_1:
            one.phase, one.due = Phase.FIN_WAIT_2, now + PATIENCE
        elif ended and one.phase is Phase.CLOSING:
            one.phase, one.due = Phase.TIME_WAIT, now + LINGER
        return True

    def _advance(self, one: Connection, acked: int) -> None:
        data = acked - (one.phase is Phase.SYN_RECEIVED)
        one.out = one.out[data:]
        one.unacked = one.unacked + acked & WORD
        if one.next - one.unacked & WORD >= _HALF:
            one.next = one.unacked
        one.tries, one.wait, one.repeats, one.due = 0, FIRST_WAIT, 0, 0

    def _receive(self, one: Connection, segment: Segment) -> bool:
        """Whether something new has come, in order."""
        old = one.expected - segment.sequence & WORD
        data, fin = segment.data, Flag.FIN in segment.flags
        if old >= _HALF or old > len(data) + fin or one.phase in (Phase.CLOSE_WAIT, Phase.LAST_ACK, Phase.TIME_WAIT):
            return False
        fresh = data[old:]
        ends = fin and old <= len(data)
        if not fresh and not ends:
            return False
        one.expected = one.expected + len(fresh) + ends & WORD
        if one.phase not in _ENDED:
            one.inbox += fresh
        if ends:
            one.phase = {
                Phase.ESTABLISHED: Phase.CLOSE_WAIT,
                Phase.FIN_WAIT_1: Phase.CLOSING,
                Phase.FIN_WAIT_2: Phase.TIME_WAIT,
            }.get(one.phase, one.phase)
            if one.phase is Phase.TIME_WAIT:
                one.due = one.used + LINGER
        return True

    # what goes out

    def send(self, one: Connection, data: bytes) -> None:
        """Behind what there is; pump() puts it on its way."""
        assert not one.closing, "nothing follows the end"
        one.out += data

    def close(self, one: Connection) -> None:
        """Nothing follows."""
        one.closing = True

    def drop(self, one: Connection, *, reset: bool = False) -> None:
        """It is no more, and the guest is told if it is `reset`."""
        if reset:
            self._emit(one, one.next, Flag.RST | Flag.ACK)
        if self.connections.pop(one.key, None) is not None:
            self._handlers.dropped(one)

    def pump(self, one: Connection, now: int) -> None:
        """As much of it as the guest's window has room for."""
        if one.phase in (Phase.SYN_RECEIVED, Phase.TIME_WAIT):
            return
        while True:
            sent = one.sent
            size = min(len(one.out) - sent, min(one.window, WINDOW) - sent, one.mss)
            if size <= 0 or (sent and size < one.mss and size < len(one.out) - sent):
                break
            last = sent + size == len(one.out)
            self._emit(one, one.next, Flag.ACK | (Flag.PSH if last else Flag(0)), one.out[sent : sent + size])
            self._move_on(one, size)
        if one.closing and one.sent == len(one.out):
            self._emit(one, one.next, Flag.FIN | Flag.ACK)
            self._move_on(one, 1)
            ended = {Phase.ESTABLISHED: Phase.FIN_WAIT_1, Phase.CLOSE_WAIT: Phase.LAST_ACK}
            one.phase = ended.get(one.phase, one.phase)
        if one.phase not in (Phase.FIN_WAIT_2, Phase.TIME_WAIT):
            one.due = (one.due if one.due > now else now + one.wait) if one.sent or one.out else 0

    def _move_on(self, one: Connection, size: int) -> None:
        one.next = one.next + size & WORD
        if one.next - one.highest & WORD < _HALF:
            one.highest = one.next

    # time

    @property
    def due(self) -> int | None:
        """When take_time() has something to do."""
        return min((one.due for one in self.connections.values() if one.due), default=None)

    def take_time(self, now: int) -> None:
        for one in [one for one in self.connections.values() if one.due and one.due <= now]:
            self._time_of(one, now)

    def _time_of(self, one: Connection, now: int) -> None:
        if one.phase in (Phase.TIME_WAIT, Phase.FIN_WAIT_2) or one.tries >= MOST_TRIES:
            self.drop(one, reset=one.phase is not Phase.TIME_WAIT)
            return
        one.tries += 1
        one.wait = min(one.wait * 2, LONGEST_WAIT)
        one.repeats = 0
        one.due = 0
        if one.phase is Phase.SYN_RECEIVED:
            self._greet(one, scaled=bool(one.scale), now=now)
            return
        one.next = one.unacked
        if one.out and not min(one.window, WINDOW):
            self._emit(one, one.next, Flag.ACK, one.out[:1])  # a probe of a window that is shut
            self._move_on(one, 1)
        self.pump(one, now)

    # as state

    def save(self) -> list[Connection]:
        return [one.copy() for one in self.connections.values()]

    def restore(self, saved: list[Connection], opened: int) -> None:
        """Raises ValueError for more than there is room for."""
        if len(saved) > MOST_CONNECTIONS or any(one.mss < 1 or len(one.out) > 1 << 24 for one in saved):
            raise ValueError("connections that cannot be")
        self.connections = {one.key: replace(one) for one in saved}
        self.opened = opened


def _offered(options: bytes) -> tuple[int, int | None]:
    """The largest segment that the guest takes, and by how much it shifts its windows; None if it does not."""
    mss, scale, at = USUAL_MSS, None, 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            break
        if options[at] == 2 and size == 4:
            mss = int.from_bytes(options[at + 2 : at + 4], "big")
        elif options[at] == 3 and size == 3:
            scale = min(options[at + 2], 14)
        at += size
    return mss, scale
