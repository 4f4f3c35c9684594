"""The capabilities list, read as any guest can read it.

Source: PCI Local Bus Specification 3.0, 6.7 and appendix H; virtio 1.2, 4.1.4 for the vendor's capabilities of virtio.
"""

from __future__ import annotations

from collections.abc import Iterator

from devices.pci import config_space as cs
from devices.pci import msi
from devices.pci.config_space import ConfigSpace, Status
from devices.seam import Rows

POWER_MANAGEMENT, VENDOR, EXPRESS, SATA, ADVANCED_FEATURES = 0x01, 0x09, 0x10, 0x12, 0x13
MOST = (cs.CONFIG_SPACE_SIZE - cs.FIRST_FREE) // 4
"""A longer list goes in a circle."""
VIRTIO_VENDOR = 0x1AF4
VIRTIO = {
    1: "common configuration",
    2: "notifications",
    3: "interrupt status",
    4: "device configuration",
    5: "PCI configuration access",
    8: "shared memory",
}
NAMES = {
    POWER_MANAGEMENT: "power management",
    EXPRESS: "PCI Express",
    SATA: "SATA index and data",
    ADVANCED_FEATURES: "advanced features",
}


def capabilities(function: ConfigSpace) -> Iterator[tuple[int, int]]:
    """Offset and ID of each, in the order of the list."""
    if not function.read_config(cs.STATUS, 2) & Status.CAPABILITIES:
        return
    at = function.read_config(cs.CAPABILITIES_POINTER, 1) & ~3
    for _ in range(MOST):
        if at < cs.FIRST_FREE:
            return
        yield at, function.read_config(at, 1)
        at = function.read_config(at + 1, 1) & ~3


def capability_rows(function: ConfigSpace) -> Rows:
    return [(f"capability {at:02x}", _described(function, at, capability)) for at, capability in capabilities(function)]


def _described(function: ConfigSpace, at: int, capability: int) -> str:
    if capability == msi.MSI:
        return _msi(function, at)
    if capability == msi.MSIX:
        return _msix(function, at)
    if capability == VENDOR:
        return _vendor(function, at)
    return NAMES.get(capability, f"ID {capability:02x}")


def _msi(function: ConfigSpace, at: int) -> str:
    control = function.read_config(at + msi.CONTROL, 2)
    wide = bool(control & msi.MSI_64)
    address = function.read_config(at + msi.MSI_ADDRESS, 4)
    address |= function.read_config(at + msi.MSI_UPPER, 4) << 32 if wide else 0
    data = function.read_config(at + (msi.MSI_DATA if wide else msi.MSI_UPPER), 2)
    enabled = "enabled" if control & msi.MSI_ENABLE else "disabled"
    count = f"{1 << (control >> 4 & 7)} of {1 << (control >> 1 & 7)}"
    text = f"MSI {enabled}, {count}, address {address:08x} data {data:04x}"
    if control & msi.MSI_MASKABLE and wide:
        mask, pending = (function.read_config(at + offset, 4) for offset in (msi.MSI_MASK, msi.MSI_PENDING))
        text += f", masked {mask:x} pending {pending:x}"
    return text


def _msix(function: ConfigSpace, at: int) -> str:
    control = function.read_config(at + msi.CONTROL, 2)
    table, pending = (function.read_config(at + offset, 4) for offset in (4, 8))
    enabled = "enabled" if control & msi.MSIX_ENABLE else "disabled"
    masked = ", all masked" if control & msi.MSIX_MASK_ALL else ""
    places = f"table BAR {table & 7} at {table & ~7:x}, pending BAR {pending & 7} at {pending & ~7:x}"
    return f"MSI-X {enabled}{masked}, {(control & 0x7FF) + 1} vectors, {places}"


def _vendor(function: ConfigSpace, at: int) -> str:
    length = function.read_config(at + 2, 1)
    if function.read_config(cs.VENDOR_ID, 2) != VIRTIO_VENDOR or length < 16 or at + 16 > cs.CONFIG_SPACE_SIZE:
        return f"vendor's own, {length} bytes"
    kind, bar = function.read_config(at + 3, 1), function.read_config(at + 4, 1)
    offset, size = (function.read_config(at + n, 4) for n in (8, 12))
    return f"virtio {VIRTIO.get(kind, f'type {kind}')}: BAR {bar} at {offset:x}, {size:#x} bytes"
