"""ACPI tables of the machine: enough for a kernel to find its interrupt controllers and serial ports and
switch off.

Source: ACPI specification 6.5, 5.2. The tables are of revisions that every kernel since ACPI 2.0 understands.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from devices.board import acpi_pm, apm
from devices.board.isa import CHIPS, IsaChip
from devices.pci.host import CONFIG_PORTS, RESET_CONTROL, RESET_CPU, SYSTEM_RESET
from vmdbg.boot.dsdt import PCI_WINDOW_FIRST, definition_block
from vmdbg.boot.image import Segment
from vmdbg.units import Physical
from vmdbg.x86.topology import ONE_CPU, Topology

DEFAULT_BASE = Physical(0xE0000)
LOCAL_APIC = 0xFEE0_0000
IO_APIC = 0xFEC0_0000
CENTURY_REGISTER = 0x32
CHECKSUM_OFFSET = 9
"""In the header of every table."""
ALIGNMENT = 64
"""What the FACS needs; the others are content with less."""

_OEM = b"VMDBG "
_OEM_TABLE = b"VMDBGPC "
_CREATOR = b"VMDB"
_HEADER = struct.Struct("<4sIBB6s8sI4sI")

_WBINVD = 1 << 0
_PROC_C1 = 1 << 2
_SLP_BUTTON_ABSENT = 1 << 5
_FIX_RTC_ABSENT = 1 << 6
_RESET_REG_SUP = 1 << 10
_BOOT_ARCH = 0x0003
"""Legacy devices on the ISA bus, and an 8042."""
_NO_C_STATE = 0xFFFF

_BUS_ISA = 0
_LEVEL_ACTIVE_HIGH = 0x000D
_LINT1 = 1
_FEWEST_COUNTS = 500
"""Of a periodic comparator: what an access makes come earlier comes 4,096 ns after it."""


@dataclass(frozen=True, slots=True)
class AcpiConfig:
    """What of the machine the tables depend on. Without `apic` there is no MADT: the kernel uses the 8259A
    pair.

    `pci_window` is where memory on the PCI bus begins; `pci_links` says that functions on it have interrupts; `hpet` is
    the HPET's identity, None if there is no such.
    """

    chips: tuple[IsaChip, ...] = CHIPS
    apic: bool = True
    pm_base: int = acpi_pm.PM_PORTS.start
    pci_window: int = PCI_WINDOW_FIRST
    pci_links: bool = False
    hpet: int | None = None
    topology: Topology = ONE_CPU


@dataclass(frozen=True, slots=True)
class Pointer:
    """`size` bytes at `offset` that hold an address in the same blob."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Checksum:
    """The byte at `offset` that makes the sum of `length` bytes from `start` zero."""

    offset: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Tables:
    """Bytes for `base`, with pointers and checksums filled in; and where those are, for who puts it elsewhere."""

    base: int
    data: bytes
    pointers: tuple[Pointer, ...]
    checksums: tuple[Checksum, ...]
    rsdt: int
    """Address of the RSDT; `xsdt` of the XSDT."""
    xsdt: int


def acpi_segment(config: AcpiConfig, base: Physical = DEFAULT_BASE) -> Segment:
    """All tables as one segment from `base`, with the root pointer (RSDP) at its start.

    Raises ValueError if `base` is not 64-byte aligned.
    """
    if base % ALIGNMENT:
        raise ValueError(f"the ACPI tables must start at a multiple of {ALIGNMENT}, not at {base:#x}")
    tables = acpi_tables(config, base, reserve=RSDP_SIZE)
    return Segment(base, rsdp(tables) + tables.data[RSDP_SIZE:], "ACPI tables")


