"""The registers of a local APIC while it works: memory that faster code than Python's can share."""

from __future__ import annotations

from ctypes import Array, LittleEndianStructure, c_bool, c_uint32
from typing import Any

from devices.interrupts.lapic_registers import VECTOR_WORDS, Lvt, Vectors
from devices.interrupts.lapic_state import LapicState, X2ApicState
from devices.interrupts.lapic_timer import TimerMemory

WORDS = ("apic_id", "tpr", "ldr", "dfr", "svr", "esr", "errors", "icr_low", "icr_high")
FLAGS = ("enabled", "extint_pending", "intr")
ARRAYS: dict[str, type[Array[c_uint32]] | type[Array[c_bool]]] = {
    "isr": c_uint32 * VECTOR_WORDS,
    "tmr": c_uint32 * VECTOR_WORDS,
    "irr": c_uint32 * VECTOR_WORDS,
    "lvt": c_uint32 * len(Lvt),
    "lint": c_bool * 2,
}


class LapicMemory(LittleEndianStructure):
    """X2ApicState, field by field; `vmdbg/engine/native/chips.h` has the same layout."""

    _fields_ = (
        ("timer", TimerMemory),
        *((name, c_uint32) for name in WORDS),
        *ARRAYS.items(),
        *((name, c_bool) for name in FLAGS),
        ("x2apic", c_bool),
    )
    timer: TimerMemory
    apic_id: int
    tpr: int
    ldr: int
    dfr: int
    svr: int
    esr: int
    errors: int
    icr_low: int
    icr_high: int
    isr: Vectors
    tmr: Vectors
    irr: Vectors
    lvt: Vectors
    lint: list[bool]
    enabled: bool
    extint_pending: bool
    intr: bool
    x2apic: bool

    def load(self, state: LapicState) -> None:
        """Raises ValueError if a list of `state` is too long or too short."""
        for name in (*WORDS, *FLAGS):
            setattr(self, name, getattr(state, name))
        for name in ARRAYS:
            getattr(self, name)[:] = getattr(state, name)
        self.timer.load(state.timer)
        self.x2apic = isinstance(state, X2ApicState) and state.x2apic

    def saved(self) -> LapicState:
        return LapicState(**self._parts(), timer=self.timer.saved())

    def saved_x2apic(self) -> X2ApicState:
        return X2ApicState(**self._parts(), timer=self.timer.saved(), x2apic=self.x2apic)

    def _parts(self) -> dict[str, Any]:
        """`Any`: numbers, truth values, lists of both."""
        words = {name: getattr(self, name) for name in (*WORDS, *FLAGS)}
        return words | {name: getattr(self, name)[:] for name in ARRAYS}
