"""The guest's disks as a user's session reads and keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from devices.disk.medium import SECTOR
from devices.disk.overlay import Overlay
from devices.disk.unit import DiskUnit
from vmdbg.errors import UserError
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.following import write_image
from vmdbg.machine.machine import Machine
from vmdbg.machine.media import ReadMedium, TakenBack
from vmdbg.session.registry import did_you_mean
from vmdbg.session.view import View
from vmdbg.timeline.outcomes import Progress

PIECE = 1 << 20
"""Bytes."""


def find(view: View, name: str) -> DiskUnit:
    """The disk of that name, the first if there is none. Raises UserError."""
    devices = view.debugger.machine.pc.devices
    there = {name: device for name, device in devices.items() if isinstance(device, DiskUnit)}
    if not there:
        raise UserError("this machine has no disk: `--disk FILE` of `vmdbg run` adds one")
    if not name:
        return next(iter(there.values()))
    if name not in there:
        raise UserError(f"there is no disk {name!r}{did_you_mean(name, there)}; there are: {', '.join(there)}")
    return there[name]


def contents(machine: Machine, unit: DiskUnit) -> Overlay:
    """What is on it now, for people: to look at it is not to read it."""
    return unit.overlay.over(_medium(machine, unit).looked_at)


def _medium(machine: Machine, unit: DiskUnit) -> ReadMedium:
    name = next(drive.medium for drive in machine.config.drives if drive.name == unit.name)
    medium = machine.media.find(name)
    assert medium is not None, "the machine was made with it"
    return medium


def taken_back_words(taken_back: Sequence[TakenBack]) -> list[str]:
    """What became of images that follow their disks, as the future was dropped."""
    return [f"{one.disk}: {one.size:,} bytes of {one.medium} are again what they were here" for one in taken_back]


def export(disk: Overlay, path: Path, progress: Progress | None) -> int:
    """Write a raw image of the disk; bytes of it. Nothing is left of one that is not whole. Raises UserError."""
    size = disk.sectors * SECTOR
    try:
        with open(path, "xb") as file:
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
        path.unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return size


def commit(machine: Machine, unit: DiskUnit) -> int:
    """Write what was written into the image; returns how many pages of that were others. Raises UserError."""
    return write_image(_medium(machine, unit), unit.overlay)
