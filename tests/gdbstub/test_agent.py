"""Agent expressions: every opcode, what is refused, and interpreter and compiler against each other."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gdbstub.agent import Expression
from gdbstub.agent.compile import compile_expression
from gdbstub.agent.expression import HOT
from gdbstub.agent.interpret import MAX_STEPS, interpret
from gdbstub.agent.opcodes import MAX_BYTES, OPERAND_BYTES, REFUSED, TRACING, Op
from gdbstub.agent.verify import MAX_STACK, verify
from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.errors import ExpressionError, MemoryAccessError, TargetError
from gdbstub.frames import TargetFrame
from gdbstub.stops import ThreadId
from tests.gdbstub.machine import Machine

M = (1 << 64) - 1
END = bytes((Op.END,))


class Frame:
    """Register n is n * 0x0101...; memory gives address + size; address 0 faults."""

    def __init__(self) -> None:
        self.printed = ""

    def register(self, number: int) -> int:
        return number * 0x0101010101010101 & M

    def memory(self, address: int, size: int) -> int:
        if address == 0:
            raise MemoryAccessError(address)
        return (address + size) & ((1 << 8 * size) - 1)

    def text(self, address: int, _limit: int) -> bytes:
        if address == 0:
            raise MemoryAccessError(address)
        return b"text at %d" % address

    def print(self, text: str) -> None:
        self.printed += text


def push(*values: int) -> bytes:
    return b"".join(bytes((Op.CONST64,)) + (value & M).to_bytes(8, "big") for value in values)


def run(code: bytes, frame: Frame | None = None) -> int:
    """Both ways; they must agree."""
    program = verify(code)
    results: list[int | str] = []
    for evaluate in (lambda f: interpret(program, f), compile_expression(program)):
        try:
            results.append(evaluate(frame or Frame()))
        except (ExpressionError, TargetError) as error:
            results.append(str(error))
    assert results[0] == results[1]
    if isinstance(results[0], str):
        raise ExpressionError(results[0])
    return results[0]


@pytest.mark.parametrize(
    ("op", "left", "right", "result"),
    [
        (Op.ADD, 2, 3, 5),
        (Op.ADD, M, 1, 0),
        (Op.SUB, 2, 3, M),
        (Op.MUL, M, M, 1),
        (Op.DIV_SIGNED, -7, 2, -3 & M),
        (Op.DIV_SIGNED, 7, -2, -3 & M),
        (Op.DIV_SIGNED, -(1 << 63), -1, 1 << 63),
        (Op.DIV_UNSIGNED, -1, 2, (1 << 63) - 1),
        (Op.REM_SIGNED, -7, 2, M),
        (Op.REM_SIGNED, 7, -2, 1),
        (Op.REM_UNSIGNED, -1, 10, 5),
        (Op.LSH, 3, 63, 1 << 63),
        (Op.LSH, 1, 64, 0),
        (Op.LSH, 1, M, 0),
        (Op.RSH_SIGNED, -8, 1, -4 & M),
        (Op.RSH_SIGNED, -8, M, M),
        (Op.RSH_UNSIGNED, -8, 60, 15),
        (Op.RSH_UNSIGNED, -8, 64, 0),
        (Op.BIT_AND, 12, 10, 8),
        (Op.BIT_OR, 12, 10, 14),
        (Op.BIT_XOR, 12, 10, 6),
        (Op.EQUAL, 5, 5, 1),
        (Op.EQUAL, 5, 6, 0),
        (Op.LESS_SIGNED, -1, 0, 1),
        (Op.LESS_SIGNED, 0, 0, 0),
        (Op.LESS_UNSIGNED, -1, 0, 0),
        (Op.LESS_UNSIGNED, 0, -1, 1),
    ],
)
def test_binary_operators(op: Op, left: int, right: int, result: int) -> None:
    assert run(push(left, right) + bytes((op,)) + END) == result


@pytest.mark.parametrize("op", [Op.DIV_SIGNED, Op.DIV_UNSIGNED, Op.REM_SIGNED, Op.REM_UNSIGNED])
def test_division_by_zero(op: Op) -> None:
    with pytest.raises(ExpressionError, match="division by zero"):
        run(push(1, 0) + bytes((op,)) + END)


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (push(0) + bytes((Op.LOG_NOT,)), 1),
        (push(7) + bytes((Op.LOG_NOT,)), 0),
        (push(0) + bytes((Op.BIT_NOT,)), M),
        (push(0x80) + bytes((Op.EXT, 8)), M - 0x7F),
        (push(0x17F) + bytes((Op.EXT, 8)), 0x7F),
        (push(M) + bytes((Op.EXT, 64)), M),
        (push(5) + bytes((Op.EXT, 0)), 5),
        (push(M) + bytes((Op.ZERO_EXT, 16)), 0xFFFF),
        (push(M) + bytes((Op.ZERO_EXT, 0)), 0),
        (push(M) + bytes((Op.ZERO_EXT, 64)), M),
        (push(0x1000) + bytes((Op.REF8,)), 0x01),
        (push(0x1000) + bytes((Op.REF16,)), 0x1002),
        (push(0x1000) + bytes((Op.REF32,)), 0x1004),
        (push(0x1000) + bytes((Op.REF64,)), 0x1008),
        (bytes((Op.CONST8, 0xFF)), 0xFF),
        (bytes((Op.CONST16, 1, 2)), 0x102),
        (bytes((Op.CONST32, 1, 2, 3, 4)), 0x1020304),
        (bytes((Op.REG, 0, 2)), 0x0202020202020202),
        (push(9) + bytes((Op.DUP, Op.ADD)), 18),
        (push(1, 9) + bytes((Op.POP,)), 1),
        (push(1, 9) + bytes((Op.SWAP,)), 1),
        (push(10, 3) + bytes((Op.SWAP, Op.SUB)), -7 & M),
        (push(7, 8, 9) + bytes((Op.PICK, 2)), 7),
        (push(7, 8, 9) + bytes((Op.PICK, 0)), 9),
        (push(1, 2, 3) + bytes((Op.ROT,)), 2),
        (push(1, 2, 3) + bytes((Op.ROT, Op.POP)), 1),
        (push(1, 2, 3) + bytes((Op.ROT, Op.POP, Op.POP)), 3),
        (b"", 0),
        (bytes((Op.GOTO, 0, 5, Op.CONST8, 1)) + bytes((Op.CONST8, 2)), 2),
        (bytes((Op.CONST8, 1, Op.IF_GOTO, 0, 8, Op.CONST8, 7, Op.END, Op.CONST8, 9)), 9),
        (bytes((Op.CONST8, 0, Op.IF_GOTO, 0, 8, Op.CONST8, 7, Op.END, Op.CONST8, 9)), 7),
        (bytes((Op.CONST8, 0, Op.CONST8, 1, Op.SWAP, Op.IF_GOTO, 0, 2)), 1),
    ],
)
def test_other_operators(code: bytes, result: int) -> None:
    assert run(code + END) == result


def test_loop_ends() -> None:
    """10; do { dup; const8 1; sub } until zero."""
    loop = bytes((Op.CONST8, 10, Op.CONST8, 1, Op.SUB, Op.DUP, Op.IF_GOTO, 0, 2, Op.END))
    assert run(loop) == 0


def test_endless_loop_is_ended() -> None:
    with pytest.raises(ExpressionError, match=f"no end after {MAX_STEPS}"):
        run(bytes((Op.GOTO, 0, 0)))


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (b"", "no instruction begins"),
        (push(1), "no instruction begins"),
        (bytes((Op.ADD,)), "stack too short"),
        (bytes((Op.PICK, 0)), "stack too short"),
        (bytes((0x27, 0xEE)), "unknown opcode 0xee"),
        (bytes((Op.CONST32, 1)), "truncated const32"),
        (bytes((Op.GOTO, 0, 9, Op.END)), "no instruction begins"),
        (bytes((Op.GOTO, 0, 4, Op.CONST8, 0x27)), "no instruction begins"),
        (push(1) * 101 + END, f"more than {MAX_STACK}"),
        (bytes((Op.CONST8, 1, Op.GOTO, 0, 0)), "depends on the path"),
        (bytes(MAX_BYTES + 1), "at most"),
        (bytes((Op.PRINTF, 0, 0, 0, Op.END)), "truncated printf"),
        (bytes((Op.PRINTF, 0, 0, 9)) + b"x\0", "truncated printf"),
        (push(0, 0) + bytes((Op.PRINTF, 0, 0, 1)) + b"x" + END, "does not end with a zero"),
        (push(0, 0) + bytes((Op.PRINTF, 0, 0, 3)) + b"%d\0" + END, "takes 1 arguments, 0 are given"),
        (push(0, 0, 0) + bytes((Op.PRINTF, 1, 0, 3)) + b"%f\0" + END, "'%f' is not supported"),
        (push(0, 0, 0) + bytes((Op.PRINTF, 1, 0, 8)) + b"%99999d\0" + END, "wider"),
        (push(0, 0) + bytes((Op.PRINTF, 0, 0, 2)) + b"%\0" + END, "ends inside"),
        *((bytes((opcode, 0, 0, 0x27)), name) for opcode, name in REFUSED.items()),
        *((push(0, 0) + bytes((op, *bytes(OPERAND_BYTES.get(op, 0)))) + END, op.name.lower()) for op in TRACING),
    ],
)
def test_bad_expression_is_refused_when_set(code: bytes, why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        Expression(code)


def printf(text: bytes, *arguments: int) -> bytes:
    size = (len(text) + 1).to_bytes(2, "big")
    return push(*reversed(arguments), 0, 0) + bytes((Op.PRINTF, len(arguments), *size)) + text + b"\0"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (printf(b"plain\\n"), "plain\n"),
        (printf(b"%d %u", -1, -1), "-1 4294967295"),
        (printf(b"%ld %lu", -1, -1), f"-1 {M}"),
        (printf(b"%hhd|%hx", 0xFF, -1), "-1|ffff"),
        (printf(b"%#x %08X %o %#o", 255, 255, 8, 8), "0xff 000000FF 10 010"),
        (printf(b"%c%5c|%-3c|", 65, 66, 67), "A    B|C  |"),
        (printf(b"%s|%.4s|%p", 7, 8, 0x1000), "text at 7|text|0x1000"),
        (printf(b'100%% \\t\\x41\\101\\\\\\"'), '100% \tAA\\"'),
        (printf(b"%5.3d|%-4d|%+i", 7, 7, 7), "  007|7   |+7"),
    ],
)
def test_printf(code: bytes, text: str) -> None:
    frame = Frame()
    program = verify(code + END)
    interpret(program, frame)
    compile_expression(program)(frame)
    assert frame.printed == text * 2


def test_expression_gives_the_same_before_and_after_it_is_compiled() -> None:
    expression = Expression(bytes((Op.REG, 0, 1, Op.CONST8, 1, Op.ADD, Op.END)))
    assert {expression.evaluate(Frame()) for _ in range(2 * HOT)} == {0x0101010101010102}


def test_fault_is_an_expression_error() -> None:
    expression = Expression(push(0) + bytes((Op.REF8, Op.END)))
    for _ in range(2 * HOT):
        with pytest.raises(ExpressionError, match="cannot access memory at 0x0"):
            expression.evaluate(Frame())


SIMPLE = [op for op in Op if op not in {Op.PRINTF, Op.GOTO, Op.IF_GOTO, Op.END, *TRACING}]
OPERANDS = {Op.CONST8: 1, Op.CONST16: 2, Op.CONST32: 4, Op.CONST64: 8, Op.REG: 2}


@st.composite
def instruction(draw: st.DrawFn) -> bytes:
    op = draw(st.sampled_from(SIMPLE))
    if op in (Op.EXT, Op.ZERO_EXT):
        return bytes((op, draw(st.integers(0, 70))))
    if op is Op.PICK:
        return bytes((op, draw(st.integers(0, 3))))
    return bytes((op,)) + draw(st.binary(min_size=OPERANDS.get(op, 0), max_size=OPERANDS.get(op, 0)))


@st.composite
def program(draw: st.DrawFn) -> bytes:
    """Constants, then instructions with a few jumps to instruction starts."""
    pieces = [push(value) for value in draw(st.lists(st.integers(0, M), min_size=3, max_size=5))]
    pieces += draw(st.lists(instruction(), max_size=14))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(pieces)))
        pieces.insert(at, draw(st.sampled_from((b"\x20\0\0", b"\x21\0\0"))))
    starts = [sum(map(len, pieces[:index])) for index in range(len(pieces) + 1)]
    return b"".join(
        piece[:1] + draw(st.sampled_from(starts)).to_bytes(2, "big") if piece[0] in (Op.IF_GOTO, Op.GOTO) else piece
        for piece in [*pieces, END]
    )


@settings(max_examples=400, deadline=None)
@given(program())
def test_interpreter_and_compiler_agree(code: bytes) -> None:
    try:
        verify(code)
    except ExpressionError:
        assume(False)
    with contextlib.suppress(ExpressionError):
        assert 0 <= run(code) <= M


@settings(max_examples=300)
@given(st.binary(max_size=40))
def test_any_bytes_are_refused_or_run(code: bytes) -> None:
    try:
        expression = Expression(code)
    except ExpressionError:
        return
    for _ in range(HOT + 1):
        with contextlib.suppress(ExpressionError):
            assert 0 <= expression.evaluate(Frame()) <= M


def expression(*code: int) -> Expression:
    return Expression(bytes((*code, Op.END)))


TRUE, FALSE = expression(Op.CONST8, 1), expression(Op.CONST8, 0)
FAULT = Expression(push(0) + bytes((Op.REF8, Op.END)))
HELLO = Expression(printf(b"hello") + END)


@pytest.mark.parametrize(
    ("conditions", "commands", "stops", "printed"),
    [
        ((), (), True, ""),
        ((TRUE,), (), True, ""),
        ((FALSE,), (), False, ""),
        ((FALSE, TRUE), (), True, ""),
        ((FAULT,), (), True, ""),
        ((), (HELLO,), False, "hello"),
        ((FALSE,), (HELLO,), False, ""),
        ((TRUE,), (HELLO, HELLO), False, "hellohello"),
        (
            (),
            (FAULT,),
            True,
            "breakpoint command at 0x1000 failed: cannot access memory at 0x0: no memory there\n",
        ),
    ],
)
def test_breakpoint_stops(
    conditions: tuple[Expression, ...], commands: tuple[Expression, ...], stops: bool, printed: str
) -> None:
    frame = Frame()
    point = Breakpoint(BreakpointKind.SOFTWARE, 0x1000, 1, conditions, commands)
    assert point.stops(frame) is stops
    assert frame.printed == printed


def test_target_frame_reads_through_the_ports() -> None:
    machine, shown = Machine(), list[str]()
    frame = TargetFrame(machine.target(), ThreadId(2), shown.append)
    machine.memory.data[0x1FFE:] = b"ab"
    machine.memory.data[0x500:0x5A0] = b"x" * 0x9F + b"\0"
    assert frame.register(0) == 0x2000
    assert frame.register(3) == 0x0706050403020100
    assert frame.memory(0x1010, 4) == 0x13121110
    assert frame.text(0x1500, 4096) == b"x" * 0x9F
    assert frame.text(0x1500, 10) == b"x" * 10
    frame.print("shown")
    assert shown == ["shown"]
    with pytest.raises(ExpressionError):
        frame.register(4)
    with pytest.raises(ExpressionError):
        frame.register(5)
    with pytest.raises(MemoryAccessError):
        frame.memory(0x2FFE, 4)
    with pytest.raises(MemoryAccessError):
        frame.text(0x2FFE, 10)
