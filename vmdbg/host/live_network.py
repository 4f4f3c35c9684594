"""The host at the other end of a guest's cables where no run loop drives the guest: a script's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vmdbg.host.nets import NetChoice
from vmdbg.host.network import join_network
from vmdbg.host.pacing import Pacer, SliceLength, end_of_slice
from vmdbg.host.poller import Poller
from vmdbg.host.runner import KeptRunner
from vmdbg.machine.inputs import Input
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


class LiveNetwork:
    """The timeline's governor (vmdbg.timeline.timeline.Governor): whoever runs the guest into the unknown is held up
    between two slices, in which frames go out and come in. While the guest idles, its time keeps to the host's.
    """

    def __init__(self, timeline: Timeline, choices: Sequence[NetChoice], say: Callable[[str], None]) -> None:
        """Raises UserError."""
        self.runner = KeptRunner(timeline)
        self._timeline = timeline
        self._poller = Poller()
        self._pacer = Pacer(timeline.machine)
        self._slices = SliceLength()
        self._began = timeline.machine.clock
        try:
            self._network = join_network(timeline.machine, choices, self, self._poller, say)
        except BaseException:
            self._poller.close()
            raise
        timeline.fork_listeners.append(self._network.forked)
        timeline.governor = self

    def push(self, data: Input) -> None:
        """vmdbg.host.network.Drives: a frame comes, now."""
        self._timeline.push(data)

    def allow(self, wanted: Tick) -> Tick:
        clock = self._timeline.machine.clock
        self._slices.end(clock - self._began)
        self._network.flush()
        self._poller.wait(self._pacer.wait_seconds())
        paced = self._pacer.limit()
        if paced is not None:
            self._slices.shorten()
        self._began, length = clock, self._slices.begin()
        return min(wanted, end_of_slice(clock, length) if paced is None else paced)

    def check_push(self) -> None:
        """Nobody else is ahead."""

    def check_fork(self) -> None:
        """The host is told (forked())."""

    def left(self) -> None:
        self._network.let_run()

    def close(self) -> None:
        self._timeline.governor = None
        self._network.close()
        self._poller.close()
