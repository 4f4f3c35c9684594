"""task and syscalls."""

from __future__ import annotations

import json

import pytest

from vmdbg.commands.points.logpoint import Log
from vmdbg.session.session import Session

pytestmark = pytest.mark.timeout(300)


def test_task_shows_the_stack_and_the_call_of_a_sleeper(linux: Session) -> None:
    (pid,) = (row["pid"] for row in json.loads(linux.execute("ps --json")) if row["name"].endswith("100000"))
    shown = linux.execute(f"task {pid}")
    assert "hrtimer_nanosleep" in shown
    assert "clock_nanosleep(which_clock=CLOCK_REALTIME, flags=0, rqtp=0x" in shown


def test_system_calls_are_written_into_the_log(linux: Session) -> None:
    shown: list[str] = []
    linux.part(Log).listeners.append(lambda _position, words: shown.append(words))
    linux.run("syscalls init")
    linux.execute("break panic")
    linux.execute("continue")
    lines = [row["text"] for row in json.loads(linux.execute("log 1000 --json"))]
    assert any(line == 'init[1] write(fd=1, buf="c\\n", count=2)' for line in lines), lines[-20:]
    assert all(line.startswith("init[") for line in lines)
    assert shown[-len(lines) :] == lines
    linux.run("syscalls --quiet")
    assert not linux.part(Log).live & {point.number for point in linux.debugger.points.breakpoints.values()}
    linux.run("syscalls --off")
    assert len(linux.debugger.points.breakpoints) == 1
