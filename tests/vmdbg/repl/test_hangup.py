"""Whatever takes the terminal away ends the prompt, wherever it is, and what was recorded is kept."""

from __future__ import annotations

import fcntl
import os
import random
import select
import signal
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.processes import OWN, kill, left_over, new_mark
from tests.vmdbg.cli.vmdbg_process import COMMAND, environment
from vmdbg.recording.reader import open_recording

PATIENCE = 30.0
SOON = 4.0
"""Seconds; one at most on an idle host."""
WHERE_IS_THE_CURSOR, HERE = b"\x1b[6n", b"\x1b[1;1R"


class Terminal:
    """A pseudoterminal with `vmdbg` in it. `own`: it is the controlling terminal, so that SIGHUP tells of its end."""

    def __init__(self, directory: Path, *arguments: str | Path, own: bool) -> None:
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.mark = new_mark()
        self.shown = b""

        def begin() -> None:
            os.setsid()
            if own:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        homes = {"XDG_STATE_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
        self._process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=begin,
            env=environment() | homes | {"TERM": "xterm", OWN: self.mark},
        )
        os.close(slave)

    def wait_for(self, text: bytes) -> None:
        until = time.monotonic() + PATIENCE
        while text not in self.shown:
            left = until - time.monotonic()
            assert left > 0, self.shown
            self._hear(left)

    def _hear(self, seconds: float) -> None:
        if select.select([self._master], [], [], seconds)[0]:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:  # it has ended
                select.select([], [], [], seconds)
                return
            self.shown += data
            if WHERE_IS_THE_CURSOR in data:
                os.write(self._master, HERE)

    def type(self, text: bytes) -> None:
        os.write(self._master, text)

    def listen(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._hear(left)

    def ends(self, number: int | None, seconds: float = SOON) -> int:
        """By a signal or, without one, by the terminal's end."""
        if number is None:
            os.close(self._master)
        else:
            self._process.send_signal(number)
        try:
            self._process.wait(seconds)
        finally:
            self._process.kill()
            self._process.wait()
            if number is not None:
                os.close(self._master)
            left = left_over(OWN, self.mark, 1)
            kill(left)
        assert not left, left
        return self._process.returncode


PLACES = {
    "the prompt": ((), b"vmdbg>"),
    "half a line": ((b"echo ha",), b"ha"),
    "a menu": ((b"pa\t",), b"pagewalk"),
    "a block": ((b"python\r", b"for i in range(3):\r"), b"...>"),
    "a pager": ((b"registers all\r",), b"more:"),
    "a running guest": ((b"continue\r",), b"sample>"),
    "code of the user's": ((b"python while True: pass\r",), b"pass"),
    "the panes": ((b"tui\r",), b"console"),
    "a guest that runs behind the panes": ((b"tui\r", b"continue\r"), b"clerk"),
    "a query": ((b"goto 900m\r", b"query executions 0 0x10000\r"), b"executions"),
}
"""What is typed, and what shows that it has come there."""


OFTEN = ("the prompt", "a block", "a running guest", "a query")


@pytest.mark.parametrize(
    "place", [*OFTEN, *(pytest.param(one, marks=pytest.mark.slow) for one in PLACES if one not in OFTEN)]
)
def test_the_terminal_goes(place: str, tmp_path: Path) -> None:
    recording = tmp_path / "recording"
    terminal = Terminal(tmp_path, "record", recording, "--repl", own=place in list(PLACES)[::2])
    terminal.wait_for(b"vmdbg>")
    typed, cue = PLACES[place]
    for keys in typed:
        terminal.type(keys)
        terminal.listen(0.2)
    terminal.wait_for(cue)
    assert terminal.ends(None) == 128 + signal.SIGHUP
    with open_recording(recording) as kept:
        assert kept.complete
        assert not kept.damage


@pytest.mark.parametrize(
    "place",
    [
        "a block",
        "a guest that runs behind the panes",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("a pager", "a running guest", "the panes", "a menu")),
    ],
)
def test_a_signal_comes(place: str, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "run", "--repl", own=True)
    terminal.wait_for(b"vmdbg>")
    typed, cue = PLACES[place]
    for keys in typed:
        terminal.type(keys)
        terminal.listen(0.2)
    terminal.wait_for(cue)
    assert terminal.ends(signal.SIGTERM) == 128 + signal.SIGTERM


@pytest.mark.parametrize("own", [True, False])
def test_the_guests_console_goes(own: bool, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "record", tmp_path / "recording", own=own)
    terminal.wait_for(b"sample>")
    assert terminal.ends(None) == 128 + signal.SIGHUP
    with open_recording(tmp_path / "recording") as kept:
        assert kept.complete


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 30))])
def test_at_any_moment(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    terminal = Terminal(tmp_path, "record", tmp_path / "recording", "--repl", own=chance.random() < 0.5)
    terminal.listen(chance.uniform(0, 0.5))
    for keys in chance.sample([b"continue\r", b"\x03", b"registers all\r", b"q", b"python\r", b"stepi 100000\r"], 4):
        terminal.type(keys)
        terminal.listen(chance.uniform(0, 0.3))
    by = (signal.SIGHUP, signal.SIGINT)
    code = terminal.ends(None, PATIENCE)  # it may not have begun
    assert code in (0, *(-number for number in by), *(128 + number for number in by))
