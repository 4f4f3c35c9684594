"""Steps over calls stay with the thread that they began in, wherever that runs: the sample kernel on four CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import pytest

import vmdbg
from vmdbg.host.sample import sample_path

STACK = 0x4000


@pytest.fixture
def guest() -> Iterator[vmdbg.Guest]:
    """A teller of the bank begins; three more run the same code."""
    with vmdbg.launch(cpus=4, schedule="round-robin:3000", memory="32M", append="autostop") as made:
        made.load_symbols(sample_path(4))
        made.break_at("teller_main")
        made.run()
        made.delete()
        yield made


def test_next_follows_its_thread_from_cpu_to_cpu(guest: vmdbg.Guest) -> None:
    stack, cpus, lines = guest.registers.rsp, set(), set()
    for _ in range(60):
        guest.execute("next")
        assert abs(guest.registers.rsp - stack) < STACK, "another thread"
        assert guest.frames[0].function == "teller_main"
        cpus.add(guest.cpu.number)
        lines.add(guest.frames[0].line)
    assert len(cpus) > 1, "it has never moved: the test shows nothing"
    assert len(lines) > 3


def test_finish_returns_where_the_thread_is(guest: vmdbg.Guest) -> None:
    guest.execute("tbreak deposit")
    guest.run()
    stack = guest.registers.rsp
    for _ in range(10):
        guest.execute("finish")
        assert guest.frames[0].function == "teller_main"
        assert abs(guest.registers.rsp - stack) < STACK
        guest.execute("step")
        guest.execute("step")
        if guest.frames[0].function != "deposit":
            guest.execute("tbreak deposit")
            guest.run()
            stack = guest.registers.rsp


def test_until_leaves_a_loop_in_the_same_thread(guest: vmdbg.Guest) -> None:
    stack = guest.registers.rsp
    for _ in range(5):
        guest.execute("until")
        assert abs(guest.registers.rsp - stack) < STACK


def test_lines_are_gone_back_in_the_same_thread(guest: vmdbg.Guest) -> None:
    """A line may begin in several places, which back and forth do not all stop at."""
    stack, forth = guest.registers.rsp, [guest.frames[0].line]
    for _ in range(8):
        guest.execute("next")
        forth.append(guest.frames[0].line)
    back = [forth[-1]]
    for _ in range(8):
        guest.execute("reverse-next")
        back.append(guest.frames[0].line)
        assert abs(guest.registers.rsp - stack) < STACK
    came, went = ([line for line, _ in groupby(lines)] for lines in (back, reversed(forth)))
    assert came == went[: len(came)]
