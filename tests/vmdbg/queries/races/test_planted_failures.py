"""The planted bugs do no harm in plain turns, do it by some of 200 drawn priorities, and the recording tells whose they
are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.vmdbg.queries.races.planted import planted
from vmdbg.host.exploration import Exploration, Seeds
from vmdbg.session.session import Session
from vmdbg.timeline.marks import parse_mark, seek_mark

PASSED = {"counter": b"counter: 200 of 200", "double_free": b"double_free: 60 of 60", "abba": b"abba: 1000 and 1000"}
TRIED = "pct:1..200,8,grain=10k"
WITHIN = 200_000_000


@contextmanager
def failing(name: str) -> Iterator[Session]:
    """Where the first run that fails has ended."""
    with planted(name) as (session, said):
        assert PASSED[name] in said
        timeline = session.debugger.timeline
        seek_mark(timeline, parse_mark('"loading"'))
        exploration = Exploration(timeline, PASSED[name], WITHIN)
        trial, seeds = exploration.measured(Seeds.parse(TRIED))
        assert not trial.failure
        assert any(trial.failure for trial in exploration.trials(seeds)), f"none of {seeds} fails"
        yield session


def race(session: Session, function: str) -> dict[str, object]:
    found = json.loads(session.execute(f"query races --function {function} --from 4G --json"))
    first: dict[str, object] = found["races"][0]
    return first


@pytest.mark.parametrize(
    ("name", "function", "data"),
    [("counter", "deposit", "balance [counter]"), ("double_free", "give_back", "receipts [double_free]")],
)
def test_a_failing_run_is_found_and_its_race_told_with_both_stacks(name: str, function: str, data: str) -> None:
    with failing(name) as session:
        said = bytes(session.debugger.timeline.console.ports[0].text)
        assert PASSED[name] not in said
        found = race(session, function)
        assert found["name"] == data
        for side in ("first", "second"):
            stack = found[side]["stack"]  # type: ignore[index]
            assert [place.split("+")[0] for place in stack[:2]] == [function, "teller"]


def test_the_deadlock_is_brought_about_and_its_circle_named() -> None:
    with failing("abba") as session:
        found = json.loads(session.execute("locks --json"))
        (circle,) = found["deadlocks"]
        tellers = {waiter["pid"]: waiter["name"] for lock in found["locks"] for waiter in lock["waiters"]}
        assert {tellers[pid] for pid in circle} == {"teller/0", "teller/1"}
        names = {lock["name"]: lock for lock in found["locks"]}
        for name in ("savings [abba]", "current_account [abba]"):
            assert names[name]["holder"]["pid"] in circle
            assert names[name]["since"]
        shown = session.execute("locks")
        assert "deadlock: teller/" in shown
        session.run(f"goto {names['savings [abba]']['since']}")
        assert "transfer" in session.execute("bt")
