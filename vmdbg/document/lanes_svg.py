"""A chart of lanes as a picture: a column a lane, time downwards, and arrows from what came first to what follows."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from vmdbg.document.lanes import Chart, Entry, Mark, Tie
from vmdbg.document.printable import printable

CHARACTER = 7.3
"""Width of one, of a monospaced font of 12 pixels."""
LEAST_LANE, MOST_LANE = 24, 52
"""Characters that a lane has room for."""
TOP, ROW, MARGIN, POSITIONS, DOT = 64, 34, 16, 110, 14
NOTE = 18
COLORS = {
    Mark.READ: "#1f6feb",
    Mark.WRITE: "#c2410c",
    Mark.LOCK: "#15803d",
    Mark.MESSAGE: "#7e22ce",
    Mark.INTERRUPT: "#be185d",
    Mark.SWITCH: "#57606a",
}
_INK, _DIM, _RULE, _SHADE, _ARROW = "#1f2328", "#6e7781", "#d0d7de", "#f3f6fa", "#8c959f"
_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"
 viewBox="0 0 {width:.0f} {height:.0f}"
 font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="12">
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
 orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="{arrow}"/></marker></defs>
<rect width="100%" height="100%" fill="#ffffff"/>"""


def svg(chart: Chart, title: str) -> str:
    """The whole chart, as text of an SVG 1.1 document."""
    picture = _Picture(chart)
    parts = [picture.head(), _text(MARGIN, 24, title, _INK, "font-weight='bold' font-size='14'")]
    parts += [*picture.shades(), *picture.lanes(), *picture.ties(), *picture.entries(), *picture.notes(), "</svg>\n"]
    return "\n".join(parts)


def _text(x: float, y: float, words: str, color: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" xml:space="preserve" {more}>{escape(printable(words))}</text>'


class _Picture:
    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        longest = max((max(len(e.what), len(e.where), len(e.before)) for e in chart.entries), default=0)
        self._room = min(max(longest, LEAST_LANE), MOST_LANE)
        self._lane = self._room * CHARACTER + 3 * DOT

    def head(self) -> str:
        width = 2 * MARGIN + POSITIONS + max(len(self._chart.lanes), 1) * self._lane
        widest = max((len(note) for note in self._chart.notes), default=0) * CHARACTER + 2 * MARGIN
        height = self._y(len(self._chart.entries)) + NOTE * len(self._chart.notes) + MARGIN
        return _HEAD.format(width=max(width, widest), height=height, arrow=_ARROW)

    def _x(self, lane: int) -> float:
        """Of the line of a lane."""
        return MARGIN + POSITIONS + lane * self._lane + DOT

    def _y(self, number: int) -> float:
        """Of an entry's dot."""
        return TOP + number * ROW + ROW / 2

    def shades(self) -> Iterator[str]:
        """One behind what one lane does in a row."""
        numbered = enumerate(self._chart.entries)
        for lane, group in groupby(numbered, key=lambda one: one[1].lane):
            rows = [number for number, _ in group]
            x, y = self._x(lane) - DOT, TOP + rows[0] * ROW + 2
            size = f'width="{self._lane - DOT:.1f}" height="{len(rows) * ROW - 4}"'
            yield f'<rect x="{x:.1f}" y="{y:.1f}" {size} rx="6" fill="{_SHADE}"/>'

    def lanes(self) -> Iterator[str]:
        bottom = TOP + len(self._chart.entries) * ROW
        for lane, name in enumerate(self._chart.lanes):
            x = self._x(lane)
            yield _text(x - 4, TOP - 14, name, _INK, "font-weight='bold'")
            yield f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="{_RULE}" stroke-width="2"/>'

    def ties(self) -> Iterator[str]:
        for tie in self._chart.ties:
            yield self._tie(tie)

    def _tie(self, tie: Tie) -> str:
        first, second = self._chart.entries[tie.first], self._chart.entries[tie.second]
        x, y, to_x, to_y = self._x(first.lane), self._y(tie.first), self._x(second.lane), self._y(tie.second)
        gap = 6 if to_x > x else -6
        x, to_x = x + gap, to_x - gap
        bend = (to_x - x) / 2
        path = f"M{x:.1f} {y:.1f} C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        why = escape(printable(f"{first.what}: {second.what} ({tie.words})"))
        style = f'fill="none" stroke="{_ARROW}" stroke-width="1.3" marker-end="url(#tip)"'
        return f'<path d="{path}" {style}><title>{why}</title></path>'

    def entries(self) -> Iterator[str]:
        for number, entry in enumerate(self._chart.entries):
            yield from self._entry(number, entry)

    def _entry(self, number: int, entry: Entry) -> Iterator[str]:
        x, y = self._x(entry.lane), self._y(number)
        color = COLORS[entry.mark]
        what = self._cut(entry.what)
        under = self._cut(" - ".join(words for words in (entry.where, entry.before) if words))
        yield _text(MARGIN, y + 4, entry.position, _DIM)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{color}"/>'
        width = max(len(what), len(under)) * CHARACTER + 4
        behind = f'width="{width:.1f}" height="{ROW - 6}" fill="{_SHADE}"'
        yield f'<rect x="{x + DOT - 3:.1f}" y="{y - ROW / 2 + 3:.1f}" {behind}/>'
        yield _text(x + DOT, y - 2 if under else y + 4, what, color)
        if under:
            yield _text(x + DOT, y + 11, under, _DIM, "font-size='11'")

    def _cut(self, words: str) -> str:
        return words if len(words) <= self._room else words[: self._room - 3] + "..."

    def notes(self) -> Iterator[str]:
        for number, note in enumerate(self._chart.notes):
            yield _text(MARGIN, self._y(len(self._chart.entries)) + number * NOTE, note, _DIM)
