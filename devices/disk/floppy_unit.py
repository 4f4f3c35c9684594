"""A floppy drive: its type, where its head is, and the disc in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from devices.disk.cd_unit import EjectDisc, InsertDisc
from devices.disk.floppy_discs import Disc, FloppyDiscs
from devices.disk.floppy_formats import DriveType
from devices.disk.overlay import Overlay
from devices.disk.requests import DiskRequest, Listener, Operation
from devices.seam import DeviceInput, Rows


@dataclass(slots=True)
class FloppyUnitState:
    """`medium` is the name of what is in the drive, "" if nothing; `changed` is the signal DSKCHG."""

    medium: str = ""
    read_only: bool = False
    changed: bool = True
    cylinder: int = 0
    """Where the head is, in steps from track 0."""


@dataclass(frozen=True, slots=True)
class Track:
    """What the head is over: a side of a cylinder, as the disc counts them."""

    disc: Disc
    cylinder: int
    head: int


class FloppyUnit:
    """`discs` has what is written; `read_only` is the notch of the disc that is in it at first."""

    title = "floppy drive"
    State: ClassVar[type[FloppyUnitState]] = FloppyUnitState
    INPUTS: ClassVar[tuple[type[DeviceInput], ...]] = (EjectDisc, InsertDisc)

    def __init__(self, name: str, kind: DriveType, discs: FloppyDiscs, medium: str, *, read_only: bool = False) -> None:
        self.name = name
        self.type = kind
        self.listeners: list[Listener] = []
        """As DiskUnit's."""
        self._discs = discs
        self._state = FloppyUnitState(medium, read_only)
        discs.came(medium)

    @property
    def medium(self) -> str:
        """The name of what is in the drive, "" if nothing."""
        return self._state.medium

    @property
    def disc(self) -> Disc | None:
        """What is in the drive, if it is a floppy disk."""
        return self._discs.find(self._state.medium) if self._state.medium else None

    @property
    def overlay(self) -> Overlay | None:
        disc = self.disc
        return disc.overlay if disc is not None else None

    def overlay_of(self, medium: str) -> Overlay | None:
        """Of a disc that is, or was, in a drive."""
        disc = self._discs.find(medium)
        return disc.overlay if disc is not None else None

    @property
    def read_only(self) -> bool:
        return self._state.read_only

    @property
    def write_protected(self) -> bool:
        """The signal WP: light falls through, of a disc with an open notch or of none."""
        return self._state.read_only or not self._state.medium

    @property
    def changed(self) -> bool:
        return self._state.changed

    @property
    def cylinder(self) -> int:
        """Where the head is, in steps from track 0."""
        return self._state.cylinder

    @property
    def at_track_0(self) -> bool:
        return not self._state.cylinder

    def step(self, steps: int) -> None:
        """Move the head, towards track 0 if it is negative, as far as it goes."""
        state = self._state
        state.cylinder = min(max(0, state.cylinder + steps), self.type.cylinders - 1)
        if steps and state.medium:
            state.changed = False

    def track(self, head: int) -> Track | None:
        """What is under the head, if a disc was ever formatted there."""
        disc = self.disc
        if disc is None or head >= disc.form.heads or self.type.rate(disc.form) is None:
            return None
        cylinder, between = self._state.cylinder, 0
        if self.type.skips(disc.form):
            cylinder, between = divmod(cylinder, 2)
        return Track(disc, cylinder, head) if not between and cylinder < disc.form.cylinders else None

    def take(self, data: EjectDisc | InsertDisc, now: int) -> None:
        state = self._state
        state.changed = True
        if isinstance(data, InsertDisc):
            state.medium, state.read_only = data.medium, data.read_only
            self._discs.came(data.medium)
        else:
            state.medium, state.read_only = "", False

    def done(self, operation: Operation, sector: int, count: int, submitted: int, now: int) -> None:
        """As DiskUnit's."""
        for listener in self.listeners:
            listener(DiskRequest(self.name, operation, sector, count, submitted, now))

    def save(self) -> FloppyUnitState:
        return replace(self._state)

    def restore(self, state: FloppyUnitState) -> None:
        self._state = replace(state)

    def describe(self, now: int) -> Rows:
        state, disc = self._state, self.disc
        form = f", {disc.form}" if disc is not None else ""
        notch = ", read only" if state.read_only else ""
        return [
            ("type", str(self.type)),
            ("disk", f"{state.medium}{form}{notch}" if state.medium else "none"),
            ("head", f"at cylinder {state.cylinder}"),
            ("disk change", "signalled" if state.changed else "not signalled"),
        ]
