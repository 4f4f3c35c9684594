"""The guest-visible state of a local APIC as it is saved, and how it reads in a list of registers."""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.interrupts.apic_bus import DeliveryMode
from devices.interrupts.lapic_registers import (
    LVT_LEVEL,
    LVT_MASKED,
    LVT_PERIODIC,
    SVR_ENABLED,
    VECTOR_WORDS,
    Lvt,
    listed,
)
from devices.interrupts.lapic_timer import LapicTimerState


@dataclass(slots=True)
class LapicState:
    """`enabled` is IA32_APIC_BASE bit 11; `lint` the levels at LINT0 and LINT1; `intr` the output.

    `extint_pending` is an ExtINT message taken from the bus, `errors` what the next write to ESR will show.
    """

    enabled: bool = True
    apic_id: int = 0
    tpr: int = 0
    ldr: int = 0
    dfr: int = 0xFFFF_FFFF
    svr: int = 0xFF
    isr: list[int] = field(default_factory=lambda: [0] * VECTOR_WORDS)
    tmr: list[int] = field(default_factory=lambda: [0] * VECTOR_WORDS)
    irr: list[int] = field(default_factory=lambda: [0] * VECTOR_WORDS)
    esr: int = 0
    errors: int = 0
    icr_low: int = 0
    icr_high: int = 0
    lvt: list[int] = field(default_factory=lambda: [LVT_MASKED] * len(Lvt))
    timer: LapicTimerState = field(default_factory=LapicTimerState)
    lint: list[bool] = field(default_factory=lambda: [False, False])
    extint_pending: bool = False
    intr: bool = False


@dataclass(slots=True)
class X2ApicState(LapicState):
    """Of one that has x2APIC mode too: `x2apic` is IA32_APIC_BASE bit 10."""

    x2apic: bool = False


def describe(state: LapicState) -> list[tuple[str, str]]:
    """The registers that do not depend on the time."""
    rows = [
        ("ID", str(state.apic_id)),
        ("IA32_APIC_BASE enable", "on" if state.enabled else "off"),
        ("SVR", f"{state.svr:#05x} {'enabled' if state.svr & SVR_ENABLED else 'disabled'} by software"),
        ("TPR", f"{state.tpr:#04x}"),
        ("LDR", f"{state.ldr:#010x}"),
        ("DFR", f"{state.dfr:#010x}"),
        ("ISR", listed(state.isr)),
        ("IRR", listed(state.irr)),
        ("TMR", listed(state.tmr)),
        ("ESR", f"{state.esr:#04x}"),
        ("ICR", f"{state.icr_high:08x}_{state.icr_low:08x}"),
        ("INTR", "high" if state.intr else "low"),
    ]
    return rows + [(f"LVT {entry.name}", _describe_lvt(entry, state.lvt[entry])) for entry in Lvt]


def _describe_lvt(entry: Lvt, value: int) -> str:
    words = [f"vector {value & 0xFF:#04x}"]
    if entry is Lvt.TIMER:
        words.append("periodic" if value & LVT_PERIODIC else "one-shot")
    elif entry is not Lvt.ERROR:
        words.append(DeliveryMode(value >> 8 & 7).name.lower().replace("_", " "))
    if value & LVT_LEVEL:
        words.append("level")
    if value & LVT_MASKED:
        words.append("masked")
    return ", ".join(words)
