"""The bases of segments that an expression names."""

from __future__ import annotations

from vmdbg.debugger.registers import RegisterFile
from vmdbg.expressions.errors import ExpressionError
from vmdbg.units import Linear
from vmdbg.x86.descriptors import Segment, Selector, decode_descriptor
from vmdbg.x86.linear_memory import LinearMemory
from vmdbg.x86.mode import CpuMode


def segment_base(registers: RegisterFile, memory: LinearMemory, selector: int) -> int:
    """By selector: times 16 in real mode, from its descriptor otherwise. Raises ExpressionError."""
    if not 0 <= selector <= 0xFFFF:
        raise ExpressionError(f"{selector:#x} is no selector: it does not fit in 16 bits")
    if not registers.mode.is_protected:
        return selector << 4
    return _descriptor_base(registers, memory, Selector(selector))


def _descriptor_base(registers: RegisterFile, memory: LinearMemory, selector: Selector) -> int:
    read = registers.read
    table = "ldtr" if selector.is_local else "gdtr"
    offset = selector.index * 8
    no_table = selector.is_local and not read("ldtr") & 0xFFFC
    if selector.is_null or no_table or offset + 7 > read(f"{table}_limit"):
        raise ExpressionError(f"selector {selector.value:#x} names no descriptor")
    raw = memory.read(Linear(read(f"{table}_base") + offset), 8)
    descriptor = decode_descriptor(raw + bytes(8), long=False)
    if not isinstance(descriptor, Segment) or descriptor.is_system:
        raise ExpressionError(f"selector {selector.value:#x} names no segment of code or data")
    if registers.mode is CpuMode.LONG64 or descriptor.is_long_code:
        return 0
    return descriptor.base
