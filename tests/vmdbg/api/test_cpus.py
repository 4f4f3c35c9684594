"""The CPUs of a guest from Python, on tests/determinism/smp.asm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import vmdbg
from tests.guests.build import assemble
from vmdbg.debugger.stops import BreakpointStop, WatchpointStop
from vmdbg.errors import UserError
from vmdbg.machine.schedule import Turn
from vmdbg.machine.schedule_list import ListedTurns
from vmdbg.units import CpuId
from vmdbg.x86.mode import CpuMode

SMP = Path(__file__).parents[2] / "determinism" / "smp.asm"
LOCKED = 0x210040
"""A counter that all CPUs count up."""


def launched(schedule: str = "round-robin:5000") -> vmdbg.Guest:
    image = assemble(SMP.read_text(), defines={"CPUS": 4, "ROUNDS": 100})
    return vmdbg.launch(image, cpus=4, schedule=schedule, memory="4M")


@pytest.fixture
def guest() -> Iterator[vmdbg.Guest]:
    with launched() as made:
        made.run(90_000)
        yield made


def test_each_has_registers_memory_and_a_stack(guest: vmdbg.Guest) -> None:
    assert sorted(cpu.registers.r15 for cpu in guest.cpus) == [0, 1, 2, 3]
    assert {cpu.mode for cpu in guest.cpus} == {CpuMode.LONG64}
    assert {cpu.ring for cpu in guest.cpus} == {0}
    assert [cpu.has_turn for cpu in guest.cpus].count(True) == 1
    assert len({cpu.memory.u32(LOCKED) for cpu in guest.cpus}) == 1
    assert [cpu.frames[0].pc for cpu in guest.cpus] == [cpu.pc for cpu in guest.cpus]
    assert all(cpu.task is None for cpu in guest.cpus)
    assert f"{guest.cpus[2].pc:#x}" in repr(guest.cpus[2])


def test_one_is_looked_at_until_the_guest_has_moved(guest: vmdbg.Guest) -> None:
    for cpu in guest.cpus:
        cpu.look_at()
        assert guest.cpu is cpu
        assert (guest.registers.r15, guest.pc) == (cpu.registers.r15, cpu.pc)
    before = guest.cpus[3].registers.rip
    guest.step()
    assert guest.cpu is guest.cpus[3]
    assert guest.cpu.registers.rip != before


def test_points_are_of_one(guest: vmdbg.Guest) -> None:
    place = guest.cpus[0].pc
    guest.break_at(place, cpu=2)
    for _ in range(3):
        assert isinstance(guest.run(), BreakpointStop)
        assert guest.cpu.number == 2
    guest.delete()
    guest.watch(LOCKED, 4, cpu=1)
    assert isinstance(guest.run(), WatchpointStop)
    assert guest.cpu.number == 1
    with pytest.raises(UserError, match="there is no CPU 4"):
        guest.break_at(place, cpu=4)


def test_registers_are_written_of_the_one_that_is_meant(guest: vmdbg.Guest) -> None:
    guest.cpus[2].registers.r11 = 4711
    assert [cpu.registers.r11 == 4711 for cpu in guest.cpus] == [False, False, True, False]
    guest.cpus[1].memory.write_integer(LOCKED, 4, 7)
    assert guest.cpus[3].memory.u32(LOCKED) == 7


def test_those_that_nobody_has_started_wait() -> None:
    with launched() as guest:
        assert [cpu.waits_to_be_started for cpu in guest.cpus] == [False, True, True, True]
        assert not any(cpu.halted for cpu in guest.cpus[:1])


def test_turns_can_be_told_changed_and_had_again(guest: vmdbg.Guest) -> None:
    assert guest.schedule == "round-robin:5000"
    turns, here, memory = guest.turns(), guest.tick, guest.digest().ram
    assert all(isinstance(turn, Turn) for turn in turns)
    assert sum(turn.quantum for turn in turns) == here
    with launched(str(ListedTurns(turns))) as again:
        again.run(here)
        assert (again.tick, again.digest().ram) == (here, memory)
    guest.reschedule("random:3")
    assert guest.schedule == "random:3"
    guest.run(10_000)
    guest.seek(here)
    assert guest.schedule == "round-robin:5000"
    with pytest.raises(UserError, match="fork"):
        guest.reschedule("pct:1")
    guest.fork()
    guest.reschedule("pct:1")
    assert guest.schedule == "pct:1,3"


@pytest.mark.parametrize(
    ("asked", "error"), [({"cpus": 33}, "number of CPUs"), ({"cpus": 2, "schedule": "x"}, "schedule")]
)
def test_what_makes_no_sense_is_refused(asked: dict[str, object], error: str) -> None:
    with pytest.raises(UserError, match=error):
        vmdbg.launch(**asked)  # type: ignore[arg-type]  # a wrong value is the point


def test_one_cpu_is_one_of_them() -> None:
    with vmdbg.launch(memory="16M") as guest:
        assert [cpu.number for cpu in guest.cpus] == [CpuId(0)]
        assert guest.cpu.has_turn
