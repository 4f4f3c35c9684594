"""Vector clocks: what each CPU knows that the others have done (Fidge 1988, Mattern 1989).

A CPU's own component counts the times at which it told others. An access is known to another CPU by the component
that its CPU had then: one number a CPU and access (FastTrack, Flanagan and Freund 2009).
"""

from __future__ import annotations

from collections import defaultdict

from vmdbg.queries.races.events import Channel

Clock = list[int]


class Clocks:
    """Of some CPUs, and of the channels by which they tell each other."""

    def __init__(self, cpus: int) -> None:
        self._cpus: list[Clock] = [[int(cpu == other) for other in range(cpus)] for cpu in range(cpus)]
        self._channels: defaultdict[Channel, Clock] = defaultdict(lambda: [0] * cpus)

    def epoch(self, cpu: int) -> int:
        """What names the CPU's accesses from its last post() on."""
        return self._cpus[cpu][cpu]

    def knows(self, cpu: int, other: int, epoch: int) -> bool:
        """Whether what another CPU did in that epoch of its own comes before what this one does now."""
        return self._cpus[cpu][other] >= epoch

    def post(self, cpu: int, channel: Channel, *, fresh: bool = False) -> None:
        clock = self._cpus[cpu]
        if fresh:
            self._channels[channel] = list(clock)
        else:
            _join(self._channels[channel], clock)
        clock[cpu] += 1

    def await_(self, cpu: int, channel: Channel) -> None:
        told = self._channels.get(channel)
        if told is not None:
            _join(self._cpus[cpu], told)


def _join(clock: Clock, other: Clock) -> None:
    for cpu, value in enumerate(other):
        if value > clock[cpu]:
            clock[cpu] = value
