"""info lapic."""

from __future__ import annotations

from collections.abc import Sequence

from devices.interrupts.apic_bus import DeliveryMode, Shorthand
from devices.interrupts.lapic_registers import (
    DFR_FLAT,
    ICR_ASSERT,
    ICR_LOGICAL,
    LVT_ACTIVE_LOW,
    LVT_LEVEL,
    LVT_MASKED,
    LVT_PERIODIC,
    SVR_ENABLED,
    Lvt,
    Register,
    contains,
)
from devices.interrupts.lapic_state import LapicState
from vmdbg.session.session import Session

MODES = {
    DeliveryMode.FIXED: "Fixed", DeliveryMode.SMI: "SMI", DeliveryMode.NMI: "NMI", DeliveryMode.INIT: "INIT",
    DeliveryMode.EXTINT: "ExtINT",
}  # fmt: skip
ENTRIES = {
    "LVT0": Lvt.LINT0, "LVT1": Lvt.LINT1, "LVTPC": Lvt.PERFORMANCE, "LVTERR": Lvt.ERROR, "LVTTHMR": Lvt.THERMAL,
    "LVTT": Lvt.TIMER,
}  # fmt: skip
SHORTHANDS = {
    Shorthand.NONE: "no-shorthand", Shorthand.SELF: "self", Shorthand.ALL_INCLUDING_SELF: "all-self",
    Shorthand.ALL_EXCLUDING_SELF: "all",
}  # fmt: skip
LVT_PENDING, LVT_TSC_DEADLINE, SVR_FOCUS, ICR_LEVEL = 1 << 12, 1 << 18, 1 << 9, 1 << 15


def local_apic(session: Session, _words: str) -> str:
    """The registers of the local APIC, now, of the CPU that is looked at."""
    machine = session.debugger.machine
    chip = machine.pc.lapic
    if chip is None:
        return "local apic state not available\n"
    state = chip.save()

    def read(register: Register) -> int:
        return chip.read(register, 4, machine.clock)

    divide = state.timer.divide_configuration & 0xB
    flat = state.dfr >> 28
    cluster = f"(cluster {state.ldr >> 28}: id {state.ldr >> 24 & 0xF})" if flat == 0 else ""
    return "".join(
        (
            f"dumping local APIC state for CPU {session.debugger.cpu.number} \n\n",
            *(_entry(name, state.lvt[which], which is Lvt.TIMER) for name, which in ENTRIES.items()),
            f"Timer\t DCR={divide:#x} (divide by {1 << ((divide >> 1 & 4 | divide & 3) + 1 & 7)})",
            f" initial_count = {state.timer.initial_count} current_count = {read(Register.CURRENT_COUNT)}\n",
            f"SPIV\t 0x{state.svr:08x} APIC {'enabled' if state.svr & SVR_ENABLED else 'disabled'},",
            f" focus={'on' if state.svr & SVR_FOCUS else 'off'}, spurious vec {state.svr & 0xFF}\n",
            _command(state),
            f"ESR\t 0x{state.esr:08x}\n",
            _vectors("ISR", state.isr, state.tmr),
            _vectors("IRR", state.irr, state.tmr),
            f"\nAPR 0x{read(Register.APR):02x} TPR 0x{state.tpr:02x} DFR 0x{flat:02x} LDR 0x{state.ldr >> 24:02x}",
            f"{cluster} PPR 0x{read(Register.PPR):02x}\n",
        )
    )


def _entry(name: str, lvt: int, is_timer: bool) -> str:
    mode = DeliveryMode(lvt >> 8 & 7)
    kind = "periodic" if lvt & LVT_PERIODIC else "tsc-deadline" if lvt & LVT_TSC_DEADLINE else "one-shot"
    vector = f" (vec {lvt & 0xFF})" if mode is not DeliveryMode.NMI else ""
    pending = "pending" if lvt & LVT_PENDING else ""
    return (
        f"{name}\t 0x{lvt:08x} {'active-lo' if lvt & LVT_ACTIVE_LOW else 'active-hi'}"
        f" {'level' if lvt & LVT_LEVEL else 'edge':5} {'masked' if lvt & LVT_MASKED else '':6}"
        f" {pending:7} {kind if is_timer else '':12} {MODES.get(mode, '...'):6}{vector}\n"
    )


def _command(state: LapicState) -> str:
    """The interrupt command register; with a shorthand its destination says nothing."""
    low, high = state.icr_low, state.icr_high
    shorthand = Shorthand(low >> 18 & 3)
    return (
        f"ICR\t 0x{low:08x} {'logical' if low & ICR_LOGICAL else 'physical'} {'level' if low & ICR_LEVEL else 'edge'}"
        f" {'assert' if low & ICR_ASSERT else 'de-assert'} {SHORTHANDS[shorthand]}\n"
        f"ICR2\t 0x{high:08x}{_destination(state) if shorthand is Shorthand.NONE else ''}\n"
    )


def _destination(state: LapicState) -> str:
    target = state.icr_high >> 24
    if not state.icr_low & ICR_LOGICAL:
        return f" cpu {target} (APIC ID)"
    if state.dfr >> 28 == DFR_FLAT:
        return f" mask {target:08b} (APIC ID)"
    return f" cluster {target >> 4} mask {target & 0xF:04b} (APIC ID)"


def _vectors(name: str, present: Sequence[int], level: Sequence[int]) -> str:
    found = [vector for vector in range(256) if contains(present, vector)]
    shown = "".join(f"{vector}{'(level)' if contains(level, vector) else ''} " for vector in found)
    return f"{name}\t {shown or '(none)'}\n"
