"""The bytecode (GDB manual, Bytecode Descriptions) and its decoding into instructions."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gdbstub.errors import ExpressionError

MAX_BYTES = 16384
MASK = (1 << 64) - 1


class Op(enum.IntEnum):
    """Opcodes gdb emits for conditions, commands and tracepoints. Those of floating point are refused by name."""

    ADD = 0x02
    SUB = 0x03
    MUL = 0x04
    DIV_SIGNED = 0x05
    DIV_UNSIGNED = 0x06
    REM_SIGNED = 0x07
    REM_UNSIGNED = 0x08
    LSH = 0x09
    RSH_SIGNED = 0x0A
    RSH_UNSIGNED = 0x0B
    TRACE = 0x0C
    TRACE_QUICK = 0x0D
    LOG_NOT = 0x0E
    BIT_AND = 0x0F
    BIT_OR = 0x10
    BIT_XOR = 0x11
    BIT_NOT = 0x12
    EQUAL = 0x13
    LESS_SIGNED = 0x14
    LESS_UNSIGNED = 0x15
    EXT = 0x16
    REF8 = 0x17
    REF16 = 0x18
    REF32 = 0x19
    REF64 = 0x1A
    IF_GOTO = 0x20
    GOTO = 0x21
    CONST8 = 0x22
    CONST16 = 0x23
    CONST32 = 0x24
    CONST64 = 0x25
    REG = 0x26
    END = 0x27
    DUP = 0x28
    POP = 0x29
    ZERO_EXT = 0x2A
    SWAP = 0x2B
    GETV = 0x2C
    SETV = 0x2D
    TRACEV = 0x2E
    TRACENZ = 0x2F
    TRACE16 = 0x30
    PICK = 0x32
    ROT = 0x33
    PRINTF = 0x34


REFUSED = {
    0x01: "float",
    0x1B: "ref_float",
    0x1C: "ref_double",
    0x1D: "ref_long_double",
    0x1E: "l_to_d",
    0x1F: "d_to_l",
}

OPERAND_BYTES = {
    Op.EXT: 1,
    Op.IF_GOTO: 2,
    Op.GOTO: 2,
    Op.CONST8: 1,
    Op.CONST16: 2,
    Op.CONST32: 4,
    Op.CONST64: 8,
    Op.REG: 2,
    Op.ZERO_EXT: 1,
    Op.PICK: 1,
    Op.TRACE_QUICK: 1,
    Op.TRACE16: 2,
    Op.GETV: 2,
    Op.SETV: 2,
    Op.TRACEV: 2,
}

TRACING = frozenset({Op.TRACE, Op.TRACE_QUICK, Op.TRACE16, Op.TRACENZ, Op.GETV, Op.SETV, Op.TRACEV})
"""Opcodes that have a meaning for a tracepoint only."""

REF_BYTES = {Op.REF8: 1, Op.REF16: 2, Op.REF32: 4, Op.REF64: 8}

UNARY = frozenset({Op.LOG_NOT, Op.BIT_NOT, Op.EXT, Op.ZERO_EXT, *REF_BYTES})
LEAVES = frozenset({Op.CONST8, Op.CONST16, Op.CONST32, Op.CONST64, Op.REG})
BINARY = frozenset(
    {
        Op.ADD,
        Op.SUB,
        Op.MUL,
        Op.DIV_SIGNED,
        Op.DIV_UNSIGNED,
        Op.REM_SIGNED,
        Op.REM_UNSIGNED,
        Op.LSH,
        Op.RSH_SIGNED,
        Op.RSH_UNSIGNED,
        Op.BIT_AND,
        Op.BIT_OR,
        Op.BIT_XOR,
        Op.EQUAL,
        Op.LESS_SIGNED,
        Op.LESS_UNSIGNED,
    }
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One decoded instruction. `operand` is its immediate, a jump's target offset, or printf's argument
    count.
    """

    offset: int
    next: int
    op: Op
    operand: int = 0
    format: bytes = b""

    @property
    def pops(self) -> int:
        if self.op is Op.PRINTF:
            return self.operand + 2
        if self.op is Op.PICK:
            return self.operand + 1
        return _POPS.get(self.op, 0)

    @property
    def pushes(self) -> int:
        if self.op is Op.PICK:
            return self.operand + 2
        return _PUSHES.get(self.op, 0)


_POPS = {
    **dict.fromkeys(UNARY, 1),
    **dict.fromkeys(BINARY, 2),
    Op.IF_GOTO: 1,
    Op.DUP: 1,
    Op.POP: 1,
    Op.SWAP: 2,
    Op.ROT: 3,
    Op.TRACE: 2,
    Op.TRACENZ: 2,
    Op.TRACE_QUICK: 1,
    Op.TRACE16: 1,
    Op.SETV: 1,
}
_PUSHES = {
    **dict.fromkeys(UNARY, 1),
    **dict.fromkeys(BINARY, 1),
    **dict.fromkeys(LEAVES, 1),
    Op.DUP: 2,
    Op.SWAP: 2,
    Op.ROT: 3,
    Op.TRACE_QUICK: 1,
    Op.TRACE16: 1,
    Op.SETV: 1,
    Op.GETV: 1,
}


def decode(code: bytes) -> dict[int, Instruction]:
    """Every instruction of a straight sweep, by offset. Raises ExpressionError."""
    if len(code) > MAX_BYTES:
        raise ExpressionError(f"agent expression of {len(code)} bytes; at most {MAX_BYTES} are taken")
    instructions: dict[int, Instruction] = {}
    offset = 0
    while offset < len(code):
        instruction = _decode_one(code, offset)
        instructions[offset] = instruction
        offset = instruction.next
    return instructions


def _decode_one(code: bytes, offset: int) -> Instruction:
    opcode = code[offset]
    if opcode in REFUSED:
        raise ExpressionError(f"opcode {REFUSED[opcode]} at byte {offset} belongs to floating point")
    try:
        op = Op(opcode)
    except ValueError:
        raise ExpressionError(f"unknown opcode {opcode:#04x} at byte {offset}") from None
    if op is Op.PRINTF:
        return _decode_printf(code, offset)
    end = offset + 1 + OPERAND_BYTES.get(op, 0)
    if end > len(code):
        raise ExpressionError(f"truncated {op.name.lower()} at byte {offset}")
    return Instruction(offset, end, op, int.from_bytes(code[offset + 1 : end], "big"))


def _decode_printf(code: bytes, offset: int) -> Instruction:
    """printf numargs(1) length(2) string; the length counts the string's closing zero."""
    length = int.from_bytes(code[offset + 2 : offset + 4], "big")
    end = offset + 4 + length
    if end > len(code) or length == 0:
        raise ExpressionError(f"truncated printf at byte {offset}")
    text = code[offset + 4 : end]
    if text[-1] != 0:
        raise ExpressionError(f"printf format at byte {offset} does not end with a zero")
    return Instruction(offset, end, Op.PRINTF, code[offset + 1], text[:-1])
