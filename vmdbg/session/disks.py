"""The guest's disks as a user's session reads and keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devices.disk.floppy_discs import lengthened
from devices.disk.floppy_unit import FloppyUnit
from devices.disk.medium import SECTOR
from devices.disk.overlay import SECTORS, Overlay
from devices.disk.unit import DiskUnit
from vmdbg.errors import UserError
from vmdbg.files import new_file
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.following import write_image
from vmdbg.machine.machine import Machine
from vmdbg.machine.media import ReadMedium, TakenBack
from vmdbg.session.drives import drive_named
from vmdbg.session.view import View
from vmdbg.timeline.outcomes import Progress

PIECE = 1 << 20
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk in a drive: `name` is the drive's, `medium` what is in it."""

    name: str
    medium: ReadMedium
    sectors: int


def find(view: View, name: str) -> Disk:
    """What is in the drive of that name, in the first if there is none. Raises UserError."""
    machine = view.debugger.machine
    devices = machine.pc.devices
    there = {name: device for name, device in devices.items() if isinstance(device, DiskUnit | FloppyUnit)}
    if not there:
        raise UserError("this machine has no disk: `--disk FILE` of `vmdbg run` adds one")
    unit = there[drive_named(name, there, kind="disk")] if name else next(iter(there.values()))
    in_it = unit.medium if isinstance(unit, FloppyUnit) else _configured(machine, unit.name)
    medium = machine.media.find(in_it)
    if medium is None or unit.overlay is None:
        raise UserError(f"there is no disk in {unit.name}: `insert {unit.name} FILE` puts one in")
    return Disk(unit.name, medium, unit.overlay.sectors)


def overlay(machine: Machine, disk: Disk) -> Overlay | None:
    """What is written to it now; None of one that has not come yet."""
    unit = machine.pc.devices[disk.name]
    assert isinstance(unit, DiskUnit | FloppyUnit)
    return unit.overlay_of(disk.medium.name) if isinstance(unit, FloppyUnit) else unit.overlay


def contents(machine: Machine, disk: Disk) -> Overlay:
    """What is on it now, for people: to look at it is not to read it."""
    written = overlay(machine, disk)
    assert written is not None, "it was found in a drive"
    return written.over(lengthened(disk.medium.looked_at, disk.sectors))


def _configured(machine: Machine, name: str) -> str:
    return next(drive.medium for drive in machine.config.drives if drive.name == name)


def taken_back_words(taken_back: Sequence[TakenBack]) -> list[str]:
    """What became of images that follow their disks, as the future was dropped."""
    return [f"{one.disk}: {one.size:,} bytes of {one.medium} are again what they were here" for one in taken_back]


def export(disk: Overlay, path: Path, progress: Progress | None) -> int:
    """Write a raw image of the disk; bytes of it. Nothing is left of one that is not whole. Raises UserError."""
    size = disk.sectors * SECTOR
    try:
        with new_file(path) as file:
            for start in range(0, size, PIECE):
                INTERRUPTION.check()
                if progress is not None:
                    progress(start / size)
                data = disk.read(start // SECTOR, min(PIECE, size - start) // SECTOR)
                if data.count(0) != len(data):
                    file.seek(start)
                    file.write(data)
            file.truncate(size)
    except FileExistsError:
        raise UserError(f"{path} exists; it is not overwritten: choose another name") from None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    return size


def commit(machine: Machine, disk: Disk) -> int:
    """Write what was written into the image; returns how many pages of that were others. Raises UserError."""
    written, medium = overlay(machine, disk), disk.medium
    assert written is not None, "it was found in a drive"
    beyond = next((number for number in written.written() if _is_beyond(medium, number, written.page(number))), None)
    if beyond is not None:
        raise UserError(
            f"{medium.name} ends at sector {medium.sectors}, and what the disk has behind it was written, at sector "
            f"{max(medium.sectors, beyond * SECTORS)} or after it: `disk export` makes a whole image"
        )
    return write_image(medium, written)


def _is_beyond(medium: ReadMedium, number: int, page: bytes) -> bool:
    """Whether a page that was written has anything behind the end of the image, where zeros are read as it is."""
    return any(page[max(0, medium.sectors - number * SECTORS) * SECTOR :])
