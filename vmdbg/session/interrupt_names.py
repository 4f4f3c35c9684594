"""What an interrupt's vector is for: told by the name of its handler in the IDT."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.session.known_guest import KnownGuest
from vmdbg.session.tables import all_tables, is_long, read_prefix
from vmdbg.x86.descriptors import Gate
from vmdbg.x86.exceptions import NMI, vector_name
from vmdbg.x86.interrupt_tables import read_idt

if TYPE_CHECKING:
    from vmdbg.os.linux.call_queues import Called

BETWEEN_CPUS = {
    "sysvec_reschedule_ipi": "RESCHEDULE",
    "sysvec_call_function": "CALL_FUNCTION",
    "sysvec_call_function_single": "CALL_FUNCTION_SINGLE",
    "sysvec_reboot": "REBOOT",
    "sysvec_irq_work": "IRQ_WORK",
    "sysvec_x86_platform_ipi": "X86_PLATFORM_IPI",
    "sysvec_apic_timer_interrupt": "LOCAL_TIMER",
    "sysvec_error_interrupt": "ERROR_APIC",
    "sysvec_spurious_apic_interrupt": "SPURIOUS_APIC",
    "sysvec_thermal": "THERMAL_APIC",
    "sysvec_threshold": "THRESHOLD_APIC",
    "sysvec_deferred_error": "DEFERRED_ERROR",
    "sysvec_irq_move_cleanup": "IRQ_MOVE_CLEANUP",
}
"""Linux's names of vectors (arch/x86/include/asm/irq_vectors.h), without _VECTOR, by their handlers (idtentry.h)."""
_STUB = "asm_"


@dataclass(frozen=True, slots=True)
class InterruptNames:
    """queries.ipis.InterruptWords. `describe` has the name of a function."""

    names: Mapping[int, str]
    describe: Callable[[int], str]

    def name(self, vector: int | None) -> str:
        return "" if vector is None else self.names.get(vector, "")

    def runs(self, called: Iterable[Called]) -> str:
        return ", ".join(map(self._call, called))

    def _call(self, called: Called) -> str:
        if called.woken:
            return f"wakes {called.woken}"
        name = self.describe(called.function) or f"{called.function:#x}"
        if called.flushed is not None:
            from vmdbg.os.linux.call_queues import flush_words

            return f"{name}({flush_words(called.flushed)})"
        return f"{name}({called.argument:#x})" if called.argument else f"{name}()"


def interrupt_names(guest: KnownGuest) -> Mapping[int, str]:
    """As the guest stands, by vector. Those whose handler has no name are left out."""
    found = {NMI: vector_name(NMI)}
    if not guest.registers.mode.is_protected:
        return found
    read, long = guest.registers.read, is_long(guest)
    entries = read_idt(
        lambda at, size: read_prefix(guest, at, size),
        read("idtr_base"),
        read("idtr_limit"),
        all_tables(guest),
        long=long,
    )
    for entry in entries:
        if entry.vector >= FIRST and isinstance(entry.gate, Gate) and entry.gate.present:
            nearest = guest.symbols.nearest(entry.gate.offset)
            if nearest is not None and not nearest.offset:
                found[entry.vector] = _name(nearest.symbol.name)
    return found


FIRST = 32
"""The lowest vector of an interrupt (SDM 3A 6.2)."""


def _name(handler: str) -> str:
    handler = handler.removeprefix(_STUB)
    return BETWEEN_CPUS.get(handler, handler)
