"""The floppy drives of a machine's configuration, and what CMOS memory tells of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from devices.disk.drive import Drive, DriveKind
from devices.disk.floppy_formats import EXTENDED, DriveType, FloppyFormat, drive_for, format_of
from devices.disk.medium import SECTOR
from devices.fitting import Slot
from devices.seam import Device
from vmdbg.errors import UserError
from vmdbg.machine.following import ImageFollower
from vmdbg.machine.media import Media

if TYPE_CHECKING:
    from devices.disk.floppy_unit import FloppyUnit

MOST_FLOPPIES = 2
"""What CMOS memory tells of."""
_Fitted = TypeVar("_Fitted", bound=Device)


class Carrier(Protocol):
    """The board under them."""

    def add(self, device: _Fitted) -> _Fitted: ...

    def slot(self, name: str) -> Slot: ...


def floppies_of(drives: Sequence[Drive]) -> list[Drive]:
    """Raises UserError for more than there is room for."""
    floppies = [drive for drive in drives if drive.kind is DriveKind.FLOPPY]
    if len(floppies) > MOST_FLOPPIES:
        raise UserError(
            f"there is room for {MOST_FLOPPIES} floppy drives, not for {len(floppies)}: `insert` changes the disks"
        )
    return floppies


def check_floppy(medium: str, sectors: int, *, whole: bool = False) -> FloppyFormat:
    """The form of a floppy disk with such an image; `whole` says that it has to have the size of one.

    Raises UserError.
    """
    form = format_of(sectors)
    if form is None:
        raise UserError(
            f"{medium} has {sectors} sectors of 512 bytes, which no floppy disk has: the largest has "
            f"{EXTENDED.sectors}; give it with --disk"
        )
    if whole and form.sectors != sectors:
        raise UserError(
            f"{medium} has {sectors} sectors and the floppy disk {form.sectors}: what is written behind it would have "
            f"no place there. Lengthen it with `truncate -s {form.sectors * SECTOR}`, or leave snapshot=off away"
        )
    return form


def floppy_type(drive: Drive) -> DriveType:
    """The drive that what is in it at first needs. Raises UserError for what is no floppy disk."""
    return drive_for(check_floppy(drive.medium or drive.name, drive.sectors))


def fit_floppies(carrier: Carrier, drives: Sequence[Drive], media: Media) -> None:
    """A controller with these drives. Raises UserError."""
    from devices.disk.fdc import Fdc
    from devices.disk.floppy_discs import FloppyDiscs
    from devices.disk.floppy_unit import FloppyUnit

    discs = carrier.add(FloppyDiscs(carrier.slot(FloppyDiscs.name), media.find))
    units: list[FloppyUnit] = []
    for drive in drives:
        medium = media.find(drive.medium)
        if medium is None or medium.sectors != drive.sectors:
            raise UserError(f"the image of {drive.name}, {drive.medium}, is not the one that was recorded")
        unit = FloppyUnit(drive.name, floppy_type(drive), discs, drive.medium, read_only=drive.read_only)
        unit.listeners = media.listeners
        units.append(carrier.add(unit))
        if drive.direct and not medium.image.read_only and unit.overlay is not None:
            follower = ImageFollower(drive.name, medium, unit.overlay, lambda: media.now())
            medium.follower = discs.followers[medium.name] = follower
    carrier.add(Fdc(carrier.slot(Fdc.name), units))


def check_fits(drive: FloppyUnit, medium: str, sectors: int, devices: Mapping[str, Device]) -> None:
    """Whether a medium of that name and size can be put into a drive now. Raises UserError."""
    from devices.disk.floppy_discs import FloppyDiscs
    from devices.disk.floppy_unit import FloppyUnit

    form = check_floppy(medium, sectors)
    if drive.type.rate(form) is None:
        raise UserError(f"a disk of {form} is not for {drive.name}, which is a drive for {drive.type}")
    for other in devices.values():
        if isinstance(other, FloppyUnit) and other is not drive and other.medium == medium:
            raise UserError(f"{medium} is in {other.name}: `eject {other.name}` takes it out")
    discs = devices[FloppyDiscs.name]
    assert isinstance(discs, FloppyDiscs)
    if not discs.has_room(medium):
        raise UserError(f"{medium} would be one disk more than a machine keeps the writes of: name one that was in it")
