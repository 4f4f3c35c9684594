"""Interrupt lines and what each delivered, as /proc/interrupts (kernel/irq/proc.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.trees import maple_entries, xarray_entries
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import NotThereYetError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_LINES = 4096
MAX_ACTIONS = 64
MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Interrupt:
    """`line` is the kernel's number; `counts` has one number for each processor that is online."""

    line: int
    hardware_line: int
    counts: tuple[int, ...]
    chip: str
    actions: tuple[str, ...]
    handlers: tuple[str, ...]


@guarded("interrupts")
def interrupts(kernel: Kernel) -> tuple[Interrupt, ...]:
    """Lines that something handles, or that were ever raised."""
    rows = [_interrupt(kernel, value) for value in _descriptors(kernel)]
    return tuple(row for row in rows if row.actions or any(row.counts))


def _descriptors(kernel: Kernel) -> Iterator[Value]:
    """In a radix tree up to 6.4, in a maple tree from 6.5 on."""
    if kernel.has_symbol("sparse_irqs"):
        tree = kernel.object("struct maple_tree", "sparse_irqs")
        entries = (entry for _, _, entry in maple_entries(kernel, tree, MAX_LINES))
    elif kernel.has_symbol("irq_desc_tree"):
        tree = kernel.object("struct xarray", "irq_desc_tree")
        entries = (entry for _, entry in xarray_entries(kernel, tree, MAX_LINES))
    else:
        raise NotThereYetError("interrupt descriptors")
    return (kernel.object("struct irq_desc", entry) for entry in entries)


def _interrupt(kernel: Kernel, value: Value) -> Interrupt:
    chip = value.irq_data.chip
    actions = list(_actions(kernel, int(value.action)))
    return Interrupt(
        int(value.irq_data.irq),
        int(value.irq_data.hwirq),
        _counts(kernel, value),
        chip.name.string_(MAX_NAME) if chip and chip.name else "",
        tuple(action.name.string_(MAX_NAME) for action in actions if action.name),
        tuple(kernel.describe(int(action.handler)) for action in actions),
    )


def _counts(kernel: Kernel, value: Value) -> tuple[int, ...]:
    base = int(value.kstat_irqs)
    if not base:
        return ()
    return tuple(
        kernel.memory.u32(base + kernel.per_cpu_offset(cpu) & 0xFFFF_FFFF_FFFF_FFFF) for cpu in kernel.processors.online
    )


def _actions(kernel: Kernel, address: int) -> Iterator[Value]:
    for _ in range(MAX_ACTIONS):
        if not address:
            return
        action = kernel.object("struct irqaction", address)
        yield action
        address = int(action.next)
