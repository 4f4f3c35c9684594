"""bt."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.document.document import Document, Style, Table, Text, address, count, document, joined, table, text
from vmdbg.errors import UserError
from vmdbg.os.seam import Frame, FrameKind, Task
from vmdbg.session.registry import Arguments, Group, Parser, command
from vmdbg.session.session import Session
from vmdbg.session.unwinding import backtrace


def declare(parser: Parser) -> None:
    parser.add_argument(
        "limit", nargs="?", default="0", metavar="NUMBER", help="the innermost so many frames; negative: the outermost"
    )
    parser.add_argument("--task", default="", metavar="PROCESS", help="of another task, by PID or name")


@command(
    "bt",
    Group.LOOK,
    declare,
    aliases=("backtrace", "where", "k", "kb", "kp", "kv", "kn", "info stack"),
    examples=("bt", "bt 3", "bt -2", "bt --json"),
)
def bt(session: Session, arguments: Arguments) -> Document:
    """Show the call stack: by the kernel's own tables where they are known, else by frame pointers."""
    task = find_task(session, arguments.task) if arguments.task else None
    if task is not None and not task.is_current:
        trace, process = session.system.need().backtrace(task), task.process
    else:
        trace, process = backtrace(session), None
    frames = _chosen(trace.frames, arguments.limit)
    cut = trace.complete or frames[-1:] != trace.frames[-1:]
    end = [] if cut else [text(f"(ends here: {trace.stopped})", Style.DIM)]
    return document(frame_table(session, frames, process), *end)


def _chosen(frames: Sequence[Frame], limit: str) -> Sequence[Frame]:
    if limit == "full":
        raise UserError("no local variables are known; `frame NUMBER` shows the source of one frame")
    try:
        number = int(limit, 0)
    except ValueError:
        raise UserError(f"{limit!r} is no number of frames") from None
    return frames[:number] if number > 0 else frames[number:]


def find_task(session: Session, wanted: str) -> Task:
    """A task by PID or name. Raises UserError."""
    tasks = session.system.need().tasks()
    for task in tasks:
        if str(task.pid) == wanted or task.name == wanted:
            return task
    raise UserError(f"there is no task {wanted!r}; ps lists them")


def frame_table(session: Session, frames: Sequence[Frame], process: int | None = None) -> Table:
    """One frame a row, the innermost first. `process` says whose they are if it is not the one that runs."""
    return table((">#", "pc", "stack", "where"), [_row(session, frame, process) for frame in frames], titles=False)


def _row(session: Session, frame: Frame, process: int | None) -> tuple[Text, ...]:
    location = frame.location
    if location is None and frame.kind is FrameKind.USER:
        sources = session.sources
        location = session.symbols.nearest(frame.pc) if process is None else sources.of_process(process, frame.pc)
    words: list[Text | str] = [text(str(location) if location else "", Style.SYMBOL)]
    line = session.sources.line_at(frame.pc if frame.number == 0 else frame.pc - 1)
    if line is not None:
        words.append(text(f" {line}", Style.DIM))
    if frame.arguments:
        shown = ", ".join(f"{name}={value}" for name, value in frame.arguments)
        words.append(f" ({shown})" if location else f"({shown})")
    kind = frame.kind.value if frame.kind.value not in ("call", "current") else ""
    stack = text(" ".join(dict.fromkeys(word for word in (frame.stack, kind) if word)), Style.DIM)
    return count(frame.number), address(frame.pc, 16 if frame.pc >> 32 else 8), stack, joined(words)
