"""Stepping in the same context: interrupts and faults run to their return before a step counts."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.debugger.guest import Guest
from vmdbg.engine.exits import Delivery, DeliveryKind
from vmdbg.engine.inspection import Inspection
from vmdbg.units import PAGE_SIZE, Linear
from vmdbg.x86.mode import privilege_level
from vmdbg.x86.paging import Paging

ERROR_CODE_VECTORS = frozenset({8, 10, 11, 12, 13, 14, 17, 21})


LONG_MODE_ACTIVE = 0x400
PAGE_TABLES = 0x000F_FFFF_FFFF_F000
"""Of CR3 in long mode (SDM 3A 4.5.2): not the PCID, by which Linux knows a process on each CPU under another number."""
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Context:
    """What tells one thread of control from another: where its stack is, in which memory, and the ring."""

    rsp: int
    memory: int
    """stack_memory() there."""
    cpl: int


def current_context(engine: Inspection) -> Context:
    rsp, *ring = engine.read_registers(("rsp", "cr0", "rflags", "ss_flags"))
    cpl = privilege_level(*ring)
    return Context(rsp, stack_memory(engine, cpl, rsp), cpl)


def interrupted_context(engine: Inspection, delivery: Delivery) -> Context:
    """What an interrupt or exception, just delivered, came to."""
    cpl = delivery.cpl
    memory = page_tables(engine, delivery.cr3) if cpl else stack_memory(engine, cpl, delivery.rsp)
    return Context(delivery.rsp, memory, cpl)


def stands_where_it_struck(guest: Guest, delivery: Delivery) -> bool:
    """Whether the CPU is back where that interrupt came to it, in the same thread of control."""
    engine, now = guest.engine, current_context(guest.engine)
    if (guest.pc, now.rsp, now.cpl) != (delivery.linear_pc, delivery.rsp, delivery.cpl):
        return False
    if page_tables(engine, delivery.cr3) == page_tables(engine, engine.read_register("cr3")):
        return True
    stack = guest.linear(delivery.cr3).translate(_below(now.rsp))
    return not now.cpl and stack is not None and stack // PAGE_SIZE == now.memory


def stack_memory(engine: Inspection, cpl: int, rsp: int) -> int:
    """Tells a stack from others at the same linear addresses.

    In ring 0 by its page of physical memory, for what a kernel thread calls may sleep, and return in the address space
    of whatever process ran there last. Elsewhere by the page tables, for a kernel moves such pages.
    """
    if cpl:
        return page_tables(engine, engine.read_register("cr3"))
    physical = engine.translate(_below(rsp))
    return NOWHERE if physical is None else physical // PAGE_SIZE


def _below(rsp: int) -> Linear:
    return Linear((rsp - 1) % (1 << 64))


def page_tables(engine: Inspection, cr3: int) -> int:
    """What all values of CR3 for an address space share, as the CPU translates now.

    With PAE those of several spaces are in one page: 32-bit Linux has 128 there (SDM 3A 4.4.1).
    """
    efer = engine.read_register("efer")
    if efer & LONG_MODE_ACTIVE:
        return cr3 & PAGE_TABLES
    cr0, cr4 = engine.read_registers(("cr0", "cr4"))
    return Paging(cr0, cr3, cr4, efer).root


def is_interruption(delivery: Delivery) -> bool:
    """Whether it came to the instruction rather than from it, as INT n and INT3 do."""
    return delivery.kind is not DeliveryKind.SOFTWARE and not (
        delivery.kind is DeliveryKind.EXCEPTION and delivery.vector in (1, 3)
    )


def return_slot(engine: Inspection, delivery: Delivery) -> int | None:
    """Where, in linear memory, the frame of the exception just delivered keeps the 8-byte rip to return to.

    None outside long mode, where it is not looked for.
    """
    if delivery.kind is not DeliveryKind.EXCEPTION or not engine.read_register("efer") & LONG_MODE_ACTIVE:
        return None
    return engine.read_register("rsp") + (8 if delivery.vector in ERROR_CODE_VECTORS else 0)
