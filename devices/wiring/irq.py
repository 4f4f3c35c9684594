"""Interrupt wiring: input pins and one line to several receivers."""

from __future__ import annotations

from collections.abc import Callable

from devices.seam import Line

ISA_TIMER_IRQ = 0
IOAPIC_TIMER_PIN = 2
"""Where the 8259A pair has its cascade, the IO-APIC has IRQ 0 (MP specification 1.4, 3.6.2.2)."""


class Pin:
    """One numbered input of a chip: hands the level to the chip, which keeps it."""

    __slots__ = ("_number", "_receive")

    def __init__(self, receive: Callable[[int, bool], None], number: int) -> None:
        self._receive = receive
        self._number = number

    def set(self, level: bool) -> None:
        self._receive(self._number, level)


class FanOut:
    """One output that drives several inputs, in the order given."""

    __slots__ = ("_lines",)

    def __init__(self, *lines: Line) -> None:
        self._lines = lines

    def set(self, level: bool) -> None:
        for line in self._lines:
            line.set(level)


def isa_line(irq: int, pic_input: Callable[[int], Line], ioapic_input: Callable[[int], Line]) -> Line:
    """ISA interrupt request `irq` (0 to 15), driving the 8259A pair and the IO-APIC both."""
    pin = IOAPIC_TIMER_PIN if irq == ISA_TIMER_IRQ else irq
    return FanOut(pic_input(irq), ioapic_input(pin))
