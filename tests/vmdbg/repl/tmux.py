"""`vmdbg` in a real terminal: typed at through tmux, its screen captured and waited for."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY
from tests.vmdbg.cli.vmdbg_process import COMMAND

TIMEOUT = 40.0
COLUMNS, ROWS = 140, 60
SHELL = ("sh", "-c", 'trap : INT; "$@"; printf "\\nended with status %d\\n" $?; exec cat', "sh")
"""Runs a program and says how it ended: tmux's own word for that may never come, if it misses a SIGCHLD."""


class Tmux:
    """One terminal of a tmux server of the test's own. What it writes is read from a pipe, to know when to look."""

    def __init__(self, directory: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._program = shutil.which("tmux")
        if self._program is None:
            pytest.skip("tmux is not installed (on Debian: apt-get install tmux)")
        self._socket = str(directory / "tmux")
        self._fifo = directory / "screen"
        os.mkfifo(self._fifo)
        variables = {
            "XDG_STATE_HOME": str(directory),
            "XDG_CONFIG_HOME": str(directory),
            "PYTHONPATH": str(REPOSITORY),
            "LC_ALL": "C.UTF-8",
        } | dict(environment or {})
        settings = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), *settings, "cat")
        self._reader = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK)
        self._tmux("respawn-pane", "-k", "-c", str(REPOSITORY), *SHELL, *COMMAND, *arguments)
        self._tmux("pipe-pane", f"cat > {self._fifo}")

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            [str(self._program), "-u", "-S", self._socket, *words],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        return done.stdout

    def screen(self, *, history: bool = False) -> str:
        return self._tmux("capture-pane", "-p", *(("-S", "-2000") if history else ()))

    def coloured(self) -> str:
        """The screen with its escape sequences."""
        return self._tmux("capture-pane", "-p", "-e")

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def keys(self, *names: str) -> None:
        """Press keys by their tmux names."""
        self._tmux("send-keys", *names)

    def type(self, text: str) -> None:
        """Every character of it, the newline as Enter."""
        self._tmux("send-keys", "-l", text.replace("\n", "\r"))

    def line(self, text: str, until: str = "vmdbg>") -> str:
        """Type a line and wait for what must appear after it; the screen from the line on."""
        mark = f"vmdbg> {text}"
        self._tmux("send-keys", "-l", text)
        self.wait_for(mark)
        self.keys("Enter")
        return self._after(mark, until)

    def _after(self, mark: str, until: str) -> str:
        def found(screen: str) -> bool:
            _, seen, after = screen.rpartition(mark)
            return bool(seen) and until in after

        return self._wait(found, f"{until!r} after {mark!r}").rpartition(mark)[2]

    def wait_for(self, text: str) -> str:
        return self._wait(lambda screen: text in screen, repr(text))

    def press_until(self, key: str, text: str) -> None:
        """Press a key again and again, as people do when it came too early to mean anything."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.screen(history=True):
            assert time.monotonic() < deadline, f"{text!r} did not appear in\n{self.screen(history=True)}"
            self.keys(key)
            if select.select([self._reader], [], [], 0.5)[0]:
                os.read(self._reader, 1 << 16)

    def _wait(self, found: object, what: str) -> str:
        deadline = time.monotonic() + TIMEOUT
        assert callable(found)
        while True:
            screen = self.screen(history=True)
            if found(screen):
                return screen
            left = deadline - time.monotonic()
            assert left > 0, f"{what} did not appear in\n{screen}"
            if select.select([self._reader], [], [], min(left, 0.5))[0]:
                os.read(self._reader, 1 << 16)

    def close(self) -> None:
        self._tmux("kill-server")
        os.close(self._reader)
