"""What happened in several lanes at once, one thing after the other, and what follows from what: for terminals.

Two lanes are two columns of text. More are narrow, as a history of branches has them, and have one column of text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from vmdbg.document.document import Column, Style, Table, Text, text

WIDTH = 79
LEAST_TEXT = 30
GAP = 2
_DOTS = "..."


class Mark(Enum):
    """What kind of thing happened."""

    READ = "read"
    WRITE = "write"
    LOCK = "lock"
    MESSAGE = "message"
    INTERRUPT = "interrupt"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class Entry:
    """In lane `lane` of the chart, at the instant `position`: `what`, by the code at `where`.

    `before` is a remark about what is not shown, "" if there is none.
    """

    lane: int
    position: str
    what: str
    where: str
    mark: Mark
    before: str = ""


@dataclass(frozen=True, slots=True)
class Tie:
    """Entry number `second` follows from number `first`; `words` say why."""

    first: int
    second: int
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`entries` are in order of time. `notes` are remarks below all."""

    lanes: tuple[str, ...]
    entries: tuple[Entry, ...]
    ties: tuple[Tie, ...] = ()
    notes: tuple[str, ...] = ()


STYLES = {
    Mark.READ: Style.PLAIN,
    Mark.WRITE: Style.CHANGED,
    Mark.LOCK: Style.SYMBOL,
    Mark.MESSAGE: Style.CURRENT,
    Mark.INTERRUPT: Style.CURRENT,
    Mark.SWITCH: Style.LABEL,
}


def in_columns(chart: Chart, shown: int) -> Table:
    """The first so many entries, no wider than a terminal of 80 characters."""
    entries = chart.entries[:shown]
    return _wide(chart, entries) if len(chart.lanes) <= 2 else _narrow(chart, entries)


def _wide(chart: Chart, entries: Sequence[Entry]) -> Table:
    count = max(len(chart.lanes), 1)
    width = (WIDTH - _of_positions(entries)) // count - GAP
    rows: list[tuple[Text, ...]] = []
    last: dict[int, str] = {}
    for entry in entries:
        lines = [text(line, STYLES[entry.mark]) for line in _wrapped(entry.what, width)]
        if entry.where and last.get(entry.lane) != entry.where:
            words = " ".join(_middle_cut(word, width - 2) for word in entry.where.split())
            lines += [text(line, Style.DIM) for line in _wrapped(f"  {words}", width)]
        last[entry.lane] = entry.where
        if entry.before:
            rows.append((text(""), *_in_lane(chart, entry.lane, text(_cut(entry.before, width), Style.DIM))))
        for number, line in enumerate(lines):
            position = text("" if number else entry.position, Style.DIM)
            rows.append((position, *_in_lane(chart, entry.lane, line)))
    columns = [Column("position", "position", right=True), *(Column(name, name) for name in chart.lanes)]
    return Table(tuple(columns), tuple(rows))


def _in_lane(chart: Chart, lane: int, cell: Text) -> Iterator[Text]:
    for number in range(len(chart.lanes)):
        yield cell if number == lane else text("")


def _narrow(chart: Chart, entries: Sequence[Entry]) -> Table:
    lanes = len(chart.lanes)
    width = max(LEAST_TEXT, WIDTH - _of_positions(entries) - (2 * lanes - 1) - 2 * GAP)
    rows = []
    for number, entry in enumerate(entries):
        after = _tied_to(chart, number)
        where = f"  {entry.where}" if entry.where else ""
        if entry.before:
            rows.append((text(""), text(_bars(lanes)), text(_cut(entry.before, width), Style.DIM)))
        what = f"{entry.what}{after}"
        if len(what) + len(where) <= width:
            rows.append((text(entry.position, Style.DIM), text(_bars(lanes, entry.lane)), _line(entry, what, where)))
            continue
        rows.append((text(entry.position, Style.DIM), text(_bars(lanes, entry.lane)), _line(entry, _cut(what, width))))
        rows.append((text(""), text(_bars(lanes)), text(_cut(where, width), Style.DIM)))
    title = " ".join(name.rpartition(" ")[2][-1:] for name in chart.lanes)
    return Table(
        (Column("position", "position", right=True), Column("cpu", title), Column("what", "what")), tuple(rows)
    )


def _line(entry: Entry, what: str, where: str = "") -> Text:
    return text(what, STYLES[entry.mark]) + text(where, Style.DIM)


def _tied_to(chart: Chart, number: int) -> str:
    """Whose doing an entry follows from."""
    lanes = sorted({chart.entries[tie.first].lane for tie in chart.ties if tie.second == number})
    return f" <- {', '.join(chart.lanes[lane] for lane in lanes)}" if lanes else ""


def _bars(lanes: int, here: int | None = None) -> str:
    return " ".join("*" if lane == here else "|" for lane in range(lanes))


def _of_positions(entries: Sequence[Entry]) -> int:
    return max([len("position"), *(len(entry.position) for entry in entries)])


def _wrapped(words: str, width: int) -> list[str]:
    return textwrap.wrap(words, width, subsequent_indent="    ", max_lines=2, placeholder=_DOTS, break_on_hyphens=False)


def _middle_cut(word: str, width: int) -> str:
    """A place in code, whose end says most."""
    left = (width - len(_DOTS)) // 2
    return word if len(word) <= width else word[:left] + _DOTS + word[len(word) - (width - len(_DOTS) - left) :]


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else words[: width - len(_DOTS)] + _DOTS
