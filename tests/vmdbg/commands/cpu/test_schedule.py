"""schedule, reschedule and write-schedule, on tests/determinism/smp.asm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.determinism.machines import smp_machine
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.session.registry import Effect
from vmdbg.session.schedule_files import schedule_text
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


@pytest.fixture
def several() -> Iterator[Session]:
    debugger = Debugger(Timeline(smp_machine(4, schedule="round-robin:5000")))
    debugger.timeline.run(Tick(90_000))
    yield Session(debugger, catalog.commands(), allowed=~Effect.NONE)
    debugger.close()


def test_the_one_in_effect_is_shown(several: Session) -> None:
    shown = several.run("schedule").data
    assert isinstance(shown, dict)
    assert shown["schedule"] == "round-robin:5000"
    assert shown["since"] == "power-on"
    assert shown["turn"] == several.debugger.engine.selected
    assert "the first jump at" in several.execute("schedule")
    several.run("reschedule random:7")
    several.debugger.timeline.run(Tick(95_000))
    assert several.debugger.engine.turn.exact
    assert "the first instruction's end at" in several.execute("schedule")
    assert "random:7" in several.execute("schedule")
    assert "an input changed it" in several.execute("schedule")


def test_in_the_past_it_is_what_it_was_unless_another_future_begins(several: Session) -> None:
    several.run("reschedule random:7")
    several.run("goto 80_000")
    assert "round-robin:5000" in several.execute("schedule")
    with pytest.raises(UserError, match="fork"):
        several.run("reschedule pct:1")
    several.run("reschedule pct:1 --fork")
    assert several.debugger.timeline.live
    assert "pct:1,3" in several.execute("schedule")


@pytest.mark.parametrize(
    "line", ["reschedule fair", "reschedule only:4", "reschedule random:x --fork", "reschedule file:/nope"]
)
def test_what_is_none_is_refused_and_changes_nothing(several: Session, line: str) -> None:
    several.run("goto 80_000")
    with pytest.raises(UserError, match=r"schedule|CPU"):
        several.run(line)
    assert several.debugger.timeline.end.tick >= 90_000


def test_who_may_not_read_files_cannot_name_one(several: Session) -> None:
    session = Session(several.debugger, catalog.commands(), allowed=Effect.CHANGES)
    with pytest.raises(UserError, match="files of the host are not read here"):
        session.run("reschedule file:/etc/passwd")


def test_what_is_written_is_the_run_again(several: Session, tmp_path: Path) -> None:
    debugger = several.debugger
    here, before = debugger.position, digest(debugger.machine)
    file = tmp_path / "my.turns"
    assert "turns, up to tick" in several.execute(f"write-schedule {file}")
    assert (debugger.position, digest(debugger.machine)) == (here, before)
    again = smp_machine(4, schedule=schedule_text(f"file:{file}"))
    timeline = Timeline(again)
    timeline.run(here.tick)
    now = digest(again)
    assert (now.ticks, now.cpu, now.ram) == (before.ticks, before.cpu, before.ram)
    again.close()
    with pytest.raises(UserError, match="is not overwritten"):
        several.run(f"write-schedule {file}")


def test_turns_after_a_change_by_hand_cannot_be_written(several: Session, tmp_path: Path) -> None:
    several.run("reschedule random:7")
    several.run("goto 90_000")
    several.run("stepi 100")
    with pytest.raises(UserError, match="its schedule was changed by hand"):
        several.run(f"write-schedule {tmp_path / 'my.turns'}")


def test_one_cpu_has_none(session: Session, tmp_path: Path) -> None:
    assert "one CPU, whose turn it always is" in session.execute("schedule")
    for line in ("reschedule random:1", f"write-schedule {tmp_path / 'x'}"):
        with pytest.raises(UserError, match="one CPU, whose turn it always is"):
            session.run(line)
