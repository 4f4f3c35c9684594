"""A real Neovim with nvim-dap debugs the sample kernel, both ways."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY
from tests.vmdbg.dap.test_sample import SOURCES, line_of

PLUGIN = "VMDBG_NVIM_DAP"


def test_neovim_steps_through_the_sample_in_both_directions(tmp_path: Path) -> None:
    editor, plugin = shutil.which("nvim"), os.environ.get(PLUGIN)
    if editor is None:
        pytest.skip("nvim is not installed (on Debian: apt-get install neovim)")
    if plugin is None:
        pytest.skip(f"nvim-dap is in no package registry: clone it, and name the folder in {PLUGIN}")
    line, said = line_of("main.c", "boot_info_init("), tmp_path / "said"
    told = {
        "VMDBG_OUT": str(said),
        "VMDBG_PYTHON": sys.executable,
        "VMDBG_SOURCE": str(SOURCES / "main.c"),
        "VMDBG_LINE": str(line),
        "XDG_STATE_HOME": str(tmp_path),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(tmp_path)),
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [editor, "--headless", "-u", "NONE", "-n", "-S", str(REPOSITORY / "tests" / "editors" / "session.lua")]
    subprocess.run(command, env={**os.environ, **told}, cwd=REPOSITORY, timeout=100, check=True, capture_output=True)
    lines = said.read_text().splitlines()
    assert lines[0].startswith("entry ")
    assert lines[1] == f"breakpoint main.c {line}"
    assert lines[2].startswith("step main.c ")
    assert lines[3] == f"step main.c {line}"
    assert lines[4].startswith("step boot_info.c ")
    assert lines[5].startswith("step main.c ")
    assert lines[6] == f"breakpoint main.c {line}"
    assert lines[7].startswith("rip 0x")
    assert lines[8] == "terminated"
