"""Power management of an Intel 82371AB (PIIX4): the function that says where the PM and SMBus registers are.

Source: Intel 82371AB data sheet (290562), chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.board.acpi_pm import PM_SIZE
from devices.board.smbus import SMBUS_SIZE
from devices.fitting import Slot
from devices.pci.config_space import Command, Identity, Pin, Register
from devices.pci.describe import function_rows
from devices.pci.function import PciFunction, PciFunctionState
from devices.pci.piix import POWER_MANAGEMENT
from devices.seam import AddressedDevice, Rows

PMBA, PMBA_MASK = 0x40, 0xFFC0
DEVACTB = 0x58
PMREGMISC, PM_ENABLE = 0x80, 0x01
SMBBA, SMBBA_MASK = 0x90, 0xFFF0
SMBHSTCFG, SMBUS_ENABLE = 0xD2, 0x01

SMM_DONE = 0x0200_0000
"""APMC_EN, as if firmware had set its handler up: there is no system management mode."""

_IDENTITY = Identity(0x8086, 0x7113, 0x068000, revision=3)
_REGISTERS = (
    Register(0x04, 2, 0x0000, Command.IO | Command.MEMORY | Command.MASTER),
    Register(PMBA, 4, 0x0000_0001, PMBA_MASK),
    Register(0x44, 4, 0, 0xFFFF_FFFF),  # CNTA
    Register(0x48, 4, 0, 0xFFFF_FFFF),  # CNTB
    Register(0x4C, 4, 0, 0xFFFF_FFFF),  # GPICTL
    Register(0x50, 3, 0, 0xFF_FFFF),  # DEVRESD
    Register(0x54, 4, 0, 0xFFFF_FFFF),  # DEVACTA
    Register(DEVACTB, 4, SMM_DONE, 0x03FF_FFFF),
    Register(0x5C, 4, 0, 0xFFFF_FFFF),  # DEVRESA
    Register(0x60, 4, 0, 0xFFFF_FFFF),  # DEVRESB
    Register(0x64, 4, 0, 0xFFFF_FFFF),  # DEVRESC
    Register(0x68, 3, 0, 0xFF_FFFF),  # DEVRESE
    Register(0x6C, 4, 0, 0xFFFF_FFFF),  # DEVRESF
    Register(0x70, 3, 0, 0xFF_FFFF),  # DEVRESG
    Register(0x74, 4, 0, 0xFFFF_FFFF),  # DEVRESH
    Register(0x78, 4, 0, 0xFFFF_FFFF),  # DEVRESI
    Register(0x7C, 4, 0, 0xFFFF_FFFF),  # DEVRESJ
    Register(PMREGMISC, 1, 0, PM_ENABLE),
    Register(SMBBA, 4, 0x0000_0001, SMBBA_MASK),
    Register(SMBHSTCFG, 1, 0, 0x0F),
    Register(0xD3, 3, 0, 0xFF_FFFF),  # SMBSLVC, SMBSHDW1, SMBSHDW2
)


@dataclass(slots=True)
class PowerManagementState:
    function: PciFunctionState


class PowerManagement:
    """Puts `registers` and `smbus` where PMBA and SMBBA say, once they are enabled."""

    name = "power-management"
    title = "PIIX4 power management and SMBus"
    State: ClassVar[type[PowerManagementState]] = PowerManagementState

    def __init__(self, slot: Slot, registers: AddressedDevice, smbus: AddressedDevice) -> None:
        self.function = PciFunction(
            slot, _IDENTITY, pin=Pin.INTA, registers=_REGISTERS, place=POWER_MANAGEMENT, on_config=self._config_written
        )
        self._registers = slot.window_ports(PM_SIZE, registers, wide=True)
        self._smbus = slot.window_ports(SMBUS_SIZE, smbus)

    @property
    def pm_base(self) -> int:
        """Where the PM registers are, or would be if they were enabled."""
        return self.function.config_value(PMBA, 4) & PMBA_MASK

    def save(self) -> PowerManagementState:
        return PowerManagementState(self.function.save())

    def restore(self, state: PowerManagementState) -> None:
        self.function.restore(state.function)
        self._move()

    def describe(self, now: int) -> Rows:
        return [
            *function_rows(self.function),
            ("PM registers", _where(self._registers.start)),
            ("SMBus registers", _where(self._smbus.start)),
        ]

    def _config_written(self, registers: range) -> None:
        if registers.start >= PMBA:
            self._move()

    def _move(self) -> None:
        value = self.function.config_value
        pm, smbus = self.pm_base, value(SMBBA, 4) & SMBBA_MASK
        self._registers.move(pm if pm and value(PMREGMISC, 1) & PM_ENABLE else None)
        self._smbus.move(smbus if smbus and value(SMBHSTCFG, 1) & SMBUS_ENABLE else None)


def _where(start: int | None) -> str:
    return "disabled" if start is None else f"at port {start:04x}"
