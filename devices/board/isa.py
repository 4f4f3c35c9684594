"""Where the chips of the board answer on the ISA bus: what the port map, ACPI and the wiring all go by.

Source: IBM AT Technical Reference for the addresses; the ACPI specification's list of PNP identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.board.acpi_pm import PM_PORTS
from devices.board.apm import APM_PORTS
from devices.board.dma import MASTER_PORTS, SLAVE_PORTS
from devices.board.dma_page import DMA_PAGE_PORTS
from devices.serial.com_ports import COM_PORT_SIZE, COM_PORTS, ComPort


@dataclass(frozen=True, slots=True)
class IsaChip:
    """`acpi` is its name in the DSDT, `hid` its PNP identifier, `uid` its number among equals (0: it is alone)."""

    acpi: str
    hid: str
    ports: tuple[range, ...]
    irq: int | None = None
    dma: int | None = None
    uid: int = 0


def _com(number: int, port: ComPort) -> IsaChip:
    return IsaChip(f"COM{number}", "PNP0501", (range(port.base, port.base + COM_PORT_SIZE),), port.irq, uid=number)


PORT92 = range(0x92, 0x93)
CHIPSET = IsaChip("SYSR", "PNP0C02", (APM_PORTS, PM_PORTS, PORT92))
PIC = IsaChip("PIC", "PNP0000", (range(0x20, 0x22), range(0xA0, 0xA2), range(0x4D0, 0x4D2)), irq=2)
PIT = IsaChip("TIMR", "PNP0100", (range(0x40, 0x44),), irq=0)
DMA = IsaChip("DMAC", "PNP0200", (MASTER_PORTS, DMA_PAGE_PORTS, SLAVE_PORTS), dma=4)
COPROCESSOR = IsaChip("COPR", "PNP0C04", (range(0xF0, 0xF1),), irq=13)
RTC = IsaChip("RTC", "PNP0B00", (range(0x70, 0x72),), irq=8)
KEYBOARD = IsaChip("KBD", "PNP0303", (range(0x60, 0x61), range(0x64, 0x65)), irq=1)
MOUSE = IsaChip("MOU", "PNP0F13", (), irq=12)
"""Where there is one; its ports are the keyboard's."""
SPEAKER = IsaChip("SPKR", "PNP0800", (range(0x61, 0x62),))
COMS = tuple(_com(number, port) for number, port in enumerate(COM_PORTS, start=1))
FLOPPY = IsaChip("FDC0", "PNP0700", (range(0x3F0, 0x3F6), range(0x3F7, 0x3F8)), irq=6, dma=2)
"""Where there is a drive."""
CHIPS = (CHIPSET, PIC, PIT, DMA, COPROCESSOR, RTC, KEYBOARD, SPEAKER, *COMS)
"""In the order of the DSDT."""
FREE_IRQS = (5, 6, 7, 10, 11, 14, 15)
"""The lines that no chip of the board drives."""


def chips(*, floppy: bool, mouse: bool = False) -> tuple[IsaChip, ...]:
    """Those of a board with floppy drives, or without; and with a mouse."""
    return (*CHIPS, *([FLOPPY] if floppy else []), *([MOUSE] if mouse else []))
