"""What `make demo` shows works."""

import subprocess
import sys

from tests.guests.build import REPOSITORY
from tests.vmdbg.cli.vmdbg_process import environment


def test_the_demonstration_finds_the_culprit_and_disturbs_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "samples/demo.py"],
        cwd=REPOSITORY,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demo: done" in done.stdout
    assert "text_copy_unchecked" in done.stdout
    assert "=>    38 " in done.stdout, "the source is shown"
    assert "error" not in done.stdout
    assert "bit for bit the same" in done.stdout
