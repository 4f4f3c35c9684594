"""A real Emacs with dap-mode, set up as the guide says, debugs the sample kernel, both ways."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY, require
from tests.vmdbg.dap.test_sample import SOURCES, line_of

HAS_DAP_MODE = """(progn (package-initialize) (kill-emacs (if (locate-library "dap-ui") 0 1)))"""


def set_up(to: Path) -> None:
    """What the guide has users put into their own."""
    guide = (REPOSITORY / "docs" / "dap.md").read_text(encoding="utf-8")
    (lisp,) = [block for block in re.findall("```elisp\n(.*?)```", guide, re.DOTALL) if "'dap-ui" in block]
    to.write_text(lisp)


def test_emacs_steps_through_the_sample_in_both_directions(tmp_path: Path) -> None:
    editor = require("emacs")
    if subprocess.run([editor, "--batch", "-q", "--eval", HAS_DAP_MODE], timeout=30, capture_output=True).returncode:
        pytest.skip("dap-mode is not installed (on Debian: apt-get install elpa-dap-mode)")
    set_up(tmp_path / "guide.el")
    program = tmp_path / "vmdbg"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m vmdbg "$@"\n')
    program.chmod(0o755)
    line, said = line_of("main.c", "boot_info_init("), tmp_path / "said"
    told = {
        "VMDBG_FOLDER": str(tmp_path),
        "VMDBG_GUIDE": str(tmp_path / "guide.el"),
        "VMDBG_SOURCE": str(SOURCES / "main.c"),
        "VMDBG_LINE": str(line),
        "VMDBG_OUT": str(said),
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    command = [editor, "--batch", "-q", "-l", str(REPOSITORY / "tests" / "editors" / "session.el")]
    done = subprocess.run(command, env={**os.environ, **told}, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    entry, hit, step, back, into, out, again, *rest = said.read_text().splitlines()
    assert entry.startswith("boot.S ")
    assert hit.startswith(f"main.c {line} kernel_main(")
    assert re.match(r"main\.c \d+ kernel_main\(", step)
    assert step != hit
    assert back == hit
    assert into.startswith("boot_info.c ")
    assert re.match(r"main\.c \d+ kernel_main\(", out)
    assert again == hit
    assert rest == ["loader 1", "terminated 0"]
