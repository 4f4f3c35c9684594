"""What the SDM says of an instruction's operands, stack and code in segments, by itself (SDM 3A 5.3 to 5.5)."""

from __future__ import annotations

from capstone.x86 import X86_OP_IMM, X86_OP_MEM, X86_OP_REG

from tests.conformance.system.follow import BIG, Step

PRESENT, CODE, EXPANDS_DOWN, WRITABLE = 1 << 15, 1 << 11, 1 << 10, 1 << 9
MOST_16 = 0xFFFF
CONDITIONS = ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g", "cxz", "ecxz")
NEAR = ("jmp", "call", "loop", "loope", "loopne", *(f"j{name}" for name in CONDITIONS))
PUSHES = ("push", "pushf", "pushfd", "call", "lcall", "pushaw", "pushal", "enter")
POPS = ("pop", "popf", "popfd", "ret", "retf", "iret", "iretd", "popaw", "popal", "leave")
WORDS = {"pushaw": 8, "pushal": 8, "popaw": 8, "popal": 8, "lcall": 2, "retf": 2, "iret": 3, "iretd": 3}
FAR_TO_NEW_OFFSET = ("ljmp", "lcall", "retf", "iret", "iretd")


def violates(step: Step) -> bool:
    """Whether it accesses something beyond a segment's limit or against its type, or goes beyond CS's limit."""
    if step.bits == 64 or step.instruction is None:
        return False
    operands = any(not _permits(step, *one) for one in _accesses(step))
    return (
        operands
        or _fetches_beyond(step)
        or _jumps_beyond(step)
        or any(not _permits(step, *one) for one in _stack(step))
    )


def _permits(step: Step, segment: str, offset: int, size: int, stores: bool) -> bool:
    flags, limit, last = step[f"{segment}_flags"], step[f"{segment}_limit"], offset + size - 1
    if step.has_real_segments:
        return last <= limit
    if not flags & PRESENT or (stores and (flags & CODE or not flags & WRITABLE)):
        return False
    if flags & CODE:
        return bool(flags & WRITABLE) and last <= limit
    if flags & EXPANDS_DOWN:
        return offset > limit and last <= (0xFFFFFFFF if flags & BIG else MOST_16)
    return last <= limit


SIZES = {"lgdt": 6, "lidt": 6, "sgdt": 6, "sidt": 6, "invlpg": 0}


def _accesses(step: Step) -> list[tuple[str, int, int, bool]]:
    """Those of memory; where a pointer is far, its selector is part of it."""
    far = step.mnemonic in ("les", "lds", "lss", "lfs", "lgs", "ljmp", "lcall") or is_far(step)
    found = []
    for segment, offset, size, stores in step.accesses():
        size = SIZES.get(step.mnemonic, _operand(step) + 2 if far else 2 if _takes_selector(step) else size)
        stores = stores or step.mnemonic in ("sgdt", "sidt", "sldt", "str", "smsw")
        found += [(segment, offset, size, stores)] if size else []
    return found


def is_far(step: Step) -> bool:
    """Whether it is a far jump or call by a pointer in memory."""
    opcode = _opcode(step)
    return opcode[:1] == b"\xff" and any(one >> 3 & 7 in (3, 5) for one in opcode[1:2])


def _opcode(step: Step) -> bytes:
    return step.code.lstrip(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf2\xf3")


def _takes_selector(step: Step) -> bool:
    opcode = _opcode(step)
    return (
        opcode[:2] in (b"\x0f\x00", b"\x0f\x02", b"\x0f\x03")
        or opcode[:1] in (b"\x8e", b"\x63", b"\x8c")
        or step.mnemonic in ("lmsw", "smsw")
    )


def _operand(step: Step) -> int:
    """Bytes of the operand size."""
    at = step.code[: len(step.code) - len(_opcode(step))]
    return 4 if (step.bits == 32) != (0x66 in at) else 2


def _fetches_beyond(step: Step) -> bool:
    assert step.instruction is not None
    return step["rip"] + step.instruction.size - 1 > step["cs_limit"]


def _stack(step: Step) -> list[tuple[str, int, int, bool]]:
    name = step.mnemonic
    if name not in (*PUSHES, *POPS):
        return []
    size, mask = _operand(step), 0xFFFFFFFF if step["ss_flags"] & BIG else MOST_16
    numbers = range(WORDS.get(name, 1) if not is_far(step) or name not in PUSHES else 2)
    if name in PUSHES:
        return [("ss", (step["rsp"] - size * (number + 1)) & mask, size, True) for number in numbers]
    at = step["rbp"] if name == "leave" else step["rsp"]
    return [("ss", (at + size * number) & mask, size, False) for number in numbers]


def _jumps_beyond(step: Step) -> bool:
    """One that is in memory, or far in real or virtual-8086 mode, may be anywhere."""
    name, operands = step.mnemonic, step.operands
    if name == "ret" or (name in NEAR and operands and operands[0].type == X86_OP_MEM and not is_far(step)):
        return True
    if name in NEAR and operands and operands[0].type in (X86_OP_IMM, X86_OP_REG) and not is_far(step):
        mask = MOST_16 if _operand(step) == 2 else 0xFFFFFFFF
        return step.register(operands[0]) & mask > step["cs_limit"]
    far = name in FAR_TO_NEW_OFFSET or is_far(step)
    return step.has_real_segments and far and _operand(step) == 4
