"""The suite finds processes that its tests leave behind, its own alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY

LEAVES = """
import subprocess
def test_one():
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
def test_two():
    pass
"""
PLUGIN = "import pytest\nfrom tests.conftest import _no_process_is_left\n"


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_process_that_is_left_fails_the_suite_and_is_named(workers: tuple[str, ...], tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "1000"])
    (tmp_path / "conftest.py").write_text(PLUGIN + "import tests.conftest\ntests.conftest.ENDING_SECONDS = 0.5\n")
    (tmp_path / "test_it.py").write_text(LEAVES)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {REPOSITORY}\n")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *workers, str(tmp_path)],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stdout
        assert "tests left processes behind" in done.stdout
        assert "sleep 1000" in done.stdout
        assert "2 passed" in done.stdout
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
