"""Files are read as far as they go: a bound is no size."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.guests.build import assemble, sample_kernel
from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, environment, vmdbg
from vmdbg.boot.source import read_input
from vmdbg.errors import UserError
from vmdbg.files import PIECE, new_file, read_at_most, remove

ADDRESS_SPACE = 1 << 30
"""Of which the engine's translations are 128 MiB and the interpreter with its libraries some 300."""
FLAT = ("--load-address", "0x100000", "--mode", "long", "--memory", "2M", "--serial", "none")


@given(st.binary(max_size=5000), st.integers(0, 6000))
def test_as_much_as_there_is_and_no_more_than_allowed(data: bytes, most: int) -> None:
    assert read_at_most(io.BytesIO(data), most) == data[:most]


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, 3 * PIECE + 5])
def test_a_pipe_is_read_in_pieces_to_its_end(size: int) -> None:
    reader, writer = os.pipe()
    data = os.urandom(size)

    def write() -> None:
        with open(writer, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    with open(reader, "rb") as file:
        assert read_at_most(file, 1 << 40) == data
    thread.join()


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="larger than 1 MiB"):
        read_input(path, "kernel", limit=1 << 20)


def _write_half(path: Path, meanwhile: Callable[[], object] = lambda: None) -> None:
    with new_file(path) as file:
        file.write(b"half")
        meanwhile()
        raise ZeroDivisionError


def test_a_new_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with pytest.raises(ZeroDivisionError):
        _write_half(path)
    assert not path.exists()
    with new_file(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    with pytest.raises(FileExistsError), new_file(path):
        raise AssertionError("another's file was opened")
    assert path.read_bytes() == b"whole"


def test_what_went_wrong_is_said_where_the_file_cannot_be_removed_either(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ZeroDivisionError):
        _write_half(folder / "new", lambda: folder.rename(tmp_path / "elsewhere"))
    remove(tmp_path / "nothing")
    remove(tmp_path / ("x" * 300))


NAME = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("script", NAME), ("lab", NAME), ("run", NAME), ("replay", NAME), ("run", "--disk", NAME),
        ("run", "-x", f"dump memory {NAME} 0 16"), ("run", "-x", f"screenshot {NAME}.png"),
        ("run", "-x", f"write-schedule {NAME}"), ("run", "-x", f"symbol-file {NAME}"), ("run", "-x", f"source {NAME}"),
        ("run", "--bios", NAME), ("run", "--bios", "/dev/null", "--nvram", NAME), ("record", NAME),
    ],
)  # fmt: skip
def test_what_no_file_can_be_called_is_refused_in_words(words: Sequence[str]) -> None:
    done = vmdbg(*words)
    assert done.returncode == 2
    assert b"error:" in done.stderr
    assert b"bug in vmdbg" not in done.stderr
    assert b"defect" not in done.stderr


def _in_little_memory(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        preexec_fn=limit,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
        env=environment(),
        check=False,
    )


@pytest.mark.parametrize("way", ["kernel", "initrd", "symbols", "commands", "recording"])
def test_a_small_file_needs_little_memory(way: str, tmp_path: Path) -> None:
    flat = tmp_path / "guest.bin"
    flat.write_bytes(assemble("cli\n hlt\n"))
    text = tmp_path / "text"
    text.write_text("0000000000100000 T begin\n" if way == "symbols" else "echo heard\n")
    recording = tmp_path / "recording"
    commands: dict[str, Sequence[str | Path]] = {
        "kernel": ("run", flat, *FLAT),
        "initrd": ("run", "--kernel", sample_kernel(), "--initrd", text, "--serial", "none", "--stop-at", "1000"),
        "symbols": ("run", flat, *FLAT, "--symbols", text),
        "commands": ("run", flat, *FLAT, "--command", text),
        "recording": ("record", recording, flat, *FLAT),
    }
    done = _in_little_memory(*commands[way])
    assert b"memory" not in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 1), done.stderr
    if way == "commands":
        assert b"heard" in done.stdout
    if way == "recording":
        assert _in_little_memory("replay", recording).returncode == 0
