"""Frames between a machine and the host: each goes out once, and none comes where the guest is in its past."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devices.network.inputs import FrameInput, FramesInput
from devices.network.net import FarEnd, Net, NicModel
from tests.determinism.test_network import MARKS, origin_of
from tests.devices.network.quiet.guest import GATEWAY
from tests.devices.network.quiet.test_small_protocols import arp
from vmdbg.host.network import AT_ONCE, NetLine
from vmdbg.host.poller import Poller
from vmdbg.host.runner import KeptRunner
from vmdbg.machine.inputs import Input
from vmdbg.machine.media import Media
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


class Backend:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.listening = False
        self.restarts = 0

    def open(self, poller, receive) -> str:
        self.receive = receive
        return "ready"

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)

    def settle(self, *, listening: bool) -> None:
        self.listening = listening

    def restart(self) -> str:
        self.restarts += 1
        return "cut"

    def close(self) -> None:
        pass


class Loop:
    """As much of a run loop as a line sees."""

    def __init__(self, timeline: Timeline) -> None:
        self.runner = KeptRunner(timeline)

    def push(self, data: Input) -> None:
        self.runner.push(data)


class Rig:
    def __init__(self) -> None:
        origin = origin_of(
            (Net("net0", NicModel.VIRTIO, "52:54:00:12:34:56", FarEnd.OUTSIDE),), [arp(GATEWAY)], Media()
        )
        self.timeline = Timeline(origin.machine(), origin=origin)
        self.backend = Backend()
        self.line = NetLine(
            self.timeline.machine, self.timeline.machine.outsides["net0"], self.backend, Loop(self.timeline)
        )
        self.timeline.fork_listeners.append(lambda position: self.line.forked())
        assert self.line.open(Poller()) == "net0: ready"

    def run(self, tick: int) -> None:
        """In slices, as the loop does: a frame that leaves ends one."""
        while self.timeline.machine.clock < tick:
            self.timeline.run(Tick(tick))
            self.line.flush()


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.line.close()
    rig.timeline.machine.close()


def test_a_frame_that_leaves_ends_the_slice_soon_and_goes_out_once(rig):
    rig.timeline.run(Tick(MARKS[1]))
    assert rig.timeline.machine.clock < MARKS[0], "it stopped for the host"
    rig.line.flush()
    assert rig.backend.sent[0] == arp(GATEWAY)
    rig.run(MARKS[0])
    sent = len(rig.backend.sent)
    assert sent == rig.timeline.machine.pc.cables["net0"].out
    rig.timeline.seek(Position(Tick(MARKS[0] // 2)))
    rig.line.flush()
    assert not rig.backend.listening
    rig.backend.receive([arp(GATEWAY)])
    assert not rig.timeline.history.inputs, "nothing comes into the past"
    rig.timeline.seek(rig.timeline.end)
    rig.line.flush()
    assert rig.backend.listening
    assert len(rig.backend.sent) == sent, "what was sent is not sent again"


def test_after_a_fork_what_is_sent_goes_out_though_its_number_was_there(rig):
    rig.run(MARKS[0])
    rig.timeline.seek(Position(Tick(MARKS[0] // 2)))
    rig.line.flush()
    rig.timeline.fork()
    rig.backend.sent.clear()
    rig.run(MARKS[0])
    assert rig.backend.restarts == 1
    assert len(rig.backend.sent) > 5


def test_what_comes_is_an_input_of_now_and_too_much_at_once_waits(rig):
    rig.run(MARKS[0] // 4)
    for _ in range(AT_ONCE):
        rig.line.flush()
        assert rig.backend.listening
        rig.backend.receive([arp(GATEWAY)])
    rig.line.flush()
    assert not rig.backend.listening
    inputs = rig.timeline.history.inputs
    assert [one.input for one in inputs] == [FrameInput("net0-cable", arp(GATEWAY))] * AT_ONCE
    rig.run(MARKS[0] // 2)
    assert rig.backend.listening
    rig.backend.receive([b"no frame"])
    assert len(inputs) == AT_ONCE
    rig.backend.receive([arp(GATEWAY)] * (AT_ONCE + 1))
    several, one = (placed.input for placed in inputs[AT_ONCE:])
    assert isinstance(several, FramesInput)
    assert list(several.frames()) == [arp(GATEWAY)] * AT_ONCE
    assert one == FrameInput("net0-cable", arp(GATEWAY))
