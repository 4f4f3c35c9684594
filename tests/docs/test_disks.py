"""The commands of docs/disks.md do what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY

PAGE = REPOSITORY / "docs" / "disks.md"
(SESSION,) = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, str]:
    """An environment in which `vmdbg` is this one."""
    script = tmp_path / "bin" / "vmdbg"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m vmdbg "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}


def test_the_session(tmp_path: Path, tools: dict[str, str]) -> None:
    for part in re.split(r"^\$ ", SESSION, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=tools, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.stdout + done.stderr == expected, command
