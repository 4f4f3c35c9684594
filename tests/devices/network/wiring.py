"""A cable with a network device of the tests at one end."""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.network.cable import Cable
from devices.network.wire import Passage
from devices.scheduler import Scheduler

HEADER = bytes.fromhex("525400000001 525400000002 88b5")
"""Of the local experimental EtherType."""


def frame(number: int, size: int = 60) -> bytes:
    """One that can be told from others."""
    return (HEADER + number.to_bytes(4, "big")).ljust(size, b"\0")


@dataclass
class Nic:
    """Takes up to `room` frames, with when they came."""

    room: int = 1 << 20
    taken: list[tuple[int, bytes]] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)

    def receive(self, frame: bytes, now: int) -> bool:
        if len(self.taken) >= self.room:
            return False
        self.taken.append((now, frame))
        return True

    def settle(self, now: int) -> None:
        self.settled.append(now)

    def link_changed(self, now: int) -> None:
        self.changes.append(now)


@dataclass
class Far:
    """A peer, and an outlet, that remembers."""

    heard: list[tuple[int, bytes]] = field(default_factory=list)
    out: list[tuple[int, bytes, int]] = field(default_factory=list)

    def hear(self, frame: bytes, now: int) -> None:
        self.heard.append((now, frame))

    def transmit(self, number: int, frame: bytes, now: int) -> None:
        self.out.append((number, frame, now))


class Wired:
    """The cable, both ends and a clock."""

    def __init__(self, *, peer: bool = False, room: int = 1 << 20) -> None:
        self.scheduler = Scheduler()
        self.cable = Cable("net0", self.scheduler.timer("net0-cable"))
        self.nic, self.far, self.passages = Nic(room), Far(), list[Passage]()
        self.cable.plug(self.nic)
        if peer:
            self.cable.peer = self.far
        else:
            self.cable.outlet = self.far
        self.cable.listeners.append(self.passages.append)
        self.now = 0

    def run(self, until: int) -> None:
        """All deadlines up to then, each when it is due."""
        while (event := self.scheduler.pop_due(until)) is not None:
            self.now = event.due
            self.cable.on_event(event.name, event.due)
        self.now = until
