"""info pic: the I/O APIC and the two 8259A."""

from __future__ import annotations

from devices.interrupts.apic_bus import DeliveryMode
from devices.interrupts.ioapic import ACTIVE_LOW, IOREDTBL, LEVEL, LOGICAL, REMOTE_IRR, VERSION
from devices.interrupts.ioapic_memory import MASKED, IoApicState
from devices.interrupts.pic_chip import ICW4_SFNM, PicChip
from vmdbg.session.session import Session

MODES = {
    DeliveryMode.FIXED: "fixed", DeliveryMode.LOWEST_PRIORITY: "lowest", DeliveryMode.SMI: "SMI",
    DeliveryMode.NMI: "NMI", DeliveryMode.INIT: "INIT", DeliveryMode.EXTINT: "extINT",
}  # fmt: skip


def pic(session: Session, _words: str) -> str:
    """The slave comes first, as in QEMU."""
    pc = session.debugger.machine.pc
    above = _io_apic(pc.ioapic.save()) if pc.ioapic is not None else ""
    return above + _chip(1, pc.pic.slave) + _chip(0, pc.pic.master)


def _io_apic(state: IoApicState) -> str:
    selected = f" (redir[{state.ioregsel - IOREDTBL >> 1}])" if state.ioregsel else ""
    first = f"ioapic0: ver={VERSION:#x} id={state.apic_id:#04x} sel={state.ioregsel:#04x}{selected}\n"
    requests = sum(_requests(state.lines >> pin & 1, entry) << pin for pin, entry in enumerate(state.redirection))
    remote = sum(bool(entry & REMOTE_IRR) << pin for pin, entry in enumerate(state.redirection))
    pins = [_pin(pin, entry) for pin, entry in enumerate(state.redirection)]
    return first + "".join(pins) + _bits("  IRR", requests) + _bits("  Remote IRR", remote)


def _requests(line: int, entry: int) -> int:
    """Whether a level-triggered pin asks; an edge is sent at once or lost."""
    return int(bool(entry & LEVEL) and bool(line) != bool(entry & ACTIVE_LOW))


def _pin(pin: int, entry: int) -> str:
    destination = entry >> 56 & (0xFF if entry & LOGICAL else 0xF)
    return (
        f"  pin {pin:<2} {entry:#018x} dest={destination:x} vec={entry & 0xFF:<3}"
        f" {'active-lo' if entry & ACTIVE_LOW else 'active-hi'} {'level' if entry & LEVEL else 'edge':5}"
        f" {'masked' if entry & MASKED else '':6} {MODES.get(DeliveryMode(entry >> 8 & 7), '...'):6}"
        f" {'logical' if entry & LOGICAL else 'physical'}\n"
    )


def _bits(name: str, bits: int) -> str:
    return f"{name:10} {''.join(f'{bit:<2} ' for bit in range(24) if bits >> bit & 1) or '(none)'}\n"


def _chip(number: int, chip: PicChip) -> str:
    state = chip.state
    return (
        f"pic{number}: irr={chip.irr:02x} imr={state.imr:02x} isr={state.isr:02x}"
        f" hprio={state.lowest_priority + 1 & 7} irq_base={state.icw2 & 0xF8:02x} rr_sel={int(state.read_isr)}"
        f" elcr={state.elcr:02x} fnm={int(bool(state.icw4 & ICW4_SFNM))}\n"
    )
