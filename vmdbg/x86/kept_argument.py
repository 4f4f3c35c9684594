"""Where a function still has what it was called with: which registers hold an argument at each of its instructions.

Found without running anything: the registers that hold it on every way to an instruction (a forward must-analysis). A
register has it if it was copied from one that has it, and loses it where it is written, or to a call if the ABI lets it
(System V ABI, AMD64 supplement, 3.2.1). What goes over memory is not followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from vmdbg.units import Linear
from vmdbg.x86.disassembly import disassembler
from vmdbg.x86.instruction import Instruction, Kind
from vmdbg.x86.mode import Width

Registers = frozenset[str]
NOWHERE: Mapping[int, Registers] = {}
_LOST_TO_CALLS = frozenset(("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"))
_LOW = {"a": "rax", "b": "rbx", "c": "rcx", "d": "rdx"}
_ENDS = Kind.RETURN | Kind.INTERRUPT_RETURN | Kind.SYSTEM_RETURN | Kind.BAD | Kind.UNDEFINED


@lru_cache(maxsize=64)
def kept_argument(code: bytes, start: int, register: str) -> Mapping[int, Registers]:
    """By the address of each instruction that is reached, the registers that hold the argument before it.

    `code` is the whole of a function of 64-bit code at linear `start`, `register` where the argument comes in. Nothing
    is known of a function with jumps that lead who knows where.
    """
    known: dict[int, Registers] = {start: frozenset((register,))}
    pending = [start]
    while pending:
        at = pending.pop()
        found = disassembler(Width.BITS64).decode(code[at - start :], at)
        successors = _successors(found, start, start + len(code))
        if successors is None:
            return NOWHERE
        after = _after(found, known[at])
        for successor in successors:
            before = known.get(successor)
            left = after if before is None else before & after
            if left != before:
                known[successor] = left
                pending.append(successor)
    return known


def _successors(found: Instruction, start: int, end: int) -> list[Linear] | None:
    """Those in the function; None where they cannot be told."""
    if found.kind & _ENDS:
        return []
    following = Linear(found.address + found.length)
    if Kind.JUMP not in found.kind:
        places = [following]
    elif found.target is None:
        return None
    else:
        places = [found.target, following] if Kind.CONDITIONAL in found.kind else [found.target]
    return [place for place in places if start <= place < end]


def _after(found: Instruction, held: Registers) -> Registers:
    if Kind.CALL in found.kind:
        return held - _LOST_TO_CALLS
    left = held - {_whole(name) for name in found.writes}
    if found.mnemonic in ("mov", "movabs") and not found.memory:
        target, _, source = found.operands.partition(", ")
        if source in held:
            left |= {target}
    return left


def _whole(register: str) -> str:
    """The 64-bit register that one is a part of: eax, ax, al, ah, r8d, sil."""
    if register[0] == "r":
        return register.rstrip("dwb") if register[1:2].isdigit() else register
    if len(register) == 2 and register[1] in "lhx" and register[0] in _LOW:
        return _LOW[register[0]]
    if register[0] == "e":
        return "r" + register[1:]
    return "r" + register.removesuffix("l") if register in ("sil", "dil", "bpl", "spl") else "r" + register
