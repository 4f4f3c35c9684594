"""Instants by the names that users give them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vmdbg.timeline.model import Model, origin_of
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.marks import (
    BookmarkMark,
    EndMark,
    ExceptionMark,
    HitMark,
    PercentMark,
    StartMark,
    TextMark,
    TickMark,
    parse_mark,
    seek_mark,
)
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick

FOR_EVER = Tick(1 << 62)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("0", TickMark(Position(Tick(0)))),
        ("1200+3", TickMark(Position(Tick(1200), 3))),
        ("1_000", TickMark(Position(Tick(1000)))),
        ("0x10", TickMark(Position(Tick(16)))),
        ("4.5G", TickMark(Position(Tick(4_500_000_000)))),
        ("2k", TickMark(Position(Tick(2000)))),
        ("start", StartMark()),
        ("end", EndMark()),
        ("37.5%", PercentMark(37.5)),
        ('"login:"', TextMark(b"login:")),
        ("exception", ExceptionMark()),
        ("exception:14#2", ExceptionMark(14, 2)),
        ("exception#3", ExceptionMark(None, 3)),
        ("hit:0x1000#7", HitMark(Linear(0x1000), 7)),
        ("@here", BookmarkMark("here")),
        ("here", BookmarkMark("here")),
    ],
)
def test_what_names_what(text: str, mark: object) -> None:
    assert parse_mark(text) == mark


@pytest.mark.parametrize("text", ["", "-1", "101%", "12 34", '"', "hit:zz", "exception:14#0", "1.2.3G", "+1", "%"])
def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_mark(text)


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    timeline = Timeline(origin_of("protected_exceptions").machine())
    timeline.run(FOR_EVER)
    yield timeline
    timeline.machine.close()


def test_text_is_when_its_last_byte_had_been_written(timeline: Timeline) -> None:
    whole = timeline.console.ports[-1].text
    wanted = bytes(whole[10:20])
    seek_mark(timeline, TextMark(wanted))
    here = timeline.position
    log: list[bytes] = []
    timeline.machine.debug_console.listeners.append(lambda _port, data, _tick: log.append(data))
    timeline.seek(timeline.start)
    timeline.checkpoints.clear()
    timeline.seek(here)
    assert b"".join(log).endswith(wanted)


def test_exceptions_count_from_the_start(timeline: Timeline) -> None:
    first = seek_mark(timeline, ExceptionMark())
    second = seek_mark(timeline, ExceptionMark(None, 2))
    assert timeline.start < first < second
    assert first.phase == 1


def test_hits_count_from_the_start(timeline: Timeline) -> None:
    model = Model("protected_exceptions")
    pc = max(set(model.pcs), key=model.pcs.count)
    places = [position for position, at in zip(model.positions[:-1], model.pcs[:-1], strict=True) if at == pc]
    assert seek_mark(timeline, HitMark(Linear(pc), 3)) == places[2]
    assert seek_mark(timeline, HitMark(Linear(pc), len(places))) == places[-1]
    with pytest.raises(UserError, match=f"only {len(places)} executions"):
        seek_mark(timeline, HitMark(Linear(pc), len(places) + 1))
    assert timeline.position == places[-1]


def test_percent_is_of_the_ticks(timeline: Timeline) -> None:
    assert seek_mark(timeline, PercentMark(0)) == timeline.start
    assert seek_mark(timeline, PercentMark(100)).tick == timeline.end.tick
    assert abs(seek_mark(timeline, PercentMark(50)).tick - timeline.end.tick // 2) < 16


def test_bookmarks(timeline: Timeline) -> None:
    timeline.bookmarks["x"] = Position(Tick(0))
    assert seek_mark(timeline, BookmarkMark("x")) == timeline.start
    with pytest.raises(UserError, match="no bookmark 'y'"):
        seek_mark(timeline, BookmarkMark("y"))
