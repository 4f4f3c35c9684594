"""A guest of the quiet network: its end of the cable, and as much of its protocols as it takes to talk.

TCP's client here is as plain as can be: it keeps what is in order, says so, and sends again what was not acknowledged.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devices.network.cable import Cable
from devices.network.quiet import packets as ip
from devices.network.quiet.options import Quiet, QuietHost
from devices.network.quiet.packets import Ends, Flag, Segment
from devices.network.quiet.responder import GATEWAY_MAC, Responder
from devices.ninep.folder import Answer, Question
from devices.scheduler import Scheduler
from vmdbg.shares.host_folder import HostFolder

MAC = bytes.fromhex("525400123456")
GUEST, GATEWAY, NAMES = (bytes([10, 0, 2, last]) for last in (15, 2, 3))
SITE = bytes([93, 184, 216, 34])
SECOND = 1_000_000_000
FIN, SYN, RST, PSH, ACK = Flag.FIN, Flag.SYN, Flag.RST, Flag.PSH, Flag.ACK


class Asks:
    """devices.ninep.folder.Folder over a real folder; `fails` of the next questions raise."""

    def __init__(self, path: Path) -> None:
        self.folder = HostFolder(str(path))
        self.questions: list[tuple[int, Question]] = []
        self.error: Exception | None = None

    def ask(self, number: int, question: Question, data: bytes = b"") -> Answer:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.questions.append((number, question))
        return self.folder.answer(question)

    def recall(self, number: int) -> Answer:
        raise AssertionError("nothing is recalled")


class Guest:
    """The network device is the guest itself: `frames` are those that came, with when."""

    def __init__(self, folder: Path | None = None, *, options: Quiet | None = None) -> None:
        self.scheduler = Scheduler()
        self.cable = Cable("net0", self.scheduler.timer("net0-cable"))
        self.cable.plug(self)
        self.asks = Asks(folder) if folder is not None else None
        options = options or Quiet(
            folder=folder is not None, boot="boot.ipxe", hosts=(QuietHost("Site.test", "93.184.216.34"),)
        )
        self.quiet = Responder("net0-peer", options, self.cable, self.scheduler.timer("net0-peer"), self.asks)
        self.cable.peer = self.quiet
        self.frames: list[bytes] = []
        self.now = 0
        self.on_frame: Callable[[bytes], None] = self.frames.append

    def receive(self, frame: bytes, now: int) -> bool:
        self.on_frame(frame)
        return True

    def settle(self, now: int) -> None:
        pass

    def link_changed(self, now: int) -> None:
        pass

    def run(self, until: int | None = None) -> None:
        """Until nothing is due, or until then."""
        for _ in range(200_000):
            due = self.scheduler.next_due()
            if due is None or (until is not None and due > until):
                break
            self.now = max(due, self.now)
            event = self.scheduler.pop_due(self.now)
            assert event is not None
            (self.cable if event.owner == "net0-cable" else self.quiet).on_event(event.name, self.now)
        else:
            raise AssertionError("deadlines without end")
        self.now = max(self.now, until or 0)

    def send(self, frame: bytes) -> None:
        self.cable.transmit(frame, self.now)

    def ask(self, frame: bytes) -> list[bytes]:
        """What comes back within a hundredth of a second."""
        self.frames.clear()
        self.send(frame)
        self.run(self.now + SECOND // 100)
        return list(self.frames)

    # datagrams

    def datagram(self, to: bytes, port: int, data: bytes, *, source: int = 4000) -> bytes:
        ends = Ends(GATEWAY_MAC, MAC, to, GUEST)  # ours and the guest's are the other way round here
        return ip.ip_frame(ends, ip.UDP, ip.udp_data(ends, ip.Datagram(port, source, data)), 1)

    def udp(self, to: bytes, port: int, data: bytes, *, source: int = 4000) -> list[tuple[int, bytes]]:
        """The source ports and contents of the answers."""
        return [read_datagram(frame) for frame in self.ask(self.datagram(to, port, data, source=source))]


def echo(to: bytes, body: bytes = b"0123") -> bytes:
    message = bytes([8, 0, 0, 0]) + body
    message = message[:2] + ip.checksum(message).to_bytes(2, "big") + body
    return ip.ip_frame(Ends(GATEWAY_MAC, MAC, to, GUEST), ip.ICMP, message, 1)


def read_datagram(frame: bytes) -> tuple[int, bytes]:
    assert frame[12:14] == b"\x08\x00"
    assert frame[23] == ip.UDP
    return int.from_bytes(frame[34:36], "big"), frame[42:]


@dataclass
class Client:
    """One TCP connection of the guest's."""

    guest: Guest
    port: int = 80
    to: bytes = GATEWAY
    source: int = 40_000
    window: int = 20_000
    mss: int = 1460
    received: bytearray = field(default_factory=bytearray)
    sequence: int = 1_000
    expected: int | None = None
    finished: bool = False
    reset: bool = False
    out: bytes = b""
    closes: bool = False
    acknowledged: int = 1_000

    def __post_init__(self) -> None:
        self.guest.on_frame = self.take

    def emit(self, flags: Flag, data: bytes = b"", sequence: int | None = None, options: bytes = b"") -> None:
        ends = Ends(GATEWAY_MAC, MAC, self.to, GUEST)
        at = self.sequence if sequence is None else sequence
        segment = Segment(
            self.port, self.source, at & 0xFFFF_FFFF, self.expected or 0, flags, self.window, data, options
        )
        self.guest.send(ip.ip_frame(ends, ip.TCP, ip.tcp_data(ends, segment), 1))

    def connect(self) -> None:
        self.emit(SYN, options=b"\x02\x04" + self.mss.to_bytes(2, "big"))

    def take(self, frame: bytes) -> None:
        if frame[12:14] != b"\x08\x00" or frame[23] != ip.TCP:
            return
        total = int.from_bytes(frame[16:18], "big")
        data = frame[34 : 14 + total]
        _, target, sequence, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", data)
        if target != self.source:
            return
        body = data[(offset >> 4) * 4 :]
        assert len(body) <= self.mss
        if flags & RST:
            self.reset = True
            return
        if flags & SYN:
            if self.expected is None:
                self.expected = sequence + 1 & 0xFFFF_FFFF
                self.sequence += 1
            self.emit(ACK)
            self.push()
            return
        if self.expected is None:
            return
        self.acknowledged = max(self.acknowledged, acknowledged)
        if sequence == self.expected and not self.finished:
            self.received += body
            self.expected = self.expected + len(body) & 0xFFFF_FFFF
            if flags & FIN:
                self.finished = True
                self.expected = self.expected + 1 & 0xFFFF_FFFF
        if body or flags & FIN:
            self.emit(ACK)

    def push(self) -> None:
        """All that was not acknowledged, and the end."""
        at = self.acknowledged - 1_001 if self.acknowledged > 1_000 else 0
        for start in range(at, len(self.out), 1000):
            piece = self.out[start : start + 1000]
            self.emit(ACK | PSH, piece, sequence=1_001 + start)
        if self.closes and self.acknowledged < 1_002 + len(self.out):
            self.emit(FIN | ACK, sequence=1_001 + len(self.out))
        self.sequence = 1_001 + len(self.out) + self.closes

    def talk(self, data: bytes, *, close: bool = False, seconds: int = 60) -> bytes:
        """Connect, send, and give back what came until the other end was there, or so many seconds have passed."""
        self.out, self.closes = data, close
        deadline = self.guest.now + seconds * SECOND
        while self.guest.now < deadline and not (self.finished or self.reset):
            if self.expected is None:
                self.connect()
            elif self.acknowledged < 1_001 + len(self.out) + self.closes:
                self.push()
            self.guest.run(self.guest.now + SECOND // 2)
        return bytes(self.received)
