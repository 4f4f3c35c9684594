"""A CPU put where a boot image, a reset, an INIT or a start-up message has it begin."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import Protocol

from vmdbg.boot import entry
from vmdbg.boot.bios import SIGNATURE
from vmdbg.boot.image import CpuStart, SegmentRegister
from vmdbg.engine.inspection import Inspection
from vmdbg.engine.processor import Processors
from vmdbg.units import CpuId

DEBUG_REGISTERS = {"dr0": 0, "dr1": 0, "dr2": 0, "dr3": 0, "dr6": 0xFFFF0FF0, "dr7": 0x400}
"""As a reset and an INIT leave them (SDM 3A table 10-1)."""
GENERAL_REGISTERS = ("rax", "rbx", "rcx", "rsi", "rdi", "rbp", *(f"r{n}" for n in range(8, 16)))
SEGMENT_REGISTERS = ("cs", "ds", "es", "ss", "fs", "gs", "tr", "ldtr")


def start_cpu(engine: Inspection, start: CpuStart) -> None:
    engine.write_registers(_registers(start))


def _registers(start: CpuStart) -> dict[str, int]:
    values = {"rip": start.rip, "rsp": start.rsp, "rflags": start.rflags}
    values |= {"cr0": start.cr0, "cr3": start.cr3, "cr4": start.cr4, "efer": start.efer}
    for name, table in (("gdtr", start.gdt), ("idtr", start.idt)):
        values |= {f"{name}_base": table.base, f"{name}_limit": table.limit}
    for name in SEGMENT_REGISTERS:
        values |= _segment(name, getattr(start, name))
    return {**values, **start.general}


def _segment(name: str, register: SegmentRegister) -> dict[str, int]:
    """`attributes` are bits 40-55 of the descriptor; the CPU keeps its high dword, which begins at bit 32."""
    return {
        name: register.selector,
        f"{name}_base": register.base,
        f"{name}_limit": register.limit,
        f"{name}_flags": register.attributes << 8,
    }


class SelectedCpu(Inspection, Processors, Protocol):
    """What of an engine it takes."""


def init_cpu(engine: SelectedCpu, cpu: CpuId) -> None:
    """As an INIT leaves the CPU (SDM 3A table 10-1): MSRs, x87, SSE and the caching bits of CR0 stay."""
    start = entry.reset_vector({"rdx": SIGNATURE})
    with selected(engine, cpu):
        kept = engine.read_register("cr0") & (entry.CR0_CD | entry.CR0_NW)
        values = _registers(replace(start, cr0=entry.CR0_ET | kept))
        engine.write_registers(
            dict.fromkeys(GENERAL_REGISTERS, 0) | values | DEBUG_REGISTERS | {"cr2": 0, "interrupt_shadow": 0}
        )


def start_up_cpu(engine: SelectedCpu, cpu: CpuId, vector: int) -> None:
    """A start-up message: real mode at the page of that number (SDM 3A 8.4.3)."""
    with selected(engine, cpu):
        engine.write_registers({"cs": vector << 8, "cs_base": vector << 12, "rip": 0})


def selected(engine: Processors, cpu: CpuId) -> AbstractContextManager[None]:
    """That CPU is looked at, and then again the one that was before."""
    return _Selected(engine, cpu)


class _Selected:
    """A generator would cost a debugger's request for a register as much again as what it does."""

    __slots__ = ("_before", "_cpu", "_engine")

    def __init__(self, engine: Processors, cpu: CpuId) -> None:
        self._engine = engine
        self._cpu = cpu

    def __enter__(self) -> None:
        self._before = self._engine.selected
        self._engine.select(self._cpu)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.select(self._before)
