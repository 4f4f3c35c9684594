"""Disassembly with Capstone at the CPU's real width, which never fails: what cannot be decoded is `(bad)`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cache, lru_cache

import capstone
from capstone import x86 as cs86

from vmdbg.units import Linear
from vmdbg.x86.conditions import CONDITIONS
from vmdbg.x86.instruction import BAD, MAX_LENGTH, Instruction, Kind, MemoryOperand
from vmdbg.x86.instruction_kinds import kind_of
from vmdbg.x86.mode import Width
from vmdbg.x86.operand_access import IMPLIED, OPERAND_SIZES, STRING_ACCESS, Implied, is_string, operand_access

CAPSTONE_MODES = {
    Width.BITS16: capstone.CS_MODE_16,
    Width.BITS32: capstone.CS_MODE_32,
    Width.BITS64: capstone.CS_MODE_64,
}
_SEGMENT_PREFIXES = {0x26: "es", 0x2E: "cs", 0x36: "ss", 0x3E: "ds", 0x64: "fs", 0x65: "gs"}
_POINTER = {16: "{}", 32: "e{}", 64: "r{}"}
_STACK_REGISTERS = frozenset(("sp", "esp", "rsp", "bp", "ebp", "rbp"))
_DESTINATIONS = frozenset(("di", "edi", "rdi"))
_BIT_STRINGS = frozenset((cs86.X86_INS_BT, cs86.X86_INS_BTC, cs86.X86_INS_BTR, cs86.X86_INS_BTS))
_CONDITIONAL_PREFIXES = ("cmov", "set", "j")


class Syntax(Enum):
    """How operands are written."""

    INTEL = "intel"
    ATT = "att"


class Disassembler:
    """Decodes code of one width. `offset` is the instruction pointer, `cs_base` what makes it linear.

    Capstone does not know AES and ADX instructions in 16-bit code: they come out as bad.
    """

    def __init__(self, width: Width, syntax: Syntax = Syntax.INTEL) -> None:
        self.width = width
        self._syntax = syntax
        self._capstone = capstone.Cs(capstone.CS_ARCH_X86, CAPSTONE_MODES[width])
        self._capstone.detail = True
        self._decode = lru_cache(maxsize=1 << 14)(self._decode_anew)
        if syntax is Syntax.ATT:
            self._capstone.syntax = capstone.CS_OPT_SYNTAX_ATT

    def decode(self, code: bytes, offset: int, cs_base: int = 0) -> Instruction:
        """The instruction at the start of `code`, which should hold 15 bytes where it can."""
        return self._decode(bytes(code[:MAX_LENGTH]), offset, cs_base)

    def decode_at(self, code: bytes, linear: int, cs_base: int = 0) -> Instruction:
        """The instruction at a linear address: of the code segment, or where that does not reach, of one that does."""
        offset = linear - cs_base & 0xFFFF_FFFF if linear <= 0xFFFF_FFFF else linear
        if self.width is Width.BITS64 or offset > self.width.mask:
            offset = linear & self.width.mask
            cs_base = linear - offset
        return self.decode(code, offset, cs_base)

    def _decode_anew(self, code: bytes, offset: int, cs_base: int) -> Instruction:
        found = next(self._capstone.disasm(code, offset, 1), None)
        if found is None:
            return self._bad(code[:1], offset, cs_base)
        return self._convert(found, offset, cs_base)

    def iterate(self, code: bytes, offset: int, cs_base: int = 0) -> Iterator[Instruction]:
        """Instructions to the end of `code`, one after the other as they lie in memory."""
        position = 0
        while position < len(code):
            instruction = self.decode(
                code[position : position + MAX_LENGTH], (offset + position) & self.width.mask, cs_base
            )
            yield instruction
            position += instruction.length

    def _linear(self, offset: int, cs_base: int) -> Linear:
        if self.width is Width.BITS64:
            return Linear(offset & self.width.mask)
        return Linear(cs_base + offset & (0xFFFF_FFFF if cs_base <= 0xFFFF_FFFF else Width.BITS64.mask))

    def _bad(self, raw: bytes, offset: int, cs_base: int) -> Instruction:
        return Instruction(self._linear(offset, cs_base), offset, self.width, raw, BAD, "", Kind.BAD)

    def _convert(self, found: capstone.CsInsn, offset: int, cs_base: int) -> Instruction:
        mnemonic = found.mnemonic.strip()
        kind = kind_of(found)
        target = far_target = None
        operands = found.op_str
        immediates = [operand.imm for operand in found.operands if operand.type == cs86.X86_OP_IMM]
        if kind & (Kind.CALL | Kind.JUMP) and immediates:
            if Kind.FAR in kind and len(immediates) == 2:
                far_target = (immediates[0] & 0xFFFF, immediates[1] & 0xFFFF_FFFF)
            else:
                reached = immediates[0] & self._target_mask(found)
                target = self._linear(reached, cs_base)
                operands = operands.replace(f"{immediates[0]:#x}", f"{reached:#x}")  # Capstone's does not wrap
        reads, writes = found.regs_access()
        return Instruction(
            self._linear(offset, cs_base),
            offset,
            self.width,
            bytes(found.bytes),
            mnemonic,
            operands,
            kind,
            tuple(self._memory(found)),
            target,
            far_target,
            _condition(mnemonic),
            tuple(found.reg_name(register) for register in reads),
            tuple(found.reg_name(register) for register in writes),
        )

    def _target_mask(self, found: capstone.CsInsn) -> int:
        if self.width is Width.BITS64:
            return self.width.mask
        narrowed = 0x66 in found.prefix
        is_16_bit = (self.width is Width.BITS16) != narrowed
        return 0xFFFF if is_16_bit else 0xFFFF_FFFF

    def _memory(self, found: capstone.CsInsn) -> Iterator[MemoryOperand]:
        implied = IMPLIED.get(found.id)
        if implied is not None:
            yield self._implied(found, implied)
        string = is_string(found)
        destination = found.operands[-1 if self._syntax is Syntax.ATT else 0] if found.operands else None
        for operand in found.operands:
            if operand.type != cs86.X86_OP_MEM or self._is_gathered(found, operand):
                continue
            base = found.reg_name(operand.mem.base) if operand.mem.base else None
            if string:
                access = STRING_ACCESS[found.id][base not in _DESTINATIONS]
            else:
                access = operand_access(found, operand, operand is destination)
            yield MemoryOperand(
                self._segment(found, operand, base, string),
                base,
                found.reg_name(operand.mem.index) if operand.mem.index else None,
                operand.mem.scale,
                operand.mem.disp,
                OPERAND_SIZES.get(found.id, operand.size),
                access,
                found.addr_size * 8,
                _bit_offset(found),
            )

    def _is_gathered(self, found: capstone.CsInsn, operand: capstone.x86.X86Op) -> bool:
        """Whether a vector is the index."""
        return bool(operand.mem.index) and found.reg_name(operand.mem.index)[1:3] == "mm"

    def _implied(self, found: capstone.CsInsn, implied: Implied) -> MemoryOperand:
        bits = found.addr_size * 8
        segment = _SEGMENT_PREFIXES.get(found.prefix[1], "ds")
        base = _POINTER[bits].format(implied.base)
        return MemoryOperand(segment, base, implied.index, 1, 0, implied.size, implied.access, bits)

    def _segment(self, found: capstone.CsInsn, operand: capstone.x86.X86Op, base: str | None, is_string: bool) -> str:
        if is_string and base in _DESTINATIONS:
            return "es"
        if operand.mem.segment:
            return str(found.reg_name(operand.mem.segment))
        return "ss" if base in _STACK_REGISTERS else "ds"


def _bit_offset(found: capstone.CsInsn) -> str | None:
    if found.id not in _BIT_STRINGS:
        return None
    return next((str(found.reg_name(one.reg)) for one in found.operands if one.type == cs86.X86_OP_REG), None)


def _condition(mnemonic: str) -> str | None:
    for prefix in _CONDITIONAL_PREFIXES:
        suffix = mnemonic.removeprefix(prefix)
        if suffix != mnemonic and suffix in CONDITIONS:
            return suffix
    return None


@cache
def disassembler(width: Width, syntax: Syntax = Syntax.INTEL) -> Disassembler:
    """The shared disassembler of a width."""
    return Disassembler(width, syntax)
