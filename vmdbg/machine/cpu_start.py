"""The CPU put where a boot image, or a reset, has it begin."""

from __future__ import annotations

from vmdbg.boot.image import CpuStart, SegmentRegister
from vmdbg.engine.inspection import Inspection

SEGMENT_REGISTERS = ("cs", "ds", "es", "ss", "fs", "gs", "tr", "ldtr")


def start_cpu(engine: Inspection, start: CpuStart) -> None:
    values = {"rip": start.rip, "rsp": start.rsp, "rflags": start.rflags}
    values |= {"cr0": start.cr0, "cr3": start.cr3, "cr4": start.cr4, "efer": start.efer}
    for name, table in (("gdtr", start.gdt), ("idtr", start.idt)):
        values |= {f"{name}_base": table.base, f"{name}_limit": table.limit}
    for name in SEGMENT_REGISTERS:
        values |= _segment(name, getattr(start, name))
    values |= start.general
    engine.write_registers(values)


def _segment(name: str, register: SegmentRegister) -> dict[str, int]:
    """`attributes` are bits 40-55 of the descriptor; the CPU keeps its high dword, which begins at bit 32."""
    return {
        name: register.selector,
        f"{name}_base": register.base,
        f"{name}_limit": register.limit,
        f"{name}_flags": register.attributes << 8,
    }
