"""One TCP connection that the guest has opened, as plain state. Source: RFC 9293, 3.3.1 and 3.3.2."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from devices.network.quiet.packets import Ends

WORD = 0xFFFF_FFFF
FIRST_WAIT = 200_000_000
"""Nanoseconds until what is not acknowledged is sent again; doubled each time."""
LONGEST_WAIT = 16_000_000_000


class Phase(enum.StrEnum):
    """As the RFC calls them; what is closed is not there."""

    SYN_RECEIVED = "syn received"
    ESTABLISHED = "established"
    CLOSE_WAIT = "close wait"
    LAST_ACK = "last ack"
    FIN_WAIT_1 = "fin wait 1"
    FIN_WAIT_2 = "fin wait 2"
    CLOSING = "closing"
    TIME_WAIT = "time wait"


class Stage(enum.StrEnum):
    """What somebody who is given files waits for."""

    IDLE = "idle"
    LOOK = "look"
    INDEX = "index"
    LIST = "list"
    READ = "read"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Giving:
    """A file that is given: what is known of the request, and which bytes of it are still to be read."""

    stage: Stage = Stage.IDLE
    path: bytes = b""
    head_only: bool = False
    keep: bool = False
    wanted: str = ""
    """Of the request, which range."""
    offset: int = 0
    end: int = 0


@dataclass(slots=True)
class Connection:
    """`unacked` is SND.UNA, `next` SND.NXT, `highest` the highest that NXT was, `expected` RCV.NXT.

    `out` are bytes from `unacked` on; after the last of them comes a FIN if `closing`. `due` is when something is to be
    done without a segment, 0 for never.
    """

    ends: Ends
    guest_port: int
    our_port: int
    unacked: int
    next: int
    highest: int
    expected: int
    window: int
    scale: int
    mss: int
    phase: Phase = Phase.SYN_RECEIVED
    out: bytes = b""
    inbox: bytes = b""
    closing: bool = False
    due: int = 0
    wait: int = FIRST_WAIT
    tries: int = 0
    repeats: int = 0
    used: int = 0
    """When a segment came last."""
    giving: Giving = field(default_factory=Giving)

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.ends.guest.hex()}:{self.guest_port} {self.ends.ours.hex()}:{self.our_port}"

    @property
    def sent(self) -> int:
        """How many bytes, and FINs, are on their way."""
        return self.next - self.unacked & WORD

    def copy(self) -> Connection:
        return replace(self)
