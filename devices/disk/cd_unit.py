"""A drive's tray and the disc in it, whichever controller the drive is at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from devices.disk.medium import SECTOR, Medium
from devices.disk.requests import DiskRequest, Listener, Operation
from devices.seam import DeviceInput, Rows

_EJECT_REQUEST, _NEW_MEDIA, _REMOVAL = 1, 2, 3
"""Events of the media class (MMC-5, 6.7.2.5)."""


@dataclass(frozen=True, slots=True)
class EjectDisc:
    """Somebody takes the disc out; of a drive that the guest has locked only by `force`, else the guest is asked."""

    device: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class InsertDisc:
    """Somebody puts a disc in: the medium of that name. `read_only` is for floppy disks: its notch is open."""

    device: str
    medium: str
    read_only: bool = False

    def __post_init__(self) -> None:
        if not self.medium:
            raise ValueError("a disc without a name")


@dataclass(slots=True)
class CdUnitState:
    """`medium` is the name of what is in the tray, "" if nothing. `changes` counts what the drive has to tell of."""

    medium: str = ""
    open: bool = False
    locked: bool = False
    changes: int = 0
    event: int = 0


class CdUnit:
    """`media` finds a medium by its name; raises MediumError, or None if there is none of that name."""

    title = "CD drive"
    State: ClassVar[type[CdUnitState]] = CdUnitState
    INPUTS: ClassVar[tuple[type[DeviceInput], ...]] = (EjectDisc, InsertDisc)

    def __init__(self, name: str, medium: str, media: Callable[[str], Medium | None], serial: str) -> None:
        self.name = name
        self.serial = serial
        self.listeners: list[Listener] = []
        """As DiskUnit's."""
        self._media = media
        self._state = CdUnitState(medium)

    @property
    def medium(self) -> Medium | None:
        """What can be read now."""
        state = self._state
        return self._media(state.medium) if state.medium and not state.open else None

    @property
    def tray_open(self) -> bool:
        return self._state.open

    @property
    def locked(self) -> bool:
        return self._state.locked

    @property
    def changes(self) -> int:
        return self._state.changes

    def lock(self, locked: bool) -> None:
        self._state.locked = locked

    def open_tray(self) -> None:
        state = self._state
        if not state.open:
            state.open, state.event = True, _REMOVAL
            state.changes += 1

    def close_tray(self) -> None:
        state = self._state
        if state.open:
            state.open = False
            state.event = _NEW_MEDIA if state.medium else state.event
            state.changes += 1

    def take_event(self) -> int:
        """What happened since it was last asked for."""
        event, self._state.event = self._state.event, 0
        return event

    def take(self, data: EjectDisc | InsertDisc, now: int) -> None:
        state = self._state
        if isinstance(data, InsertDisc):
            state.medium, state.open, state.event = data.medium, False, _NEW_MEDIA
        elif state.locked and not data.force:
            state.event = _EJECT_REQUEST
            return
        else:
            state.medium, state.event = "", _REMOVAL
        state.changes += 1

    def done(self, operation: Operation, sector: int, count: int, submitted: int, now: int) -> None:
        """As DiskUnit's."""
        for listener in self.listeners:
            listener(DiskRequest(self.name, operation, sector, count, submitted, now))

    def save(self) -> CdUnitState:
        return replace(self._state)

    def restore(self, state: CdUnitState) -> None:
        self._state = replace(state)

    def describe(self, now: int) -> Rows:
        state = self._state
        medium = self._media(state.medium) if state.medium else None
        size = f", {medium.sectors * SECTOR} bytes" if medium is not None else ""
        return [
            ("disc", f"{state.medium}{size}" if state.medium else "none"),
            ("tray", "open" if state.open else "closed, locked by the guest" if state.locked else "closed"),
        ]
