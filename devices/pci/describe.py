"""A PCI function in rows, as `devices NAME` and `pci NAME` show it."""

from __future__ import annotations

from devices.pci import config_space as cs
from devices.pci.bars import Space
from devices.pci.capabilities import capability_rows
from devices.pci.config_space import ROM_ENABLE, Command, ConfigSpace, Status
from devices.pci.function import PciFunction
from devices.seam import Rows

CLASSES = {
    0x0100: "SCSI controller",
    0x0101: "IDE controller",
    0x0106: "SATA controller",
    0x0108: "NVMe controller",
    0x0180: "mass storage controller",
    0x0200: "Ethernet controller",
    0x0300: "VGA controller",
    0x0380: "display controller",
    0x0400: "multimedia video controller",
    0x0600: "host bridge",
    0x0601: "ISA bridge",
    0x0604: "PCI bridge",
    0x0680: "bridge",
    0x0780: "communication controller",
    0x0C03: "USB controller",
    0x0C05: "SMBus",
    0x00FF: "unclassified",
}
"""Base class and sub-class (appendix D)."""


def class_name(code: int) -> str:
    """Of base class and sub-class."""
    return CLASSES.get(code, f"class {code:04x}")


def identity_text(function: ConfigSpace) -> str:
    """Vendor, device and revision, as lspci has them."""
    vendor, device = function.read_config(cs.VENDOR_ID, 2), function.read_config(cs.DEVICE_ID, 2)
    return f"{vendor:04x}:{device:04x} revision {function.read_config(cs.REVISION_ID, 1):02x}"


def header_rows(function: ConfigSpace) -> Rows:
    """What the header says, whoever answers."""
    code = function.read_config(cs.CLASS_CODE, 2) >> 8 | function.read_config(cs.CLASS_CODE + 2, 1) << 8
    command = Command(function.read_config(cs.COMMAND, 2))
    status = Status(function.read_config(cs.STATUS, 2) & 0xFBF8)
    subsystem = ":".join(f"{function.read_config(at, 2):04x}" for at in (cs.SUBSYSTEM_VENDOR_ID, cs.SUBSYSTEM_ID))
    rows = [
        ("vendor:device", identity_text(function)),
        ("class", f"{code:04x} {class_name(code)}"),
        ("command", f"{command:04x} {_flags(command)}"),
        ("status", f"{function.read_config(cs.STATUS, 2):04x} {_flags(status)}"),
    ]
    if subsystem != "0000:0000":
        rows.append(("subsystem", subsystem))
    pin = function.read_config(cs.INTERRUPT_PIN, 1)
    if pin:
        line = function.read_config(cs.INTERRUPT_LINE, 1)
        rows.append(("interrupt", f"INT{chr(ord('A') + pin - 1)}#, line {line}"))
    return rows


def bar_rows(function: PciFunction) -> Rows:
    rows: Rows = []
    for offset, bar, value, start in function.bar_positions():
        title = "ROM" if bar.space is Space.ROM else f"BAR {(offset - cs.BASE_ADDRESS) // 4}"
        address = value & bar.address_mask
        where = f"{bar.space.value} at {address:0{4 if bar.space is Space.IO else 8}x}"
        size = f"{bar.size:#x} bytes"
        off = "" if start is not None else ", disabled"
        if bar.space is Space.ROM and not value & ROM_ENABLE:
            off = ", disabled"
        rows.append((title, f"{where}, {size}{', prefetchable' if bar.prefetchable else ''}{off}"))
    return rows


def function_rows(function: ConfigSpace) -> Rows:
    """All of it."""
    bars = bar_rows(function) if isinstance(function, PciFunction) else []
    return [*header_rows(function), *bars, *capability_rows(function)]


def _flags(bits: Command | Status) -> str:
    names = [flag.name.lower().replace("_", " ") for flag in type(bits) if flag in bits and flag.name]
    return "(" + ", ".join(names) + ")" if names else ""
