"""The host bridge at 00:00.0, an Intel 82441FX PMC: it says whether C0000h to FFFFFh is RAM.

Source: Intel 440FX PCIset data sheet (82441FX), section 3.2; 3.2.18 for PAM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.pci.config_space import CONFIG_SPACE_SIZE, Place
from devices.seam import Rows

HOST_BRIDGE = Place(0)

VENDOR_INTEL = 0x8086
DEVICE_82441FX = 0x1237
REVISION = 0x02
CLASS_HOST_BRIDGE = 0x0600

PAM = range(0x59, 0x60)
READ_ENABLE, WRITE_ENABLE = 0x1, 0x2
PARTS = (
    (range(0xF0000, 0x100000), PAM.start, 4),
    *((range(0xC0000 + 0x4000 * n, 0xC4000 + 0x4000 * n), PAM.start + 1 + n // 2, 4 * (n % 2)) for n in range(12)),
)
"""Addresses, and the register and the bit from which on it says where loads and stores go."""

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
    """A pci.config_space.ConfigSpace.

    `attribute` gets addresses, and whether loads and stores there go to RAM, of each part that PAM0 to PAM6 are about.
    """

    name = "host-bridge"
    title = "PCI host bridge, 00:00.0"
    State: ClassVar[type[HostBridgeState]] = HostBridgeState

    def __init__(self, attribute: Callable[[range, bool, bool], None] | None = None) -> None:
        self._attribute = attribute
        self._state = HostBridgeState()
        self._apply_attributes()

    def read_config(self, register: int, size: int) -> int:
        return int.from_bytes(self._state.config[register : register + size], "little")

    def write_config(self, register: int, size: int, value: int) -> None:
        config = bytearray(self._state.config)
        for at in range(register, register + size):
            keep = config[at] & ~WRITE_MASK[at]
            config[at] = keep | value & WRITE_MASK[at]
            value >>= 8
        self._state.config = bytes(config)
        if register < PAM.stop and register + size > PAM.start:
            self._apply_attributes()

    def save(self) -> HostBridgeState:
        return copied(self._state)

    def restore(self, state: HostBridgeState) -> None:
        """Memory is where the registers say. Raises ValueError for a space of another size."""
        if len(state.config) != CONFIG_SPACE_SIZE:
            raise ValueError(f"a configuration space has {CONFIG_SPACE_SIZE} bytes, not {len(state.config)}")
        self._state = copied(state)
        self._apply_attributes()

    def describe(self, now: int) -> Rows:
        config = self._state.config
        return [
            (
                "vendor:device",
                f"{self.read_config(0, 2):04x}:{self.read_config(2, 2):04x} revision {config[8]:02x}",
            ),
            ("command", f"{self.read_config(4, 2):04x}"),
            ("status", f"{self.read_config(6, 2):04x}"),
            ("PAM0-6", config[PAM.start : PAM.stop].hex(" ")),
            ("SMRAM", f"{config[0x72]:02x}"),
        ]

    def _apply_attributes(self) -> None:
        if self._attribute is None:
            return
        for addresses, register, shift in PARTS:
            bits = self._state.config[register] >> shift
            self._attribute(addresses, bool(bits & READ_ENABLE), bool(bits & WRITE_ENABLE))
