"""A guest of several CPUs, looked at one by one: tests/determinism/smp.asm."""

import pytest

from tests.determinism.machines import smp_machine
from vmdbg.debugger.debugger import Debugger
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Tick

CPUS = 4


@pytest.fixture
def debugger() -> Debugger:
    made = Debugger(Timeline(smp_machine(CPUS, schedule="round-robin:5000")))
    made.timeline.run(Tick(90_000))
    return made


def test_each_cpu_has_registers_of_its_own_whichever_is_looked_at(debugger: Debugger) -> None:
    numbers = [cpu.read("r15") for cpu in debugger.cpus]
    assert sorted(numbers) == list(range(CPUS))
    debugger.look_at(CpuId(2))
    assert debugger.cpu.read("r15") == numbers[2]
    assert [cpu.read("r15") for cpu in debugger.cpus] == numbers
    with debugger.of(CpuId(1)):
        assert debugger.cpu.number == 1
        assert debugger.pc == debugger.cpus[1].linear_pc
    assert debugger.cpu.number == 2


def test_looking_leaves_no_trace(debugger: Debugger) -> None:
    before = digest(debugger.machine)
    for cpu in range(CPUS):
        debugger.look_at(CpuId(cpu))
        debugger.linear().read_prefix(debugger.pc, 16)
        assert debugger.cpu.read("cr8") == 0
    assert digest(debugger.machine) == before
    debugger.timeline.run(Tick(110_000))
    after = digest(debugger.machine)
    debugger.timeline.seek(debugger.timeline.start)
    debugger.timeline.run(Tick(110_000))
    assert digest(debugger.machine) == after


def test_there_is_a_cpu_whose_turn_it_is_and_others_wait_before_they_are_started() -> None:
    debugger = Debugger(Timeline(smp_machine(CPUS)))
    assert [cpu.has_turn for cpu in debugger.cpus] == [True, False, False, False]
    assert [cpu.waits_for_sipi for cpu in debugger.cpus] == [False, True, True, True]


def test_a_cpu_that_is_not_there_is_refused(debugger: Debugger) -> None:
    with pytest.raises(UserError, match="no CPU 4: the guest has 4, from 0 on"):
        debugger.look_at(CpuId(4))


def test_a_register_is_written_of_the_cpu_that_is_looked_at(debugger: Debugger) -> None:
    before = [cpu.read("r11") for cpu in debugger.cpus]
    debugger.look_at(CpuId(3))
    debugger.write_register("r11", 0x1234)
    assert [cpu.read("r11") for cpu in debugger.cpus] == [*before[:3], 0x1234]
