"""`vmdbg explore`, as its users run it."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.guests.build import sample_kernel
from tests.vmdbg.cli.vmdbg_process import COMMAND, environment, errors, vmdbg

PASSED = "ledger: 150 entries, as it should have"
HERE = ("--from", '"mailbox: 6 letters read"', "--until", PASSED)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample on two CPUs, with its bug, which does nothing in plain turns."""
    path = tmp_path_factory.mktemp("explore") / "good.rec"
    kernel = sample_kernel("sample-smp.elf")
    append = "bug=cli autostop panic=exit"
    done = vmdbg("record", path, "--cpus", "2", "--kernel", kernel, "--append", append, "--serial", "none")
    assert done.returncode == 0, done.stderr
    return path


def test_a_failing_run_is_recorded_and_is_had_again(recording: Path, tmp_path: Path) -> None:
    failing = tmp_path / "bad.rec"
    done = vmdbg("explore", recording, failing, *HERE)
    said = errors(done)
    assert done.returncode == 1
    assert "several CPUs could run at" in said
    assert ", by pct:" in said
    assert f"{failing}: that run" in said
    again = vmdbg("replay", failing, "--verify")
    assert b"PANIC" in again.stdout
    assert "differ" not in errors(again)
    asked = vmdbg("query", failing, "races", "--function", "enter", "--limit", "1")
    assert b"ledger" in asked.stdout
    assert b"nothing orders the two" in asked.stdout


def test_where_all_runs_pass_nothing_is_written(recording: Path, tmp_path: Path) -> None:
    done = vmdbg("explore", recording, tmp_path / "bad.rec", *HERE, "--try", "pct:1..2,1")
    assert done.returncode == 0
    assert "all of pct:1..2,1" in errors(done)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--try", "pct:7"), "are no schedules"),
        (("--from", '"never"'), "never had"),
        (("--within", "x"), "no tick"),
    ],
)
def test_mistakes_are_one_clear_line(recording: Path, tmp_path: Path, more: tuple[str, ...], words: str) -> None:
    done = vmdbg("explore", recording, tmp_path / "bad.rec", *HERE, *more)
    assert done.returncode == 2
    assert words in errors(done)
    taken = vmdbg("explore", recording, recording, *HERE)
    assert taken.returncode == 2
    assert "exists" in errors(taken)


def test_a_signal_ends_it_at_once(recording: Path, tmp_path: Path) -> None:
    words = ("explore", recording, tmp_path / "bad.rec", *HERE, "--try", "pct:1..999999,1")
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment()
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert b"several CPUs" in line
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert time.monotonic() - began < 10
    assert not list(tmp_path.iterdir())
