"""The IDE function of an Intel 82371SB (PIIX3): two channels where ISA has them, and a bus master for each.

Source: Intel 82371FB/82371SB data sheet (290550), 2.3 and 3.5. Timings set in it change nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from devices.disk.bus_master import REGISTERS
from devices.disk.cd_unit import CdUnit
from devices.disk.ide_cd import IdeCd
from devices.disk.ide_channel import COMMAND_BLOCK, ChannelState, IdeChannel
from devices.disk.ide_disk import IdeDisk
from devices.disk.ide_drive import IdeDrive
from devices.disk.ide_rows import channel_rows
from devices.disk.unit import DiskUnit
from devices.fitting import Slot
from devices.pci.bars import Bar, Space
from devices.pci.config_space import Command, Identity, Place, Register
from devices.pci.describe import function_rows
from devices.pci.function import PciFunction, PciFunctionState
from devices.seam import Rows

IDE = Place(1, 1)
MOST_DRIVES = 4
PORTS = ((0x1F0, 0x3F6, 14), (0x170, 0x376, 15))
"""Of each channel: command block, control block, interrupt request line."""
_MASTER_BAR = 4
_IDENTITY = Identity(0x8086, 0x7010, 0x010180)
_DECODED = 0x8000
"""IDE decode enable, as firmware sets it."""
_REGISTERS = (
    Register(0x04, 2, 0x0000, Command.IO | Command.MASTER),
    Register(0x40, 2, _DECODED, 0xFFFF),  # IDETIM, primary
    Register(0x42, 2, _DECODED, 0xFFFF),  # IDETIM, secondary
    Register(0x44, 1, 0x00, 0xFF),  # SIDETIM
)


@dataclass(slots=True)
class IdeState:
    function: PciFunctionState
    channels: list[ChannelState] = field(default_factory=list)


class _Control:
    """The control block of a channel: one register."""

    def __init__(self, channel: IdeChannel) -> None:
        self._channel = channel

    def read(self, offset: int, size: int, now: int) -> int:
        return self._channel.read_alternate()

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._channel.write_control(value & 0xFF)


class _Masters:
    """The ports of the bus master function: eight for each channel."""

    def __init__(self, channels: Sequence[IdeChannel]) -> None:
        self._channels = channels

    def read(self, offset: int, size: int, now: int) -> int:
        return self._channels[offset // REGISTERS].master.read(offset % REGISTERS, size, now)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._channels[offset // REGISTERS].master.write(offset % REGISTERS, size, value, now)


class Ide:
    """`units` in the order of the drives: primary 0 and 1, secondary 0 and 1; None where there is none."""

    name = "ide"
    title = "PIIX3 IDE, two channels with bus masters"
    State: ClassVar[type[IdeState]] = IdeState

    def __init__(self, slot: Slot, units: Sequence[DiskUnit | CdUnit | None]) -> None:
        timer, memory = slot.timer(), slot.bus_master()
        self.channels = [
            IdeChannel(number, slot.irq(irq), timer, memory, self._may_master)
            for number, (_, _, irq) in enumerate(PORTS)
        ]
        for channel, (command, control, _) in zip(self.channels, PORTS, strict=True):
            at = 2 * channel.number
            channel.attach([_drive(number, unit, channel) for number, unit in enumerate(units[at : at + 2])])
            slot.claim_ports(range(command, command + COMMAND_BLOCK), channel, wide=True)
            slot.claim_ports(range(control, control + 1), _Control(channel))
            slot.share_ports(range(command, command + 1), channel.stream)
            slot.share_ports(range(command, command + COMMAND_BLOCK), channel.plain)
            slot.share_ports(range(control, control + 1), channel.plain_control)
        self.function = PciFunction(
            slot,
            _IDENTITY,
            bars={_MASTER_BAR: Bar(Space.IO, 2 * REGISTERS, _Masters(self.channels))},
            registers=_REGISTERS,
            place=IDE,
        )

    def _may_master(self) -> bool:
        return self.function.bus_master

    def on_event(self, name: str, now: int) -> None:
        for channel in self.channels:
            if name in channel.deadlines():
                channel.on_event(name, now)

    def save(self) -> IdeState:
        return IdeState(self.function.save(), [channel.save() for channel in self.channels])

    def restore(self, state: IdeState) -> None:
        if len(state.channels) != len(self.channels):
            raise ValueError("IDE has two channels")
        self.function.restore(state.function)
        for channel, saved in zip(self.channels, state.channels, strict=True):
            channel.restore(saved)

    def describe(self, now: int) -> Rows:
        rows = list(function_rows(self.function))
        for channel in self.channels:
            channel.pull()
            rows += channel_rows(channel)
        return rows


def _drive(number: int, unit: DiskUnit | CdUnit | None, channel: IdeChannel) -> IdeDrive | None:
    match unit:
        case None:
            return None
        case CdUnit():
            return IdeCd(number, unit, channel)
        case DiskUnit():
            return IdeDisk(number, unit, channel)
