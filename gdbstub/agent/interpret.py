"""The interpreter: one verified expression, run once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import NoReturn

from gdbstub.agent.frame import Frame, TraceFrame
from gdbstub.agent.opcodes import BINARY, MASK, REF_BYTES, TRACING, Instruction, Op
from gdbstub.agent.printf import MAX_STRING, format_text, parse_format
from gdbstub.errors import ExpressionError

MAX_STEPS = 10_000
"""Instructions one evaluation may run; only an expression with a backward jump can reach it."""


def signed(value: int) -> int:
    """A 64-bit value as two's complement."""
    return (value ^ (1 << 63)) - (1 << 63)


def divide_signed(left: int, right: int) -> int:
    """C's division: rounds towards zero."""
    _refuse_zero(right)
    left, right = signed(left), signed(right)
    quotient = abs(left) // abs(right)
    return (quotient if (left < 0) == (right < 0) else -quotient) & MASK


def divide_unsigned(left: int, right: int) -> int:
    _refuse_zero(right)
    return left // right


def remainder_signed(left: int, right: int) -> int:
    """C's remainder: has the sign of the dividend."""
    _refuse_zero(right)
    left, right = signed(left), signed(right)
    return (abs(left) % abs(right) * (-1 if left < 0 else 1)) & MASK


def remainder_unsigned(left: int, right: int) -> int:
    _refuse_zero(right)
    return left % right


def _refuse_zero(right: int) -> None:
    if right == 0:
        raise ExpressionError("division by zero")


def shift_left(left: int, right: int) -> int:
    return left << right & MASK if right < 64 else 0


def shift_right_signed(left: int, right: int) -> int:
    return signed(left) >> min(right, 63) & MASK


def shift_right_unsigned(left: int, right: int) -> int:
    return left >> right if right < 64 else 0


def sign_extend(value: int, bits: int) -> int:
    """The low `bits` bits as two's complement; 0 and 64 or more leave the value as it is."""
    if not 0 < bits < 64:
        return value
    sign = 1 << (bits - 1)
    return ((value & ((1 << bits) - 1) ^ sign) - sign) & MASK


def zero_extend(value: int, bits: int) -> int:
    return value & ((1 << bits) - 1) if bits < 64 else value


ARITHMETIC: Mapping[Op, Callable[[int, int], int]] = {
    Op.ADD: lambda left, right: (left + right) & MASK,
    Op.SUB: lambda left, right: (left - right) & MASK,
    Op.MUL: lambda left, right: (left * right) & MASK,
    Op.DIV_SIGNED: divide_signed,
    Op.DIV_UNSIGNED: divide_unsigned,
    Op.REM_SIGNED: remainder_signed,
    Op.REM_UNSIGNED: remainder_unsigned,
    Op.LSH: shift_left,
    Op.RSH_SIGNED: shift_right_signed,
    Op.RSH_UNSIGNED: shift_right_unsigned,
    Op.BIT_AND: operator.and_,
    Op.BIT_OR: operator.or_,
    Op.BIT_XOR: operator.xor,
    Op.EQUAL: operator.eq,
    Op.LESS_SIGNED: lambda left, right: signed(left) < signed(right),
    Op.LESS_UNSIGNED: operator.lt,
}


def interpret(program: Mapping[int, Instruction], frame: Frame) -> int:
    """The top of the stack at `end`, 0 if it is empty. Raises ExpressionError and what `frame` raises."""
    stack: list[int] = []
    offset = 0
    for _ in range(MAX_STEPS):
        instruction = program[offset]
        offset = instruction.next
        match instruction.op:
            case Op.END:
                return stack[-1] if stack else 0
            case Op.GOTO:
                offset = instruction.operand
            case Op.IF_GOTO:
                if stack.pop():
                    offset = instruction.operand
            case _:
                _run_one(instruction, stack, frame)
    return out_of_steps()


def out_of_steps() -> NoReturn:
    raise ExpressionError(f"no end after {MAX_STEPS} instructions")


def _run_one(instruction: Instruction, stack: list[int], frame: Frame) -> None:
    op, operand = instruction.op, instruction.operand
    if op in BINARY:
        right = stack.pop()
        stack[-1] = int(ARITHMETIC[op](stack[-1], right))
    elif op in REF_BYTES:
        stack[-1] = frame.memory(stack[-1], REF_BYTES[op])
    elif op is Op.REG:
        stack.append(frame.register(operand) & MASK)
    elif op is Op.PRINTF:
        print_formatted(instruction.format, stack[len(stack) - operand - 2 :], frame)
        del stack[len(stack) - operand - 2 :]
    elif op in TRACING:
        _trace(op, operand, stack, frame)
    elif op in _UNARY:
        stack[-1] = _UNARY[op](stack[-1], operand)
    elif op in _STACK:
        _STACK[op](stack, operand)
    else:
        stack.append(operand)


def _trace(op: Op, operand: int, stack: list[int], frame: Frame) -> None:
    """Verification has made sure that `frame` is a tracepoint's."""
    assert isinstance(frame, TraceFrame)
    match op:
        case Op.TRACE:
            size, address = stack.pop(), stack.pop()
            frame.collect(address, size)
        case Op.TRACENZ:
            size, address = stack.pop(), stack.pop()
            frame.collect(address, min(size, len(frame.text(address, min(size, MAX_STRING))) + 1))
        case Op.TRACE_QUICK | Op.TRACE16:
            frame.collect(stack[-1], operand)
        case Op.GETV:
            stack.append(frame.variable(operand))
        case Op.SETV:
            frame.set_variable(operand, stack[-1])
        case _:
            frame.collect_variable(operand)


_UNARY: Mapping[Op, Callable[[int, int], int]] = {
    Op.LOG_NOT: lambda value, _: int(not value),
    Op.BIT_NOT: lambda value, _: ~value & MASK,
    Op.EXT: sign_extend,
    Op.ZERO_EXT: zero_extend,
}


def _swap(stack: list[int], _operand: int) -> None:
    stack[-1], stack[-2] = stack[-2], stack[-1]


def _rotate(stack: list[int], _operand: int) -> None:
    stack[-3:] = [stack[-1], stack[-3], stack[-2]]


def _pick(stack: list[int], operand: int) -> None:
    stack.append(stack[-1 - operand])


def _pop(stack: list[int], _operand: int) -> None:
    stack.pop()


_STACK: Mapping[Op, Callable[[list[int], int], None]] = {
    Op.SWAP: _swap,
    Op.ROT: _rotate,
    Op.PICK: _pick,
    Op.DUP: _pick,
    Op.POP: _pop,
}


def print_formatted(text: bytes, values: list[int], frame: Frame) -> None:
    """`values` is what printf pops, deepest first: its arguments, the last one first, then channel and function."""
    arguments = values[-3::-1]
    frame.print(format_text(parse_format(text, len(arguments)), arguments, frame))
