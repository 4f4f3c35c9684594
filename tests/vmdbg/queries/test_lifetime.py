"""Workers of a query end with their parent, whatever ends it and whenever."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guests.build import assemble
from tests.processes import OWN, at_least, kill, left_over, marked, new_mark
from tests.vmdbg.cli.vmdbg_process import COMMAND, environment, vmdbg

SOON = 1.5
"""Seconds. A process that was killed gives back its memory first, on a busy host."""
PROGRAM = "again: inc dword [0x102000]\n jmp again\n"
QUESTION = ("writes", "0x102000", "4", "--workers", "2")
"""It stops the guest at every turn of its loop, and so would take minutes."""
SCRIPT = """
import sys
import vmdbg

with vmdbg.open_recording(sys.argv[1]) as guest:
    guest.queries.using(workers=2).writes(0x102000, 4)
"""
OTHER_THREAD = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
"""With it a process is not copied: its workers are new ones."""

LATE = """
import threading
from concurrent.futures.process import _ExecutorManagerThread
from multiprocessing import util

from vmdbg.__main__ import main

closed, ends = threading.Event(), _ExecutorManagerThread.join_executor_internals
util.Finalize(None, closed.set, exitpriority=0)  # called behind those of queues


def late(manager):
    closed.wait(1)
    ends(manager)


_ExecutorManagerThread.join_executor_internals = late
main()
"""
"""What tells copies to end comes to it when multiprocessing has closed its queues, or would have."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history long enough to be shared out, of a guest that writes one word all the time."""
    directory = tmp_path_factory.mktemp("busy")
    (directory / "guest.bin").write_bytes(assemble(PROGRAM))
    flat = ("--load-address", "0x100000", "--mode", "long", "--memory", "2M")
    path = directory / "busy.vmdbg"
    done = vmdbg("record", path, directory / "guest.bin", *flat, "--serial", "none", "--stop-at", "1.5G")
    assert done.returncode == 0, done.stderr
    return path


Start = Callable[[Path, str], "subprocess.Popen[bytes]"]


def _started(mark: str, *command: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment() | {OWN: mark},
    )


def command_line(recording: Path, mark: str) -> subprocess.Popen[bytes]:
    return _started(mark, *COMMAND, "query", recording, *QUESTION)


def script(recording: Path, mark: str) -> subprocess.Popen[bytes]:
    return _started(mark, sys.executable, "-c", SCRIPT, recording)


def script_with_threads(recording: Path, mark: str) -> subprocess.Popen[bytes]:
    return _started(mark, sys.executable, "-c", OTHER_THREAD + SCRIPT, recording)


def prompt(recording: Path, mark: str) -> subprocess.Popen[bytes]:
    return _started(mark, *COMMAND, "replay", recording, "-x", "query writes 0x102000 4", "-x", "echo AFTER")


STARTS: tuple[Start, ...] = (command_line, script, script_with_threads, prompt)
NUMBERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
OFTEN = [(script, NUMBERS[0]), (script_with_threads, NUMBERS[0]), (command_line, NUMBERS[1]), (prompt, NUMBERS[2])]


@pytest.mark.parametrize(
    ("start", "number"),
    [
        *OFTEN,
        *(
            pytest.param(start, number, marks=pytest.mark.slow)
            for start in STARTS
            for number in NUMBERS
            if (start, number) not in OFTEN
        ),
    ],
)
def test_workers_end_with_their_parent(start: Start, number: signal.Signals, recording: Path) -> None:
    mark = new_mark()
    parent = start(recording, mark)
    try:
        at_least(OWN, mark, 3)
        parent.send_signal(number)
        left = left_over(OWN, mark, SOON)
    finally:
        parent.kill()
        output = parent.communicate()[0]
        kill(left_over(OWN, mark, 0))
    assert not left, left
    assert b"AFTER" not in output
    assert parent.returncode in (-number, 128 + number)


@pytest.mark.parametrize("start", [command_line, script_with_threads, prompt])
def test_the_terminals_control_c_comes_to_all_of_them(start: Start, recording: Path) -> None:
    mark = new_mark()
    parent = start(recording, mark)
    try:
        at_least(OWN, mark, 2)
        for process in marked(OWN, mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGINT)
        left = left_over(OWN, mark, SOON)
    finally:
        parent.kill()
        output = parent.communicate()[0]
        kill(left_over(OWN, mark, 0))
    assert not left, left
    assert output.count(b"Traceback") == (start is script_with_threads), output


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 30))])
def test_a_worker_or_its_parent_may_be_killed_at_any_moment(seed: int, recording: Path) -> None:
    """Neither is left alone: the one has nobody to work for, the other nobody to wait for."""
    chance, mark = random.Random(seed), new_mark()
    parent = command_line(recording, mark)
    try:
        while True:
            found = at_least(OWN, mark, 1)
            if parent.poll() is not None or len(found) > 1 or chance.random() < 0.02:
                break
        victim = parent.pid if seed % 2 else max(process.pid for process in found)
        os.kill(victim, signal.SIGKILL)
        left = left_over(OWN, mark, 2 * SOON)
    finally:
        parent.kill()
        output = parent.communicate()[0]
        kill(left_over(OWN, mark, 0))
    assert not left, left
    assert b"Traceback" not in output
    assert parent.returncode


def test_copies_are_told_to_end_however_soon_their_parent_does(recording: Path) -> None:
    question = ("query", recording, "writes", "0x101000", "4", "--workers", "2")
    mark = new_mark()
    parent = _started(mark, sys.executable, "-c", LATE, *question)
    try:
        output = parent.communicate(timeout=60)[0]
    finally:
        kill(left_over(OWN, mark, 0))
    assert (parent.returncode, b"Traceback" in output) == (0, False), output
