"""What a machine is made of. Everything here is part of a recording; nothing else decides what the guest sees."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from devices.disk.drive import Drive, DriveKind
from vmdbg.machine.schedule import ROUND_ROBIN
from vmdbg.x86.topology import ONE_CPU, Topology

MINIMUM_MEMORY = 1 << 20
DEFAULT_MEMORY = 256 << 20
DEFAULT_START = 946_684_800
"""2000-01-01 00:00:00 UTC, in seconds since 1970."""


class Chipset(enum.StrEnum):
    """PLAIN has a host bridge and nothing else on its PCI bus; its ports are where they are."""

    PLAIN = "plain"
    I440FX = "i440fx"


class BootKind(enum.StrEnum):
    """What firmware may look for a system on."""

    DISK = "disk"
    FLOPPY = "floppy"
    CDROM = "cdrom"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class BootOrder:
    """What firmware is to try, best first, and whether it asks with a menu before."""

    kinds: tuple[BootKind, ...] = (BootKind.DISK, BootKind.FLOPPY, BootKind.CDROM)
    menu: bool = False


@dataclass(frozen=True, slots=True)
class FlashPlace:
    """Where flash memory with firmware's variables is: a physical address, and bytes. Both are multiples of 4 KiB."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """`memory` in bytes; `cpu` a model of vmdbg.x86.cpuid; `start` what the RTC shows at tick 0, in seconds since 1970.

    Without `apic` the CPU has no local APIC and the tables name no I/O APIC.
    """

    memory: int = DEFAULT_MEMORY
    cpu: str = "base"
    apic: bool = True
    start: int = DEFAULT_START
    devices: tuple[str, ...] = ()
    """Those added to the board's own, each as devices.fitting.parse_choice() takes it."""
    chipset: Chipset = Chipset.PLAIN
    boot: BootOrder = BootOrder()
    flash: FlashPlace | None = None
    drives: tuple[Drive, ...] = ()
    restarts: bool = False
    """A reset starts it again, at the reset vector; otherwise it ends the run."""
    topology: Topology = ONE_CPU
    schedule: str = ROUND_ROBIN
    """Whose turn is next, as schedules.parse_schedule() takes it. With one CPU it says nothing."""

    @property
    def cpus(self) -> int:
        return self.topology.cpus


def has_floppies(config: MachineConfig) -> bool:
    return any(drive.kind is DriveKind.FLOPPY for drive in config.drives)


MENU = "menu"


def parse_boot_order(text: str) -> BootOrder:
    """`disk,cdrom`, `menu`, or both. Raises ValueError in words."""
    words = text.split(",")
    kinds = [word for word in words if word != MENU]
    if not set(kinds) <= set(BootKind) or len(set(words)) != len(words):
        raise ValueError(f"{text!r} is no boot order: some of {', '.join([*BootKind, MENU])}, each once, with commas")
    menu = MENU in words
    return BootOrder(tuple(map(BootKind, kinds)), menu) if kinds else BootOrder(menu=menu)
