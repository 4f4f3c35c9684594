"""What an instruction is about to do: branch or not, and which addresses its operands name."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.units import Linear
from vmdbg.x86.conditions import OF, ZF, condition_holds
from vmdbg.x86.instruction import Instruction, Kind, MemoryOperand
from vmdbg.x86.mode import Width

ReadRegister = Callable[[str], int]
"""Gives a register's value by the name it has in operands (`rax`, `esi`, `bx`) and `fs_base` and the like."""

_COUNTERS = {"jcxz": 0xFFFF, "jecxz": 0xFFFF_FFFF, "jrcxz": (1 << 64) - 1}
_LOOPS = ("loop", "loope", "loopne")


def branch_taken(instruction: Instruction, rflags: int, count: int) -> bool | None:
    """Whether a conditional branch would be taken; None for any other instruction. `count` is RCX."""
    if Kind.CONDITIONAL not in instruction.kind:
        return None
    mnemonic = instruction.mnemonic
    if mnemonic in _COUNTERS:
        return not count & _COUNTERS[mnemonic]
    if mnemonic in _LOOPS:
        mask = (1 << _loop_counter_bits(instruction)) - 1
        if (count - 1) & mask == 0:
            return False
        return mnemonic == "loop" or bool(rflags & ZF) == (mnemonic == "loope")
    if instruction.condition is None:
        return bool(rflags & OF) if mnemonic == "into" else None
    return condition_holds(instruction.condition, rflags)


def _loop_counter_bits(instruction: Instruction) -> int:
    """The address size, which prefix 67h changes, decides whether CX, ECX or RCX counts."""
    prefixes = instruction.raw[:-2]
    if 0x67 not in prefixes:
        return int(instruction.width)
    return 16 if instruction.width is Width.BITS32 else 32


def offset_in_segment(instruction: Instruction, operand: MemoryOperand, read: ReadRegister) -> int:
    """The operand's effective address: base + index * scale + displacement, and where the bit is, cut to the address
    size."""
    total = operand.displacement
    for name, scale in ((operand.base, 1), (operand.index, operand.scale)):
        if name in ("rip", "eip", "ip"):
            total += instruction.offset + instruction.length
        elif name not in (None, "riz", "eiz"):
            total += read(name) * scale
    if operand.bits is not None:
        total += _signed(read(operand.bits), 8 * operand.size) // (8 * operand.size) * operand.size
    return total & (1 << operand.address_size) - 1


def _signed(value: int, bits: int) -> int:
    return (value & (1 << bits) - 1) - (value >> bits - 1 & 1) * (1 << bits)


def effective_address(instruction: Instruction, operand: MemoryOperand, read: ReadRegister) -> Linear:
    """The linear address of the operand's first byte. In 64-bit code only FS and GS have a base."""
    offset = offset_in_segment(instruction, operand, read)
    if instruction.width is not Width.BITS64:
        return Linear(offset + read(f"{operand.segment}_base") & 0xFFFF_FFFF)
    if operand.segment in ("fs", "gs"):
        offset += read(f"{operand.segment}_base")
    return Linear(offset & (1 << 64) - 1)
