"""The sample kernel on several CPUs, and its bug that takes more than one."""

from __future__ import annotations

import pytest

import vmdbg
from tests.guests.build import sample_kernel

WHOLE = "ledger: 150 entries, as it should have"
SEEDS = 200


def ledger(command_line: str, *, cpus: int, schedule: str) -> str:
    """What the kernel says of its ledger in a run to its end."""
    kernel = sample_kernel("sample-smp.elf")
    with vmdbg.launch(
        kernel, memory="64M", append=f"autostop panic=exit {command_line}", cpus=cpus, schedule=schedule
    ) as guest:
        guest.run()
        return next(line for line in guest.console.splitlines() if "ledger" in line)


@pytest.mark.parametrize(
    ("cpus", "schedule"), [(1, "round-robin"), (2, "round-robin"), (4, "random:1"), (8, "round-robin"), (4, "pct:1")]
)
def test_it_does_its_demonstration(cpus: int, schedule: str) -> None:
    assert ledger("", cpus=cpus, schedule=schedule) == WHOLE


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_entries_guarded_by_cli_alone_are_all_there_in_plain_turns(cpus: int) -> None:
    assert ledger("bug=cli", cpus=cpus, schedule="round-robin") == WHOLE


def test_a_drawn_schedule_loses_one_of_them_and_each_run_loses_it_again() -> None:
    for seed in range(1, SEEDS + 1):
        said = ledger("bug=cli", cpus=2, schedule=f"random:{seed}")
        if said != WHOLE:
            assert ledger("bug=cli", cpus=2, schedule=f"random:{seed}") == said
            return
    pytest.fail(f"no schedule of {SEEDS} lost an entry")
