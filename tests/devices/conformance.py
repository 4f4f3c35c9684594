"""The devices that every conformance test runs over. Add a factory to DEVICES for each new device.

A factory gets a fresh Scheduler, builds the device (with `scheduler.timer(NAME)` if it has deadlines), and
returns a Subject: the device, the windows that a guest can reach and the input lines that others drive. The
device has `name`, `State`, `save`, `restore`, `describe() -> list[tuple[str, str]]` and, with deadlines,
`on_event`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devices.scheduler import Scheduler
from devices.seam import AddressedDevice, Line


@dataclass
class RecordingLine:
    """An output line that remembers every level it was set to."""

    level: bool = False
    history: list[bool] = field(default_factory=list)

    def set(self, level: bool) -> None:
        self.level = level
        self.history.append(level)

    def rises(self) -> int:
        before = [False, *self.history]
        return sum(now and not last for last, now in zip(before, self.history, strict=False))


@dataclass(frozen=True)
class Window:
    """`length` bytes of ports or memory behind one AddressedDevice."""

    device: AddressedDevice
    length: int


@dataclass(frozen=True)
class Subject:
    device: Any
    windows: list[Window]
    inputs: list[Line] = field(default_factory=list)


DEVICES: dict[str, Callable[[Scheduler], Subject]] = {}
