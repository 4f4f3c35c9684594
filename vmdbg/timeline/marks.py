"""Instants by what users call them: a tick, a share of the history, a text on the console, an exception, a hit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from vmdbg.engine.exits import BreakpointHit, ExceptionDelivered
from vmdbg.engine.stops import Breakpoints, Catches, Stops
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.mark_forms import FORMS
from vmdbg.timeline.outcomes import Passage, Progress, says_nothing
from vmdbg.timeline.stops import arm
from vmdbg.timeline.texts import go_to_end, talking_port
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick, scaled_ticks

_TICK = re.compile(r"(0x[0-9a-f]{1,40}|[0-9][0-9_]{0,40}(?:\.[0-9]{1,40})?)([kmg]?)(?:\+([0-9]{1,20}))?", re.IGNORECASE)
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)%")
_EXCEPTION = re.compile(r"exception(?::(0x[0-9a-f]{1,20}|[0-9]{1,20}))?(?:#([0-9]{1,20}))?", re.IGNORECASE)
_LONGEST = 100
"""Characters of an address."""
_HIT = re.compile(r"hit:(.+?)(?:#([0-9]{1,20}))?")
ALL_VECTORS = frozenset(range(32))

AddressOf = Callable[[str], int]
"""The address that an expression names. Raises UserError."""


@dataclass(frozen=True, slots=True)
class TickMark:
    position: Position


@dataclass(frozen=True, slots=True)
class StartMark:
    pass


@dataclass(frozen=True, slots=True)
class EndMark:
    pass


@dataclass(frozen=True, slots=True)
class PercentMark:
    """A share of the history's ticks, from 0 to 100."""

    percent: float


@dataclass(frozen=True, slots=True)
class TextMark:
    """When the last byte of the `count`-th occurrence of a text had been written to a console."""

    text: bytes
    count: int = 1


@dataclass(frozen=True, slots=True)
class ExceptionMark:
    """The handler's first instruction of the `count`-th delivery of an exception; without `vector` of any."""

    vector: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class HitMark:
    """When the instruction at a linear address is about to run for the `count`-th time."""

    address: Linear
    count: int = 1


@dataclass(frozen=True, slots=True)
class BookmarkMark:
    name: str


Mark = TickMark | StartMark | EndMark | PercentMark | TextMark | ExceptionMark | HitMark | BookmarkMark


def parse_mark(text: str, address_of: AddressOf | None = None) -> Mark:
    """What `text` names. Raises UserError if it names nothing."""
    text = text.strip()
    if text in ("start", "begin"):
        return StartMark()
    if text == "end":
        return EndMark()
    if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'":
        return TextMark(text[1:-1].encode())
    if found := _PERCENT.fullmatch(text):
        return PercentMark(_share(float(found[1])))
    if found := _TICK.fullmatch(text):
        return TickMark(Position(Tick(_ticks(found[1], found[2].lower())), int(found[3] or 0)))
    if found := _EXCEPTION.fullmatch(text):
        return ExceptionMark(int(found[1], 0) if found[1] else None, _count(found[2]))
    if found := _HIT.fullmatch(text):
        return HitMark(Linear((address_of or _number)(found[1])), _count(found[2]))
    if re.fullmatch(r"@?[A-Za-z_][\w.-]*", text):
        return BookmarkMark(text.removeprefix("@"))
    raise UserError(f"{text[:_LONGEST]!r} names no instant: give {FORMS}")


def _share(percent: float) -> float:
    if percent > 100:
        raise UserError(f"{percent:g}% is after the end: give 0% to 100%")
    return percent


def _ticks(number: str, scale: str) -> int:
    if number[:2].lower() == "0x":
        return int(number, 16)
    return scaled_ticks(number, scale)


def _count(text: str | None) -> int:
    count = int(text) if text else 1
    if count < 1:
        raise UserError("occurrences count from 1")
    return count


def _number(text: str) -> int:
    try:
        return int(text[:_LONGEST], 0)
    except ValueError:
        raise UserError(f"{text[:_LONGEST]!r} is no address: give a number, as 0x100000") from None


def seek_mark(timeline: Timeline, mark: Mark, on_progress: Progress | None = None) -> Position:
    """Go there. Raises UserError, back where it was, if there is no such instant."""
    origin = timeline.position
    try:
        with timeline.undisturbed():
            _go(timeline, mark, on_progress)
    except BaseException:
        timeline.seek(origin)
        raise
    return timeline.position


def _go(timeline: Timeline, mark: Mark, on_progress: Progress | None) -> None:
    match mark:
        case TickMark(position):
            timeline.seek(position, on_progress)
        case StartMark():
            timeline.seek(timeline.start, on_progress)
        case EndMark():
            timeline.seek(timeline.end, on_progress)
        case PercentMark(percent):
            start, end = timeline.start.tick, timeline.end.tick
            tick = Tick(start + int((end - start) * percent / 100))
            timeline.seek(max(timeline.start, Position(tick)), on_progress)
        case TextMark(text, count):
            _go_to_text(timeline, text, count, on_progress)
        case ExceptionMark(vector, count):
            vectors = ALL_VECTORS if vector is None else frozenset({vector})
            what = "exceptions" if vector is None else f"exceptions with vector {vector}"
            _go_to_nth(timeline, Stops(catches=Catches(vectors=vectors)), count, what, on_progress)
        case HitMark(address, count):
            what = f"executions of {address:#x}"
            _go_to_nth(timeline, Stops(Breakpoints(linear=(address,))), count, what, on_progress)
        case BookmarkMark(name):
            if name not in timeline.bookmarks:
                raise UserError(f"there is no bookmark {name!r}: give {FORMS}")
            timeline.seek(timeline.bookmarks[name], on_progress)
        case _:
            assert_never(mark)


def _go_to_nth(timeline: Timeline, stops: Stops, count: int, what: str, on_progress: Progress | None) -> None:
    """To the `count`-th time that a run from the start reports one of the stops."""
    engine, left = timeline.machine.engine, count
    timeline.go(timeline.start)
    arm(engine, stops)
    passage = Passage(timeline)
    while timeline.position < timeline.end:
        outcome = passage.to(timeline.end, stops)
        if on_progress is not None:
            on_progress(_done(timeline))
        if isinstance(outcome, BreakpointHit | ExceptionDelivered):
            left -= 1
            if not left:
                return
        elif not says_nothing(outcome):
            break
    raise UserError(f"there are only {count - left} {what} in the history")


def _done(timeline: Timeline) -> float:
    whole = timeline.end.tick - timeline.start.tick
    return (timeline.position.tick - timeline.start.tick) / whole if whole else 1.0


def _go_to_text(timeline: Timeline, text: bytes, count: int, on_progress: Progress | None) -> None:
    port = talking_port(timeline)
    end = timeline.console.ports[port].nth(text, count)
    if end is None:
        times = f" {count} times" if count > 1 else ""
        raise UserError(f"the console never had {text.decode('utf-8', 'replace')!r}{times}")
    go_to_end(timeline, port, end, on_progress)
