"""The panes around the line: which there are in a terminal of a size, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vmdbg.commands.code.context import SECTIONS
from vmdbg.commands.code.context_state import SIZES, ContextState, Size
from vmdbg.commands.code.symbol import lines_around
from vmdbg.commands.data.examine import read_prefix_at
from vmdbg.document.document import Block, Document, Style, Text, text
from vmdbg.document.hexdump_format import dump_lines
from vmdbg.errors import VmdbgError
from vmdbg.session.session import Session

NARROW, ROOMY, LARGE = 30, 60, 40
"""Columns of the right half, and of one with room for addresses; rows from which on each thing has a pane."""
MEMORY_ROW = 16


@dataclass(frozen=True, slots=True)
class Pane:
    """`name` as in the title; `rows` without that."""

    name: str
    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Two columns of panes above one that is as wide as the terminal."""

    left: Sequence[Pane]
    right: Sequence[Pane]
    console: Pane


def arranged(columns: int, rows: int) -> Arrangement:
    """For so many columns, and rows besides the line and the bar. Each pane has a row for its title."""
    console = max(3, min(rows // 3, 16))
    upper = max(2, rows - console - 2)
    right = max(NARROW, min(columns * 9 // 20, 90))
    left = max(1, columns - right - 1)
    if upper + console < LARGE:
        halves = _shared(upper, ("registers", 2), ("stack", 1))
        return Arrangement(
            [Pane("code", left, upper)], [Pane(n, right, r) for n, r in halves], _console(columns, console)
        )
    lefts = _shared(upper, ("source", 3), ("assembly", 3), ("backtrace", 2))
    rights = _shared(upper, ("registers", 3), ("stack", 3), ("watch", 2))
    made = [[Pane(name, width, height) for name, height in side] for side, width in ((lefts, left), (rights, right))]
    return Arrangement(made[0], made[1], _console(columns, console))


def _console(columns: int, rows: int) -> Pane:
    return Pane("console", columns, rows)


def _shared(rows: int, *parts: tuple[str, int]) -> list[tuple[str, int]]:
    """Rows for each, by weight, where each but the first has a title of its own within them."""
    room, weight = rows - len(parts) + 1, sum(share for _, share in parts)
    made = [(name, max(1, room * share // weight)) for name, share in parts]
    name, first = made[0]
    return [(name, max(1, first + room - sum(height for _, height in made))), *made[1:]]


class Contents:
    """Of the panes, at the instant at which the guest stands."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._makers: dict[str, Callable[[Pane, ContextState], list[Block]]] = {
            "code": self._code,
            "source": self._source,
            "assembly": lambda pane, state: _section(session, state, "code"),
            "registers": self._registers,
            "stack": self._stack,
            "backtrace": lambda pane, state: _section(session, state, "backtrace"),
            "watch": self._watch,
        }
        self.memory = ""
        """What the memory pane shows; "" for the stack's."""

    def title(self, pane: Pane) -> str:
        session = self._session
        match pane.name:
            case "registers":
                return f"registers  {session.registers.mode.width}-bit, ring {session.registers.cpl}"
            case "code" | "source":
                line = session.sources.line_at(session.debugger.pc)
                return f"{pane.name}  {line.file}:{line.line}" if line is not None else pane.name
            case "watch" if not session.part(ContextState).expressions:
                return f"memory  {self.memory or 'rsp'}"
            case _:
                return pane.name

    def of(self, pane: Pane) -> Document:
        """What cannot be shown says why."""
        state = self._session.part(ContextState)
        state.look()
        before, columns = state.size, self._session.columns
        ahead = max(1, pane.rows // 3)
        state.size = Size(ahead, max(1, pane.rows - ahead - 1), pane.rows, pane.rows, max(1, pane.rows - 1))
        self._session.columns = pane.columns
        try:
            return Document(tuple(self._makers[pane.name](pane, state)))
        except VmdbgError as error:
            return Document((text(str(error), Style.BAD),))
        finally:
            state.size, self._session.columns = before, columns

    def _code(self, pane: Pane, state: ContextState) -> list[Block]:
        """The source, where there is any; else what the CPU is about to do."""
        return self._source(pane, state) or _section(self._session, state, "code")

    def _source(self, pane: Pane, _state: ContextState) -> list[Block]:
        session = self._session
        line = session.sources.line_at(session.debugger.pc)
        return list(lines_around(session, line.file, line.line, pane.rows)) if line is not None else []

    def _registers(self, pane: Pane, state: ContextState) -> list[Block]:
        """All, or where there is no room for them those that have changed."""
        found = _section(self._session, state, "registers")
        if len(found) <= pane.rows:
            return found
        state.size = SIZES[-1]
        return _section(self._session, state, "registers")

    def _stack(self, pane: Pane, state: ContextState) -> list[Block]:
        """Without the addresses, where there is little room: their distances from rsp remain."""
        lines = _section(self._session, state, "stack")
        if pane.columns >= ROOMY:
            return lines
        return [Text(line.spans[1:]) if isinstance(line, Text) and len(line.spans) > 1 else line for line in lines]

    def _watch(self, pane: Pane, state: ContextState) -> list[Block]:
        """What `display` shows; without that, memory."""
        if state.expressions:
            return _section(self._session, state, "watch")
        place = self._session.place(self.memory or "rsp")
        return list(dump_lines(place.address, read_prefix_at(self._session, place, MEMORY_ROW * pane.rows)))


def _section(session: Session, state: ContextState, name: str) -> list[Block]:
    return SECTIONS[name](session, state)
