"""Retpolines: while one runs the kernel's tables say nothing of the stack, but its few instructions do.

Source: Linux, arch/x86/lib/retpoline.S.
"""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.units import Linear
from vmdbg.x86.disassembly import disassembler
from vmdbg.x86.instruction import MAX_LENGTH, Kind
from vmdbg.x86.mode import Width

_NAMES = ("__x86_indirect_thunk_", "__x86_indirect_call_thunk_", "__x86_indirect_jump_thunk_")
_MOST = 12
"""Instructions from anywhere in one to its end; those that only speculation comes to lead nowhere."""


def is_retpoline(name: str) -> bool:
    """Whether a function of that name leads to where a register points."""
    return name.startswith(_NAMES)


def return_address_at(pc: int, sp: int, read: Callable[[int, int], bytes]) -> Linear | None:
    """Where on the stack the address lies that whoever is led to the target will return to.

    `read` has so many bytes of the code at a linear address. None: what is at `pc` does not lead there straight.
    """
    for _ in range(_MOST):
        instruction = disassembler(Width.BITS64).decode_at(read(pc, MAX_LENGTH), pc)
        kind, pc = instruction.kind, pc + instruction.length
        if Kind.RETURN in kind:  # to the target, whose address was put over that of the call below
            return Linear(sp + 8)
        if Kind.INDIRECT in kind:
            return Linear(sp) if Kind.JUMP in kind and not instruction.memory else None
        if kind & (Kind.CALL | Kind.JUMP):
            if instruction.target is None or Kind.CONDITIONAL in kind:
                return None
            sp -= 8 if Kind.CALL in kind else 0
            pc = instruction.target
        elif kind & (Kind.BAD | Kind.INTERRUPT) or "rsp" in instruction.writes:
            return None
    return None
