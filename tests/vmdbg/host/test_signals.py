"""A process that ends on signals whatever loses what their handlers raise."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.vmdbg.cli.vmdbg_process import environment

SECONDS = 20.0

BEGIN = """
import contextlib, os, signal, sys, time
from vmdbg.host.signals import SIGNALS
from vmdbg.interruption import StoppedError
"""

LOSES_IT = """
with contextlib.suppress(StoppedError), SIGNALS.heed():
    {before}
    with contextlib.suppress(BaseException):
        print("ready", flush=True)
        time.sleep(60)
    time.sleep(60)
sys.exit(128 + SIGNALS.number)
"""

NEVER_ENDS = """
import atexit
import vmdbg.__main__, vmdbg.cli.main
def wait():
    print("ready", flush=True)
    while True:
        time.sleep(1)
atexit.register(wait)
vmdbg.cli.main.main = lambda: 0
vmdbg.__main__.main()
"""


@pytest.mark.parametrize(
    "program",
    [
        LOSES_IT.format(before="pass"),
        LOSES_IT.format(before="signal.set_wakeup_fd(-1)"),
        LOSES_IT.format(before="signal.set_wakeup_fd(os.open('/dev/null', os.O_WRONLY | os.O_NONBLOCK))"),
    ],
    ids=["as it is", "nobody is woken", "somebody else is woken"],
)
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_what_loses_the_exception_ends_all_the_same(program: str, number: signal.Signals) -> None:
    assert ends(program, number) == 128 + number


@pytest.mark.slow
def test_exit_functions_that_never_end_are_left() -> None:
    assert ends(NEVER_ENDS, signal.SIGTERM) == 128 + signal.SIGTERM


def ends(program: str, number: signal.Signals) -> int:
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + program],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        try:
            return process.wait(SECONDS)
        finally:
            process.kill()
