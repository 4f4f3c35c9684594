"""What the panes of a page show of the standing guest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from vmdbg.commands.code.bt import frame_arguments
from vmdbg.commands.code.context_state import ContextState
from vmdbg.commands.data.telescope import stack_lines, stack_pointer
from vmdbg.debugger.points import Breakpoint, Point, Space, Watchpoint
from vmdbg.document.document import document
from vmdbg.document.printable import printable
from vmdbg.errors import UserError, VmdbgError
from vmdbg.session.code_lines import CodeLine, code_lines, instruction_spans, lines_before
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame
from vmdbg.units import Linear
from vmdbg.web.answers import (
    CodeRow,
    CodeView,
    FrameRow,
    FramesView,
    MemoryRow,
    MemoryView,
    PointRow,
    PointsView,
    Result,
    SourceLine,
)
from vmdbg.web.register_groups import registers_view
from vmdbg.web.rendered import rendered
from vmdbg.web.requests import Look, Pane

LINES_AROUND = 400
"""Of the source above and below the current line."""
ROWS_BEFORE, ROWS_AFTER = 12, 40
STACK_ROWS = 24
MOST_FRAMES = 200
MEMORY_ROWS, ROW_BYTES = 32, 16
NOT_MAPPED = "--"


def look(session: Session, request: Look) -> Result:
    """Raises VmdbgError, such as UserError while the guest runs."""
    if session.debugger.running:
        raise UserError("the guest is running: stop it first")
    match request.pane:
        case Pane.CODE:
            return _code(session, request.frame)
        case Pane.REGISTERS:
            state = session.part(ContextState)
            state.look()
            return registers_view(session, state)
        case Pane.BACKTRACE:
            return _frames(session)
        case Pane.STACK:
            return rendered(document(*stack_lines(session, stack_pointer(session), STACK_ROWS)))
        case Pane.MEMORY:
            return _memory(session, request.place or "rsp")
        case Pane.POINTS:
            return PointsView([_point(session, point) for point in _points(session)])
        case _:
            assert_never(request.pane)


# code


def _code(session: Session, number: int) -> CodeView:
    frames = session.frames.all()
    frame = frames[number] if number < len(frames) else frames[0]
    pc = frame.physical.pc if number else session.debugger.pc
    line = session.sources.line_at(pc)
    file, current = (line.file, line.line) if line is not None else (frame.file, frame.line)
    stops = _stops(session)
    why, rows = "", []
    try:
        rows = [_row(session, one, pc, stops) for one in _around(session, pc)]
    except VmdbgError as error:
        why = str(error)
    function = frame.function or session.describe(pc).partition("+")[0]
    return CodeView(printable(function), printable(file), current, _lines(session, file, current, stops), rows, why)


def _around(session: Session, pc: int) -> Iterator[CodeLine]:
    yield from lines_before(session, pc, ROWS_BEFORE)
    yield from code_lines(session, pc, ROWS_AFTER)


def _lines(session: Session, file: str, current: int, stops: dict[int, int]) -> list[SourceLine]:
    content = session.sources.text(file) if file and current else None
    if content is None:
        return []
    marked = {}
    for address, number in stops.items():
        line = session.sources.line_at(address)
        if line is not None and line.file == file:
            marked[line.line] = number
    first, last = max(1, current - LINES_AROUND), current + LINES_AROUND
    return [
        SourceLine(number, printable(words.expandtabs(4))[:400], marked.get(number, 0))
        for number, words in enumerate(content[first - 1 : last], first)
    ]


def _row(session: Session, line: CodeLine, pc: int, stops: dict[int, int]) -> CodeRow:
    instruction = line.instruction
    source = session.sources.line_at(instruction.address)
    return CodeRow(
        f"{instruction.address:#x}",
        printable(session.describe(instruction.address)),
        [(printable(span.text), span.style.value) for span in instruction_spans(session, instruction)],
        f"{printable(source.file.rpartition('/')[2])}:{source.line}" if source is not None else "",
        instruction.address == pc,
        stops.get(instruction.address, 0),
    )


def _stops(session: Session) -> dict[int, int]:
    """Numbers of breakpoints by linear address."""
    breakpoints = session.debugger.points.breakpoints.values()
    return {one.address: one.number for one in breakpoints if one.space is Space.LINEAR and one.number > 0}


# stack


def _frames(session: Session) -> FramesView:
    frames = session.frames.all()
    trace = session.frames.trace()
    end = "" if trace.complete else f"ends here: {trace.stopped}"
    if len(frames) > MOST_FRAMES:
        end = f"{len(frames) - MOST_FRAMES:,} more: bt shows them"
    shown = [_frame(session, frame) for frame in frames[:MOST_FRAMES]]
    return FramesView(shown, session.frames.selected_number, end)


def _frame(session: Session, frame: SourceFrame) -> FrameRow:
    physical = frame.physical
    place = frame.function if frame.is_inlined else str(physical.location or frame.function or "")
    kind = physical.kind.value if physical.kind.value not in ("call", "current") else ""
    words = " ".join(word for word in (physical.stack, kind, "inlined" if frame.is_inlined else "") if word)
    arguments = frame_arguments(session, frame)
    return FrameRow(
        frame.number,
        f"{physical.pc:#x}",
        printable(place),
        printable(arguments or ""),
        printable(frame.position),
        words,
    )


# memory


class _Seen:
    """What a page saw last, to mark what has changed."""

    def __init__(self, session: Session) -> None:
        del session
        self.start = -1
        self.data = b""
        self.epoch: object = None
        self.before = b""


def _memory(session: Session, words: str) -> MemoryView:
    start = session.linear(words)
    memory = session.debugger.linear()
    size = MEMORY_ROWS * ROW_BYTES
    data = memory.read_prefix(Linear(start), min(size, (1 << 64) - start))
    seen = session.part(_Seen)
    if seen.epoch != session.debugger.epoch:
        seen.before = seen.data if seen.start == start else b""
    elif seen.start != start:
        seen.before = b""
    seen.start, seen.data, seen.epoch = start, data, session.debugger.epoch
    rows = [
        _memory_row(start + at, data[at : at + ROW_BYTES], seen.before[at : at + ROW_BYTES])
        for at in range(0, size, ROW_BYTES)
    ]
    return MemoryView(rows, printable(session.describe(start)))


def _memory_row(address: int, data: bytes, before: bytes) -> MemoryRow:
    shown = [f"{byte:02x}" for byte in data] + [NOT_MAPPED] * (ROW_BYTES - len(data))
    words = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
    changed = [at for at, (old, new) in enumerate(zip(before, data, strict=False)) if old != new]
    return MemoryRow(f"{address & (1 << 64) - 1:#x}", shown, words, changed)


# points


def _points(session: Session) -> list[Point]:
    table = session.debugger.points
    found: list[Point] = [*table.breakpoints.values(), *table.watchpoints.values()]
    return sorted((point for point in found if point.number > 0), key=lambda point: point.number)


def _point(session: Session, point: Point) -> PointRow:
    kind = "breakpoint" if isinstance(point, Breakpoint) else "watchpoint" if isinstance(point, Watchpoint) else "point"
    place = f"{point.address:#x} {session.describe(point.address)}".strip() if point.address >= 0 else point.text
    words = f"{place} if {point.text}" if point.condition is not None and point.text else place
    owner = point.owner or "nobody"
    return PointRow(point.number, kind, printable(words), owner, len(point.hits), point.enabled, owner == session.owner)
