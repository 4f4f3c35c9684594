"""The differentiated system description: what the machine has that an OS could not find by itself, in AML."""

from __future__ import annotations

from collections.abc import Iterable

from devices.board.acpi_pm import SCI_IRQ, SLP_TYP_S5
from devices.board.isa import IsaChip
from devices.pci.config_space import BUS_DEVICES, Pin, Place
from devices.pci.host import CONFIG_PORTS
from devices.pci.piix import PCI_IRQS, POWER_MANAGEMENT, pirq_of
from vmdbg.boot.aml import (
    bus_numbers,
    device,
    dma_channel,
    eisa_id,
    integer,
    io_ports,
    io_window,
    irq,
    level_interrupt,
    memory_window,
    method,
    name,
    package,
    reference,
    resource_template,
    scope,
    string,
)

PCI_WINDOW_FIRST = 0xC000_0000
PCI_WINDOW_LAST = 0xFEBF_FFFF
"""Up to the IO-APIC; RAM ends below."""
SCI_LINK = "LNKS"
LINKS = {f"LNK{letter}": irq for letter, irq in zip("ABCD", PCI_IRQS, strict=True)} | {SCI_LINK: SCI_IRQ}


def irq_of_function(place: Place, pin: Pin) -> int:
    """Where firmware for the PIIX has led an interrupt pin of a function."""
    return LINKS[_link_of(place, pin)]


def _link_of(place: Place, pin: Pin) -> str:
    sci = (place.device, pin) == (POWER_MANAGEMENT.device, Pin.INTA)
    return SCI_LINK if sci else f"LNK{'ABCD'[pirq_of(place, pin)]}"


def definition_block(
    chips: Iterable[IsaChip], pci_window: int = PCI_WINDOW_FIRST, *, pci_links: bool = False, cpus: int = 1
) -> bytes:
    """The DSDT's AML, without the table header.

    `pci_window` is where memory that the bridge passes on begins. `pci_links` has the interrupts of functions in it, as
    firmware for the PIIX leads them. Several CPUs are processor devices, numbered as in the MADT.
    """
    s5 = package(integer(SLP_TYP_S5), integer(0), integer(0), integer(0))
    links = [_link(name, irq, uid) for uid, (name, irq) in enumerate(LINKS.items())] if pci_links else []
    root = _pci_root(pci_window, _routing() if pci_links else b"")
    processors = map(_processor, range(cpus)) if cpus > 1 else ()
    return name("\\_S5", s5) + scope("\\_SB", root, *links, *map(_isa, chips), *processors)


def _processor(number: int) -> bytes:
    return device(f"CP{number:02X}", name("_HID", string("ACPI0007")), name("_UID", integer(number)))


def _link(path: str, number: int, uid: int) -> bytes:
    """A PCI interrupt line that stays where firmware has led it."""
    lines = resource_template(level_interrupt(number))
    return device(
        path,
        name("_HID", eisa_id("PNP0C0F")),
        name("_UID", integer(uid)),
        name("_PRS", lines),
        name("_CRS", lines),
        method("_SRS", 1),
        method("_DIS", 0),
    )


def _routing() -> bytes:
    """_PRT: each pin of each device, and its link (ACPI 6.2.13)."""
    entries = []
    for number in range(1, BUS_DEVICES):
        for pin in (Pin.INTA, Pin.INTB, Pin.INTC, Pin.INTD):
            link = _link_of(Place(number), pin)
            entries.append(package(integer(number << 16 | 0xFFFF), integer(pin - 1), reference(link), integer(0)))
    return name("_PRT", package(*entries))


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


def _pci_root(window: int, routing: bytes) -> bytes:
    return device(
        "PCI0",
        routing,
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
                memory_window(window, PCI_WINDOW_LAST),
            ),
        ),
    )
