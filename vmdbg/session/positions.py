"""Instants as users write them: what vmdbg.timeline.marks understands, `+1000` and `-1000`, and expressions."""

from __future__ import annotations

import re

from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim, Place
from vmdbg.machine.snapshot import Position
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.registry import did_you_mean
from vmdbg.session.view import View
from vmdbg.timeline.mark_forms import FORMS
from vmdbg.timeline.marks import (
    BookmarkMark,
    EndMark,
    Mark,
    PercentMark,
    StartMark,
    TickMark,
    parse_mark,
    seek_mark,
)
from vmdbg.units import TICK_SCALES, Linear, Tick

_HIT = re.compile(r"hit:", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][\w.$]*(?:\s*[+-]\s*(?:0x[0-9a-fA-F]+|\d+))?")
"""A symbol, and perhaps a distance from it: what it means does not depend on where the guest stands."""
_SCALED = re.compile(r"(\d{1,40}(?:\.\d{1,40})?)(k|m|g|us|ms|s)", re.IGNORECASE)
_SCALE = {**TICK_SCALES, "us": 10**3, "ms": 10**6, "s": 10**9}
"""In ticks, which are nanoseconds of guest time."""


def find_position(view: View, words: str) -> Position:
    """The instant that the words name; a tick may lie beyond the history's end. Moves nothing. Raises UserError."""
    words = words.strip()
    timeline = view.debugger.timeline
    if words == "here":
        return timeline.position
    if words[:1] in "+-" and len(words) > 1:
        return Position(Tick(max(timeline.position.tick + _distance(view, words), timeline.start.tick)))
    try:
        mark = parse_mark(words, lambda place: address_sometime(view, place))
    except UserError:
        if _HIT.match(words):
            raise
        return _expression(view, words)
    if isinstance(mark, BookmarkMark) and mark.name not in timeline.bookmarks:
        return _expression(view, words)
    return _position_of(view, mark)


def place_sometime(view: View, text: str, *, physical: bool = False, aim: Aim = Aim.CODE) -> Place:
    """view.place(). A name that nothing has yet may be known at the history's end: kernels tell theirs once up."""
    timeline = view.debugger.timeline
    try:
        return view.place(text, physical=physical, aim=aim)
    except UserError:
        if timeline.position >= timeline.end or not _NAME.fullmatch(text.strip()):
            raise
    with elsewhen(view, timeline.end):
        return view.place(text, physical=physical, aim=aim)


def address_sometime(view: View, text: str) -> Linear:
    """The address of an instruction. Raises UserError."""
    found = place_sometime(view, text)
    if found.is_physical:
        raise UserError(f"{text} is a physical address; a linear one is needed")
    return Linear(found.address)


def _distance(view: View, words: str) -> int:
    """`+1000`, `-2.5m`, `+20ms`, or an expression after the sign."""
    distance = ticks_of(view, words[1:])
    return -distance if words[0] == "-" else distance


def ticks_of(view: View, words: str) -> int:
    """How long `1000`, `2.5m`, `20ms` or an expression is. Raises UserError."""
    found = _SCALED.fullmatch(words)
    return round(float(found[1]) * _SCALE[found[2].lower()]) if found else view.integer(words)


def _position_of(view: View, mark: Mark) -> Position:
    timeline = view.debugger.timeline
    match mark:
        case TickMark(position):
            return position
        case StartMark():
            return timeline.start
        case EndMark():
            return timeline.end
        case BookmarkMark(name):
            return timeline.bookmarks[name]
        case PercentMark(percent):
            length = timeline.end.tick - timeline.start.tick
            return max(timeline.start, Position(Tick(timeline.start.tick + int(length * percent / 100))))
        case _:
            with elsewhen(view):
                return seek_mark(timeline, mark, view.progress)


def _expression(view: View, words: str) -> Position:
    try:
        return Position(Tick(view.integer(words)))
    except UserError as error:
        hint = did_you_mean(words, view.debugger.timeline.bookmarks)
        raise UserError(f"{words!r} names no instant{hint}: give {FORMS}, +N, -N or an expression ({error})") from error


def percent_of(view: View, position: Position) -> float:
    """How far through the known history an instant is."""
    timeline = view.debugger.timeline
    length = timeline.end.tick - timeline.start.tick
    return 100.0 * (position.tick - timeline.start.tick) / length if length else 100.0
