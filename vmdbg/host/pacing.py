"""Guest time and host time together while the guest idles; a busy guest runs as fast as it can."""

from __future__ import annotations

import time
from collections.abc import Callable

from vmdbg.machine.machine import Machine
from vmdbg.timeline.keeping import GRID
from vmdbg.units import TICKS_PER_SECOND, Tick

TOLERATED_SECONDS = 0.1
"""How far apart the two may come before pacing starts anew from where they are."""
LONGEST_WAIT = 0.25
FIRST_SLICE, LONGEST_SLICE = 100_000, 100_000_000
"""Ticks. The longest is no longer than the shortest time that a line must be quiet to count as idle."""
SLICE_SECONDS = 0.015
LEAST_CPU_SECONDS = 0.005
"""What is done between two slices takes CPU time, too: on a host that does much else they are longer, not more."""


def end_of_slice(begin: Tick, length: int) -> Tick:
    """Of one of `length` ticks, about: where a history stops anyway, if that is no farther than half of it. Each stop
    costs a tenth of a millisecond, and single steps before it.
    """
    end = begin + length
    stop = (end + GRID // 2) // GRID * GRID
    if stop - begin > LONGEST_SLICE:
        stop -= GRID
    return Tick(stop if 2 * abs(stop - end) <= length else end)


class SliceLength:
    """How many ticks take about SLICE_SECONDS of host time, or LEAST_CPU_SECONDS of CPU time, at the present speed."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, cpu_clock: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock, self._cpu_clock = clock, cpu_clock
        self._length = FIRST_SLICE
        self._began = self._cpu_began = 0.0

    def begin(self) -> int:
        self._began, self._cpu_began = self._clock(), self._cpu_clock()
        return self._length

    def end(self, ticks: int) -> None:
        """A slice of `ticks` is over: the next is at most twice as long."""
        share = SLICE_SECONDS / max(self._clock() - self._began, 1e-6)
        least = LEAST_CPU_SECONDS / max(self._cpu_clock() - self._cpu_began, 1e-6)
        wanted = int(max(ticks, FIRST_SLICE) * max(share, least))
        self._length = max(FIRST_SLICE, min(wanted, 2 * self._length, LONGEST_SLICE))

    def shorten(self) -> None:
        """The guest just woke: it will probably sleep again soon."""
        self._length = FIRST_SLICE


class Pacer:
    """Anchors guest time to host time when the machine halts."""

    def __init__(self, machine: Machine, clock: Callable[[], float] = time.monotonic) -> None:
        self._machine = machine
        self._clock = clock
        self._anchor: tuple[float, int] | None = None

    def wait_seconds(self) -> float:
        """How long to wait for host time before the machine runs on; 0 if it has something to do."""
        machine = self._machine
        if not machine.halted or any(cpu.can_run for cpu in machine.engine.cpus):
            return 0.0
        self._hold_anchor()
        coming = [tick for tick in (machine.scheduler.next_due(), machine.inputs.next_tick()) if tick is not None]
        wait = self._host_time(min(coming)) - self._clock() if coming else LONGEST_WAIT
        return min(max(wait, 0.0), LONGEST_WAIT)

    def limit(self) -> Tick | None:
        """The tick that host time has come to; None while the guest is busy."""
        if not self._machine.halted or self._anchor is None:
            return None
        host, guest = self._anchor
        return Tick(guest + int((self._clock() - host) * TICKS_PER_SECOND) + 1000)

    def _hold_anchor(self) -> None:
        now, clock = self._clock(), self._machine.clock
        if self._anchor is None or abs(self._host_time(clock) - now) > TOLERATED_SECONDS:
            self._anchor = (now, clock)

    def _host_time(self, tick: int) -> float:
        assert self._anchor is not None
        host, guest = self._anchor
        return host + (tick - guest) / TICKS_PER_SECOND
