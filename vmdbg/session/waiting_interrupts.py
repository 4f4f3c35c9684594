"""Interrupts that a CPU has not taken yet, or is at, as people call them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from devices.interrupts.apic_bus import DeliveryMode
from devices.interrupts.lapic import Lapic
from devices.interrupts.lapic_registers import contains
from devices.seam import Device, Rows
from vmdbg.errors import GuestError
from vmdbg.session.interrupt_names import InterruptNames, interrupt_names
from vmdbg.session.linux import find_linux
from vmdbg.session.view import View
from vmdbg.units import CpuId

if TYPE_CHECKING:
    from vmdbg.os.linux.call_queues import Called

_VECTOR, _MODE = 0xFF, 7


def waiting_interrupts(view: View, cpu: CpuId) -> list[str]:
    """Those that wait in the local APIC of a CPU, the next to be taken first; with what a Linux has it run."""
    lapics = view.debugger.machine.pc.lapics
    vectors = _listed(lapics[cpu].save().irr) if lapics else []
    return _words(view, cpu, vectors)


def named_rows(view: View, device: Device, rows: Rows) -> Rows:
    """What a device says of itself; a local APIC by the names of its interrupts."""
    if not isinstance(device, Lapic):
        return rows
    state, cpu = device.save(), CpuId(view.debugger.machine.pc.lapics.index(device))
    words = {
        "ISR": ", ".join(_words(view, cpu, _listed(state.isr), calls=False)),
        "IRR": ", ".join(_words(view, cpu, _listed(state.irr))),
        "ICR": _last_sent(view, state.icr_low),
    }
    return [(name, f"{said} ({words[name]})" if words.get(name) else said) for name, said in rows]


def _last_sent(view: View, low: int) -> str:
    mode = DeliveryMode(low >> 8 & _MODE)
    if mode not in (DeliveryMode.FIXED, DeliveryMode.LOWEST_PRIORITY) or not low & _VECTOR:
        return mode.name.lower().replace("_", " ") if low else ""
    return f"{mode.name.lower().replace('_', ' ')}, {_named(_names(view), low & _VECTOR)}"


def _words(view: View, cpu: CpuId, vectors: Sequence[int], *, calls: bool = True) -> list[str]:
    if not vectors:
        return []
    from vmdbg.os.linux.call_queues import VECTORS

    with view.debugger.of(cpu):
        names = _names(view)
        found = []
        for vector in vectors:
            runs = names.runs(_called(view)) if calls and vector in VECTORS else ""
            found.append(f"{_named(names, vector)}{f': {runs}' if runs else ''}")
        return found


def _named(names: InterruptNames, vector: int) -> str:
    return names.name(vector) or f"{vector:#x}"


def _names(view: View) -> InterruptNames:
    try:
        return InterruptNames(interrupt_names(view), view.describe)
    except GuestError:
        return InterruptNames({}, view.describe)


def _called(view: View) -> Sequence[Called]:
    """What the CPU that is looked at is to run."""
    try:
        linux = find_linux(view.system)
        queues = linux.call_queues() if linux is not None else None
    except GuestError:
        return ()
    return queues.waiting(linux.kernel.view.memory, view.debugger.cpu.read) if linux is not None and queues else ()


def _listed(words: Sequence[int]) -> list[int]:
    return [vector for vector in reversed(range(256)) if contains(words, vector)]
