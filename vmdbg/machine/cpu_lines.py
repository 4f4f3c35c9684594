"""A CPU's input pins, seen from the devices.

An assertion caused by the guest's own access becomes visible a fixed time later: it falls inside a block of code that
can no longer be stopped at a place that does not depend on where blocks begin. A negation is visible at once; IF can
only have become 1 at a block's end.
"""

from __future__ import annotations

from typing import Protocol

from devices.scheduler import Scheduler
from vmdbg.units import BOOT_CPU, CpuId

LATENCY = 4096
"""Ticks. No block of code is longer than a page."""
OWNER = "cpu"


def owner_of(cpu: CpuId) -> str:
    """Of deadlines that are the CPU's own."""
    return f"{OWNER}{cpu}" if cpu else OWNER


class CpuPins(Protocol):
    """What of the engine the lines drive."""

    def set_interrupt(self, level: bool) -> None: ...

    def raise_nmi(self) -> None: ...


class Running(Protocol):
    """Whether the CPU's code runs now, and sees only LATENCY later what it does."""

    @property
    def in_access(self) -> bool: ...


class IntrLine:
    """INTR."""

    def __init__(self, scheduler: Scheduler, machine: Running, owner: str = owner_of(BOOT_CPU)) -> None:
        self._scheduler = scheduler
        self._machine = machine
        self._owner = owner
        self._level = False
        self.pins: CpuPins | None = None

    @property
    def level(self) -> bool:
        """What the devices drive; the CPU sees it up to LATENCY later."""
        return self._level

    def set(self, level: bool) -> None:
        if level == self._level:
            return
        self._level = level
        if level and self._machine.in_access:
            self._scheduler.schedule(self._owner, "intr", 0)
        else:
            self._scheduler.cancel(self._owner, "intr")
            self.show()

    def show(self) -> None:
        """The CPU sees the level."""
        if self.pins is not None:
            self.pins.set_interrupt(self._level)

    def follow(self, level: bool) -> None:
        """The level changed in the engine, which knows it already."""
        self._level = level

    def restore(self, level: bool, visible: bool) -> None:
        self._level = level
        if self.pins is not None:
            self.pins.set_interrupt(visible)


class NmiLine:
    """NMI: the CPU latches the rising edge."""

    def __init__(self, scheduler: Scheduler, machine: Running, owner: str = owner_of(BOOT_CPU)) -> None:
        self._scheduler = scheduler
        self._machine = machine
        self._owner = owner
        self._level = False
        self.pins: CpuPins | None = None

    def set(self, level: bool) -> None:
        rising = level and not self._level
        self._level = level
        if not rising:
            return
        if self._machine.in_access:
            self._scheduler.schedule(self._owner, "nmi", 0)
        else:
            self.show()

    def show(self) -> None:
        if self.pins is not None:
            self.pins.raise_nmi()

    @property
    def level(self) -> bool:
        return self._level

    def restore(self, level: bool) -> None:
        self._level = level
