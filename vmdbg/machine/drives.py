"""The drives of a machine's configuration, put at their controllers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from devices.disk.buses import BUSES, Unit
from devices.disk.cd_unit import CdUnit
from devices.disk.drive import Drive, DriveBus, DriveKind
from devices.disk.unit import fit_disk
from devices.fitting import Slot
from devices.seam import Device
from vmdbg.errors import UserError
from vmdbg.machine.floppies import fit_floppies, floppies_of
from vmdbg.machine.following import ImageFollower
from vmdbg.machine.media import Media

_Fitted = TypeVar("_Fitted", bound=Device)


class Carrier(Protocol):
    """The board under them."""

    def add(self, device: _Fitted) -> _Fitted: ...

    def slot(self, name: str) -> Slot: ...


def fit_drives(carrier: Carrier, drives: Sequence[Drive], media: Media) -> None:
    """Raises UserError for what there is no room for, or no medium of the name, or no such bus."""
    by_bus: dict[DriveBus, list[Unit]] = {}
    floppies = floppies_of(drives)
    if floppies:
        fit_floppies(carrier, floppies, media)
    for drive in drives:
        if drive in floppies:
            continue
        check_bus(drive.bus)
        by_bus.setdefault(drive.bus, []).append(carrier.add(_unit(carrier, drive, media)))
    for bus, units in by_bus.items():
        try:
            for controller in BUSES[bus](carrier.slot, units):
                carrier.add(controller)
        except ValueError as error:
            raise UserError(f"{', '.join(unit.name for unit in units)}: {error}") from None


def check_bus(bus: DriveBus) -> None:
    """Raises UserError for one that takes no disks and CDs."""
    if bus not in BUSES:
        raise UserError(f"at {bus} are no disks and CDs; they can be at: {', '.join(BUSES)}")


def _unit(carrier: Carrier, drive: Drive, media: Media) -> Unit:
    unit = _made(carrier, drive, media)
    unit.listeners = media.listeners
    return unit


def _made(carrier: Carrier, drive: Drive, media: Media) -> Unit:
    medium = media.find(drive.medium) if drive.medium else None
    match drive.kind:
        case DriveKind.CD:
            return CdUnit(drive.name, drive.medium, media.find, drive.serial)
        case _:
            if medium is None:
                raise UserError(f"the image of {drive.name}, {drive.medium}, is not there")
            if medium.sectors != drive.sectors:
                raise UserError(
                    f"the image of {drive.name}, {drive.medium}, has {medium.sectors} sectors, not {drive.sectors}: it "
                    "is not the one that was recorded"
                )
            unit = fit_disk(carrier.slot(drive.name), medium, drive.serial)
            if drive.direct and not medium.image.read_only:
                follower = ImageFollower(drive.name, medium, unit.overlay, lambda: media.now())
                medium.follower = unit.overlay.follower = follower
            return unit
