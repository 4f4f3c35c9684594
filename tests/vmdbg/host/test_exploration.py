"""Runs of one past by other schedules: the sample's bug that takes two CPUs is found by priorities that change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import vmdbg
from tests.guests.build import sample_kernel
from vmdbg.host.exploration import Exploration, Seeds, Trial
from vmdbg.machine.digest import digest
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

PASSED = b"ledger: 150 entries, as it should have"
WITHIN = 300_000_000
TRIED = "pct:1..200,8,grain=10k"


@pytest.fixture(scope="module")
def part() -> Iterator[tuple[Timeline, Position]]:
    """A run in which nothing goes wrong, and the instant before its clerks begin."""
    kernel = sample_kernel("sample-smp.elf")
    with vmdbg.launch(kernel, append="bug=cli autostop panic=exit", cpus=2) as guest:
        guest.run()
        assert PASSED.decode() in guest.console
        yield guest.timeline, guest.seek('"mailbox: 6 letters read"')


@pytest.fixture
def exploration(part: tuple[Timeline, Position]) -> Exploration:
    timeline, start = part
    timeline.seek(start)
    return Exploration(timeline, PASSED, WITHIN)


def found(exploration: Exploration, tried: str = TRIED) -> Trial:
    trial, seeds = exploration.measured(Seeds.parse(tried))
    assert not trial.failure, "where no priority changes nothing goes wrong"
    return next(one for one in exploration.trials(seeds) if one.failure)


def test_the_bug_is_found_within_two_hundred_seeds_and_had_again(exploration: Exploration) -> None:
    failed = found(exploration)
    assert "ledger: " in failed.failure or "test-exit" in failed.failure
    timeline = exploration.timeline
    assert b"PANIC" in timeline.console.ports[0].text
    first = digest(timeline.machine)
    assert exploration.trial(failed.schedule) == failed
    assert digest(timeline.machine) == first
    timeline.seek(exploration.start)
    timeline.seek(failed.end)
    assert digest(timeline.machine) == first, "it is a history like any other"


def test_how_many_ticks_several_cpus_could_run_at_is_measured_where_pct_is_not_told(exploration: Exploration) -> None:
    trial, seeds = exploration.measured(Seeds.parse("pct:5..6,3,grain=10k"))
    assert trial.schedule == "pct:5,1,grain=10000"
    assert trial.contended is not None
    assert 0 < trial.contended < trial.end.tick - exploration.start.tick + 10_000
    assert list(seeds) == [f"pct:{seed},3,grain=10k,length={trial.contended}" for seed in (5, 6)]
    told = Seeds.parse("pct:5..6,3,length=1m")
    assert exploration.measured(told)[1] == told
    drawn = Seeds.parse("random:1..2")
    trial, same = exploration.measured(drawn)
    assert (trial.schedule, trial.contended, same) == ("round-robin", None, drawn)


def test_a_run_that_does_not_come_to_the_text_in_time_has_failed(part: tuple[Timeline, Position]) -> None:
    timeline, start = part
    timeline.seek(start)
    trial = Exploration(timeline, b"never said", 3_000_000).trial("round-robin")
    assert trial.failure == f'it has not shown "never said" up to tick {trial.end}'
    assert trial.end.tick >= start.tick + 3_000_000
    ended = Exploration(timeline, b"never said", WITHIN).trial("round-robin")
    assert ended.failure.endswith('and has not shown "never said"')


def test_without_a_text_a_run_passes_that_ends_in_order(part: tuple[Timeline, Position]) -> None:
    timeline, start = part
    timeline.seek(start)
    assert Exploration(timeline, b"", WITHIN).trial("round-robin").failure == ""
    timeline.seek(start)
    assert "has not ended up to" in Exploration(timeline, b"", 1_000_000).trial("round-robin").failure


@pytest.mark.parametrize(
    "text", ["", "pct", "pct:1", "pct:1..", "pct:2..1", "pct:1..2,x", "round-robin:1..2", "pct:1..9999999", "only:0..1"]
)
def test_what_are_no_schedules_is_refused_in_words(text: str) -> None:
    with pytest.raises(vmdbg.UserError, match="schedule"):
        Seeds.parse(text)


def test_one_cpu_has_nothing_to_explore() -> None:
    with vmdbg.launch(append="autostop") as guest, pytest.raises(vmdbg.UserError, match="--cpus 2"):
        Exploration(guest.timeline, b"", Tick(1_000))
