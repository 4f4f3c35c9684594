"""The example of docs/smp.md finds what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.guests.build import REPOSITORY, sample_kernel

PAGE = REPOSITORY / "docs" / "smp.md"


def test_the_example_finds_a_schedule_under_which_the_sample_fails(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "sample-smp.elf").symlink_to(sample_kernel("sample-smp.elf"))
    script = tmp_path / "example.py"
    script.write_text(example)
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"random:\d+,most=20k loses entries\n", done.stdout)
