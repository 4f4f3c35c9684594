"""What a machine is made of. Everything here is part of a recording; nothing else decides what the guest sees."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from devices.disk.drive import Drive, DriveKind
from devices.network.net import Net
from devices.ninep.share import Share
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


class Display(enum.StrEnum):
    """TEXT is a VGA's registers beside text memory that is RAM, on an I440FX; STD has all of a VGA, VBE and a ROM."""

    NONE = "none"
    TEXT = "text"
    STD = "std"


class HpetMode(enum.StrEnum):
    """Whether the HPET can take the interrupts of 8254 and RTC over."""

    PLAIN = "plain"
    LEGACY = "legacy"


class BootKind(enum.StrEnum):
    """What firmware may look for a system on."""

    DISK = "disk"
    FLOPPY = "floppy"
    CDROM = "cdrom"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class BootOrder:
    """What firmware is to try, best first, and whether it asks with a menu before.

    `names` are the drives and kinds that the user has named, () if nobody has; `kinds` follow them.
    """

    kinds: tuple[BootKind, ...] = (BootKind.DISK, BootKind.FLOPPY, BootKind.CDROM)
    menu: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlashPlace:
    """Where flash memory with firmware's variables is: a physical address, and bytes. Both are multiples of 4 KiB."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """`memory` in bytes; `cpu` one of vmdbg.x86.cpu_models; `start` what the RTC shows at tick 0, in
    seconds since 1970.

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
    shares: tuple[Share, ...] = ()
    nets: tuple[Net, ...] = ()
    hvc: bool = False
    """It has a virtio console that leads to a line of its own."""
    mouse: bool = False
    """It has a PS/2 mouse, at the second port of the 8042."""
    hpet: HpetMode = HpetMode.PLAIN
    waits: bool = False
    """Somebody outside may wake it at any time: where it would halt for ever, with interrupts on, time passes."""
    restarts: bool = False
    """A reset starts it again, at the reset vector; otherwise it ends the run."""
    topology: Topology = ONE_CPU
    schedule: str = ROUND_ROBIN
    """Whose turn is next, as schedules.parse_schedule() takes it. With one CPU it says nothing."""

    display: Display = Display.TEXT
    option_rom: bytes = b""
    """What the display has for firmware: STD's alone."""

    @property
    def cpus(self) -> int:
        return self.topology.cpus


def io_apic_id(config: MachineConfig) -> int:
    """With several CPUs the first that none of them has; where firmware writes tables, 0, as it says there."""
    return 0 if config.chipset is Chipset.I440FX else config.topology.io_apic_id


def has_floppies(config: MachineConfig) -> bool:
    return any(drive.kind is DriveKind.FLOPPY for drive in config.drives)


MENU = "menu"


_KINDS = {"disk": BootKind.DISK, "cd": BootKind.CDROM, "floppy": BootKind.FLOPPY}
_DRIVE = re.compile(r"(disk|cd|floppy)[0-9]{1,3}")


def kind_of(name: str) -> BootKind | None:
    """What a drive of that name is; None if none has such a name."""
    found = _DRIVE.fullmatch(name)
    return _KINDS[found[1]] if found is not None else None


def meant_kind(word: str) -> BootKind | None:
    """Of a kind, or of a drive's name; None for neither."""
    return next((kind for kind in BootKind if kind == word), None) or kind_of(word)


def parse_boot_order(text: str) -> BootOrder:
    """`disk,cdrom`, `disk1`, `menu`, or some of them. Raises ValueError in words."""
    words = text.split(",")
    names = tuple(word for word in words if word != MENU)
    kinds = [meant_kind(word) for word in names]
    known = [kind for kind in kinds if kind is not None]
    if len(known) != len(kinds) or len(set(words)) != len(words):
        what = f"some of {', '.join([*BootKind, MENU])} and names of drives as disk1"
        raise ValueError(f"{text!r} is no boot order: {what}, each once, with commas")
    menu = MENU in words
    return BootOrder(tuple(dict.fromkeys(known)), menu, names) if names else BootOrder(menu=menu)
