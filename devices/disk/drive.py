"""The drives that a machine has, as its configuration says."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class DriveKind(enum.StrEnum):
    DISK = "disk"
    CD = "cd"
    FLOPPY = "floppy"


class DriveBus(enum.StrEnum):
    """What a drive's controller is."""

    IDE = "ide"
    VIRTIO = "virtio"
    AHCI = "ahci"
    NVME = "nvme"
    FLOPPY = "floppy"


@dataclass(frozen=True, slots=True)
class Drive:
    """`name` is the device's; `medium` names what is in it, "" for an empty one, and has `sectors` of 512 bytes.

    What is written to a `direct` one goes to the image itself.
    """

    name: str
    kind: DriveKind
    bus: DriveBus
    medium: str
    sectors: int
    serial: str
    direct: bool = False
    read_only: bool = False
    """A floppy disk whose notch is open."""
    boot_index: int | None = None
    """Firmware looks on the drive with the lowest first, and on those without after them."""
