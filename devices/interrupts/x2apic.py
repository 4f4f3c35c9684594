"""A local APIC that has x2APIC mode too: its registers are MSRs then, and APIC IDs have 32 bits.

Source: Intel SDM 3A, 11.12 and table 11-6, which says what raises #GP.
"""

from __future__ import annotations

from typing import ClassVar

from devices.interrupts.apic_bus import Shorthand
from devices.interrupts.lapic import BASE_ENABLE, Lapic
from devices.interrupts.lapic_messages import logical_x2apic_id
from devices.interrupts.lapic_registers import DIVIDE_WRITABLE, LVT_READ_ONLY, LVT_WRITABLE, SVR_WRITABLE, Lvt, Register
from devices.interrupts.lapic_state import X2ApicState
from devices.seam import Rows

MSRS = range(0x800, 0x900)
BASE_EXTD = 1 << 10
SELF_IPI = 0x3F0
DWORD = (1 << 32) - 1
ICR_RESERVED = 0xFFF3_2000
"""Of the low half."""

_LVTS = range(Register.LVT, Register.LVT + 0x10 * len(Lvt), 0x10)
_VECTORS = range(Register.ISR, Register.ESR, 0x10)
READABLE = frozenset(
    {
        *(Register.ID, Register.VERSION, Register.TPR, Register.PPR, Register.LDR, Register.SVR, Register.ESR),
        *(Register.ICR_LOW, Register.INITIAL_COUNT, Register.CURRENT_COUNT, Register.DIVIDE_CONFIGURATION),
        *_LVTS,
        *_VECTORS,
    }
)
WRITABLE: dict[int, int] = {
    Register.TPR: 0xFF,
    Register.EOI: 0,
    Register.SVR: SVR_WRITABLE,
    Register.ESR: 0,
    Register.ICR_LOW: DWORD << 32 | DWORD & ~ICR_RESERVED,
    Register.INITIAL_COUNT: DWORD,
    Register.DIVIDE_CONFIGURATION: DIVIDE_WRITABLE,
    SELF_IPI: 0xFF,
    **{offset: LVT_WRITABLE[entry] | LVT_READ_ONLY for entry, offset in enumerate(_LVTS)},
}
"""By offset, as in the page: the bits that may be written as ones."""


class X2Apic(Lapic):
    """Once IA32_APIC_BASE has it so, its registers are at MSRS and no longer in memory."""

    State: ClassVar[type[X2ApicState]] = X2ApicState

    def set_base(self, value: int) -> bool:
        """SDM 11.12.1 and figure 11-27: x2APIC mode is reached from xAPIC mode, and left by turning it off."""
        state = self._state
        enabled, extended = bool(value & BASE_ENABLE), bool(value & BASE_EXTD)
        becomes_x2apic = extended and not state.x2apic
        if extended and (not enabled or not state.enabled):
            return False
        if state.x2apic and enabled and not extended:
            return False
        if not super().set_base(value & ~BASE_EXTD):
            return False
        if becomes_x2apic:
            state.x2apic, state.apic_id, state.icr_high = True, self._initial_id, 0
        return True

    def read_msr(self, msr: int, now: int) -> int | None:
        """None raises #GP(0)."""
        offset = (msr - MSRS.start) << 4
        if not self._state.x2apic or offset not in READABLE:
            return None
        match offset:
            case Register.ID:
                return self._state.apic_id
            case Register.LDR:
                return logical_x2apic_id(self._state.apic_id)
            case Register.ICR_LOW:
                return self._state.icr_high << 32 | self._state.icr_low
            case _:
                return self._read_register(offset, now)

    def write_msr(self, msr: int, value: int, now: int) -> bool:
        """False raises #GP(0)."""
        offset = (msr - MSRS.start) << 4
        writable = WRITABLE.get(offset)
        if not self._state.x2apic or writable is None or value & ~writable:
            return False
        match offset:
            case Register.ICR_LOW:
                self._state.icr_high = value >> 32
                self._write(offset, value & DWORD, now)
            case _ if offset == SELF_IPI:
                self._send(Shorthand.SELF << 18 | value)
                self._interrupts.update()
            case _:
                self._write(offset, value, now)
        return True

    def _reset(self, *, enabled: bool = True) -> None:
        """An INIT leaves the mode."""
        x2apic = self._state.x2apic and enabled
        super()._reset(enabled=enabled)
        self._state.x2apic = x2apic

    def save(self) -> X2ApicState:
        return self._state.saved_x2apic()

    def describe(self, now: int) -> Rows:
        return [*super().describe(now), ("IA32_APIC_BASE EXTD", "x2APIC" if self._state.x2apic else "xAPIC")]
