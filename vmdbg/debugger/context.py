"""Stepping in the same context: interrupts and faults run to their return before a step counts."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.engine.exits import Delivery, DeliveryKind
from vmdbg.engine.inspection import Inspection
from vmdbg.x86.mode import privilege_level

ERROR_CODE_VECTORS = frozenset({8, 10, 11, 12, 13, 14, 17, 21})


@dataclass(frozen=True, slots=True)
class Context:
    """What tells one thread of control from another: where its stack is, in which address space and ring."""

    rsp: int
    cr3: int
    cpl: int


def current_context(engine: Inspection) -> Context:
    rsp, cr3, *ring = engine.read_registers(("rsp", "cr3", "cr0", "rflags", "ss_flags"))
    return Context(rsp, cr3, privilege_level(*ring))


def is_interruption(delivery: Delivery) -> bool:
    """Whether it came to the instruction rather than from it, as INT n and INT3 do."""
    return delivery.kind is not DeliveryKind.SOFTWARE and not (
        delivery.kind is DeliveryKind.EXCEPTION and delivery.vector in (1, 3)
    )


def return_slot(engine: Inspection, delivery: Delivery) -> int | None:
    """Where, in linear memory, the frame of the exception just delivered keeps the 8-byte rip to return to.

    None outside long mode, where it is not looked for.
    """
    if delivery.kind is not DeliveryKind.EXCEPTION or not engine.read_register("efer") & 0x400:
        return None
    return engine.read_register("rsp") + (8 if delivery.vector in ERROR_CODE_VECTORS else 0)
