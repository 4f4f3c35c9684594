"""A signal ends vmdbg at once, whatever it does: nothing runs afterwards, what was recorded is kept."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.guests.build import assemble
from tests.processes import OWN, kill, left_over, marked, new_mark
from tests.vmdbg.cli.vmdbg_process import COMMAND, environment, vmdbg
from vmdbg.recording.reader import open_recording

WORKING = 0.8
"""Seconds of CPU time; it takes half of it to start."""
HAS_WORKED = 0.2
"""Seconds of it after a cue."""
SOON = 4.0
"""Seconds; some tenths on an idle host, but tests share theirs."""
FLAT = ("--load-address", "0x100000", "--mode", "long", "--memory", "2M", "--serial", "none")
GUESTS = {
    "busy": "again: inc dword [0x102000]\n jmp again\n",
    "polls a port": "mov dx, 0x64\nagain: in al, dx\n jmp again\n",
    "changes itself": "again: inc dword [rel place + 1]\nplace: mov eax, 0\n jmp again\n",
    "idles": "sti\nagain: hlt\n jmp again\n",
}
"""Code that gives a debugger much to do, that keeps Python busy, and that keeps Unicorn busy."""


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("guests")
    found = {}
    for name, source in GUESTS.items():
        found[name] = directory / f"{name.replace(' ', '-')}.bin"
        found[name].write_bytes(assemble(source))
    return found


@pytest.fixture(scope="module")
def recording(guests: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "polls.vmdbg"
    done = vmdbg("record", path, guests["polls a port"], *FLAT, "--stop-at", "6m")
    assert done.returncode == 0, done.stderr
    return path


class Running:
    """`vmdbg` with its processes; `cues` are read from its output before it is taken to be at work."""

    def __init__(self, *arguments: str | Path, typed: bytes | None = None) -> None:
        self.mark = new_mark()
        self._process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment() | {OWN: self.mark},
        )
        self.output = b""
        self._started = 0.0
        """CPU time that it had used when it said that it was at work."""
        if typed is not None:
            assert self._process.stdin is not None
            self._process.stdin.write(typed)
            self._process.stdin.flush()

    def wait_for(self, cue: bytes) -> None:
        assert self._process.stdout is not None
        while cue not in self.output:
            data = os.read(self._process.stdout.fileno(), 4096)
            assert data, self.output
            self.output += data
        self._started = self._cpu_seconds()

    def works(self, seconds: float = WORKING) -> None:
        """Until it and its workers have used some CPU time: it has come to what it was asked for."""
        until = time.monotonic() + 30
        while self._cpu_seconds() < max(seconds, self._started + HAS_WORKED) and self._process.poll() is None:
            assert time.monotonic() < until, self.output
            time.sleep(0.02)

    def _cpu_seconds(self) -> float:
        """Fields 14 and 15 of proc(5)'s stat."""
        used = 0
        for process in marked(OWN, self.mark):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
                used += int(fields[11]) + int(fields[12])
        return used / os.sysconf("SC_CLK_TCK")

    def ends_by(self, number: int) -> int:
        """The exit code after the signal."""
        self._process.send_signal(number)
        try:
            self._process.wait(SOON)
        finally:
            self._process.kill()
            self.output += self._process.communicate()[0]
            left = left_over(OWN, self.mark, 1)
            kill(left)
        assert not left, left
        assert b"Traceback" not in self.output, self.output
        assert b"bug in vmdbg" not in self.output, self.output
        return self._process.returncode


START = b"STARTED"
PYTHON = 0.05
"""CPU seconds in which Python itself has started: an interrupt before that is not ours to answer."""
SAY = ("-x", f"echo {START.decode()}")
AFTER = ("-x", "echo AFTERWARDS")

Command = tuple[str, ...]
PATHS: dict[str, Callable[[dict[str, Path], Path, Path], tuple[str | Path, ...]]] = {
    "run": lambda guests, _recording, _new: ("run", guests["polls a port"], *FLAT),
    "run code that changes itself": lambda guests, _recording, _new: ("run", guests["changes itself"], *FLAT),
    "record": lambda guests, _recording, new: ("record", new, guests["changes itself"], *FLAT),
    "continue": lambda guests, _recording, _new: (
        "run", guests["polls a port"], *FLAT, *SAY, "-x", "continue", *AFTER,
    ),
    "continue with a condition": lambda guests, _recording, _new: (
        "run", guests["busy"], *FLAT, *SAY, "-x", "break 0x100000 if rax == 1", "-x", "continue", *AFTER,
    ),
    "record and continue": lambda guests, _recording, new: (
        "record", new, guests["changes itself"], *FLAT, *SAY, "-x", "continue", *AFTER,
    ),
    "reverse": lambda guests, _recording, _new: (
        "run", guests["busy"], *FLAT, "-x", "goto 200m", *SAY, "-x", "watch 0x102000 if rax == 1", "-x", "rc", *AFTER,
    ),
    "step": lambda guests, _recording, _new: (
        "run", guests["busy"], *FLAT, *SAY, "-x", "stepi 1000000000", *AFTER,
    ),
    "query at the prompt": lambda guests, _recording, _new: (
        "run", guests["busy"], *FLAT, "-x", "goto 900m", *SAY, "-x", "query writes 0x102000 4", *AFTER,
    ),
    "python": lambda guests, _recording, _new: (
        "run", guests["busy"], *FLAT, *SAY, "-x", "python while True: pass", *AFTER,
    ),
    "python that heeds nothing": lambda guests, _recording, _new: (
        "run", guests["busy"], *FLAT, *SAY, "-x", "source " + str(guests["busy"].with_name("deaf.py")), *AFTER,
    ),
    "replay": lambda _guests, recording, _new: ("replay", recording, "--verify"),
    "goto in a replay": lambda _guests, recording, _new: (
        "replay", recording, *SAY, "-x", "goto hit:0x100004#1900000", *AFTER,
    ),
    "query": lambda _guests, recording, _new: ("query", recording, "ports"),
    "save": lambda _guests, recording, new: ("save", recording, new, "--at", "hit:0x100004#1900000"),
}  # fmt: skip
"""What takes long, by what it is called."""


