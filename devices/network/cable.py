"""A cable between a network device and whoever is at the other end: how long frames take, and which are lost."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from devices.network.faults import Faults, Luck, faults_of
from devices.network.frame import LONGEST, SHORTEST
from devices.network.inputs import FaultsInput, FrameInput, FramesInput, LinkInput
from devices.network.net import cable_name
from devices.network.wire import Direction, Fate, Listener, Nic, Outlet, Passage, Peer
from devices.seam import DeviceInput, Rows, Timer

LATENCY = 10_000
"""Nanoseconds from one end to the other."""
BYTE = 1
"""Nanoseconds that a byte takes, one frame after the other."""
MOST_FRAMES = 1024
MOST_BYTES = 1 << 21
"""On their way at once, in each direction; what comes then is lost."""
GRAIN = 16_384
"""Nanoseconds at whose multiples frames come out: those of a burst come together, as network devices tell of them."""
TO_NIC, TO_FAR = "frame to the device", "frame to the other end"


@dataclass(slots=True, order=True)
class Carried:
    """A frame on its way: due at its end then; of equals the first that was sent comes first.

    Nobody changes it: it is not frozen because it is made with every frame, which takes three times as long then.
    """

    due: int
    number: int
    frame: bytes
    began: int


@dataclass(slots=True)
class LaneState:
    """One direction. `free` is when the last byte that was put on it has passed; `entered` and `left` count frames."""

    frames: list[Carried] = field(default_factory=list)
    free: int = 0
    entered: int = 0
    left: int = 0
    lost: int = 0
    waiting: int = 0
    """Bytes on their way."""


@dataclass(slots=True)
class CableState:
    """`out` counts what an outlet was told of."""

    up: bool = True
    faults: Faults = field(default_factory=Faults)
    to_nic: LaneState = field(default_factory=LaneState)
    to_far: LaneState = field(default_factory=LaneState)
    out: int = 0


class Cable:
    """A device of the board that no reset reaches: devices.network.wire.Plug at one end, Line at the other.

    With a `peer` the frames go to him, with an `outlet` out of the machine, with neither nowhere. Both are set before
    anything happens, and so is the network device.
    """

    title = "network cable"
    State: ClassVar[type[CableState]] = CableState
    INPUTS: ClassVar[tuple[type[DeviceInput], ...]] = (FrameInput, FramesInput, LinkInput, FaultsInput)

    def __init__(self, net: str, timer: Timer, *, whole_segments: bool = False) -> None:
        """`net` is the name of the network device; `whole_segments` as devices.network.wire.Plug has it."""
        self.net = net
        self.whole_segments = whole_segments
        self.name = cable_name(net)
        self.peer: Peer | None = None
        self.outlet: Outlet | None = None
        self.listeners: list[Listener] = []
        """Told of every frame as the network device sends it, or gets it, or does not; they change nothing."""
        self.is_heard: Callable[[], bool] = lambda: True
        """Whether any of them would do anything now."""
        self._nic: Nic | None = None
        self._timer = timer
        self._state = CableState()

    def plug(self, nic: Nic) -> None:
        """The network device at this cable."""
        self._nic = nic

    # the network device's end

    @property
    def link_up(self) -> bool:
        return self._state.up

    def transmit(self, frame: bytes, now: int) -> None:
        lane = self._state.to_far
        number, lane.entered = lane.entered, lane.entered + 1
        fate, luck = self._fate(Direction.SENT, lane, number, frame)
        if self.is_heard():
            self._tell(Direction.SENT, number, frame, now, now, fate)
        if fate is not Fate.CARRIED:
            lane.lost += 1
        elif self.peer is None and not luck.delay:
            for _ in range(1 + luck.twice):
                self._leave(frame, now)
        else:
            self._carry(lane, number, frame, now, luck, TO_FAR)

    # the other end

    @property
    def waiting(self) -> int:
        return self._state.to_nic.waiting

    def send(self, frame: bytes, now: int) -> None:
        lane = self._state.to_nic
        number, lane.entered = lane.entered, lane.entered + 1
        fate, luck = self._fate(Direction.RECEIVED, lane, number, frame)
        if fate is not Fate.CARRIED:
            lane.lost += 1
            if self.is_heard():
                self._tell(Direction.RECEIVED, number, frame, now, now, fate)
        else:
            self._carry(lane, number, frame, now, luck, TO_NIC)

    def take(self, data: FrameInput | FramesInput | LinkInput | FaultsInput, now: int) -> None:
        match data:
            case FrameInput():
                self.send(data.frame, now)
            case FramesInput():
                for frame in data.frames():
                    self.send(frame, now)
            case LinkInput():
                self._set_link(data.up, now)
            case FaultsInput():
                self._state.faults = faults_of(data)

    def _set_link(self, up: bool, now: int) -> None:
        """What is on its way when the link goes is lost."""
        if up == self._state.up:
            return
        self._state.up = up
        for lane, name in ((self._state.to_nic, TO_NIC), (self._state.to_far, TO_FAR)):
            lane.lost += len(lane.frames)
            lane.frames, lane.waiting = [], 0
            self._timer.cancel(name)
        if self._nic is not None:
            self._nic.link_changed(now)

    # on the way

    def _fate(self, direction: Direction, lane: LaneState, number: int, frame: bytes) -> tuple[Fate, Luck]:
        luck = self._state.faults.draws(direction, number)
        if not SHORTEST <= len(frame) <= LONGEST:
            return Fate.MALFORMED, luck
        if not self._state.up:
            return Fate.UNPLUGGED, luck
        if luck.lost:
            return Fate.LOST, luck
        copies = 1 + luck.twice
        if len(lane.frames) + copies > MOST_FRAMES or lane.waiting + copies * len(frame) > MOST_BYTES:
            return Fate.CROWDED, luck
        return Fate.CARRIED, luck

    def _carry(self, lane: LaneState, number: int, frame: bytes, now: int, luck: Luck, name: str) -> None:
        for _ in range(1 + luck.twice):
            lane.free = max(lane.free, now) + BYTE * len(frame)
            due = lane.free + LATENCY + luck.delay
            carried = Carried(due + -due % GRAIN, number, frame, now)
            if lane.frames and lane.frames[-1].due > carried.due:
                insort(lane.frames, carried)
            else:
                lane.frames.append(carried)
            lane.waiting += len(frame)
        if lane.frames[0].number == number:
            self._timer.schedule(name, lane.frames[0].due)

    def on_event(self, name: str, now: int) -> None:
        if name == TO_NIC:
            lane = self._state.to_nic
            self._arrive(_out_of(lane, now), now)
        else:
            lane = self._state.to_far
            for carried in _out_of(lane, now):
                self._leave(carried.frame, now)
        if lane.frames:
            self._timer.schedule(name, lane.frames[0].due)

    def _arrive(self, frames: list[Carried], now: int) -> None:
        lane, nic, heard = self._state.to_nic, self._nic, self.is_heard()
        for carried in frames:
            taken = nic is not None and nic.receive(carried.frame, now)
            lane.left += taken
            lane.lost += not taken
            if heard:
                fate = Fate.CARRIED if taken else Fate.REFUSED
                self._tell(Direction.RECEIVED, carried.number, carried.frame, carried.began, now, fate)
        if nic is not None:
            nic.settle(now)

    def _leave(self, frame: bytes, now: int) -> None:
        self._state.to_far.left += 1
        if self.peer is not None:
            self.peer.hear(frame, now)
        elif self.outlet is not None:
            number, self._state.out = self._state.out, self._state.out + 1
            self.outlet.transmit(number, frame, now)

    def _tell(self, direction: Direction, number: int, frame: bytes, began: int, now: int, fate: Fate) -> None:
        passage = Passage(self.net, direction, number, frame, began, now, fate)
        for listener in self.listeners:
            listener(passage)

    # as a device

    @property
    def out(self) -> int:
        """How many frames the outlet was told of, in this history."""
        return self._state.out

    def save(self) -> CableState:
        state = self._state
        return replace(state, to_nic=_copy(state.to_nic), to_far=_copy(state.to_far))

    def restore(self, state: CableState) -> None:
        for lane in (state.to_nic, state.to_far):
            held = sum(len(carried.frame) for carried in lane.frames)
            if held != lane.waiting or len(lane.frames) > MOST_FRAMES or held > MOST_BYTES:
                raise ValueError("a cable with other frames on it than it counts")
        self._state = state
        self._state = self.save()

    def describe(self, now: int) -> Rows:
        state = self._state
        return [
            ("link", "up" if state.up else "down"),
            ("faults", state.faults.rows()),
            ("from the guest", _lane_text(state.to_far)),
            ("to the guest", _lane_text(state.to_nic)),
        ]


def _out_of(lane: LaneState, now: int) -> list[Carried]:
    """What has come to its end by then."""
    frames = lane.frames
    count = next((number for number, carried in enumerate(frames) if carried.due > now), len(frames))
    out, lane.frames = frames[:count], frames[count:]
    lane.waiting -= sum(len(carried.frame) for carried in out)
    return out


def _copy(lane: LaneState) -> LaneState:
    return replace(lane, frames=list(lane.frames))


def _lane_text(lane: LaneState) -> str:
    on_the_way = f", {len(lane.frames)} on their way with {lane.waiting} bytes" if lane.frames else ""
    return f"{lane.entered} frames, {lane.left} came through, {lane.lost} lost{on_the_way}"