def acpi_tables(config: AcpiConfig, base: int, reserve: int = 0) -> Tables:
    """All tables but the root pointer, behind `reserve` bytes."""
    image = _Image(base, reserve)
    facs = image.add(_facs())
    cpus = config.topology.cpus
    block = definition_block(_moved(config), config.pci_window, pci_links=config.pci_links, cpus=cpus)
    dsdt = image.add(_table(b"DSDT", 2, block), table=True)
    tables = [image.add(_fadt(config.pm_base, facs, dsdt), _FADT_POINTERS, table=True)]
    if config.apic:
        tables.append(image.add(_madt(config), table=True))
    if config.hpet is not None:
        tables.append(image.add(_hpet(config.hpet), table=True))
    entries = (
        range(_HEADER.size, _HEADER.size + 4 * len(tables), 4),
        range(_HEADER.size, _HEADER.size + 8 * len(tables), 8),
    )
    addresses = [
        image.add(
            _table(signature, 1, struct.pack(f"<{len(tables)}{code}", *tables)),
            tuple(Pointer(at, size) for at in offsets),
            table=True,
        )
        for signature, code, size, offsets in ((b"RSDT", "I", 4, entries[0]), (b"XSDT", "Q", 8, entries[1]))
    ]
    return Tables(base, image.data, tuple(image.pointers), tuple(image.checksums), *addresses)


def checksum(data: bytes | bytearray) -> int:
    """The byte that makes the sum of `data` and itself zero modulo 256."""
    return -sum(data) & 0xFF


def _moved(config: AcpiConfig) -> list[IsaChip]:
    """The chips, with the PM registers where the machine has them."""
    there = range(config.pm_base, config.pm_base + acpi_pm.PM_SIZE)
    moved = {acpi_pm.PM_PORTS: there}
    return [replace(chip, ports=tuple(moved.get(ports, ports) for ports in chip.ports)) for chip in config.chips]


class _Image:
    """Tables one after another, each aligned."""

    def __init__(self, base: int, reserve: int) -> None:
        self._base = base
        self.data = bytes(reserve)
        self.pointers: list[Pointer] = []
        self.checksums: list[Checksum] = []

    def add(self, data: bytes, pointers: tuple[Pointer, ...] = (), *, table: bool = False) -> int:
        """Append a structure; its physical address. `pointers` count from its start; a `table` has a checksum."""
        self.data += bytes(-len(self.data) % ALIGNMENT)
        offset = len(self.data)
        self.pointers += [Pointer(offset + one.offset, one.size) for one in pointers]
        if table:
            self.checksums.append(Checksum(offset + CHECKSUM_OFFSET, offset, len(data)))
        self.data += data
        return self._base + offset


def _table(signature: bytes, revision: int, body: bytes) -> bytes:
    length = _HEADER.size + len(body)
    header = _HEADER.pack(signature, length, revision, 0, _OEM, _OEM_TABLE, 1, _CREATOR, 1)
    table = bytearray(header + body)
    table[CHECKSUM_OFFSET] = checksum(table)
    return bytes(table)


RSDP_SIZE = 36
RSDP_POINTERS = (Pointer(16, 4), Pointer(24, 8))
RSDP_CHECKSUMS = (Checksum(8, 0, 20), Checksum(32, 0, RSDP_SIZE))
"""The first covers what ACPI 1.0 has, the second all (5.2.5.3)."""


def rsdp(tables: Tables) -> bytes:
    """The root pointer, of revision 2."""
    data = bytearray(struct.pack("<8sB6sBIIQB3x", b"RSD PTR ", 0, _OEM, 2, tables.rsdt, RSDP_SIZE, tables.xsdt, 0))
    for one in RSDP_CHECKSUMS:
        data[one.offset] = checksum(data[one.start : one.start + one.length])
    return bytes(data)


def _facs() -> bytes:
    return struct.pack("<4sIIIIIQB31x", b"FACS", 64, 0, 0, 0, 0, 0, 1)


def _gas(port: int, size: int) -> bytes:
    """A generic address structure in I/O space of `size` bytes; all zero for a block that is not there
    (5.2.3.2).
    """
    if not port:
        return bytes(12)
    access = {1: 1, 2: 2, 4: 3}[size]
    return struct.pack("<BBBBQ", 1, 8 * size, 0, access, port)


