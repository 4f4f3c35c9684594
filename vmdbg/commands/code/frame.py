"""frame, up and down: one frame of the call stack at a time."""

from __future__ import annotations

from vmdbg.commands.code.bt import frame_table
from vmdbg.commands.code.symbol import lines_around
from vmdbg.commands.declare import command
from vmdbg.document.document import Block, Document, document, hexadecimal, pairs
from vmdbg.errors import UserError
from vmdbg.session.code_lines import code_lines
from vmdbg.session.numbers import natural
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame

SOURCE_LINES = 7
CODE_LINES = 4
UNSHOWN = ("xmm", "fs_base", "gs_base")


def declare(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=natural, default=None, metavar="NUMBER", help="as bt numbers them")


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

    Variables in expressions, `info locals`, `info args` and `finish` are of this frame from now on, until the guest
    moves; registers in expressions stay those of the CPU.
    """
    return _show(session, session.frames.selected_number if arguments.number is None else arguments.number)


@command("up", Group.LOOK, declare_steps, examples=("up",), repeats=True)
def up(session: Session, arguments: Arguments) -> Document:
    """Show the frame that called the one looked at."""
    return _move(session, arguments.number)


@command("down", Group.LOOK, declare_steps, examples=("down",), repeats=True)
def down(session: Session, arguments: Arguments) -> Document:
    """Show the frame that the one looked at called."""
    return _move(session, -arguments.number)


def _move(session: Session, by: int) -> Document:
    last = len(session.frames.all()) - 1
    return _show(session, max(0, min(last, session.frames.selected_number + by)))


def _show(session: Session, number: int) -> Document:
    frames = session.frames.all()
    if number >= len(frames):
        raise UserError(f"there is no frame {number}; bt shows 0 to {len(frames) - 1}")
    session.frames.select(number)
    chosen = frames[number]
    registers = chosen.physical.registers
    known = pairs((name, hexadecimal(value, 16)) for name, value in registers.items() if not name.startswith(UNSHOWN))
    return document(frame_table(session, [chosen]), *_text(session, chosen), *([known] if registers else []))


def _text(session: Session, chosen: SourceFrame) -> list[Block]:
    """Around the call that the frame has made, or where the CPU is."""
    lines: list[Block] = [*lines_around(session, chosen.file, chosen.line, SOURCE_LINES)]
    return lines or [line.text for line in code_lines(session, chosen.physical.pc, CODE_LINES)]
