"""The page on labs: its plans are plans, and its example runs."""

import re
import subprocess
import sys
from pathlib import Path

from tests.guests.build import REPOSITORY
from vmdbg.api.lab_file import read_plan

PAGE = (REPOSITORY / "docs" / "lab.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_plans_are_understood(tmp_path: Path) -> None:
    for text in _blocks("toml"):
        (tmp_path / "lab.toml").write_text(text)
        assert len(read_plan(tmp_path / "lab.toml").machines) == 2


def test_the_example_runs(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(_blocks("toml")[0])
    (script,) = _blocks("python")
    (tmp_path / "page.py").write_text(script)
    command = [sys.executable, "page.py"]
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "'left': " in done.stdout
