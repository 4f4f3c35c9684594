"""The ISA bridge of an Intel 82371SB (PIIX3), which leads the PCI interrupt pins to interrupt request lines.

Source: Intel 82371FB/82371SB data sheet (290550), 2.2 and 3.6 (PIRQx route control).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devices.fitting import Slot
from devices.pci.config_space import Identity, Register
from devices.pci.describe import function_rows
from devices.pci.function import PciFunction, PciFunctionState
from devices.pci.piix import ISA_BRIDGE, PIRQS
from devices.seam import Line, Rows
from devices.wiring.irq import Pin

PIRQ_ROUTE = 0x60
NOT_ROUTED = 0x80

_IDENTITY = Identity(0x8086, 0x7000, 0x060100, multifunction=True)
_REGISTERS = (
    Register(0x04, 2, 0x0007, 0x0108),  # PCICMD: I/O, memory and master are hardwired
    Register(0x4C, 1, 0x4D, 0x7F),  # IORT
    Register(0x4E, 2, 0x0003, 0x01FF),  # XBCS
    *(Register(PIRQ_ROUTE + n, 1, NOT_ROUTED, 0x8F) for n in range(PIRQS)),
    Register(0x69, 1, 0x02, 0xFA),  # TOM
    Register(0x6A, 2, 0x0000, 0x8001),  # MSTAT
    Register(0x70, 1, 0x80, 0xEF),  # MBIRQ0
    Register(0x76, 2, 0x0C0C, 0x8F8F),  # MBDMA
    Register(0x78, 2, 0x0002, 0xFFFF),  # PCSC
    Register(0x80, 1, 0x00, 0x3F),  # APICBASE
    Register(0x82, 1, 0x00, 0x0F),  # DLC
    Register(0xA0, 1, 0x08, 0x1F),  # SMICNTL
    Register(0xA2, 2, 0x0000, 0x00FF),  # SMIEN
    Register(0xA4, 4, 0x0000_0000, 0xE000_F8FB),  # SEE
    Register(0xA8, 1, 0x0F, 0xFF),  # FTMR
    Register(0xAA, 2, 0x0000, 0x00FF),  # SMIREQ
    Register(0xAC, 1, 0x00, 0xFF),  # CTLTMR
    Register(0xAE, 1, 0x00, 0xFF),  # CTHTMR
)


@dataclass(slots=True)
class IsaBridgeState:
    """`pirqs` has bit n for the level of PIRQA# plus n, 1 being asserted."""

    function: PciFunctionState
    pirqs: int = 0


class IsaBridge:
    """`lines` are the interrupt request lines by number, for ROUTABLE_IRQS: high while a routed PIRQ is asserted."""

    name = "isa-bridge"
    title = "PIIX3 ISA bridge, routes PCI interrupts"
    State: ClassVar[type[IsaBridgeState]] = IsaBridgeState

    def __init__(self, slot: Slot, lines: Mapping[int, Line]) -> None:
        self._lines = lines
        self._pirqs = 0
        self.function = PciFunction(
            slot, _IDENTITY, registers=_REGISTERS, place=ISA_BRIDGE, on_config=self._config_written
        )

    def pirq(self, number: int) -> Line:
        """PIRQA# to PIRQD#: 0 to 3."""
        return Pin(self._set_pirq, number)

    def routed_to(self, number: int) -> int | None:
        """The interrupt request line of a PIRQ; None if it is not routed, or to one that cannot be."""
        value = self.function.config_value(PIRQ_ROUTE + number, 1)
        return None if value & NOT_ROUTED or value & 0xF not in self._lines else value & 0xF

    def save(self) -> IsaBridgeState:
        return IsaBridgeState(self.function.save(), self._pirqs)

    def restore(self, state: IsaBridgeState) -> None:
        self.function.restore(state.function)
        self._pirqs = state.pirqs

    def describe(self, now: int) -> Rows:
        return [*function_rows(self.function), *(self._describe_pirq(number) for number in range(PIRQS))]

    def _describe_pirq(self, number: int) -> tuple[str, str]:
        irq = self.routed_to(number)
        level = "asserted" if self._pirqs >> number & 1 else "not asserted"
        return f"PIRQ{'ABCD'[number]}#", f"{'not routed' if irq is None else f'to IRQ {irq}'}, {level}"

    def _set_pirq(self, number: int, level: bool) -> None:
        bit = 1 << number
        self._pirqs = self._pirqs | bit if level else self._pirqs & ~bit
        irq = self.routed_to(number)
        if irq is not None:
            self._drive(irq)

    def _config_written(self, registers: range) -> None:
        if registers.stop > PIRQ_ROUTE and registers.start < PIRQ_ROUTE + PIRQS:
            for irq in self._lines:
                self._drive(irq)

    def _drive(self, irq: int) -> None:
        asserted = any(self._pirqs >> number & 1 and self.routed_to(number) == irq for number in range(PIRQS))
        self._lines[irq].set(asserted)
