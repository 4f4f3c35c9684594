"""Exit codes are those of docs/command-line.md, however the run was asked for and whatever it could not write."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guests.build import assemble
from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, environment, errors, vmdbg
from vmdbg.recording.reader import open_recording

FLAT = ("--load-address", "0x100000", "--mode", "long", "--memory", "2M", "--serial", "none")
DONE, DIED, USAGE, FAILED = 0, 1, 2, 3
ENDINGS = {
    "void": ("mov eax, 0x896f4ec\n jmp rax\n", DIED),
    "halted for ever": ("cli\n hlt\n", DIED),
    "triple fault": ("lidt [rel none]\n ud2\nnone: dw 0\n dq 0\n", DIED),
    "passed": ("mov dx, 0xf4\n xor eax, eax\n out dx, eax\n", DONE),
    "failed": ("mov dx, 0xf4\n mov eax, 5\n out dx, eax\n", DIED),
    "reset": ("mov al, 0xfe\n out 0x64, al\n", DONE),
}
WAYS = {
    "alone": (),
    "a command": ("-x", "continue"),
    "commands that look on": ("-x", "continue", "-x", "registers rip", "-x", "tick"),
    "commands that go back": ("-x", "continue", "-x", "reverse-stepi"),
    "a file": ("--command", "FILE"),
    "recorded": ("--record", "NEW"),
}


@pytest.fixture
def guest(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        (tmp_path / "guest.bin").write_bytes(assemble(ENDINGS[name][0]))
        return tmp_path / "guest.bin"

    return make


@pytest.mark.parametrize(
    ("ending", "way"),
    [("triple fault", "a command"), ("failed", "a command"), ("void", "a file"), ("passed", "a file")]
    + [pytest.param(ending, "a command", marks=pytest.mark.slow) for ending in ENDINGS]
    + [pytest.param("void", way, marks=pytest.mark.slow) for way in WAYS],
)
def test_a_guest_that_died_shows(ending: str, way: str, guest: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "FILE").write_text("continue\nregisters rip\n")
    words = [tmp_path / word if word in ("FILE", "NEW") else word for word in WAYS[way]]
    done = vmdbg("run", guest(ending), *FLAT, *words)
    assert done.returncode == ENDINGS[ending][1], errors(done)


def test_a_command_that_fails_shows_before_the_death(guest: Callable[[str], Path]) -> None:
    assert vmdbg("run", guest("void"), *FLAT, "-x", "continue", "-x", "nonsense").returncode == USAGE


def test_a_death_that_fork_has_undone_shows_no_more(guest: Callable[[str], Path]) -> None:
    commands = ("-x", "continue", "-x", "goto start", "-x", "fork", "-x", "stepi")
    assert vmdbg("run", guest("void"), *FLAT, *commands).returncode == DONE


def in_a_file_of(size: int, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run with no file growing beyond `size`, as on a disk that fills."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        env=environment() | {"PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )


@pytest.mark.parametrize("size", [0, 100])
def test_a_recording_of_no_use_ends_the_run(size: int, guest: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "guest.bin").write_bytes(assemble("sti\nagain: jmp again\n"))
    done = in_a_file_of(size, "record", tmp_path / "new", tmp_path / "guest.bin", *FLAT)
    assert done.returncode == FAILED, errors(done)
    assert "File too large" in errors(done)
    assert not (tmp_path / "new").exists()


def test_a_disk_that_fills_later_shows_at_the_end(tmp_path: Path) -> None:
    whole = vmdbg("record", tmp_path / "whole", "--serial", "none", "--stop-at", "2m")
    assert whole.returncode == DONE
    size = (tmp_path / "whole").stat().st_size
    done = in_a_file_of(size - 50, "record", tmp_path / "later", "--serial", "none", "--stop-at", "2m")
    assert done.returncode == FAILED, errors(done)
    assert "What was recorded so far can be replayed" in errors(done)
    with open_recording(tmp_path / "later") as kept:
        assert kept.end.tick > 0


@pytest.mark.parametrize("option", ["--digest", "--trace-io-log", "--serial"])
def test_other_files_that_cannot_be_written_are_named(option: str, tmp_path: Path) -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("there is no /dev/full")
    value = "file:/dev/full" if option == "--serial" else "/dev/full"
    serial = () if option == "--serial" else ("--serial", "none")
    done = vmdbg("run", "--stop-at", "3m", option, value, *serial)
    assert done.returncode == USAGE
    assert "/dev/full: No space left on device" in errors(done)


def test_what_is_saved_onto_a_full_disk_is_gone(tmp_path: Path) -> None:
    commands = ("-x", "goto 1m", "-x", f"save {tmp_path / 'saved'}")
    done = in_a_file_of(5000, "run", "--serial", "none", *commands)
    assert done.returncode == USAGE, errors(done)
    assert "cannot be written: File too large" in errors(done)
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--serial", "unix:FOLDER", "--net", "quiet"), "there is a directory"),
        (("--command", "nothing"), "--command: cannot read nothing: No such file"),
        (("--symbols", "FOLDER", "--net", "quiet"), "--symbols: cannot read"),
    ],
)
def test_what_is_refused_leaves_no_file(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "FOLDER").mkdir()
    files = [word for name in ("--trace-io-log", "--pcap", "--digest", "--record") for word in (name, tmp_path / name)]
    done = vmdbg("run", *(word.replace("FOLDER", str(tmp_path / "FOLDER")) for word in words), *files)
    assert done.returncode == USAGE
    assert said in errors(done)
    assert errors(done).count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["FOLDER"]
