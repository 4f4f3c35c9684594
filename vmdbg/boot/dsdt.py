"""The differentiated system description: what the machine has that an OS could not find by itself, in AML."""

from __future__ import annotations

from collections.abc import Iterable

from devices.board.acpi_pm import PM_PORTS, SLP_TYP_S5
from devices.board.apm import APM_PORTS
from devices.board.dma import MASTER_PORTS, SLAVE_PORTS
from devices.board.dma_page import DMA_PAGE_PORTS
from devices.pci.host import CONFIG_PORTS
from devices.serial.com_ports import COM_PORT_SIZE, ComPort
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


def definition_block(com_ports: Iterable[ComPort]) -> bytes:
    """The DSDT's AML, without the table header."""
    s5 = package(integer(SLP_TYP_S5), integer(0), integer(0), integer(0))
    return name("\\_S5", s5) + scope(
        "\\_SB",
        _pci_root(),
        _system_board(),
        _isa("PIC", "PNP0000", io_ports(0x20, 2), io_ports(0xA0, 2), io_ports(0x4D0, 2), irq(2)),
        _isa("TIMR", "PNP0100", io_ports(0x40, 4), irq(0)),
        _isa("DMAC", "PNP0200", *map(_ports, (MASTER_PORTS, DMA_PAGE_PORTS, SLAVE_PORTS)), dma_channel(4)),
        _isa("RTC", "PNP0B00", io_ports(0x70, 2), irq(8)),
        _isa("KBD", "PNP0303", io_ports(0x60, 1), io_ports(0x64, 1), irq(1)),
        _isa("SPKR", "PNP0800", io_ports(0x61, 1)),
        *(_serial(number, port) for number, port in enumerate(com_ports, start=1)),
    )


def _ports(ports: range) -> bytes:
    return io_ports(ports.start, len(ports))


def _isa(path: str, identifier: str, *resources: bytes) -> bytes:
    return device(path, name("_HID", eisa_id(identifier)), name("_CRS", resource_template(*resources)))


def _serial(number: int, port: ComPort) -> bytes:
    return device(
        f"COM{number}",
        name("_HID", eisa_id("PNP0501")),
        name("_UID", integer(number)),
        name("_CRS", resource_template(io_ports(port.base, COM_PORT_SIZE), irq(port.irq))),
    )


def _system_board() -> bytes:
    """Ports of the chipset that no other device here names."""
    return _isa("SYSR", "PNP0C02", _ports(APM_PORTS), _ports(PM_PORTS), io_ports(0x92, 1))


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
