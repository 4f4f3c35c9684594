"""Processes that tests start, and those that these start, told from all others by a variable of their environment."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SUITE = "VMDBG_TESTS"
"""Set by conftest.py for one process of a suite, so that other suites on the same machine do not matter."""
OWN = "VMDBG_TEST_GROUP"
"""Set by a test for what it starts."""


TEST = "PYTEST_CURRENT_TEST"
"""Set by pytest."""
EXECUTED_SECONDS = 0.1
STATUS = ("State", "PPid", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    words: str
    test: str
    """Which one started it."""

    def __str__(self) -> str:
        return f"process {self.pid}: {self.words}\n    of {self.test}\n    {self._status()}"

    def _status(self) -> str:
        """As proc(5) has it: what it waits for, and what it makes of signals."""
        place, found = Path("/proc") / str(self.pid), list[str]()
        with contextlib.suppress(OSError):
            lines = (place / "status").read_text().splitlines()
            found += [" ".join(line.split()) for line in lines if line.partition(":")[0] in STATUS]
            threads = (place / "task").iterdir()
            found += [f"thread {one.name} in {(one / 'wchan').read_text()}" for one in threads]
        return ", ".join(found) or "it has ended"


def new_mark() -> str:
    return f"{os.getpid()}-{uuid.uuid4()}"


def marked(name: str, mark: str) -> list[Process]:
    """Those that were executed with that variable, or forked from one that was, and have not ended (proc(5))."""
    wanted, found = f"{name}={mark}".encode(), []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            variables = (place / "environ").read_bytes().split(b"\0")
            if wanted in variables:
                words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(Process(int(place.name), words[:300], _test_of(variables)))
    return found


def _test_of(variables: list[bytes]) -> str:
    return next((one.partition(b"=")[2].decode() for one in variables if one.startswith(f"{TEST}=".encode())), "none")


def left_over(
    name: str, mark: str, seconds: float, counts: Callable[[Process], bool] = lambda _process: True
) -> list[Process]:
    """Those that count and are still there after so long, in which they may end."""
    until = time.monotonic() + seconds
    while found := [process for process in _looked_for_twice(name, mark) if counts(process)]:
        left = until - time.monotonic()
        if left <= 0:
            return found
        _wait_for_end(found[0].pid, left)
    return []


def _looked_for_twice(name: str, mark: str) -> list[Process]:
    """Who started a process by vfork(2) goes on before it has an environment: it is not seen for a moment."""
    found = marked(name, mark)
    if not found:
        select.select([], [], [], EXECUTED_SECONDS)
        found = marked(name, mark)
    return found


def _wait_for_end(pid: int, seconds: float) -> None:
    try:
        file = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([file], [], [], seconds)
    finally:
        os.close(file)


def at_least(name: str, mark: str, count: int, seconds: float = 30) -> list[Process]:
    """Wait for so many of them to be there."""
    until = time.monotonic() + seconds
    while len(found := marked(name, mark)) < count:
        assert time.monotonic() < until, f"there are {len(found)} processes, not {count}"
        select.select([], [], [], 0.02)
    return found


def kill(processes: list[Process]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
