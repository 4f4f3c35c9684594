"""Checks made once, when an expression is set: what passes cannot fail for its shape when it runs."""

from __future__ import annotations

from collections.abc import Mapping

from gdbstub.agent.opcodes import Instruction, Op, decode
from gdbstub.agent.printf import parse_format
from gdbstub.errors import ExpressionError

MAX_STACK = 100


def verify(code: bytes) -> dict[int, Instruction]:
    """The reachable instructions by ascending offset.

    On every path: jumps land on instructions, the stack neither underflows nor exceeds MAX_STACK and has
    one depth at each instruction, and the end is an `end`. Raises ExpressionError.
    """
    instructions = decode(code)
    return {offset: instructions[offset] for offset in sorted(stack_depths(instructions))}


def stack_depths(instructions: Mapping[int, Instruction]) -> dict[int, int]:
    """The stack's depth before each reachable instruction. Raises ExpressionError as `verify` does."""
    depths: dict[int, int] = {}
    pending = [(0, 0)]
    while pending:
        offset, depth = pending.pop()
        if offset in depths:
            if depths[offset] != depth:
                raise ExpressionError(f"stack depth at byte {offset} depends on the path")
            continue
        if offset not in instructions:
            raise ExpressionError(f"control reaches byte {offset}, where no instruction begins")
        depths[offset] = depth
        instruction = instructions[offset]
        after = _depth_after(instruction, depth)
        pending += [(successor, after) for successor in successors(instruction)]
    return depths


def successors(instruction: Instruction) -> tuple[int, ...]:
    """The offsets that control can go to."""
    if instruction.op is Op.END:
        return ()
    if instruction.op is Op.GOTO:
        return (instruction.operand,)
    if instruction.op is Op.IF_GOTO:
        return (instruction.next, instruction.operand)
    return (instruction.next,)


def _depth_after(instruction: Instruction, depth: int) -> int:
    if instruction.op is Op.PRINTF:
        parse_format(instruction.format, instruction.operand)
    if depth < instruction.pops:
        name = instruction.op.name.lower()
        raise ExpressionError(f"{name} at byte {instruction.offset} finds the stack too short")
    after = depth - instruction.pops + instruction.pushes
    if after > MAX_STACK:
        raise ExpressionError(f"more than {MAX_STACK} stack entries at byte {instruction.offset}")
    return after