_FADT_POINTERS = (Pointer(36, 4), Pointer(40, 4), Pointer(140, 8))
"""FIRMWARE_CTRL, DSDT and X_DSDT."""


def _fadt(pm: int, facs: int, dsdt: int) -> bytes:
    """Fixed ACPI description table, revision 3 (5.2.9)."""
    event, control = pm + acpi_pm.PM1_STATUS, pm + acpi_pm.PM1_CONTROL
    timer, gpe0 = pm + acpi_pm.PM_TIMER, pm + acpi_pm.GPE0_STATUS
    flags = _WBINVD | _PROC_C1 | _SLP_BUTTON_ABSENT | _FIX_RTC_ABSENT | _RESET_REG_SUP
    body = b"".join(
        (
            struct.pack("<IIBBH", facs, dsdt, 0, 1, acpi_pm.SCI_IRQ),
            struct.pack("<IBBBB", apm.APM_PORTS.start, apm.ACPI_ENABLE, apm.ACPI_DISABLE, 0, 0),
            struct.pack("<8I", event, 0, control, 0, 0, timer, gpe0, 0),
            struct.pack("<8B", 4, 2, 0, 4, 4, 0, 0, 0),
            struct.pack("<HHHHBB", _NO_C_STATE, _NO_C_STATE, 0, 0, 0, 0),
            struct.pack("<BBBHBI", 0, 0, CENTURY_REGISTER, _BOOT_ARCH, 0, flags),
            _gas(CONFIG_PORTS.start + RESET_CONTROL, 1),
            struct.pack("<B3x", SYSTEM_RESET | RESET_CPU),
            struct.pack("<QQ", 0, dsdt),
            _gas(event, 4),
            _gas(0, 0),
            _gas(control, 2),
            _gas(0, 0),
            _gas(0, 0),
            _gas(timer, 4),
            _gas(gpe0, 4),
            _gas(0, 0),
        )
    )
    return _table(b"FACP", 3, body)


def _hpet(identity: int) -> bytes:
    """IA-PC HPET specification 1.0a, 3.2.4: block, address in memory, number, fewest counts of a period."""
    from devices.timers.hpet import HPET_BASE  # for machines that have one only

    address = struct.pack("<BBBBQ", 0, 64, 0, 0, HPET_BASE)
    return _table(b"HPET", 1, struct.pack("<I", identity) + address + struct.pack("<BHB", 0, _FEWEST_COUNTS, 0))


_PCI_LEVEL_IRQS = (5, 10, 11)
"""The lines that PCI interrupts are led to, or were on machines of this kind."""


def _io_apic_id(config: AcpiConfig) -> int:
    """As SeaBIOS's MP table has it, where that tells of several CPUs."""
    return 0 if config.pci_links and config.topology.cpus > 1 else config.topology.io_apic_id


def _madt(config: AcpiConfig) -> bytes:
    """Multiple APIC description table: the processors, one IO-APIC, both 8259A too (5.2.12)."""
    levels = sorted({acpi_pm.SCI_IRQ, *(_PCI_LEVEL_IRQS if config.pci_links else ())})
    entries = b"".join(
        (
            *(struct.pack("<BBBBI", 0, 8, uid, apic_id, 1) for uid, apic_id in enumerate(config.topology.apic_ids)),
            struct.pack("<BBBBII", 1, 12, _io_apic_id(config), 0, IO_APIC, 0),
            _override(source=0, gsi=2, flags=0),
            *(_override(source=irq, gsi=irq, flags=_LEVEL_ACTIVE_HIGH) for irq in levels),
            struct.pack("<BBBHB", 4, 6, 0xFF, 0, _LINT1),
        )
    )
    return _table(b"APIC", 3, struct.pack("<II", LOCAL_APIC, 1) + entries)


def _override(source: int, gsi: int, flags: int) -> bytes:
    return struct.pack("<BBBBIH", 2, 10, _BUS_ISA, source, gsi, flags)
