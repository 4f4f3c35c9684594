"""A strip as a picture, for notebooks and reports. The browser view draws the same on a canvas that can be zoomed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from vmdbg.document.printable import printable
from vmdbg.document.strip import Run, Strip

WIDTH, LEFT, RIGHT = 960, 104, 8
RULER, CONSOLE, LANE, DENSITY = 20, 32, 18, 16
CHARACTER = 6.4
"""Width of one, of a monospaced font of 10.5 pixels."""
MARKS = 8
"""On the ruler, about."""
LONGEST = 60
"""Characters of a line of the console."""
_INK, _DIM, _RULE, _SHADE, _LINE = "#1f2328", "#6e7781", "#e4e8ec", "#f3f6fa", "#11702f"
_COLORS = ("#1f6feb", "#cf222e", "#9a6700", "#7e22ce", "#11702f")
_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"
 font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="10.5">
<rect width="100%" height="100%" fill="#ffffff"/>"""


def svg(strip: Strip) -> str:
    """Text of an SVG 1.1 document. What the guest wrote is text in it."""
    picture = _Picture(strip)
    height = RULER + CONSOLE + LANE * len(strip.lanes) + DENSITY * len(strip.densities) + 6
    parts = [_HEAD.format(width=WIDTH, height=height), *picture.ruler(height), *picture.console(RULER)]
    y = RULER + CONSOLE
    for name, runs in strip.lanes:
        parts += picture.lane(name, runs, y)
        y += LANE
    for number, (name, counts) in enumerate(strip.densities):
        parts += picture.density(name, counts, y, _COLORS[number % len(_COLORS)])
        y += DENSITY
    return "\n".join([*parts, "</svg>\n"])


class _Picture:
    def __init__(self, strip: Strip) -> None:
        self._strip = strip
        self._ticks = max(1, strip.length * strip.stretches)

    def _x(self, tick: float) -> float:
        return LEFT + (tick - self._strip.start) / self._ticks * (WIDTH - LEFT - RIGHT)

    def _at(self, number: int) -> float:
        """Where a stretch begins."""
        return self._x(self._strip.start + number * self._strip.length)

    def ruler(self, height: int) -> Iterator[str]:
        step = _nice(self._ticks / MARKS)
        for number in range(math.ceil(self._strip.start / step), (self._strip.start + self._ticks) // step + 1):
            x = self._x(number * step)
            yield f'<path d="M{x:.1f} 4V{height - 4}" stroke="{_RULE}"/>'
            yield _text(x + 4, 13, f"{number * step / self._strip.ticks_per_second:g} s", _DIM)

    def console(self, y: int) -> Iterator[str]:
        """Every line is a stroke; as many as there is room for are written out, on two levels."""
        yield _label("console", y + CONSOLE / 2)
        drawn = -1.0
        for tick, _ in self._strip.lines:
            x = self._x(tick)
            if x - drawn >= 1:
                yield f'<rect x="{x:.1f}" y="{y + 2}" width="1" height="{CONSOLE - 4}" fill="{_LINE}"/>'
                drawn = x
        free = [0.0, 0.0]
        for tick, words in self._strip.lines:
            x = self._x(tick)
            shown = printable(words)[: min(LONGEST, int((WIDTH - RIGHT - x) / CHARACTER))]
            level = next((one for one, end in enumerate(free) if end < x), None)
            if level is not None and len(shown) > 3:
                yield _text(x + 4, y + 12 + 14 * level, shown, _INK)
                free[level] = x + 10 + len(shown) * CHARACTER

    def lane(self, name: str, runs: Sequence[Run], y: int) -> Iterator[str]:
        yield _label(name, y + LANE / 2)
        yield f'<rect x="{LEFT}" y="{y + 1}" width="{WIDTH - LEFT - RIGHT}" height="{LANE - 2}" fill="{_SHADE}"/>'
        for run in runs:
            x = self._at(run.first)
            wide = max(0.5, self._at(run.first + run.count) - x)
            tall = max(2.0, (LANE - 2) * min(1.0, run.share))
            color = f"hsl({run.number * 137 % 360}, 45%, 45%)"
            box = f'x="{x:.1f}" y="{y + LANE - 1 - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
            yield f'<rect {box} fill="{color}"><title>{escape(printable(run.name))}</title></rect>'
            if wide > len(run.name) * CHARACTER + 10:
                yield _text(x + 5, y + LANE / 2 + 4, run.name, "#ffffff" if tall > LANE * 0.6 else _INK)

    def density(self, name: str, counts: Sequence[int], y: int, color: str) -> Iterator[str]:
        """By the logarithm: one that is alone is seen beside thousands."""
        yield _label(name, y + DENSITY / 2)
        most = math.log1p(max(1, *counts, 0))
        wide = max(0.5, self._at(1) - self._at(0))
        for number, count in enumerate(counts):
            if count:
                tall = max(2.0, (DENSITY - 3) * math.log1p(count) / most)
                place = f'x="{self._at(number):.1f}" y="{y + DENSITY - 1 - tall:.1f}"'
                yield f'<rect {place} width="{wide:.2f}" height="{tall:.1f}" fill="{color}"/>'


def _label(words: str, middle: float) -> str:
    return _text(LEFT - 8, middle + 4, words, _DIM, ' text-anchor="end"')


def _text(x: float, y: float, words: str, color: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" xml:space="preserve"{more}>{escape(printable(words))}</text>'


def _nice(ticks: float) -> int:
    """The next of 1, 2, 5 times a power of ten."""
    power = int(10 ** math.floor(math.log10(max(1.0, ticks))))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= ticks)
