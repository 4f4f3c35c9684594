"""The registers of a local APIC while it works: memory that faster code than Python's can share."""

from __future__ import annotations

from ctypes import Array, LittleEndianStructure, c_bool, c_uint32

from devices.interrupts.lapic_registers import VECTOR_WORDS, Lvt, Vectors
from devices.interrupts.lapic_state import LapicState
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
    """LapicState, field by field; `vmdbg/engine/native/apic.h` has the same layout."""

    _fields_ = (
        ("timer", TimerMemory),
        *((name, c_uint32) for name in WORDS),
        *ARRAYS.items(),
        *((name, c_bool) for name in FLAGS),
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

    def load(self, state: LapicState) -> None:
        """Raises ValueError if a list of `state` is too long or too short."""
        for name in (*WORDS, *FLAGS):
            setattr(self, name, getattr(state, name))
        for name in ARRAYS:
            getattr(self, name)[:] = getattr(state, name)
        self.timer.load(state.timer)

    def saved(self) -> LapicState:
        words = {name: getattr(self, name) for name in (*WORDS, *FLAGS)}
        lists = {name: getattr(self, name)[:] for name in ARRAYS}
        return LapicState(**words, **lists, timer=self.timer.saved())
