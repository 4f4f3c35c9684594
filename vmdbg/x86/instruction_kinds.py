"""Which Capstone instructions are of which kind."""

from __future__ import annotations

import capstone
from capstone import x86 as c

from vmdbg.x86.instruction import Kind
from vmdbg.x86.operand_access import is_string

_JUMPS = (
    c.X86_INS_JMP, c.X86_INS_LJMP, c.X86_INS_JA, c.X86_INS_JAE, c.X86_INS_JB, c.X86_INS_JBE, c.X86_INS_JE,
    c.X86_INS_JNE, c.X86_INS_JG, c.X86_INS_JGE, c.X86_INS_JL, c.X86_INS_JLE, c.X86_INS_JO, c.X86_INS_JNO,
    c.X86_INS_JS, c.X86_INS_JNS, c.X86_INS_JP, c.X86_INS_JNP, c.X86_INS_JCXZ, c.X86_INS_JECXZ,
    c.X86_INS_JRCXZ, c.X86_INS_LOOP, c.X86_INS_LOOPE, c.X86_INS_LOOPNE,
)  # fmt: skip
_INTERRUPT_FLAG = Kind.LOADS_INTERRUPT_FLAG

_KINDS: dict[int, Kind] = {
    **dict.fromkeys(_JUMPS, Kind.JUMP | Kind.CONDITIONAL),
    c.X86_INS_JMP: Kind.JUMP,
    c.X86_INS_LJMP: Kind.JUMP | Kind.FAR,
    c.X86_INS_CALL: Kind.CALL,
    c.X86_INS_LCALL: Kind.CALL | Kind.FAR,
    c.X86_INS_RET: Kind.RETURN,
    c.X86_INS_RETF: Kind.RETURN | Kind.FAR,
    c.X86_INS_RETFQ: Kind.RETURN | Kind.FAR,
    c.X86_INS_INT: Kind.INTERRUPT,
    c.X86_INS_INT1: Kind.INTERRUPT,
    c.X86_INS_INT3: Kind.INTERRUPT,
    c.X86_INS_INTO: Kind.INTERRUPT | Kind.CONDITIONAL,
    c.X86_INS_IRET: Kind.INTERRUPT_RETURN | _INTERRUPT_FLAG,
    c.X86_INS_IRETD: Kind.INTERRUPT_RETURN | _INTERRUPT_FLAG,
    c.X86_INS_IRETQ: Kind.INTERRUPT_RETURN | _INTERRUPT_FLAG,
    c.X86_INS_SYSCALL: Kind.SYSTEM_CALL,
    c.X86_INS_SYSENTER: Kind.SYSTEM_CALL,
    c.X86_INS_SYSRET: Kind.SYSTEM_RETURN | _INTERRUPT_FLAG,
    c.X86_INS_SYSRETQ: Kind.SYSTEM_RETURN | _INTERRUPT_FLAG,
    c.X86_INS_SYSEXIT: Kind.SYSTEM_RETURN,
    c.X86_INS_SYSEXITQ: Kind.SYSTEM_RETURN,
    c.X86_INS_HLT: Kind.HALT,
    c.X86_INS_IN: Kind.PORT_IN,
    c.X86_INS_INSB: Kind.PORT_IN,
    c.X86_INS_INSW: Kind.PORT_IN,
    c.X86_INS_INSD: Kind.PORT_IN,
    c.X86_INS_OUT: Kind.PORT_OUT,
    c.X86_INS_OUTSB: Kind.PORT_OUT,
    c.X86_INS_OUTSW: Kind.PORT_OUT,
    c.X86_INS_OUTSD: Kind.PORT_OUT,
    c.X86_INS_STI: Kind.INTERRUPT_SHADOW | _INTERRUPT_FLAG,
    c.X86_INS_CLI: _INTERRUPT_FLAG,
    c.X86_INS_POPF: _INTERRUPT_FLAG,
    c.X86_INS_POPFD: _INTERRUPT_FLAG,
    c.X86_INS_POPFQ: _INTERRUPT_FLAG,
    c.X86_INS_UD0: Kind.UNDEFINED,
    c.X86_INS_UD1: Kind.UNDEFINED,
    c.X86_INS_UD2: Kind.UNDEFINED,
}

_REPEAT_PREFIXES = (0xF2, 0xF3)


def kind_of(found: capstone.CsInsn) -> Kind:
    """The kind of a Capstone instruction decoded with detail."""
    kind = _KINDS.get(found.id, Kind.NONE)
    if kind & (Kind.CALL | Kind.JUMP) and not any(op.type == c.X86_OP_IMM for op in found.operands):
        kind |= Kind.INDIRECT
    if is_string(found):
        kind |= Kind.STRING
        if found.prefix[0] in _REPEAT_PREFIXES:
            kind |= Kind.REPEATED
    if _loads_ss(found):
        kind |= Kind.INTERRUPT_SHADOW
    if c.X86_GRP_PRIVILEGE in found.groups:
        kind |= Kind.PRIVILEGED
    return kind


def _loads_ss(found: capstone.CsInsn) -> bool:
    """MOV SS and POP SS, but not LSS, hold off interrupts for one instruction (SDM 3A 6.8.3)."""
    if found.id not in (c.X86_INS_MOV, c.X86_INS_POP):
        return False
    return any(
        op.type == c.X86_OP_REG and op.reg == c.X86_REG_SS and op.access & capstone.CS_AC_WRITE for op in found.operands
    )
