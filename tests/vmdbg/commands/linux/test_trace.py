"""task and syscalls."""

from __future__ import annotations

import json
import re

import pytest

from vmdbg.commands.points.logpoint import Log
from vmdbg.os.seam import is_called
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


def test_system_calls_are_caught_by_name(linux: Session) -> None:
    assert "is no system call; did you mean" in linux.execute("catch syscall wirte")
    assert "system calls: openat, write" in linux.execute("catch syscall write openat")
    for _ in range(2):
        shown = linux.execute("continue").splitlines()[0]
        assert re.match(r"caught \S+\[\d+\] (write\(fd=|openat\()", shown), shown
        assert "entry_SYSCALL_64" in linux.execute("bt")
        assert "(system call=" in linux.execute("bt")
    there = linux.debugger.position
    linux.run("reverse-continue")
    linux.run("continue")
    assert linux.debugger.position == there
    assert linux.execute("points --json").strip().startswith("[]")
    assert "system calls: openat" in linux.execute("catch syscall write --off")
    assert "system calls" not in linux.execute("catch syscall --off")
    linux.run("reverse-until-user")
    assert linux.debugger.cpu.ring == 3
    linux.run("nexti")
    assert linux.debugger.cpu.ring == 3
    here = linux.debugger.pc
    linux.run("reverse-nexti")
    assert linux.debugger.pc == here - 2


def test_a_process_that_is_not_there_is_waited_for_and_that_is_said(linux: Session) -> None:
    told: list[str] = []
    linux.tell = told.append
    linux.run("syscalls init")
    linux.run("syscalls --off")
    linux.run("break schedule --process kthreadd")
    assert told == []
    linux.run("syscalls nobody")
    linux.run("syscalls --off")
    linux.run("break schedule --process 4321")
    assert told == [
        "no process is called nobody yet; it is waited for",
        "no process has the number 4321 yet; it is waited for",
    ]


@pytest.mark.parametrize(
    ("name", "wanted", "meant"),
    [
        ("init", "init", True),
        ("init", "initial", False),
        ("systemd-journal", "systemd-journald", True),
        ("systemd-journa", "systemd-journald", False),
        ("fünfzehn bytes", "fünfzehn bytes are more", True),
    ],
)
def test_a_name_that_the_system_has_cut_is_known_by_the_whole_of_it(name: str, wanted: str, meant: bool) -> None:
    assert is_called(name, wanted) is meant
