"""ACPI tables of the machine: enough for a kernel to find its interrupt controllers and serial ports and
switch off.

Source: ACPI specification 6.5, 5.2. The tables are of revisions that every kernel since ACPI 2.0 understands.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from devices.board import acpi_pm, apm
from devices.board.isa import CHIPS, IsaChip
from devices.pci.host import CONFIG_PORTS, RESET_CONTROL, RESET_CPU, SYSTEM_RESET
from vmdbg.boot.dsdt import definition_block
from vmdbg.boot.image import Segment
from vmdbg.units import Physical

DEFAULT_BASE = Physical(0xE0000)
LOCAL_APIC = 0xFEE0_0000
IO_APIC = 0xFEC0_0000
IO_APIC_ID = 1
CENTURY_REGISTER = 0x32
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


@dataclass(frozen=True, slots=True)
class AcpiConfig:
    """What of the machine the tables depend on. Without `apic` there is no MADT: the kernel uses the 8259A
    pair.
    """

    chips: tuple[IsaChip, ...] = CHIPS
    apic: bool = True


def acpi_segment(config: AcpiConfig, base: Physical = DEFAULT_BASE) -> Segment:
    """All tables as one segment from `base`, with the root pointer (RSDP) at its start.

    Raises ValueError if `base` is not 64-byte aligned.
    """
    if base % ALIGNMENT:
        raise ValueError(f"the ACPI tables must start at a multiple of {ALIGNMENT}, not at {base:#x}")
    image = _Image(base, reserve=_RSDP_SIZE)
    facs = image.add(_facs())
    dsdt = image.add(_table(b"DSDT", 2, definition_block(config.chips)))
    tables = [image.add(_fadt(facs, dsdt))]
    if config.apic:
        tables.append(image.add(_madt()))
    rsdt = image.add(_table(b"RSDT", 1, struct.pack(f"<{len(tables)}I", *tables)))
    xsdt = image.add(_table(b"XSDT", 1, struct.pack(f"<{len(tables)}Q", *tables)))
    return Segment(base, _rsdp(rsdt, xsdt) + image.data[_RSDP_SIZE:], "ACPI tables")


def checksum(data: bytes | bytearray) -> int:
    """The byte that makes the sum of `data` and itself zero modulo 256."""
    return -sum(data) & 0xFF


class _Image:
    """Tables one after another, each aligned."""

    def __init__(self, base: int, reserve: int) -> None:
        self._base = base
        self.data = bytes(reserve)

    def add(self, table: bytes) -> int:
        """Append a table; its physical address."""
        self.data += bytes(-len(self.data) % ALIGNMENT)
        address = self._base + len(self.data)
        self.data += table
        return address


def _table(signature: bytes, revision: int, body: bytes) -> bytes:
    length = _HEADER.size + len(body)
    header = _HEADER.pack(signature, length, revision, 0, _OEM, _OEM_TABLE, 1, _CREATOR, 1)
    table = bytearray(header + body)
    table[9] = checksum(table)
    return bytes(table)


_RSDP_SIZE = 36


def _rsdp(rsdt: int, xsdt: int) -> bytes:
    """Revision 2; the first checksum covers the 20 bytes of ACPI 1.0, the second all (5.2.5.3)."""
    rsdp = bytearray(struct.pack("<8sB6sBIIQB3x", b"RSD PTR ", 0, _OEM, 2, rsdt, _RSDP_SIZE, xsdt, 0))
    rsdp[8] = checksum(rsdp[:20])
    rsdp[32] = checksum(rsdp)
    return bytes(rsdp)


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


def _fadt(facs: int, dsdt: int) -> bytes:
    """Fixed ACPI description table, revision 3 (5.2.9)."""
    pm = acpi_pm.PM_PORTS.start
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


def _madt() -> bytes:
    """Multiple APIC description table: one processor, one IO-APIC, both 8259A too (5.2.12)."""
    entries = b"".join(
        (
            struct.pack("<BBBBI", 0, 8, 0, 0, 1),
            struct.pack("<BBBBII", 1, 12, IO_APIC_ID, 0, IO_APIC, 0),
            _override(source=0, gsi=2, flags=0),
            _override(source=acpi_pm.SCI_IRQ, gsi=acpi_pm.SCI_IRQ, flags=_LEVEL_ACTIVE_HIGH),
            struct.pack("<BBBHB", 4, 6, 0xFF, 0, _LINT1),
        )
    )
    return _table(b"APIC", 3, struct.pack("<II", LOCAL_APIC, 1) + entries)


def _override(source: int, gsi: int, flags: int) -> bytes:
    return struct.pack("<BBBBIH", 2, 10, _BUS_ISA, source, gsi, flags)
