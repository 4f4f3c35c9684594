"""Disks with snapshot=off: what their guest wrote goes into their images when the run ends."""

from __future__ import annotations

from collections.abc import Iterator

from devices.disk.overlay import PAGE
from devices.disk.unit import DiskUnit
from vmdbg.errors import UserError
from vmdbg.machine.drives import write_image
from vmdbg.machine.machine import Machine


def write_back(machine: Machine, *, past: bool) -> Iterator[str]:
    """Write each, and say what was done. `past`: the machine stands before the end of its history, so nothing is."""
    for drive in machine.config.drives:
        medium, unit = machine.media.find(drive.medium), machine.pc.devices[drive.name]
        if not drive.direct or medium is None or medium.image.read_only or not isinstance(unit, DiskUnit):
            continue
        if past:
            yield f"{drive.name}: {drive.medium} is as it was, for this ends in the past; go to the end first"
            continue
        try:
            pages = write_image(medium, unit)
        except UserError as error:
            yield f"error: {drive.name}: {error}"
        else:
            yield f"{drive.name}: {pages * PAGE:,} bytes written to {drive.medium}"
