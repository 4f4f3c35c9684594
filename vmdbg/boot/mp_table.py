"""The tables of the MultiProcessor Specification, for kernels that know no ACPI.

Source: MultiProcessor Specification 1.4, chapter 4. The floating pointer lies in the BIOS ROM, F0000h to FFFFFh, on a
boundary of 16 bytes, where all look for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from devices.board.acpi_pm import SCI_IRQ
from devices.interrupts import ioapic
from devices.interrupts.lapic_registers import VERSION_VALUE
from devices.pci.config_space import BUS_DEVICES, Pin, Place
from devices.wiring.irq import IOAPIC_TIMER_PIN, ISA_TIMER_IRQ
from vmdbg.boot.acpi import IO_APIC, LOCAL_APIC, checksum
from vmdbg.boot.dsdt import irq_of_function
from vmdbg.boot.image import Segment
from vmdbg.units import Physical
from vmdbg.x86.topology import ONE_CPU, Topology

ADDRESS = Physical(0xF0000)
_REVISION = 4
_POINTER_SIZE = 16
_HEADER = struct.Struct("<4sHBB8s12sIHHIHBB")
_CHECKSUM_OFFSET = 7
_PROCESSOR, _BUS, _IO_APIC, _IO_INTERRUPT, _LOCAL_INTERRUPT = range(5)
_PCI_BUS, _ISA_BUS = 0, 1
_INT, _NMI, _EXTINT = 0, 1, 3
_ENABLED, _BOOT_PROCESSOR = 1, 2
_AS_ITS_BUS, _LEVEL_ACTIVE_HIGH = 0x0, 0xD
_CASCADE = 2
_EVERY = 0xFF


@dataclass(frozen=True, slots=True)
class MpConfig:
    """What of the machine the tables depend on: `signature` and `features` of a processor as CPUID has them.

    `pci_interrupts` says that functions on the PCI bus have some.
    """

    topology: Topology = ONE_CPU
    signature: int = 0
    features: int = 0
    pci_interrupts: bool = False


def mp_segment(config: MpConfig) -> Segment:
    """The floating pointer and the configuration table that it leads to."""
    pointer = bytearray(struct.pack("<4sIBBB5x", b"_MP_", ADDRESS + _POINTER_SIZE, 1, _REVISION, 0))
    pointer[10] = checksum(pointer)
    return Segment(ADDRESS, bytes(pointer) + _configuration(config), "MP table")


def _configuration(config: MpConfig) -> bytes:
    entries = [*_processors(config), *_buses(config), _io_apic(config), *_io_interrupts(config), *_local_interrupts()]
    body = b"".join(entries)
    length = _HEADER.size + len(body)
    names = (b"VMDBG   ", b"VMDBGPC     ")
    header = _HEADER.pack(b"PCMP", length, _REVISION, 0, *names, 0, 0, len(entries), LOCAL_APIC, 0, 0, 0)
    table = bytearray(header + body)
    table[_CHECKSUM_OFFSET] = checksum(table)
    return bytes(table)


def _processors(config: MpConfig) -> Iterator[bytes]:
    version = VERSION_VALUE & 0xFF
    for cpu, apic_id in enumerate(config.topology.apic_ids):
        flags = _ENABLED | (_BOOT_PROCESSOR if cpu == 0 else 0)
        yield struct.pack("<BBBBII8x", _PROCESSOR, apic_id, version, flags, config.signature, config.features)


def _buses(config: MpConfig) -> Iterator[bytes]:
    for number, name in ((_PCI_BUS, b"PCI   "), (_ISA_BUS, b"ISA   ")):
        if number == _ISA_BUS or config.pci_interrupts:
            yield struct.pack("<BB6s", _BUS, number, name)


def _io_apic(config: MpConfig) -> bytes:
    return struct.pack("<BBBBI", _IO_APIC, config.topology.io_apic_id, ioapic.VERSION, _ENABLED, IO_APIC)


def _io_interrupts(config: MpConfig) -> Iterator[bytes]:
    io_apic = config.topology.io_apic_id

    def entry(kind: int, flags: int, bus: int, irq: int, pin: int) -> bytes:
        return struct.pack("<BBHBBBB", _IO_INTERRUPT, kind, flags, bus, irq, io_apic, pin)

    yield entry(_EXTINT, _AS_ITS_BUS, _ISA_BUS, 0, 0)
    for irq in range(16):
        if irq != _CASCADE:
            flags = _LEVEL_ACTIVE_HIGH if irq == SCI_IRQ else _AS_ITS_BUS
            yield entry(_INT, flags, _ISA_BUS, irq, IOAPIC_TIMER_PIN if irq == ISA_TIMER_IRQ else irq)
    for number in range(1, BUS_DEVICES) if config.pci_interrupts else ():
        for pin in (Pin.INTA, Pin.INTB, Pin.INTC, Pin.INTD):
            line = irq_of_function(Place(number), pin)
            yield entry(_INT, _LEVEL_ACTIVE_HIGH, _PCI_BUS, number << 2 | pin - 1, line)


def _local_interrupts() -> Iterator[bytes]:
    """The 8259A pair at LINT0 of the boot processor, NMI at LINT1 of all."""
    yield struct.pack("<BBHBBBB", _LOCAL_INTERRUPT, _EXTINT, _AS_ITS_BUS, _ISA_BUS, 0, 0, 0)
    yield struct.pack("<BBHBBBB", _LOCAL_INTERRUPT, _NMI, _AS_ITS_BUS, _ISA_BUS, 0, _EVERY, 1)
