"""The operating system at the instant looked at, whichever it is."""

from __future__ import annotations

import pytest

from tests.vmdbg.session.other_system import TASKS, OtherDetector, use
from vmdbg.errors import UserError
from vmdbg.os.seam import NotThereYetError
from vmdbg.session.session import Session


@pytest.fixture
def detector(live: Session) -> OtherDetector:
    made = OtherDetector()
    use(live.system, made)
    return made


def test_a_system_is_looked_for_again_once_something_may_have_changed(live: Session, detector: OtherDetector) -> None:
    live.system.find()
    live.system.find()
    live.run("bt")
    live.run("context")
    assert detector.asked == 1, "lines that only look change nothing"
    live.run("stepi")
    live.system.find()
    assert detector.asked == 2
    live.run("set mem[$rsp] = 1")
    live.system.find()
    assert detector.asked == 3
    live.run("goto start")
    live.system.find()
    assert detector.asked == 4


def test_a_search_that_was_broken_off_is_begun_again(live: Session, detector: OtherDetector) -> None:
    detector.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        live.system.find()
    detector.error = None
    assert live.system.find() is not None


def test_any_system_brings_names_processes_and_who_runs(live: Session, detector: OtherDetector) -> None:
    assert live.symbols.find("proc_table") == 0x5000
    assert live.describe(0x5040) == "proc_table+0x40"
    assert "=>" in live.execute("ps shell")
    assert "shell-of-fiftee" in live.execute("current")
    assert live.integer("lx_pid") == 7
    running = live.system.running()
    assert running is not None
    assert running.pid == 7
    assert detector.asked > 0


def test_a_task_is_found_by_number_and_by_the_whole_of_a_name_that_was_cut(
    live: Session, detector: OtherDetector
) -> None:
    assert live.system.named("1") == live.system.named("init") == TASKS[0]
    assert live.system.named("shell-of-fifteen") == TASKS[1]
    assert live.system.why_nobody("init") == live.system.why_nobody("7") == ""
    assert live.system.why_nobody("nobody") == "no process is called nobody yet; it is waited for"
    assert live.system.why_nobody("9") == "no process has the number 9 yet; it is waited for"


def test_what_cannot_be_read_yet_is_said_and_nothing_is_made_up(live: Session, detector: OtherDetector) -> None:
    detector.error = NotThereYetError("processes")
    assert live.system.find() is live.system.task() is live.system.running() is None
    with pytest.raises(NotThereYetError):
        live.system.need()
    assert live.execute("ps") == "error: processes: not there yet; let the guest run further\n"


def test_without_a_system_the_mode_of_the_cpu_is_said(real_mode: Session) -> None:
    with pytest.raises(UserError, match="real mode; if one is booting"):
        real_mode.system.need()


def test_looking_can_be_turned_off(live: Session, detector: OtherDetector) -> None:
    live.system.enabled = False
    assert live.system.find() is None
    assert detector.asked == 0
