"""The commands of a Linux guest, in a session on our own machine."""

from __future__ import annotations

import json

import pytest

from vmdbg.commands import catalog
from vmdbg.machine.digest import digest
from vmdbg.session.registry import Group
from vmdbg.session.session import Session

pytestmark = pytest.mark.timeout(300)


def test_every_command_for_the_system_answers_and_changes_nothing(linux: Session) -> None:
    before = digest(linux.debugger.machine)
    checked = 0
    for command in catalog.commands():
        if command.group is Group.SYSTEM and not command.effect:
            for example in command.examples:
                answer = linux.execute(example)
                assert answer.strip() or example in ("files", "vmas"), "the idle task has neither"
                assert not answer.startswith("error"), (example, answer)
                json.loads(linux.execute(f"{example} --json" if "--json" not in example else example))
                checked += 1
    assert checked > 12
    linux.execute("syscalls --off")
    assert digest(linux.debugger.machine) == before


def test_what_is_not_there_is_said_in_words(linux: Session) -> None:
    assert linux.execute("files kthreadd") == "kthreadd (2) is a thread of the kernel and has no open files\n"
    assert linux.execute("vmas kthreadd") == "kthreadd (2) is a thread of the kernel and has no memory of its own\n"
    assert "command line  none: it is a thread of the kernel" in linux.execute("task kthreadd")
    assert json.loads(linux.execute("vmas kthreadd --json")) == []
    assert linux.execute("maps --process init") == linux.execute("vmas init")


def test_timers_say_whom_they_wake_and_what_they_queue(linux: Session) -> None:
    timers = json.loads(linux.execute("timers --json"))
    assert any(row["function"] == "hrtimer_wakeup" and row["for"].startswith("sleep (") for row in timers)
    assert any(row["function"] == "delayed_work_timer_fn" and row["for"] for row in timers)
