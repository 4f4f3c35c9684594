"""`vmdbg symbols`, where it cannot do what is asked. What it does for Linux: tests/tutorials/test_linux.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vmdbg.cli.vmdbg_process import errors, vmdbg


@pytest.fixture
def recording(sample: Path, tmp_path: Path) -> Path:
    path = tmp_path / "sample.vmdbg"
    done = vmdbg("record", path, sample, "--append", "autostop", "--serial", "none")
    assert done.returncode == 0, errors(done)
    return path


def test_a_guest_without_an_operating_system_that_is_known(recording: Path, tmp_path: Path) -> None:
    done = vmdbg("symbols", recording, tmp_path / "symbols.elf")
    assert done.returncode == 2
    assert "no operating system that vmdbg knows" in errors(done)
    assert not (tmp_path / "symbols.elf").exists()


def test_an_instant_before_long_mode(recording: Path, tmp_path: Path) -> None:
    done = vmdbg("symbols", recording, tmp_path / "symbols.elf", "--at", "start")
    assert done.returncode != 0
    assert "let it run further" in errors(done)