OFTEN = ("run code that changes itself", "record and continue", "reverse", "query at the prompt", "save")
OTHERS = [("run", signal.SIGINT), ("record", signal.SIGHUP), ("query", signal.SIGINT)]
SELDOM = [("record", signal.SIGINT), ("query at the prompt", signal.SIGINT), ("run", signal.SIGHUP)]


@pytest.mark.parametrize(
    ("path", "number"),
    [
        *((path, signal.SIGTERM) for path in OFTEN),
        *OTHERS,
        *(pytest.param(path, signal.SIGTERM, marks=pytest.mark.slow) for path in PATHS if path not in OFTEN),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in [*SELDOM, ("replay", signal.SIGINT)]),
    ],
)
def test_it_ends_at_once(path: str, number: int, guests: dict[str, Path], recording: Path, tmp_path: Path) -> None:
    guests["busy"].with_name("deaf.py").write_text(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass\n"
    )
    running = Running(*PATHS[path](guests, recording, tmp_path / "new"))
    if START.decode() in " ".join(map(str, PATHS[path](guests, recording, tmp_path / "new"))):
        running.wait_for(START)
    running.works()
    assert running.ends_by(number) == 128 + number, running.output
    assert b"AFTERWARDS" not in running.output
    if path.startswith("record"):
        with open_recording(tmp_path / "new") as kept:
            assert kept.complete
            assert not kept.damage
            assert kept.end.tick > 0
    elif path == "save":
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 30))])
def test_at_any_moment(seed: int, guests: dict[str, Path], tmp_path: Path) -> None:
    """From the first line of the program on, before it has handlers too: the code says so, and nothing is left."""
    chance = random.Random(seed)
    number = chance.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    commands = ("-x", "goto 600m", "-x", "query writes 0x102000 4") if seed % 2 else ()
    running = Running("record", tmp_path / "new", guests["busy"], *FLAT, *commands)
    running.works(chance.uniform(PYTHON, 2))
    assert running.ends_by(number) in (128 + number, -number), running.output
    if b"stopped at tick" in running.output:
        with open_recording(tmp_path / "new") as kept:
            assert kept.complete


def test_a_file_of_commands_ends_with_the_process(guests: dict[str, Path], tmp_path: Path) -> None:
    commands = tmp_path / "commands"
    saved = tmp_path / "saved"
    commands.write_text(f"echo STARTED\ncontinue\nsave {saved}\necho AFTERWARDS\n")
    running = Running("run", guests["polls a port"], *FLAT, "--command", commands)
    running.wait_for(START)
    running.works()
    assert running.ends_by(signal.SIGTERM) == 128 + signal.SIGTERM
    assert b"AFTERWARDS" not in running.output
    assert not saved.exists()


@pytest.mark.parametrize("arguments", [("--repl",), ("--serial", "stdio")])
def test_while_nothing_is_typed(arguments: tuple[str, ...], guests: dict[str, Path]) -> None:
    """Waiting for lines of a pipe, for those of a block, and for the guest's input."""
    running = Running("run", guests["idles"], *FLAT, *arguments, typed=b"echo STARTED\npython\nx = 1\n")
    if "--repl" in arguments:
        running.wait_for(START)
    else:
        running.works()
    assert running.ends_by(signal.SIGTERM) == 128 + signal.SIGTERM


def test_while_a_file_is_opened_that_nobody_writes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    running = Running("run", tmp_path / "pipe", *FLAT)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)  # waits for the reader
    try:
        assert running.ends_by(signal.SIGTERM) == 128 + signal.SIGTERM
    finally:
        os.close(writer)


@pytest.fixture
def unread() -> Iterator[int]:
    reader, writer = os.pipe()
    yield writer
    os.close(reader)
    os.close(writer)


def test_while_nobody_reads_its_output(unread: int, recording: Path) -> None:
    mark = new_mark()
    with subprocess.Popen(
        [*COMMAND, "query", str(recording), "ports"],
        stdin=subprocess.DEVNULL, stdout=unread, stderr=subprocess.DEVNULL, env=environment() | {OWN: mark},
    ) as process:  # fmt: skip
        time.sleep(3)
        process.terminate()
        try:
            assert process.wait(SOON) == 128 + signal.SIGTERM
        finally:
            process.kill()


def test_ending_takes_next_to_no_time_of_the_cpu(guests: dict[str, Path]) -> None:
    """The interpreter is not taken to pieces, which would take some tenths of a second."""
    for words in ((), ("-x", "continue")):
        process = subprocess.Popen(
            [*COMMAND, "run", str(guests["busy"]), *FLAT, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        used = 0.0
        while used < 2 * WORKING:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, status, resources = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 128 + signal.SIGTERM
        assert resources.ru_utime + resources.ru_stime - used < 0.15
