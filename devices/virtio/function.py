"""The PCI function of a virtio device: where its regions are, and the window to them in configuration space.

Source: virtio 1.2, 4.1.4 and 4.1.4.9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices.fitting import Slot
from devices.pci.bars import Bar
from devices.pci.capabilities import VENDOR
from devices.pci.config_space import Capability, Identity, Pin
from devices.pci.function import PciFunction
from devices.pci.msi import Msix
from devices.seam import AddressedDevice
from devices.virtio import registers as reg
from devices.virtio.registers import Region

_BAR, _OFFSET, _LENGTH, _DATA = 4, 8, 12, 16
"""In the capability of PCI configuration access."""


def capabilities(device_config: int) -> list[Capability]:
    """`device_config` is the size of the device configuration. That of PCI configuration access comes last."""
    found = [_capability(Region.COMMON, reg.COMMON_SIZE)]
    found.append(_capability(Region.NOTIFY, reg.REGION_SIZE, reg.NOTIFY_MULTIPLIER.to_bytes(4, "little")))
    found.append(_capability(Region.ISR, 1))
    if device_config:
        found.append(_capability(Region.DEVICE, device_config))
    body = bytes([20, Region.PCI_CFG, *bytes(16)])
    found.append(Capability(VENDOR, body, b"\0\0\xff\0\0\0" + b"\xff" * 12))
    return found


def _capability(region: Region, length: int, more: bytes = b"") -> Capability:
    place = (reg.PLACES[region] * reg.REGION_SIZE).to_bytes(4, "little") + length.to_bytes(4, "little")
    return Capability(VENDOR, bytes([16 + len(more), region, reg.BAR, 0, 0, 0]) + place + more)


class VirtioFunction(PciFunction):
    """`regions` answers at the BAR, and through the window: at offsets that the driver chooses, 1, 2 or 4 bytes.

    Notifications do not come through the window: configuration cycles have no time here, and a request needs one.
    """

    def __init__(
        self,
        slot: Slot,
        identity: Identity,
        *,
        bars: Mapping[int, Bar],
        pin: Pin,
        capabilities: Sequence[Capability],
        msix: Msix,
        regions: AddressedDevice,
    ) -> None:
        super().__init__(slot, identity, bars=bars, pin=pin, capabilities=capabilities, msix=msix)
        self._regions = regions
        self._window = self.capabilities[len(capabilities) - 1]

    def read_config(self, register: int, size: int) -> int:
        target = self._target(register)
        if target is None:
            return super().read_config(register, size)
        offset, length = target
        return self._regions.read(offset, length, 0) & (1 << 8 * size) - 1

    def write_config(self, register: int, size: int, value: int) -> None:
        super().write_config(register, size, value)
        target = self._target(register)
        if target is not None:
            offset, length = target
            self._regions.write(offset, length, value & (1 << 8 * length) - 1, 0)

    def _target(self, register: int) -> tuple[int, int] | None:
        """Where in the BAR the window's data is, and its size, if that is what `register` is."""
        if register != self._window + _DATA or self.config_value(self._window + _BAR, 1) != reg.BAR:
            return None
        offset = self.config_value(self._window + _OFFSET, 4)
        length = self.config_value(self._window + _LENGTH, 4)
        fits = length in (1, 2, 4) and offset % length == 0 and offset + length <= reg.NOTIFY_PAGE * reg.REGION_SIZE
        return (offset, length) if fits else None
