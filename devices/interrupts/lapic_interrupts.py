"""How a local APIC orders and dispenses interrupts, from the bus and from its own sources.

Source: Intel SDM 3A, 11.5 (local interrupts), 11.8 (handling interrupts).
"""

from __future__ import annotations

from collections.abc import Callable

from devices.interrupts.apic_bus import LOWEST_VECTOR, DeliveryMode, EndOfInterruptListener
from devices.interrupts.lapic_memory import LapicMemory
from devices.interrupts.lapic_registers import (
    LVT_ACTIVE_LOW,
    LVT_LEVEL,
    LVT_MASKED,
    LVT_REMOTE_IRR,
    Error,
    Lvt,
    assign,
    contains,
    highest,
)
from devices.seam import Line

LINT0, LINT1 = int(Lvt.LINT0), int(Lvt.LINT1)
LINTS = (Lvt.LINT0, Lvt.LINT1)
LVT_FIXED, LVT_NMI = int(DeliveryMode.FIXED), int(DeliveryMode.NMI)
LVT_EXTINT_MASK, LVT_EXTINT = LVT_MASKED | 0x700, DeliveryMode.EXTINT << 8


class LapicInterrupts:
    """IRR, ISR, TMR, LVT and LINT pins. Whoever changes something calls `update` afterwards."""

    def __init__(self, state: LapicMemory, intr: Line, nmi: Line, acknowledge_pic: Callable[[], int]) -> None:
        self.state = state
        self.end_of_interrupt_listener: EndOfInterruptListener | None = None
        self._intr = intr
        self._nmi = nmi
        self._acknowledge_pic = acknowledge_pic

    def acknowledge(self) -> int:
        """The vector to deliver: from the 8259A pair for ExtINT, the spurious vector if nothing is left."""
        state = self.state
        if self.has_extint():
            state.extint_pending = False
            vector = self._acknowledge_pic()
            self.update()
            return vector
        pending = self.pending()
        if pending is None:
            return state.svr & 0xFF
        assign(state.irr, pending, False)
        assign(state.isr, pending, True)
        self.update()
        return pending

    def pending(self) -> int | None:
        """The highest requested vector if its priority class is above the processor priority."""
        vector = highest(self.state.irr)
        if vector is None or vector >> 4 <= self.ppr >> 4:
            return None
        return vector

    @property
    def ppr(self) -> int:
        """The processor priority register (SDM 11.8.3.1)."""
        in_service = highest(self.state.isr) or 0
        tpr = self.state.tpr
        return tpr if tpr >> 4 >= in_service >> 4 else in_service & 0xF0

    def request(self, vector: int, level_triggered: bool) -> None:
        """Accept a vector into IRR and TMR; 0 to 15 are an error instead (SDM 11.5.2)."""
        state = self.state
        if vector < LOWEST_VECTOR:
            # Not through the error LVT once more if it is that entry whose vector is illegal.
            state.errors |= Error.RECEIVE_ILLEGAL_VECTOR
            if state.lvt[Lvt.ERROR] & 0xFF >= LOWEST_VECTOR:
                self.local_interrupt(Lvt.ERROR)
            return
        assign(state.irr, vector, True)
        assign(state.tmr, vector, level_triggered)

    def raise_error(self, error: Error) -> None:
        """Note an error for ESR and interrupt through the error LVT (SDM 11.5.3)."""
        self.state.errors |= error
        self.local_interrupt(Lvt.ERROR)

    def pulse_nmi(self) -> None:
        self._nmi.set(True)
        self._nmi.set(False)

    def end_of_interrupt(self) -> None:
        """The end of the highest interrupt in service; of a level-triggered one the I/O APIC is told."""
        state = self.state
        vector = highest(state.isr)
        if vector is None:
            return
        assign(state.isr, vector, False)
        if not contains(state.tmr, vector):
            return
        for entry in (Lvt.LINT0, Lvt.LINT1):
            if state.lvt[entry] & LVT_REMOTE_IRR and state.lvt[entry] & 0xFF == vector:
                state.lvt[entry] &= ~LVT_REMOTE_IRR
                self.service_level_lint(entry)
        if self.end_of_interrupt_listener is not None:
            self.end_of_interrupt_listener.end_of_interrupt(vector)

    def set_lint(self, number: int, level: bool) -> None:
        """The level at LINT0 or LINT1, which are INTR and NMI while the APIC is off."""
        state = self.state
        pins = state.lint
        if level == pins[number]:
            return
        pins[number] = level
        if state.enabled:
            self._lint_moved(LINTS[number], level)
        elif number == 1 and level:
            self.pulse_nmi()
        self.update()

    def _lint_moved(self, entry: Lvt, level: bool) -> None:
        value = self.state.lvt[entry]
        if not _is_active(level, value):
            return
        if _is_level_lint(value):
            self.service_level_lint(entry)
        else:
            self.local_interrupt(entry)

    def _lint_active(self, entry: Lvt) -> bool:
        return _is_active(self.state.lint[entry - Lvt.LINT0], self.state.lvt[entry])

    def service_level_lint(self, entry: Lvt) -> None:
        """A level-triggered LINT pin requests again while it is active and its last interrupt has ended."""
        value = self.state.lvt[entry]
        if _is_level_lint(value) and not value & (LVT_REMOTE_IRR | LVT_MASKED) and self._lint_active(entry):
            self.state.lvt[entry] |= LVT_REMOTE_IRR
            self.request(value & 0xFF, True)

    def local_interrupt(self, entry: Lvt) -> None:
        """An edge at one of the local sources. ExtINT has no edge: the pin's level counts."""
        value = self.state.lvt[entry]
        if value & LVT_MASKED:
            return
        mode = LVT_FIXED if entry in (Lvt.TIMER, Lvt.ERROR) else value >> 8 & 7
        if mode == LVT_FIXED:
            self.request(value & 0xFF, False)
        elif mode == LVT_NMI:
            self.pulse_nmi()

    def has_extint(self) -> bool:
        """Whether the 8259A pair is to be acknowledged: by a pin in ExtINT mode, or by message."""
        state = self.state
        if not state.enabled:
            return state.lint[0]
        lint0, lint1 = state.lvt[LINT0], state.lvt[LINT1]
        return (
            state.extint_pending
            or (lint0 & LVT_EXTINT_MASK == LVT_EXTINT and state.lint[0] != bool(lint0 & LVT_ACTIVE_LOW))
            or (lint1 & LVT_EXTINT_MASK == LVT_EXTINT and state.lint[1] != bool(lint1 & LVT_ACTIVE_LOW))
        )

    def update(self) -> None:
        """Bring the INTR output up to date."""
        state = self.state
        level = self.has_extint() or self.pending() is not None
        if level != state.intr:
            state.intr = level
            self._intr.set(level)


def _is_active(level: bool, value: int) -> bool:
    """Of a pin, by its level and its entry in the local vector table (SDM 3A 11.5.1, bit 13)."""
    return level != bool(value & LVT_ACTIVE_LOW)


def _is_level_lint(value: int) -> bool:
    return bool(value & LVT_LEVEL) and value >> 8 & 7 == DeliveryMode.FIXED
