"""pwndbg and bata24/gef, where they are: neither is a package, so tests use checkouts that somebody made.

`VMDBG_TEST_CLIENTS=DIR` names a directory; without it `clients` in the cache of linux_assets is looked at. In it:

    gef/gef.py          git clone https://github.com/bata24/gef
    pwndbg/gdbinit.py   git clone https://github.com/pwndbg/pwndbg
    site-packages/      what pwndbg imports: pip install --target site-packages capstone pwntools psutil pycparser
                        pyelftools pygments ropgadget sortedcontainers tabulate typing-extensions unicorn ipython

The gdb that runs them is that of the package gdb-for-pwndbg, of the dev extra.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gdbstub.clients import wheel
from tests.linux_assets import PROMPT, cache_directory
from tests.vmdbg.gdb.guests import Guest, linux_guest, serve
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger

MARK = "=====command "
GUEST_TICKS = 20_000_000_000


def checkout(part: str) -> Path:
    """A file or directory of the clients; skips the test if it is not there."""
    given = os.environ.get("VMDBG_TEST_CLIENTS")
    path = (Path(given) if given else cache_directory() / "clients") / part
    if not path.exists():
        pytest.skip(
            f"{path} is not there: {__name__} says how to put it there, or VMDBG_TEST_CLIENTS=DIR names another"
        )
    return path


@contextmanager
def guest_at_its_prompt() -> Iterator[Guest]:
    with linux_guest() as made:
        debugger = made.debugger
        debugger.resume(Continue())
        while PROMPT not in made.output:
            assert debugger.poll() is None, "the guest stopped"
            assert debugger.position.tick < GUEST_TICKS, "the guest does not come to its prompt"
        debugger.interrupt()
        debugger.wait()
        yield made


def gef(debugger: Debugger, *commands: str) -> dict[str, str]:
    """What bata24/gef answers to each command."""
    return _session(debugger, [f"source {checkout('gef/gef.py')}"], commands)


def pwndbg(debugger: Debugger, *commands: str, symbols: Path) -> dict[str, str]:
    """What pwndbg answers to each command. Its other source of maps is the memory of a process called qemu-system."""
    packages = f"{checkout('pwndbg')}:{checkout('site-packages')}"
    environment = {"PWNDBG_VENV_PATH": "PWNDBG_PLEASE_SKIP_VENV", "PYTHONPATH": packages}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        first = [f"file {symbols}", f"source {checkout('pwndbg/gdbinit.py')}", "set kernel-vmmap monitor"]
        return _session(debugger, first, commands)


def _session(debugger: Debugger, first: list[str], commands: tuple[str, ...]) -> dict[str, str]:
    lines = ["set style enabled off", "set pagination off", "set confirm off", *first, "target remote {port}"]
    for command in commands:
        lines += [f"echo \\n{MARK}{command}\\n", command]
    lines.append("python import os; os._exit(0)")
    program = [*wheel("gdb_for_pwndbg", "gdb"), "-q", "-batch", "-nx"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "dumb")
        patch.setenv("GEF_RC", "/nonexistent")
        output = serve(debugger, [*program, *(part for line in lines for part in ("-ex", line))])
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output)
    answers = dict(part.split("\n", 1) for part in plain.split(f"\n{MARK}")[1:])
    assert answers.keys() == set(commands), plain[-3000:]
    return answers
