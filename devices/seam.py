"""What a device is given and what it must offer.

Time is an integer handed in: nanoseconds of guest time, called `now`. Nothing here reads a clock.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

NANOSECONDS_PER_SECOND = 1_000_000_000


class Line(Protocol):
    """An interrupt, reset or gate line. The receiver keeps the level; setting the same level again is harmless."""

    def set(self, level: bool) -> None: ...


class Timer(Protocol):
    """Named deadlines of one device. Scheduling a name again moves it; cancelling an unknown name does nothing."""

    def schedule(self, name: str, due: int) -> None: ...

    def cancel(self, name: str) -> None: ...


class AddressedDevice(Protocol):
    """A device behind I/O ports or memory. `offset` is from the start of its window, `size` is 1, 2, 4 or 8 bytes.

    A read returns an unsigned value of `size` bytes, little-endian. Undefined registers float high.
    """

    def read(self, offset: int, size: int, now: int) -> int: ...

    def write(self, offset: int, size: int, value: int, now: int) -> None: ...


class EventDevice(Protocol):
    """A device with deadlines: called when the deadline `name` that it scheduled has come."""

    def on_event(self, name: str, now: int) -> None: ...


class StatefulDevice(Protocol):
    """A device whose whole guest-visible state is one plain dataclass.

    `save` returns an independent copy; `restore` takes one over without touching lines, timers or backends:
    the machine saves and restores those beside it.
    """

    name: str
    State: ClassVar[type[Any]]

    def save(self) -> Any: ...

    def restore(self, state: Any) -> None: ...
