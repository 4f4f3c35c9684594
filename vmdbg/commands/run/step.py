"""step, stepi and their reverses."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.debugger.actions import Direction, Step, StepMode
from vmdbg.debugger.stepping import BackwardRun, LineRun, RepeatedRun, back_line, back_over, over_or_step
from vmdbg.document.document import Document
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session

MOST = 1 << 32
MODES = {None: None, "same-context": StepMode.SAME_CONTEXT, "architectural": StepMode.ARCHITECTURAL}


def declare_lines(parser: Parser) -> None:
    parser.add_argument("count", nargs="?", default="1", metavar="EXPRESSION", help="how many (1)")


def declare(parser: Parser) -> None:
    declare_lines(parser)
    parser.add_argument("--mode", choices=("same-context", "architectural"), metavar="MODE", help="see step-mode")


def times(session: Session, arguments: Arguments) -> int:
    """How many steps are asked for."""
    number = session.integer(arguments.count)
    if not 0 < number <= MOST:
        raise UserError(f"{number} is no number of steps")
    return number


def by_instructions(
    session: Session, count: int, direction: Direction, *, into: bool, mode: StepMode | None = None
) -> Document:
    """`into` what is called, or over it."""
    if into:
        return session.execution.act(Step(direction, count=count, mode=mode))
    if direction is Direction.BACKWARD:
        return session.execution.carry(lambda _: BackwardRun(back_over, count))
    return session.execution.carry(lambda d: RepeatedRun(d, over_or_step, count))


def by_lines(session: Session, arguments: Arguments, direction: Direction, *, into: bool) -> Document:
    """By instructions where the code has no lines."""
    count, lines = times(session, arguments), session.lines
    if lines.span(session.debugger.pc) is None:
        return by_instructions(session, count, direction, into=into)
    if direction is Direction.BACKWARD:
        return session.execution.carry(lambda _: BackwardRun(lambda d: back_line(d, lines, into=into), count))
    return session.execution.carry(lambda d: RepeatedRun(d, lambda d: LineRun(d, lines, into=into), count))


@command(
    "stepi",
    Group.RUN,
    declare,
    aliases=("si", "t", "sba"),
    examples=("stepi", "stepi 10", "si --mode architectural"),
    effect=Effect.RUNS,
    repeats=True,
)
def stepi(session: Session, arguments: Arguments) -> Document:
    """Run one instruction, or as many as asked."""
    count, mode = times(session, arguments), MODES[arguments.mode]
    return by_instructions(session, count, Direction.FORWARD, into=True, mode=mode)


@command(
    "reverse-stepi",
    Group.RUN,
    declare,
    aliases=("rsi", "t-"),
    examples=("reverse-stepi", "rsi 10"),
    effect=Effect.RUNS,
    repeats=True,
)
def reverse_stepi(session: Session, arguments: Arguments) -> Document:
    """Go back one instruction, or as many as asked."""
    count, mode = times(session, arguments), MODES[arguments.mode]
    return by_instructions(session, count, Direction.BACKWARD, into=True, mode=mode)


@command(
    "step", Group.RUN, declare_lines, aliases=("s",), examples=("step", "step 3"), effect=Effect.RUNS, repeats=True
)
def step(session: Session, arguments: Arguments) -> Document:
    """Run to another source line, into calls whose code has lines; one instruction where there are none."""
    return by_lines(session, arguments, Direction.FORWARD, into=True)


@command(
    "reverse-step",
    Group.RUN,
    declare_lines,
    aliases=("rs",),
    examples=("reverse-step",),
    effect=Effect.RUNS,
    repeats=True,
)
def reverse_step(session: Session, arguments: Arguments) -> Document:
    """Go back to the beginning of the source line that ran before; one instruction where there are no lines."""
    return by_lines(session, arguments, Direction.BACKWARD, into=True)
