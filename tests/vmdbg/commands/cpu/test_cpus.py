"""cpu, cpus and --cpu, on tests/determinism/smp.asm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import vmdbg
from tests.determinism.machines import smp_machine
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.repl.status import StatusBar
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

CPUS = 4


@pytest.fixture
def several() -> Iterator[Session]:
    """Four CPUs, all at work."""
    debugger = Debugger(Timeline(smp_machine(CPUS, schedule="round-robin:5000")))
    debugger.timeline.run(Tick(90_000))
    yield Session(debugger, catalog.commands(), allowed=~Effect.NONE)
    debugger.close()


def rows(session: Session) -> list[dict[str, object]]:
    found = session.run("cpus").data
    assert isinstance(found, list)
    return found  # type: ignore[return-value]  # of tables these are dicts


def test_all_are_listed_with_what_they_do(several: Session) -> None:
    listed = rows(several)
    assert [row["cpu"] for row in listed] == list(range(CPUS))
    assert [row["state"] for row in listed].count("has its turn") == 1
    assert {row["mode"] for row in listed} == {"64-bit"}
    assert all(row["ring"] == 0 for row in listed)


def test_those_that_nobody_has_started_wait() -> None:
    session = Session(Debugger(Timeline(smp_machine(CPUS))), catalog.commands())
    assert [row["state"] for row in rows(session)] == ["has its turn", *["waits to be started"] * (CPUS - 1)]
    session = Session(session.debugger, catalog.commands(), allowed=~Effect.NONE)
    session.run("cpu 2")
    with pytest.raises(UserError, match="CPU 2 cannot be stepped: it waits to be started"):
        session.run("stepi")
    session.debugger.close()


def test_another_is_looked_at_until_the_guest_has_moved(several: Session) -> None:
    numbers = [cpu.read("r15") for cpu in several.debugger.cpus]
    for cpu in range(CPUS):
        assert several.execute(f"cpu {cpu}").startswith(f"CPU {cpu}, ")
        assert several.integer("r15") == numbers[cpu]
        assert [row[""] for row in rows(several)] == [number == cpu for number in range(CPUS)]
    several.run("stepi")
    assert several.execute("cpu").startswith(f"CPU {several.debugger.engine.selected}, ")


def test_one_command_is_carried_out_there_and_no_more(several: Session) -> None:
    several.run("cpu 2")
    numbers = [cpu.read("r15") for cpu in several.debugger.cpus]
    assert several.run("cpu 1 print r15").data == several.run(f"print {numbers[1]}").data
    assert several.integer("r15") == numbers[2]
    assert len(several.run("cpu all print r15").data) == CPUS  # type: ignore[arg-type]  # a list
    assert several.execute("cpu all print r15").count("CPU ") == CPUS


def test_a_stack_is_shown_of_the_cpu_asked_for(several: Session) -> None:
    for cpu in several.debugger.cpus:
        assert f"{cpu.linear_pc:x}" in several.execute(f"bt 1 --cpu {cpu.number}")


@pytest.mark.parametrize("line", ["cpu 4", "cpu -1", "bt --cpu 4", "break rip --cpu 4", "watch rsp --cpu 9"])
def test_a_cpu_that_is_not_there_is_refused(several: Session, line: str) -> None:
    with pytest.raises(UserError, match="the guest has CPUs 0 to 3"):
        several.run(line)
    assert several.execute("points") == "no breakpoints and no watchpoints\n"


def test_points_are_of_one_cpu(several: Session) -> None:
    place = several.debugger.cpus[0].linear_pc
    assert several.execute(f"break {place:#x} --cpu 3").rstrip().endswith("cpu 3")
    assert "cpu 3" in several.execute("points")
    for _ in range(3):
        several.run("continue")
        assert several.debugger.engine.selected == 3
        assert several.debugger.pc == place
    several.run("delete all")
    locked = 0x210040  # incremented by all
    several.run(f"watch {locked:#x} 4 --cpu 1")
    for _ in range(3):
        several.run("continue")
        assert several.debugger.engine.selected == 1


def test_stops_and_the_status_bar_say_which(several: Session) -> None:
    several.run("cpu 3")
    assert StatusBar(several)().startswith(" CPU 3/4 │ 64-bit")
    answer = several.run("stepi")
    assert f"CPU {several.debugger.engine.selected} at 0x" in str(answer.blocks[-1])


def test_looking_and_listing_leave_no_trace(several: Session) -> None:
    before = digest(several.debugger.machine)
    for line in ("cpus", "cpu all bt", "cpu 1", "registers", "cpu 3 maps", "bt --cpu 2"):
        several.run(line)
    assert digest(several.debugger.machine) == before


def test_one_cpu_has_them_too(session: Session) -> None:
    assert len(rows(session)) == 1
    assert session.execute("cpu 0").startswith("CPU 0, has its turn, at ")
    with pytest.raises(UserError, match="the guest has CPU 0 alone"):
        session.run("cpu 1")
    assert "CPU" not in StatusBar(session)()


def test_a_cpu_that_waits_to_be_started_is_as_a_reset_leaves_it() -> None:
    """SDM 3A table 10-1."""
    with vmdbg.launch(cpus=2, memory="16M") as guest:
        waiting = guest.cpus[1]
        assert waiting.waits_to_be_started
        assert not waiting.mode.is_protected
        assert (waiting.pc, waiting.registers.efer, waiting.registers.cr4) == (0xFFFF_FFF0, 0, 0)
        assert " real " in guest.execute("cpus")


def test_a_condition_knows_the_cpu_and_is_refused_for_one_that_is_not_there(several: Session) -> None:
    assert several.execute("print $cpu") == several.execute("print cpu")
    with several.debugger.of(several.debugger.cpus[2].number):
        assert several.integer("$cpu") == 2
    with several.debugger.of(several.debugger.cpus[1].number):
        where = several.debugger.pc
    several.run(f"break *{where:#x} if $cpu == 1")
    for _ in range(3):
        several.run("continue")
        assert (several.debugger.cpu.number, several.debugger.pc) == (1, where)
    for words in ("$cpu == 9", "cpu == 4 and rax > 0", "rax and $cpu == 1 and $cpu == 4"):
        with pytest.raises(UserError, match=r"never holds: there is no CPU [49]: the guest has 4, counted from 0"):
            several.run(f"break *{where:#x} if {words}")
    assert len(several.debugger.points.breakpoints) == 1
    with pytest.raises(UserError, match="cannot be written"):
        several.run("set cpu = 1")


def test_a_cpu_that_sleeps_for_good_is_not_waited_for(several: Session) -> None:
    """As one that Linux has unplugged."""
    for _ in range(200):
        several.debugger.timeline.run(Tick(several.debugger.position.tick + 3_000))
        asleep = [one for one in several.debugger.cpus if one.halted]
        if asleep:
            break
    several.run(f"cpu {asleep[0].number}")
    several.run("set rflags = rflags & ~0x200")
    several.run(f"cpu {asleep[0].number}")
    with pytest.raises(UserError, match=r"halted with interrupts off.*an NMI or an INIT alone wakes it"):
        several.run("stepi")
