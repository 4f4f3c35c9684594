"""The theorem on a stock Linux kernel: the first part of its boot, and all of it where there is time (-m slow)."""

import random
from collections.abc import Iterator

import pytest

from tests.determinism.debugging import Action, Break, Catch, Flush, Look, Run, SaveRestore, Step, Watch, clear
from tests.determinism.machines import digests_at, linux_machine, run_in_slices, running, step_often
from vmdbg.engine.exits import Access, EventKind
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.units import Tick

EARLY = (150_000_000, 300_000_000)
SHELL = (1_500_000_000, 3_000_000_000, 4_600_000_000)
READ_WRITE = frozenset(Access)


@pytest.fixture(scope="module")
def expected() -> list[Digest]:
    return digests_at(linux_machine, EARLY)


@pytest.fixture(scope="module")
def expected_to_the_shell() -> list[Digest]:
    return digests_at(linux_machine, SHELL)


def _debug(machine: Machine, end: int, rng: random.Random) -> Digest:
    """Breakpoints where the kernel is, watchpoints on its stack, catches and all the rest, at random."""
    for action in _actions(machine, end, rng):
        action.apply(machine, end)
        Run(rng.randrange(1, end // 50)).apply(machine, end)
    clear(machine)
    machine.run(Tick(end), over_breakpoint=True)
    return digest(machine)


def _actions(machine: Machine, end: int, rng: random.Random) -> Iterator[Action]:
    while machine.clock < end:
        here = machine.engine.read_register("rip")
        yield rng.choice(
            (
                Break((here, here + rng.randrange(64)), ()),
                Watch(rng.randrange(-256, 256), 8, True, False, READ_WRITE),
                Watch(rng.randrange(64 << 20), 8, False, True, READ_WRITE),
                Catch(frozenset((14, 0x30, 0xEC)), frozenset((EventKind.CR3_LOAD, EventKind.MSR_WRITE))),
                Catch(frozenset((14,)), frozenset((EventKind.PORT_WRITE,))),
                Look(rng.randrange(1 << 27)),
                Flush(),
                Step(500),
                SaveRestore(rng.randrange(2_000_000)),
            )
        )


def test_slices_do_not_show(expected: list[Digest]) -> None:
    rng = random.Random(1)
    with running(linux_machine) as machine:
        assert [run_in_slices(machine, t, lambda: rng.randrange(1, 300_000)) for t in EARLY] == expected


def test_single_steps_do_not_show(expected: list[Digest]) -> None:
    rng = random.Random(2)
    with running(linux_machine) as machine:
        assert [step_often(machine, tick, 300_000, 60, rng) for tick in EARLY] == expected
        assert machine.engine.statistics().single_steps > 20_000


def test_a_debugger_does_not_show(expected: list[Digest]) -> None:
    rng = random.Random(3)
    with running(linux_machine) as machine:
        assert [_debug(machine, tick, rng) for tick in EARLY] == expected


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_slices_do_not_show_up_to_the_shell(expected_to_the_shell: list[Digest]) -> None:
    rng = random.Random(4)
    with running(linux_machine) as machine:
        seen = [run_in_slices(machine, tick, lambda: rng.randrange(1, 1_000_000)) for tick in SHELL]
    assert seen == expected_to_the_shell


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_single_steps_around_each_deadline_do_not_show_up_to_the_shell(expected_to_the_shell: list[Digest]) -> None:
    rng = random.Random(5)
    with running(linux_machine) as machine:
        assert [step_often(machine, tick, 2_000_000, 100, rng) for tick in SHELL] == expected_to_the_shell


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_debugger_does_not_show_up_to_the_shell(expected_to_the_shell: list[Digest]) -> None:
    rng = random.Random(6)
    with running(linux_machine) as machine:
        assert [_debug(machine, tick, rng) for tick in SHELL] == expected_to_the_shell
