"""What instructions do to their memory operands, where Capstone's own tables are silent or wrong."""

from __future__ import annotations

from dataclasses import dataclass

import capstone
from capstone import x86 as c

from vmdbg.x86.instruction import OperandAccess

_READ, _WRITE, _ADDRESS = OperandAccess.READ, OperandAccess.WRITE, OperandAccess.ADDRESS
_MOVS, _CMPS, _STOS = (_WRITE, _READ), (_READ, _READ), (_WRITE, _ADDRESS)
_LODS, _SCAS, _INS, _OUTS = (_ADDRESS, _READ), (_READ, _ADDRESS), (_WRITE, _ADDRESS), (_ADDRESS, _READ)

STRING_ACCESS: dict[int, tuple[OperandAccess, OperandAccess]] = {
    **dict.fromkeys((c.X86_INS_MOVSB, c.X86_INS_MOVSW, c.X86_INS_MOVSD, c.X86_INS_MOVSQ), _MOVS),
    **dict.fromkeys((c.X86_INS_CMPSB, c.X86_INS_CMPSW, c.X86_INS_CMPSD, c.X86_INS_CMPSQ), _CMPS),
    **dict.fromkeys((c.X86_INS_STOSB, c.X86_INS_STOSW, c.X86_INS_STOSD, c.X86_INS_STOSQ), _STOS),
    **dict.fromkeys((c.X86_INS_LODSB, c.X86_INS_LODSW, c.X86_INS_LODSD, c.X86_INS_LODSQ), _LODS),
    **dict.fromkeys((c.X86_INS_SCASB, c.X86_INS_SCASW, c.X86_INS_SCASD, c.X86_INS_SCASQ), _SCAS),
    **dict.fromkeys((c.X86_INS_INSB, c.X86_INS_INSW, c.X86_INS_INSD), _INS),
    **dict.fromkeys((c.X86_INS_OUTSB, c.X86_INS_OUTSW, c.X86_INS_OUTSD), _OUTS),
}
"""Access through the destination index (ES:rDI) and through the source index (rSI), by instruction."""


def is_string(found: capstone.CsInsn) -> bool:
    """Whether this is a string instruction; the SSE ones named MOVSD and CMPSD have opcodes from 0Fh on."""
    return found.id in STRING_ACCESS and bool(found.opcode[0] != 0x0F)


_ALWAYS: dict[int, OperandAccess] = {
    **dict.fromkeys(
        (
            c.X86_INS_CMPXCHG, c.X86_INS_CMPXCHG8B, c.X86_INS_CMPXCHG16B, c.X86_INS_ROL, c.X86_INS_ROR,
            c.X86_INS_RCL, c.X86_INS_RCR, c.X86_INS_SHL, c.X86_INS_SHR, c.X86_INS_SAR, c.X86_INS_SAL,
            c.X86_INS_SHLD, c.X86_INS_SHRD,
        ),
        OperandAccess.READ_WRITE,
    ),
    **dict.fromkeys(
        (
            c.X86_INS_FST, c.X86_INS_FSTP, c.X86_INS_FIST, c.X86_INS_FISTP, c.X86_INS_FISTTP,
            c.X86_INS_FNSTCW, c.X86_INS_FNSTSW, c.X86_INS_FNSAVE, c.X86_INS_STMXCSR, c.X86_INS_MOVNTI,
            c.X86_INS_MOVNTQ, c.X86_INS_MOVNTPS, c.X86_INS_MOVNTPD, c.X86_INS_MOVNTDQ, c.X86_INS_PEXTRB,
            c.X86_INS_PEXTRW, c.X86_INS_PEXTRD, c.X86_INS_PEXTRQ, c.X86_INS_EXTRACTPS,
        ),
        OperandAccess.WRITE,
    ),
    c.X86_INS_FRSTOR: OperandAccess.READ,
    **dict.fromkeys(
        (
            c.X86_INS_LEA, c.X86_INS_NOP, c.X86_INS_INVLPG, c.X86_INS_CLFLUSH, c.X86_INS_CLFLUSHOPT,
            c.X86_INS_CLWB, c.X86_INS_PREFETCH, c.X86_INS_PREFETCHW, c.X86_INS_PREFETCHNTA,
            c.X86_INS_PREFETCHT0, c.X86_INS_PREFETCHT1, c.X86_INS_PREFETCHT2,
        ),
        OperandAccess.ADDRESS,
    ),
}  # fmt: skip

_MOVES = frozenset(
    (
        c.X86_INS_MOVUPS, c.X86_INS_MOVUPD, c.X86_INS_MOVAPS, c.X86_INS_MOVAPD, c.X86_INS_MOVDQA,
        c.X86_INS_MOVDQU, c.X86_INS_MOVQ, c.X86_INS_MOVD, c.X86_INS_MOVSS, c.X86_INS_MOVSD,
        c.X86_INS_MOVLPS, c.X86_INS_MOVLPD, c.X86_INS_MOVHPS, c.X86_INS_MOVHPD,
    )
)  # fmt: skip

_REPORTED = {
    capstone.CS_AC_READ: OperandAccess.READ,
    capstone.CS_AC_WRITE: OperandAccess.WRITE,
    capstone.CS_AC_READ | capstone.CS_AC_WRITE: OperandAccess.READ_WRITE,
}

OPERAND_SIZES = {
    c.X86_INS_FXSAVE: 512,
    c.X86_INS_FXSAVE64: 512,
    c.X86_INS_FXRSTOR: 512,
    c.X86_INS_FXRSTOR64: 512,
    c.X86_INS_FNSAVE: 108,
    c.X86_INS_FRSTOR: 108,
    c.X86_INS_XSAVE: 0,
    c.X86_INS_XSAVE64: 0,
    c.X86_INS_XRSTOR: 0,
    c.X86_INS_XRSTOR64: 0,
}
"""Bytes accessed where Capstone gives another number; 0 where only XCR0 tells."""


@dataclass(frozen=True, slots=True)
class Implied:
    """A memory operand that the instruction does not spell: at `base`, by its 16-bit name, plus `index`."""

    base: str
    index: str | None
    size: int
    access: OperandAccess


IMPLIED = {
    c.X86_INS_XLATB: Implied("bx", "al", 1, _READ),
    c.X86_INS_MASKMOVQ: Implied("di", None, 8, _WRITE),
    c.X86_INS_MASKMOVDQU: Implied("di", None, 16, _WRITE),
    c.X86_INS_VMASKMOVDQU: Implied("di", None, 16, _WRITE),
}
"""Of those that are no string instructions, nor of the stack."""


def operand_access(found: capstone.CsInsn, operand: c.X86Op, is_destination: bool) -> OperandAccess:
    """The access of an explicit memory operand of anything but a string instruction."""
    fixed = _ALWAYS.get(found.id)
    if fixed is not None:
        return fixed
    if found.id in _MOVES:
        return OperandAccess.WRITE if is_destination else OperandAccess.READ
    return _REPORTED.get(operand.access, OperandAccess.READ)
