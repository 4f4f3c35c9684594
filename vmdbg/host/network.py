"""Network devices whose other end is the host: frames go out between two slices, and come in as inputs.

Invariant: a frame goes out once, when it is sent for the first time in the history that goes on; a replay and a way
through the past send nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from devices.network.cable import MOST_BYTES
from devices.network.frame import is_frame
from devices.network.inputs import MOST_TOGETHER, together
from vmdbg.errors import UserError
from vmdbg.host.net_backend import NetBackend
from vmdbg.host.nets import NetChoice, make_backend
from vmdbg.host.poller import Poller
from vmdbg.host.runner import Runner
from vmdbg.machine.inputs import Input
from vmdbg.machine.machine import Machine
from vmdbg.machine.outsides import Outside
from vmdbg.units import Tick

SOON = 500_000
"""Ticks that a busy guest goes on after a frame has left, so that others may follow it out: each stop costs the host
some 0.2 ms, which is what many frames cost. A guest that idles stops sooner, where its time keeps to the host's."""
MOST_HELD = 4096
"""Frames of one slice."""
AT_ONCE = 64
"""Frames that come at one instant: more of them wait on the host until the guest has run on."""
_HALF_FULL = MOST_BYTES // 2


class Drives(Protocol):
    """vmdbg.host.run_loop.RunLoop, whose runner may become another."""

    @property
    def runner(self) -> Runner: ...

    def push(self, data: Input) -> None: ...


class NetLine:
    """Between one network device and its backend: an outlet of the run loop."""

    def __init__(self, machine: Machine, outside: Outside, backend: NetBackend, loop: Drives) -> None:
        self._machine = machine
        self._outside = outside
        self._backend = backend
        self._loop = loop
        self._cable = machine.pc.cables[outside.net]
        self._next = self._cable.out
        self._held: list[bytes] = []
        self._stop: Tick | None = None
        self._came: tuple[Tick, int] = Tick(0), 0
        outside.sink = self._left

    def open(self, poller: Poller) -> str | None:
        """What to tell the user. Raises UserError."""
        said = self._backend.open(poller, self._receive)
        return f"{self._outside.net}: {said}" if said else None

    def _left(self, number: int, frame: bytes, tick: Tick) -> None:
        """A frame leaves the machine, maybe once more."""
        if number < self._next:
            return
        self._next = number + 1
        if len(self._held) < MOST_HELD:
            self._held.append(frame)
        if self._stop is None:
            self._stop = Tick(tick + SOON)
            self._machine.stop_by(self._stop)

    def flush(self) -> None:
        """vmdbg.host.run_loop.Outlet: between two slices."""
        self.let_run()
        held, self._held = self._held, []
        for frame in held:
            self._backend.send(frame)
        self._backend.settle(listening=self._listens)

    def let_run(self) -> None:
        """The guest is not held up for what it has sent."""
        if self._stop is not None:
            self._machine.lift_stop(self._stop)
            self._stop = None

    @property
    def _listens(self) -> bool:
        """Whether a frame can come now: the guest is live, and has taken most of what has come."""
        tick, count = self._came
        crowded = tick == self._machine.clock and count >= AT_ONCE
        goes_on = self._loop.runner.live and self._machine.ending is None
        return goes_on and not crowded and self._cable.waiting < _HALF_FULL

    def _receive(self, came: Sequence[bytes]) -> None:
        frames = [frame for frame in came if is_frame(frame)]
        tick, count = self._came
        now = self._machine.clock
        self._came = now, len(frames) + (count if tick == now else 0)
        if self._loop.runner.live and self._machine.ending is None:
            for first in range(0, len(frames), MOST_TOGETHER):
                self._loop.push(together(self._outside.cable, frames[first : first + MOST_TOGETHER]))

    def forked(self) -> str | None:
        """The future was dropped: what to tell the user."""
        self._held, self._next = [], self._cable.out
        said = self._backend.restart()
        return f"{self._outside.net}: {said}" if said else None

    def close(self) -> None:
        self._outside.sink = None
        self.let_run()
        self._backend.close()


class HostNetwork:
    """All of a run's."""

    def __init__(self, lines: list[NetLine], say: Callable[[str], None]) -> None:
        self._lines = lines
        self._say = say

    def __bool__(self) -> bool:
        return bool(self._lines)

    def open(self, poller: Poller) -> None:
        """Raises UserError; what was opened is closed by close()."""
        for line in self._lines:
            self._tell(line.open(poller))

    def flush(self) -> None:
        """vmdbg.host.run_loop.Outlet."""
        for line in self._lines:
            line.flush()

    def let_run(self) -> None:
        for line in self._lines:
            line.let_run()

    def forked(self, position: object) -> None:
        """vmdbg.timeline.timeline.Timeline.fork_listeners."""
        for line in self._lines:
            self._tell(line.forked())

    def _tell(self, said: str | None) -> None:
        if said:
            self._say(said)

    def close(self) -> None:
        for line in self._lines:
            line.close()


def join_network(
    machine: Machine, choices: Sequence[NetChoice], loop: Drives, poller: Poller, say: Callable[[str], None]
) -> HostNetwork:
    """The host at the other end of the cables for which `choices`, in the order of the devices, ask for it.

    Raises UserError.
    """
    lines = list[NetLine]()
    for number, (choice, net) in enumerate(zip(choices, machine.config.nets, strict=False)):
        backend = make_backend(choice, number, lambda: machine.clock, whole_segments=net.whole_segments)
        outside = machine.outsides.get(net.name)
        if backend is not None and outside is None:
            raise UserError(f"{net.name} of the guest that goes on does not lead to the host: leave --net out")
        if backend is not None and outside is not None:
            lines.append(NetLine(machine, outside, backend, loop))
    network = HostNetwork(lines, say)
    try:
        network.open(poller)
    except BaseException:
        network.close()
        raise
    return network
