"""The Python page's examples run, one after the other, as its readers would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from tests.guests.build import REPOSITORY, sample_kernel

PAGE = REPOSITORY / "docs" / "python.md"
TIMEOUT = 100
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> list[str]:
    return _BLOCK.findall(PAGE.read_text())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "sample.elf").symlink_to(sample_kernel())
    return tmp_path


def run(directory: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def test_the_examples_run_in_order(directory: Path) -> None:
    pytest.importorskip("distributed", reason="the dask extra is not installed")
    script = directory / "page.py"
    examples = "\n".join(block for block in blocks() if "def test_" not in block)
    script.write_text('if __name__ == "__main__":\n' + indent(examples, "    "))
    done = run(directory, "vmdbg", "script", script)
    assert done.returncode == 0, done.stderr
    assert "Ended(outcome=PoweredOff())" in done.stdout
    assert "this is the past" in done.stdout


def test_the_example_test_passes(directory: Path) -> None:
    (test,) = (block for block in blocks() if "def test_" in block)
    (directory / "test_page.py").write_text(test)
    done = run(directory, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
