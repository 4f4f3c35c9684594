"""What firmware finds at fw_cfg: the machine's memory, tables and the order in which it is to look for a system.

Source: QEMU, docs/specs/fw_cfg and hw/i386/fw_cfg for keys; SeaBIOS, Runtime_config for files.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devices.board.fw_cfg import Content, contents, fixed, number
from devices.board.isa import chips
from devices.timers.hpet import identity
from vmdbg.boot.acpi import RSDP_CHECKSUMS, AcpiConfig, acpi_tables, rsdp
from vmdbg.boot.dsdt import PCI_WINDOW_FIRST
from vmdbg.boot.image import E820Type
from vmdbg.boot.smbios import ANCHOR_FILE, UUID, smbios_anchor, smbios_tables
from vmdbg.boot.smbios import TABLES_FILE as SMBIOS_FILE
from vmdbg.boot.table_loader import LOADER_FILE, RSDP_FILE, TABLES_FILE, table_loader, without_checksums
from vmdbg.x86.ram import ram_parts
from vmdbg.x86.topology import ONE_CPU, Topology

SMALL_WINDOW_FIRST = 0x8000_0000
"""Where SeaBIOS puts memory of PCI devices if RAM ends below it, else at PCI_WINDOW_FIRST."""
BOOTORDER_FILE = "bootorder"
SERCON_PORT = 0x3F8
"""Where firmware's screen is, as long as there is no display."""

_UUID, _RAM_SIZE, _NOGRAPHIC, _CPUS, _BOOT_DEVICE, _NUMA, _BOOT_MENU, _MAX_CPUS = 2, 3, 4, 5, 12, 13, 14, 15
_IRQ0_OVERRIDE, _E820 = 0x8002, 0x8003
_RESERVED_TOP = (0xFFFC_0000, 0x4_0000, E820Type.RESERVED)


@dataclass(frozen=True, slots=True)
class FirmwareConfig:
    """`memory` in bytes, `signature` and `features` of the processor as CPUID has them.

    `boot_order` are the devices to look on, best first, by their OpenFirmware paths; `menu` says that firmware offers a
    menu of them. `pm_base` tells where firmware has put the power management registers. Firmware is told the number of
    processors, and how many APIC IDs they lie in.
    """

    memory: int
    apic: bool
    signature: int
    features: int
    pm_base: Callable[[], int]
    boot_order: tuple[str, ...] = ()
    menu: bool = False
    floppy: bool = False
    mouse: bool = False
    serial_console: bool = True
    topology: Topology = ONE_CPU
    hpet_legacy: bool = False


def firmware_items(config: FirmwareConfig) -> dict[int, Content]:
    """All keys of fw_cfg."""
    keys = {
        _UUID: fixed(UUID),
        _RAM_SIZE: number(config.memory, 8),
        _NOGRAPHIC: number(int(config.serial_console), 2),
        _CPUS: number(config.topology.cpus, 2),
        _MAX_CPUS: number(max(config.topology.apic_ids) + 1, 2),
        _BOOT_DEVICE: number(ord("c"), 2),
        _NUMA: number(0, 16),
        _BOOT_MENU: number(int(config.menu), 2),
        _IRQ0_OVERRIDE: number(1, 4),
    }
    return contents(keys, _files(config))


def pci_window(memory: int) -> int:
    """Where memory of PCI devices begins."""
    return SMALL_WINDOW_FIRST if memory <= SMALL_WINDOW_FIRST else PCI_WINDOW_FIRST


def _files(config: FirmwareConfig) -> Mapping[str, Content]:
    smbios = smbios_tables(config.memory, config.signature, config.features)
    files = {
        "etc/e820": fixed(_e820(config.memory)),
        SMBIOS_FILE: fixed(smbios),
        ANCHOR_FILE: fixed(smbios_anchor(smbios)),
        "etc/boot-fail-wait": number(0xFFFF_FFFF, 4),
        **_acpi_files(config),
    }
    if config.boot_order:
        files[BOOTORDER_FILE] = fixed("\n".join(config.boot_order).encode() + b"\0")
    if config.serial_console:
        files["etc/sercon-port"] = number(SERCON_PORT, 2)
    return files


def _acpi_files(config: FirmwareConfig) -> dict[str, Content]:
    """They follow the place of the power management registers; their sizes do not."""

    @functools.lru_cache(maxsize=2)
    def built(pm_base: int) -> tuple[bytes, bytes, bytes]:
        window = pci_window(config.memory)
        parts, topology = chips(floppy=config.floppy, mouse=config.mouse), config.topology
        hpet = identity(legacy=config.hpet_legacy)
        acpi = AcpiConfig(parts, config.apic, pm_base, window, pci_links=True, hpet=hpet, topology=topology)
        tables = acpi_tables(acpi, base=0)
        blank = without_checksums(tables.data, tables.checksums)
        return blank, without_checksums(rsdp(tables), RSDP_CHECKSUMS), table_loader(tables)

    def part(number: int) -> bytes:
        return built(config.pm_base())[number]

    names = (TABLES_FILE, RSDP_FILE, LOADER_FILE)
    return {name: functools.partial(part, number) for number, name in enumerate(names)}


def _e820(memory: int) -> bytes:
    """Usable RAM, below and above 4 GiB, and where firmware itself is."""
    low, *high = [(start, size, E820Type.USABLE) for start, size in ram_parts(memory)]
    entries: list[tuple[int, int, int]] = [low, _RESERVED_TOP, *high]
    return b"".join(struct.pack("<QQI", *entry) for entry in entries)
