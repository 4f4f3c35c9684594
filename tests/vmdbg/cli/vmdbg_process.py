"""Running `vmdbg` as its users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
TIMEOUT = 100
COMMAND = (sys.executable, "-m", "vmdbg")


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


def vmdbg(*arguments: str | Path, typed: bytes = b"", seconds: float = TIMEOUT) -> subprocess.CompletedProcess[bytes]:
    """Run to the end; `typed` is piped into stdin."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=typed,
        capture_output=True,
        timeout=seconds,
        env=environment(),
        check=False,
    )


def digest(*arguments: str | Path) -> dict[str, object]:
    """What `--digest -` says of a run without serial output."""
    done = vmdbg("run", *arguments, "--serial", "none", "--digest", "-")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def errors(done: subprocess.CompletedProcess[bytes]) -> str:
    text = done.stderr.decode()
    assert "Traceback" not in text
    return text
