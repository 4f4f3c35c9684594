"""What makes a breakpoint or watchpoint stop: an expression, a ring, an address space, a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from vmdbg.debugger.context import page_tables
from vmdbg.debugger.points import Condition
from vmdbg.document.document import Style, Text, text
from vmdbg.errors import UserError, VmdbgError
from vmdbg.expressions.compiler import Expression, Getters
from vmdbg.os.seam import is_called
from vmdbg.session.numbers import natural
from vmdbg.session.processors import chosen_cpu
from vmdbg.session.untyped import untyped_words

if TYPE_CHECKING:
    from vmdbg.session.registry import Arguments, Parser
    from vmdbg.session.session import Session


def declare_conditions(parser: Parser) -> None:
    """Options that breakpoints, watchpoints and logpoints share."""
    parser.add_argument("--ring", type=int, choices=(0, 1, 2, 3), metavar="RING", help="only in this ring")
    parser.add_argument("--cpu", default="", metavar="EXPRESSION", help="only on this CPU")
    parser.add_argument("--cr3", default="", metavar="EXPRESSION", help="only in this address space")
    parser.add_argument("--process", default="", metavar="PROCESS", help="only when this PID or name runs")
    parser.add_argument("--ignore", type=natural, default=0, metavar="NUMBER", help="pass this many hits first")
    parser.add_argument(
        "--commands", action="append", default=[], metavar="LINE", help="execute this when it stops; may be repeated"
    )


def make_condition(
    session: Session, arguments: Arguments, extra: Getters | None = None
) -> tuple[Condition | None, str]:
    """The condition of what the options and `if` say but --cpu, and its text. Raises UserError.

    `arguments.of_cpu` becomes the CPU that the point is to be for.
    """
    arguments.of_cpu = chosen_cpu(session, arguments.cpu) if arguments.cpu else None
    parts: list[Callable[[], bool]] = []
    words: list[str] = []
    if arguments.ring is not None:
        ring = arguments.ring
        parts.append(lambda: session.registers.cpl == ring)
        words.append(f"ring {ring}")
    if arguments.cr3:
        cr3 = session.cr3(arguments.cr3) or 0
        parts.append(lambda: in_space(session, cr3))
        words.append(f"cr3 {page_tables(session.debugger.engine, cr3):#x}")
    if arguments.process:
        parts.append(process_test(session, arguments.process))
        words.append(f"process {arguments.process}")
    if arguments.condition:
        expression = session.compile(arguments.condition, extra)
        parts.append(expression_test(session, expression))
        arguments.unknown, arguments.valued = expression.unknown, expression.valued
        words.append(f"if {arguments.condition}")
    if not parts:
        return None, ""
    if len(parts) == 1:
        only = parts[0]
        return (lambda _: only()), words[0]
    return (lambda _: all(part() for part in parts)), ", ".join(words)


def in_space(session: Session, cr3: int) -> bool:
    """Whether the CPU is in the address space of that CR3, whatever its PCID."""
    engine = session.debugger.engine
    return page_tables(engine, engine.read_register("cr3")) == page_tables(engine, cr3)


def expression_test(session: Session, expression: Expression) -> Callable[[], bool]:
    """Whether the expression is true; one that has no value stops, and the reason is kept for the user.

    Raises UserError for one that never is.
    """
    if expression.never:
        raise UserError(f"{expression.text!r} never holds: {expression.never}")

    def test() -> bool:
        try:
            return bool(expression.evaluate())
        except VmdbgError as error:
            session.notices.append(f"the condition {expression.text!r} has no value here: {error}")
            return True

    return test


def process_test(session: Session, wanted: str) -> Callable[[], bool]:
    """Whether that process runs. Says so if there is none now. Raises UserError where processes are not known."""
    session.system.need()
    pid = int(wanted) if wanted.isdigit() else None
    if words := session.system.why_nobody(wanted):
        session.tell(words)

    def test() -> bool:
        task = session.system.running()
        if task is None:
            return False
        return task.process == pid if pid is not None else is_called(task.name, wanted)

    return test


def unknown_words(unknown: Iterable[str]) -> list[Text]:
    """What is said of names that mean nothing yet: they may come with a kernel, a program or a function's locals."""
    return [
        text(f"there is no register, symbol or variable {name!r} now: without one there, it has no value", Style.BAD)
        for name in dict.fromkeys(unknown)
    ]


def untyped_notes(session: Session, valued: Iterable[str]) -> list[Text]:
    """What is said of names that stand for their address, though what they hold is wanted."""
    return [text(words, Style.BAD) for words in untyped_words(session, valued)]


def tell_untyped(session: Session, expression: Expression) -> None:
    """The same of an expression, once, where no answer is there to say it in."""
    for line in untyped_words(session, expression.valued):
        if line not in session.notices:
            session.tell(line)


def must_be_positive(number: int, what: str) -> int:
    if number < 0:
        raise UserError(f"{what} cannot be negative")
    return number
