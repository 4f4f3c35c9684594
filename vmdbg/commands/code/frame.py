"""frame, up and down: one frame of the call stack at a time."""

from __future__ import annotations

from vmdbg.commands.code.bt import frame_table
from vmdbg.commands.code.symbol import source_lines
from vmdbg.document.document import Block, Document, document, hexadecimal, pairs
from vmdbg.errors import UserError
from vmdbg.os.seam import Frame
from vmdbg.session.code_lines import code_lines
from vmdbg.session.registry import Arguments, Group, Parser, command
from vmdbg.session.session import Session
from vmdbg.session.unwinding import backtrace

SOURCE_LINES = 7
CODE_LINES = 4


class Selected:
    """The frame looked at, the innermost again after every stop."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stops = session.stops
        self._number = 0

    @property
    def number(self) -> int:
        if self._stops != self._session.stops:
            self.number = 0
        return self._number

    @number.setter
    def number(self, number: int) -> None:
        self._number, self._stops = number, self._session.stops


def declare(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=int, default=-1, metavar="NUMBER", help="as bt numbers them")


def declare_steps(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=int, default=1, metavar="NUMBER", help="how many frames (1)")


@command(
    "frame",
    Group.LOOK,
    declare,
    aliases=("f", "info frame"),
    examples=("frame", "frame 1", "frame 1 --json"),
)
def frame(session: Session, arguments: Arguments) -> Document:
    """Show a frame of the call stack: its source or code, and the registers that are known of it.

    Expressions keep meaning the registers of the CPU, whichever frame is looked at.
    """
    selected = session.part(Selected)
    return _show(session, selected.number if arguments.number < 0 else arguments.number)


@command("up", Group.LOOK, declare_steps, examples=("up",), repeats=True)
def up(session: Session, arguments: Arguments) -> Document:
    """Show the frame that called the one looked at."""
    return _move(session, arguments.number)


@command("down", Group.LOOK, declare_steps, examples=("down",), repeats=True)
def down(session: Session, arguments: Arguments) -> Document:
    """Show the frame that the one looked at called."""
    return _move(session, -arguments.number)


def _move(session: Session, by: int) -> Document:
    selected = session.part(Selected)
    last = len(backtrace(session).frames) - 1
    return _show(session, max(0, min(last, selected.number + by)))


def _show(session: Session, number: int) -> Document:
    frames = backtrace(session).frames
    if number >= len(frames):
        raise UserError(f"there is no frame {number}; bt shows 0 to {len(frames) - 1}")
    selected = session.part(Selected)
    selected.number = number
    chosen = frames[number]
    known = pairs((name, hexadecimal(value, 16)) for name, value in chosen.registers.items())
    return document(frame_table(session, [chosen]), *_text(session, chosen), *([known] if chosen.registers else []))


def _text(session: Session, chosen: Frame) -> list[Block]:
    """Around the call that the frame has made, or where the CPU is."""
    where = chosen.pc if chosen.number == 0 else chosen.pc - 1
    lines: list[Block] = [*source_lines(session, where, SOURCE_LINES)]
    return lines or [line.text for line in code_lines(session, chosen.pc, CODE_LINES)]
