"""An agent expression ready to run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gdbstub.agent.compile import compile_expression
from gdbstub.agent.frame import Frame
from gdbstub.agent.interpret import interpret
from gdbstub.agent.opcodes import TRACING, Op
from gdbstub.agent.verify import verify
from gdbstub.errors import ExpressionError, TargetError

HOT = 16
"""Evaluations after which an expression is compiled."""

MAX_COMPILED = 2048
"""Longer bytecode stays with the interpreter: compiling would pause the target for too long."""


class Expression:
    """Verified bytecode; ExpressionError when it is refused. Equal to another with the same bytecode.

    `tracing`: it is a tracepoint's, and is given a TraceFrame.
    """

    __slots__ = ("_hits", "_interpreted", "_program", "_run", "code")

    def __init__(self, code: bytes, *, tracing: bool = False) -> None:
        self.code = bytes(code)
        self._program = verify(self.code)
        used = {item.op for item in self._program.values()} & TRACING
        if used and not tracing:
            raise ExpressionError(f"opcode {min(used).name.lower()} belongs to tracepoints")
        self._interpreted = bool(used) or len(self.code) > MAX_COMPILED
        self._run: Callable[[Frame], int] = partial(interpret, self._program)
        self._hits = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.code == self.code

    def __hash__(self) -> int:
        return hash(self.code)

    def __repr__(self) -> str:
        return f"Expression(bytes.fromhex({self.code.hex()!r}))"

    @property
    def loops(self) -> bool:
        """Whether it has a backward jump, and so a cost that its length does not bound."""
        jumps = (item for item in self._program.values() if item.op in (Op.GOTO, Op.IF_GOTO))
        return any(item.operand <= item.offset for item in jumps)

    @property
    def registers(self) -> frozenset[int]:
        """The numbers of the registers it reads."""
        return frozenset(item.operand for item in self._program.values() if item.op is Op.REG)

    def evaluate(self, frame: Frame) -> int:
        """The 64-bit result, unsigned. Raises ExpressionError, also for what the frame cannot read."""
        self._hits += 1
        if self._hits == HOT and not self._interpreted:
            self._run = compile_expression(self._program)
        try:
            return self._run(frame)
        except TargetError as error:
            raise ExpressionError(str(error)) from error
