"""The session with Linux that README shows, carried out with Debian's gdb. Numbers may differ: kernels change."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY
from tests.linux_assets import PROMPT
from tests.tutorials.page import Page
from tests.tutorials.transcript import GDB, Command, commands, difference
from tests.vmdbg.cli.vmdbg_process import COMMAND, environment
from tests.vmdbg.gdb.guests import GDBS, gdb_program

README = REPOSITORY / "README.md"
TYPED = "cat /proc/version"
FUNCTION = "do_sys_openat2"
_NUMBER = re.compile(r"0x[0-9a-f]+|-?\d+(?:\.\d+)?")


class Readme(Page):
    def _check(self, command: Command, said: str) -> None:
        found = difference([_NUMBER.sub("#", line) for line in command.output], _NUMBER.sub("#", said))
        assert found is None, f"README.md:{command.line}: {command.text}\n{found}"


@contextmanager
def shell(kernel: Path, initrd: Path) -> Iterator[tuple[str, str]]:
    """A guest at its shell on a pseudoterminal, serving gdb: the port and the terminal."""
    words = ["run", "--kernel", str(kernel), "--initrd", str(initrd), "--serial", "pty", "--gdb", "0"]
    process = subprocess.Popen(
        [*COMMAND, *words], env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        port = process.stderr.readline().rpartition(":")[2].strip()
        name = process.stderr.readline().rpartition(" ")[2].strip()
        with open(name, "rb", buffering=0) as terminal:
            seen = b""
            while PROMPT.encode() not in seen:
                seen += terminal.read(4096)
            yield port, name
    finally:
        process.kill()
        process.communicate(timeout=100)


def address(gdb: list[str], port: str) -> str:
    """Where FUNCTION is in this kernel."""
    lines = (f"target remote :{port}", f"monitor symbol {FUNCTION}", "detach")
    words = [*gdb, "-nx", "-q", "-batch", *(word for line in lines for word in ("-ex", line))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    found = re.search(rf"(0x[0-9a-f]+) <{FUNCTION}>", done.stdout + done.stderr)
    assert found is not None, done
    return found[1]


@pytest.mark.timeout(200)
def test_the_session_is_a_real_one(cloud_kernel: Path, initrd: Path, tmp_path: Path) -> None:
    gdb = gdb_program(GDBS[0])
    page = Readme(README, tmp_path, gdb)
    session = [command for command in commands(README) if command.prompt == GDB]
    first = next(number for number, command in enumerate(session) if command.text == "continue")
    with shell(cloud_kernel, initrd) as (port, terminal):
        place = address(gdb, port)
        session = [
            replace(command, text=re.sub(r"^break \*0x\w+", f"break *{place}", command.text)) for command in session
        ]
        page.debug([], port, session, {first: f"shell echo '{TYPED}' > {terminal}\n"})
