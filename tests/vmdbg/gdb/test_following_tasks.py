"""gdb follows a task of the sample kernel from CPU to CPU by vmdbg's own steps: `follow next` and its kin."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import vmdbg
from tests.vmdbg.gdb.guests import gdb
from vmdbg.host.sample import sample_path

CPUS = 4
HELPER = 'python exec(gdb.execute("monitor gdb-helper", to_string=True))'
SHOW = 'printf "stands %d %d %lu\\n", $_thread, $tick, $rsp'
STEPS = ("next",) * 24 + ("finish", "step", "next", "nexti", "until") + ("reverse-next", "reverse-step") * 3


@pytest.fixture
def guest() -> Iterator[vmdbg.Guest]:
    """A teller of the bank begins; three more run the same code."""
    with vmdbg.launch(cpus=CPUS, schedule="round-robin:3000", memory="32M", append="autostop") as made:
        made.load_symbols(sample_path(CPUS))
        made.break_at("teller_main")
        made.run()
        made.delete()
        yield made


def stands(guest: vmdbg.Guest) -> tuple[int, int, int]:
    return guest.cpu.number + 1, guest.tick, guest.registers.rsp


def test_gdb_s_steps_follow_their_task_as_the_prompt_s_do(guest: vmdbg.Guest, gdb_client: list[str]) -> None:
    begin, expected = guest.position, []
    steps = []
    for step in STEPS:
        try:
            guest.execute(step)
        except vmdbg.UserError:
            continue  # no caller to finish to
        steps.append(step)
        expected.append(stands(guest))
    assert len({thread for thread, _, _ in expected}) > 1, "it has never moved: the test shows nothing"
    guest.seek(begin)
    asked = [part for step in steps for part in (f"follow {step}", SHOW)]
    commands = [f"monitor symbol-file {sample_path(CPUS)}", HELPER, *asked, "disconnect"]
    output = gdb(gdb_client, guest.debugger, *commands, file=sample_path(CPUS))
    found = [tuple(map(int, numbers)) for numbers in re.findall(r"^stands (\d+) (\d+) (\d+)", output, re.MULTILINE)]
    assert found == expected
    assert "SIGTRAP" not in output
    assert "what was stepped is on CPU" in output


def test_what_cannot_be_followed_is_refused_in_words(guest: vmdbg.Guest, gdb_client: list[str]) -> None:
    before = guest.position
    asked = ("follow registers", "follow nonsense", "follow", "follow next 0", "follow finish 3", "monitor cpus")
    output = gdb(gdb_client, guest.debugger, HELPER, *asked, "disconnect")
    assert "registers lets nothing run" in output
    assert "there is no command 'nonsense'" in output
    assert "0 is no number of steps" in output
    assert "Traceback" not in output
    assert guest.position == before
