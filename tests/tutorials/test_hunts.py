"""The hunts of samples/tutorials lead real gdbs from the crash back to the culprit, as the pages show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tutorials.page import TUTORIALS, Page, script_lines
from tests.tutorials.transcript import GDB, commands
from tests.vmdbg.gdb.guests import GDBS, gdb_program

LIVE = """\
```console
$ vmdbg run samples/kernel/sample.elf --append "bug=stale" --serial none --gdb 1234 --wait
vmdbg: waiting for gdb: target remote 127.0.0.1:1234
$ gdb samples/kernel/sample.elf
(gdb) target remote :1234
...
(gdb) continue
the guest halted for ever: interrupts are off
...
(gdb) frame function read_all
...
(gdb) watch -l mailbox->letters
...
(gdb) reverse-continue
...
... in pay_interest () at bank.c:50
50	        standing_order->balance += standing_order->balance / INTEREST_DIVISOR;
(gdb) continue
...
(gdb) continue
the guest halted for ever: interrupts are off
...
```
"""
"""What the README says of a crash that nobody recorded."""

HUNTS = ("smash", "race", "stale")


@pytest.mark.parametrize("hunt", HUNTS)
def test_hunt(hunt: str, sample: Path, tmp_path: Path) -> None:
    hunted(hunt, GDBS[0], sample, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("hunt", HUNTS)
def test_hunt_with_the_newest_gdb(hunt: str, sample: Path, tmp_path: Path) -> None:
    hunted(hunt, GDBS[1], sample, tmp_path)


def hunted(hunt: str, gdb: str, sample: Path, directory: Path) -> None:
    """Do what the page says."""
    files = {"samples/kernel/sample.elf": sample}
    Page(TUTORIALS / f"{hunt}.md", directory, gdb_program(gdb), files).run()


def test_a_crash_that_nobody_recorded(sample: Path, tmp_path: Path) -> None:
    """A live guest: the same way back, from where it halted."""
    page = Page(tmp_path / "live.md", tmp_path, gdb_program(GDBS[0]), {"samples/kernel/sample.elf": sample})
    page.path.write_text(LIVE)
    page.run()


@pytest.mark.parametrize("hunt", HUNTS)
def test_script_has_the_commands_of_the_page(hunt: str) -> None:
    shown = [command.text for command in commands(TUTORIALS / f"{hunt}.md") if command.prompt == GDB]
    assert script_lines(TUTORIALS / f"{hunt}.gdb") == shown
