"""The two cascaded 8259A of a PC, with the edge/level control registers beside them.

Ports 20h-21h (master), A0h-A1h (slave) and 4D0h-4D1h (ELCR). Source: Intel 8259A, PIIX3 data sheets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from devices.interrupts.pic_chip import SPURIOUS_LEVEL, PicChip
from devices.interrupts.pic_memory import PicChipState, PicMemory
from devices.seam import Line, Rows
from devices.wiring.irq import Pin

CASCADE_IRQ = 2
MASTER_ELCR_MASK = 0xF8
"""IRQ 0, 1 and 2 are always edge-triggered."""
SLAVE_ELCR_MASK = 0xDE
"""IRQ 8 and 13 are always edge-triggered."""


@dataclass(slots=True)
class PicState:
    master: PicChipState = field(default_factory=PicChipState)
    slave: PicChipState = field(default_factory=PicChipState)


class Pic:
    """IRQ 0 to 15; `master`, `slave` and `elcr` are windows of two ports. INTR goes to the CPU or LINT0."""

    name = "pic"
    title = "two 8259A interrupt controllers"
    State: ClassVar[type[PicState]] = PicState

    def __init__(self, intr: Line) -> None:
        self.memory = PicMemory()
        """The registers, at one place for as long as the chips are."""
        self.master = PicChip(self.memory.master, intr, MASTER_ELCR_MASK)
        self.slave = PicChip(self.memory.slave, Pin(self.master.set_line, CASCADE_IRQ), SLAVE_ELCR_MASK)
        self.elcr = ElcrPorts(self.master, self.slave)

    def input(self, irq: int) -> Line:
        """The line of IRQ 0 to 15. IRQ 2 is the cascade: nothing outside drives it.

        Raises ValueError for any other number and for 2.
        """
        if not 0 <= irq <= 15 or irq == CASCADE_IRQ:
            raise ValueError(f"IRQ {irq} is no input of the 8259A pair")
        return Pin(self.master.set_line, irq) if irq < 8 else Pin(self.slave.set_line, irq - 8)

    def acknowledge(self) -> int:
        """The CPU's INTA cycles: the vector to deliver, that of IRQ 7 or 15 if the request went away."""
        level = self.master.acknowledge()
        if level == CASCADE_IRQ and self.master.is_cascading:
            return self.slave.vector(self.slave.acknowledge())
        return self.master.vector(level)

    def pending(self) -> int | None:
        """The IRQ that would be acknowledged now, None if INTR is low."""
        level = self.master.pending()
        if level != CASCADE_IRQ:
            return level
        slave = self.slave.pending()
        return 8 + (SPURIOUS_LEVEL if slave is None else slave)

    @property
    def intr(self) -> bool:
        """The level of the INTR output."""
        return self.master.state.int_output

    def save(self) -> PicState:
        return PicState(self.memory.master.saved(), self.memory.slave.saved())

    def restore(self, state: PicState) -> None:
        self.memory.master.load(state.master)
        self.memory.slave.load(state.slave)

    def describe(self, now: int) -> Rows:
        rows = [(f"master {name}", text) for name, text in self.master.describe()]
        return rows + [(f"slave {name}", text) for name, text in self.slave.describe()]


class ElcrPorts:
    """ELCR1 and ELCR2: bit n makes an IRQ level-triggered."""

    def __init__(self, master: PicChip, slave: PicChip) -> None:
        self._chips = (master, slave)

    def read(self, offset: int, size: int, now: int) -> int:
        return self._chips[offset].state.elcr if offset < 2 else (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset < 2:
            self._chips[offset].write_elcr(value)
