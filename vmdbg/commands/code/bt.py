"""bt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmdbg.c.formatting import format_short
from vmdbg.commands.code.variables import variable_lines
from vmdbg.commands.declare import command
from vmdbg.document.document import (
    Block,
    Document,
    Json,
    Style,
    Table,
    Text,
    address,
    count,
    document,
    joined,
    table,
    text,
)
from vmdbg.errors import UserError
from vmdbg.os.seam import FrameKind
from vmdbg.session.folding import Fold, folded
from vmdbg.session.processors import chosen_cpu
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame

FULL = ("full", "-full")
INDENT = "        "


def declare(parser: Parser) -> None:
    parser.add_argument(
        "limit",
        nargs="?",
        default="0",
        metavar="NUMBER",
        help="so many of the innermost frames; negative: the outermost; full: all, with locals",
    )
    parser.add_argument("--all", action="store_true", help="every frame of a recursion")
    parser.add_argument("--cpu", default="", metavar="EXPRESSION", help="of another CPU")
    parser.add_argument("--task", default="", metavar="PROCESS", help="of another task, by PID or name")


@command(
    "bt",
    Group.LOOK,
    declare,
    aliases=("backtrace", "where", "k", "kb", "kp", "kv", "kn", "info stack"),
    examples=("bt", "bt 3", "bt -2", "bt full", "bt --cpu 0", "bt --json"),
)
def bt(session: Session, arguments: Arguments) -> Document:
    """Show the call stack, with arguments and what was inlined where debug information tells of it.

    Frames are left by the call frame information of symbol files, else by the kernel's own tables, else by frame
    pointers. `bt full` shows the local variables of each frame too. Of frames that repeat, as those of a recursion do,
    only the first are shown, unless --all is given.
    """
    if arguments.cpu:
        with session.debugger.of(chosen_cpu(session, arguments.cpu)):
            arguments.cpu = ""
            return bt(session, arguments)
    full, limit = arguments.limit in FULL, arguments.limit
    task = session.system.named(arguments.task) if arguments.task else None
    if task is not None and not task.is_current:
        trace, process = session.system.need().backtrace(task), task.process
        rows = session.frames.expanded(trace.frames)
    else:
        trace, process = session.frames.trace(), None
        rows = session.frames.all()
    chosen = rows if full else _chosen(rows, limit)
    cut = trace.complete or chosen[-1:] != rows[-1:]
    end = [] if cut else [text(f"(ends here: {trace.stopped})", Style.DIM)]
    if not full:
        return document(frame_table(session, chosen, process, fold=not arguments.all), *end)
    shown: list[Block] = []
    for frame in chosen:
        shown += [frame_table(session, [frame], process), *variable_lines(session.frames.locals(frame), INDENT)]
    return document(*shown, *end, value=[_value(session, frame) for frame in chosen])


def _chosen(frames: Sequence[SourceFrame], limit: str) -> Sequence[SourceFrame]:
    try:
        number = int(limit, 0)
    except ValueError:
        raise UserError(f"{limit!r} is no number of frames") from None
    return frames[:number] if number > 0 else frames[number:]


def _value(session: Session, frame: SourceFrame) -> Json:
    return {
        "number": frame.number,
        "pc": f"{frame.physical.pc:#x}",
        "where": _place(session, frame, None),
        "line": frame.position,
        "arguments": {name: format_short(value) for name, value in session.frames.parameters(frame)},
        "locals": {name: str(value) for name, value in session.frames.locals(frame)},
    }


def frame_table(
    session: Session, frames: Sequence[SourceFrame], process: int | None = None, *, fold: bool = False
) -> Table:
    """One frame a row, the innermost first. `process` says whose they are if it is not the one that runs."""
    rows: list[tuple[Text, ...]] = []
    for part in folded_frames(frames) if fold else range(len(frames)):
        if isinstance(part, Fold):
            first, last = frames[part.start].number, frames[part.end - 1].number
            words = text(fold_words(part), Style.DIM, {"first": first, "last": last, "period": part.period})
            rows.append((text("..."), text(""), text(""), words))
        else:
            rows.append(_row(session, frames[part], process))
    return table((">#", "pc", "stack", "where"), rows, titles=False)


def folded_frames(frames: Sequence[SourceFrame]) -> Iterator[int | Fold]:
    """Frames that return to the same places in the same order are one recursion."""
    return folded([(frame.physical.pc, frame.function) for frame in frames])


def fold_words(fold: Fold) -> str:
    above = "the frame above" if fold.period == 1 else f"the {fold.period} frames above"
    return f"{above}, {fold.times:,} times more; bt --all shows them"


def _row(session: Session, frame: SourceFrame, process: int | None) -> tuple[Text, ...]:
    physical = frame.physical
    place = _place(session, frame, process)
    words: list[Text | str] = [text(place, Style.SYMBOL)]
    shown = frame_arguments(session, frame)
    if shown is not None:
        words.append(f" ({shown})" if place else f"({shown})")
    if frame.position:
        words.append(text(f" {frame.position}", Style.DIM))
    kind = physical.kind.value if physical.kind.value not in ("call", "current") else ""
    kinds = (physical.stack, kind, "inlined" if frame.is_inlined else "")
    stack = text(" ".join(dict.fromkeys(word for word in kinds if word)), Style.DIM)
    return count(frame.number), address(physical.pc, 16 if physical.pc >> 32 else 8), stack, joined(words)


def _place(session: Session, frame: SourceFrame, process: int | None) -> str:
    """The inlined function, else the symbol that the code is in."""
    physical = frame.physical
    if frame.is_inlined:
        return frame.function
    location = physical.location
    if location is None and physical.kind is FrameKind.USER:
        sources = session.sources
        location = session.symbols.nearest(physical.pc) if process is None else sources.of_process(process, physical.pc)
    return str(location) if location is not None else frame.function


def frame_arguments(session: Session, frame: SourceFrame) -> str | None:
    """`fd=3, size=0x10`; None where nothing is known of them."""
    if frame.scope is not None:
        return ", ".join(f"{name}={format_short(value)}" for name, value in session.frames.parameters(frame))
    known = frame.physical.arguments
    return ", ".join(f"{name}={value}" for name, value in known) if known else None
