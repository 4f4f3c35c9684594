"""The differentiated system description: what the machine has that an OS could not find by itself, in AML."""

from __future__ import annotations

from collections.abc import Iterable

from devices.board.acpi_pm import SLP_TYP_S5
from devices.board.isa import IsaChip
from devices.pci.host import CONFIG_PORTS
from vmdbg.boot.aml import (
    bus_numbers,
    device,
    dma_channel,
    eisa_id,
    integer,
    io_ports,
    io_window,
    irq,
    memory_window,
    name,
    package,
    resource_template,
    scope,
)

PCI_WINDOW_FIRST = 0xC000_0000
PCI_WINDOW_LAST = 0xFEBF_FFFF
"""Up to the IO-APIC; RAM ends below."""


def definition_block(chips: Iterable[IsaChip]) -> bytes:
    """The DSDT's AML, without the table header."""
    s5 = package(integer(SLP_TYP_S5), integer(0), integer(0), integer(0))
    return name("\\_S5", s5) + scope("\\_SB", _pci_root(), *map(_isa, chips))


def _ports(ports: range) -> bytes:
    return io_ports(ports.start, len(ports))


def _isa(chip: IsaChip) -> bytes:
    resources = [_ports(ports) for ports in chip.ports]
    if chip.irq is not None:
        resources.append(irq(chip.irq))
    if chip.dma is not None:
        resources.append(dma_channel(chip.dma))
    names = [name("_HID", eisa_id(chip.hid))]
    if chip.uid:
        names.append(name("_UID", integer(chip.uid)))
    return device(chip.acpi, *names, name("_CRS", resource_template(*resources)))


def _pci_root() -> bytes:
    return device(
        "PCI0",
        name("_HID", eisa_id("PNP0A03")),
        name("_UID", integer(0)),
        name("_BBN", integer(0)),
        name(
            "_CRS",
            resource_template(
                bus_numbers(0, 0xFF),
                _ports(CONFIG_PORTS),
                io_window(0, CONFIG_PORTS.start - 1),
                io_window(CONFIG_PORTS.stop, 0xFFFF),
                memory_window(0xA_0000, 0xB_FFFF),
                memory_window(PCI_WINDOW_FIRST, PCI_WINDOW_LAST),
            ),
        ),
    )
