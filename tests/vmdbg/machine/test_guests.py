"""Every assembled guest prints and ends as the table says, which QEMU confirms where it agrees with the SDM."""

import pytest

from tests.guests.build import sample_kernel
from tests.guests.expected import GUESTS, Ending, Guest
from tests.vmdbg.machine.guest_runs import run_guest, run_image
from vmdbg.engine.exits import TripleFault, VoidFetch
from vmdbg.machine.outcome import HaltedForever, Outcome, PoweredOff, TestExited

ENDS: dict[Ending, Outcome] = {
    Ending.TEST_EXIT: TestExited(1),
    Ending.TRIPLE_FAULT: TripleFault(),
    Ending.HALTED: HaltedForever(interrupts_enabled=False),
}


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.name)
def test_prints_and_ends_as_the_table_says(guest: Guest) -> None:
    ended = run_guest(guest.name)
    assert ended.output == guest.output
    if guest.name == "void_jump_physical":
        assert isinstance(ended.outcome, VoidFetch)
    else:
        assert ended.outcome == ENDS[guest.ending]


def test_the_sample_kernel_runs_its_demonstration_and_powers_off() -> None:
    ended = run_image(sample_kernel().read_bytes(), append="autostop", memory=32 << 20)
    assert isinstance(ended.outcome, PoweredOff)
    for line in ("boot: Multiboot", "2262 primes", "bank: the account holds 500, as it should", "demo: done"):
        assert line in ended.output
    assert "PANIC" not in ended.output


@pytest.mark.parametrize(
    ("bug", "panic"),
    [
        ("smash", "PANIC: vector 14 (page fault), error code 10, rip ffffff00"),
        ("race", "PANIC: bank: the account holds"),
        ("stale", "PANIC: vector 14 (page fault), error code 0, rip"),
    ],
)
def test_each_planted_bug_of_the_sample_ends_in_its_panic(bug: str, panic: str) -> None:
    ended = run_image(sample_kernel().read_bytes(), append=f"bug={bug} panic=exit autostop", memory=32 << 20)
    assert ended.outcome == TestExited(3)
    assert panic in ended.output
    assert "demo: done" not in ended.output
