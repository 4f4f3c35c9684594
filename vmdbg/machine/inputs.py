"""What reaches the guest from outside, and when.

Everything that is no function of the machine's own state goes through one queue stamped with ticks. A source answers
what is due; live, recording and replaying are three classes of the one Protocol.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from devices.seam import DeviceInput
from vmdbg.units import BOOT_CPU, CpuId, Physical, Tick


@dataclass(frozen=True, slots=True)
class NmiButton:
    """A non-maskable interrupt from outside."""


@dataclass(frozen=True, slots=True)
class PowerCut:
    """The machine's plug is pulled."""


@dataclass(frozen=True, slots=True)
class RegisterWrite:
    """The debugger wrote a register."""

    name: str
    value: int
    cpu: CpuId = BOOT_CPU


@dataclass(frozen=True, slots=True)
class MemoryWrite:
    """The debugger wrote RAM."""

    address: Physical
    data: bytes


@dataclass(frozen=True, slots=True)
class PortWrite:
    """The debugger wrote a port."""

    port: int
    size: int
    value: int


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """From here on turns are by another schedule, as schedules.parse_schedule() takes it."""

    schedule: str


Edit = RegisterWrite | MemoryWrite | PortWrite | ScheduleChange
"""What a debugger writes; it takes effect at once."""
Input = NmiButton | PowerCut | Edit | DeviceInput
"""The CPU's, the debugger's, and those that devices declare."""


@dataclass(frozen=True, slots=True)
class StampedInput:
    """An input and the first tick it can come at; it comes at the first instruction boundary from there."""

    tick: Tick
    input: Input


class InputSource(Protocol):
    """Where inputs come from."""

    def next_tick(self) -> Tick | None:
        """The tick of the next input, None if none is known."""
        ...

    def take(self, clock: Tick) -> Input | None:
        """The next input that is due at `clock` or before; None if there is none."""
        ...

    def push(self, clock: Tick, data: Input) -> None:
        """An input comes from outside, now. Raises UserError where the past is fixed."""
        ...


class LiveInputs:
    """Inputs as they come, kept nowhere."""

    def __init__(self) -> None:
        self._queue: deque[StampedInput] = deque()

    def next_tick(self) -> Tick | None:
        return self._queue[0].tick if self._queue else None

    def take(self, clock: Tick) -> Input | None:
        if self._queue and self._queue[0].tick <= clock:
            return self._queue.popleft().input
        return None

    def push(self, clock: Tick, data: Input) -> None:
        self._queue.append(StampedInput(clock, data))
