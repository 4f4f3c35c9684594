"""What a machine is made of. Everything here is part of a recording; nothing else decides what the guest sees."""

from __future__ import annotations

import enum
from dataclasses import dataclass

MINIMUM_MEMORY = 1 << 20
DEFAULT_MEMORY = 256 << 20
DEFAULT_START = 946_684_800
"""2000-01-01 00:00:00 UTC, in seconds since 1970."""


class Chipset(enum.StrEnum):
    """PLAIN has a host bridge and nothing else on its PCI bus; its ports are where they are."""

    PLAIN = "plain"
    I440FX = "i440fx"


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
