"""The host bridge at 00:00.0: identity and registers of an Intel 82441FX PMC, which have no effect on memory
here.

Source: Intel 440FX PCIset data sheet (82441FX), section 3.2.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import ClassVar

from devices.pci.config_space import CONFIG_SPACE_SIZE, Place
from devices.seam import Rows

HOST_BRIDGE = Place(0)

VENDOR_INTEL = 0x8086
DEVICE_82441FX = 0x1237
REVISION = 0x02
CLASS_HOST_BRIDGE = 0x0600

_WRITABLE = {
    range(0x04, 0x06): 0x0140,  # PCICMD: SERR# and parity error response; memory and master are hardwired
    range(0x0D, 0x0E): 0xF8,  # MLT
    range(0x50, 0x52): 0xFFFF,  # PMCCFG
    range(0x59, 0x60): 0x77777777777770,  # PAM0-PAM6
    range(0x60, 0x68): 0xFFFFFFFFFFFFFFFF,  # DRB0-DRB7
    range(0x72, 0x73): 0x78,  # SMRAM
}


def _mask() -> bytes:
    mask = bytearray(CONFIG_SPACE_SIZE)
    for registers, bits in _WRITABLE.items():
        mask[registers.start : registers.stop] = bits.to_bytes(len(registers), "little")
    return bytes(mask)


def _power_on() -> bytes:
    config = bytearray(CONFIG_SPACE_SIZE)
    for register, size, value in (
        (0x00, 2, VENDOR_INTEL),
        (0x02, 2, DEVICE_82441FX),
        (0x04, 2, 0x0006),
        (0x06, 2, 0x0280),
        (0x08, 1, REVISION),
        (0x0A, 2, CLASS_HOST_BRIDGE),
        (0x60, 8, 0x0101010101010101),
        (0x72, 1, 0x02),
    ):
        config[register : register + size] = value.to_bytes(size, "little")
    return bytes(config)


WRITE_MASK = _mask()


@dataclass(slots=True)
class HostBridgeState:
    config: bytes = field(default_factory=_power_on)


class HostBridge:
    """A pci.config_space.ConfigSpace."""

    name = "host-bridge"
    title = "PCI host bridge, 00:00.0"
    State: ClassVar[type[HostBridgeState]] = HostBridgeState

    def __init__(self) -> None:
        self._state = HostBridgeState()

    def read_config(self, register: int, size: int) -> int:
        return int.from_bytes(self._state.config[register : register + size], "little")

    def write_config(self, register: int, size: int, value: int) -> None:
        config = bytearray(self._state.config)
        for at in range(register, register + size):
            keep = config[at] & ~WRITE_MASK[at]
            config[at] = keep | value & WRITE_MASK[at]
            value >>= 8
        self._state.config = bytes(config)

    def save(self) -> HostBridgeState:
        return copy.deepcopy(self._state)

    def restore(self, state: HostBridgeState) -> None:
        self._state = copy.deepcopy(state)

    def describe(self, now: int) -> Rows:
        config = self._state.config
        return [
            (
                "vendor:device",
                f"{self.read_config(0, 2):04x}:{self.read_config(2, 2):04x} revision {config[8]:02x}",
            ),
            ("command", f"{self.read_config(4, 2):04x}"),
            ("status", f"{self.read_config(6, 2):04x}"),
            ("PAM0-6", config[0x59:0x60].hex(" ")),
            ("SMRAM", f"{config[0x72]:02x}"),
        ]
