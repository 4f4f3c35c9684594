"""gdb and LLDB at four CPUs (tests/determinism/smp.asm): a thread a CPU, and nothing that they do shows."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.determinism.machines import smp_machine
from tests.guests.build import assemble
from tests.vmdbg.gdb.guests import gdb, lldb
from vmdbg.debugger.debugger import Debugger
from vmdbg.machine.digest import digest
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

CPUS, ROUNDS = 4, 100
BEGIN, END = Tick(90_000), Tick(110_000)
SCHEDULE = "round-robin:5000"
LOCAL_APIC_ID, MESSAGE = 0x401F_F020, 0x4040
LOAD = 0x10_0000


def place(code: bytes) -> int:
    source = Path(__file__).parents[2] / "determinism" / "smp.asm"
    return LOAD + assemble(source.read_text(), defines={"CPUS": CPUS, "ROUNDS": ROUNDS}).index(code)


@pytest.fixture(scope="module")
def sends() -> int:
    """Where a CPU sends an interrupt to the next one: MOV [ICR_LOW], MESSAGE."""
    return place(struct.pack("<I", MESSAGE)) - 7


@pytest.fixture(scope="module")
def receives() -> int:
    """Its handler: MOV EAX, [LAPIC_ID]."""
    return place(b"\x8b\x04\x25" + struct.pack("<I", LOCAL_APIC_ID))


@pytest.fixture
def debugger() -> Iterator[Debugger]:
    """All at work; r15 is each one's number, in the order in which they came."""
    made = Debugger(Timeline(smp_machine(CPUS, ROUNDS, SCHEDULE)))
    made.timeline.run(BEGIN)
    yield made
    made.close()


@pytest.fixture
def undisturbed(debugger: Debugger) -> Iterator[None]:
    """What comes is what it would have been."""
    yield
    alone = Timeline(smp_machine(CPUS, ROUNDS, SCHEDULE))
    alone.run(END)
    points = debugger.points
    for point in [*points.breakpoints.values(), *points.watchpoints.values()]:
        points.remove(point)
    points.arm(debugger.engine)
    debugger.timeline.run(END)
    debugger.timeline.seek(alone.position)
    assert digest(debugger.machine) == digest(alone.machine)
    alone.machine.close()


def listed(output: str) -> list[tuple[str, int]]:
    """The lines of info threads: the mark, and the CPU."""
    return [(mark, int(cpu)) for mark, cpu in re.findall(r'^([* ]) \d +Thread 1\.\d "CPU (\d)"', output, re.MULTILINE)]


def test_gdb_has_a_thread_for_each_cpu(gdb_client: list[str], debugger: Debugger, undisturbed: None) -> None:
    numbers = [cpu.read("r15") for cpu in debugger.cpus]
    asked = [part for cpu in range(CPUS) for part in (f"thread {cpu + 1}", "print $r15")]
    output = gdb(gdb_client, debugger, "info threads", *asked, "thread apply all -q x/i $pc", "disconnect")
    assert [cpu for _, cpu in listed(output)] == list(range(CPUS))
    assert [mark for mark, _ in listed(output)].count("*") == 1
    assert output.count("64-bit mode, ring 0") >= CPUS
    assert output.count("has its turn") >= 1
    assert [int(number) for number in re.findall(r"^\$\d = (\d)", output, re.MULTILINE)] == numbers
    shown = [int(pc, 16) for pc in re.findall(r"^=> 0x([0-9a-f]+):", output, re.MULTILINE)]
    assert sorted(shown) == sorted(cpu.linear_pc for cpu in debugger.cpus)


def test_gdb_steps_the_thread_that_it_is_told(gdb_client: list[str], debugger: Debugger, undisturbed: None) -> None:
    commands = []
    for thread in (3, 1, 4):
        commands += [f"thread {thread}", "stepi", "print $_thread", "stepi", "print $_thread"]
    commands += ["print $tick", "reverse-stepi", "print $_thread", "reverse-stepi", "print $_thread", "print $tick"]
    output = gdb(gdb_client, debugger, *commands, "disconnect")
    values = [int(number) for number in re.findall(r"^\$\d+ = (\d+)", output, re.MULTILINE)]
    assert values[:6] == [3, 3, 1, 1, 4, 4]
    assert values[7:9] == [4, 4]
    assert values[9] < values[6]


def test_gdb_stops_on_one_cpu_alone(gdb_client: list[str], debugger: Debugger, sends: int, undisturbed: None) -> None:
    stops = ["continue", "print $_thread", "print/x $pc"] * 3
    output = gdb(gdb_client, debugger, f"break *{sends:#x} thread 2", *stops, "disconnect")
    values = re.findall(r"^\$\d+ = (\w+)", output, re.MULTILINE)
    assert values == ["2", f"{sends:#x}"] * 3


def test_gdb_goes_back_from_an_interrupt_to_the_cpu_that_sent_it(
    gdb_client: list[str], debugger: Debugger, sends: int, receives: int, undisturbed: None
) -> None:
    output = gdb(
        gdb_client,
        debugger,
        f"break *{receives:#x}",
        "continue",
        "print $_thread",
        "delete",
        f"break *{sends:#x}",
        "reverse-continue",
        "print $_thread",
        "x/i $pc",
        "stepi",
        "print $_thread",
        "disconnect",
    )
    receiver, sender, stepped = map(int, re.findall(r"^\$\d+ = (\d+)", output, re.MULTILINE))
    assert receiver != sender == stepped
    assert f"=> {sends:#x}:\tmovl" in output


def test_what_would_be_another_run_is_refused_in_words(
    gdb_client: list[str], debugger: Debugger, sends: int, undisturbed: None
) -> None:
    commands = ["set scheduler-locking on", "continue", "set scheduler-locking off", f"break *{sends:#x}", "continue"]
    output = gdb(gdb_client, debugger, *commands, "disconnect")
    assert "nothing was run: CPUs run by turns" in output
    assert "hit Breakpoint 1" in output


def test_on_a_fork_one_cpu_runs_alone(gdb_client: list[str], debugger: Debugger, sends: int) -> None:
    asked = ["print/x $pc", "print $r12"]
    others = [part for thread in (1, 2, 4) for part in (f"thread {thread}", *asked)]
    alone = ["thread 3", "set scheduler-locking on", f"break *{sends:#x}", "continue", "print $_thread"]
    again = ["set scheduler-locking off", "delete", "thread 1", f"break *{sends:#x} thread 1", "continue", "disconnect"]
    output = gdb(gdb_client, debugger, "monitor fork", *others, *alone, *others, "monitor schedule", *again)
    values = re.findall(r"^\$\d+ = (\w+)", output, re.MULTILINE)
    assert values[:6] == values[7:]
    assert values[6] == "3"
    assert "only:2" in output
    assert "Thread 1" in output.rsplit("only:2", 1)[1]
    assert str(debugger.machine.cpus.turns.schedule) == SCHEDULE
    assert [type(entry.input).__name__ for entry in debugger.timeline.history.inputs] == ["ScheduleChange"] * 2


def test_who_leaves_holds_nobody_back(gdb_client: list[str], debugger: Debugger, sends: int) -> None:
    asked = ("thread 3", "set scheduler-locking on", f"break *{sends:#x}", "continue", "disconnect")
    gdb(gdb_client, debugger, "monitor fork", *asked)
    assert str(debugger.machine.cpus.turns.schedule) == SCHEDULE


def test_non_stop_is_not_offered(gdb_client: list[str], debugger: Debugger, undisturbed: None) -> None:
    output = gdb([*gdb_client, "-iex", "set non-stop on"], debugger, "info threads")
    assert "Non-stop mode requested, but remote does not support non-stop" in output


def test_a_register_is_written_on_the_thread_that_is_chosen(gdb_client: list[str], debugger: Debugger) -> None:
    before = [cpu.read("r11") for cpu in debugger.cpus]
    gdb(gdb_client, debugger, "thread 3", "set $r11 = 4711", "disconnect")
    debugger.timeline.step()
    after = [cpu.read("r11") for cpu in debugger.cpus]
    assert after == [*before[:2], 4711, *before[3:]]


def test_the_words_of_qemu_have_all_cpus(gdb_client: list[str], debugger: Debugger, undisturbed: None) -> None:
    asked = ("monitor cpu 2", "monitor info cpus", "monitor info registers -a", "monitor info lapic", "disconnect")
    output = gdb(gdb_client, debugger, *asked)
    assert re.findall(r"^([* ]) CPU #(\d):", output, re.MULTILINE) == [
        (mark, str(cpu)) for cpu, mark in enumerate("  * ")
    ]
    shown = re.findall(r"^CPU#(\d)$.*?R15=([0-9a-f]+)", output, re.MULTILINE | re.DOTALL)
    assert shown == [(str(cpu.number), f"{cpu.read('r15'):016x}") for cpu in debugger.cpus]
    assert "dumping local APIC state for CPU 2" in output


def test_lldb_has_them_too(
    lldb_client: list[str], debugger: Debugger, sends: int, receives: int, undisturbed: None
) -> None:
    numbers = [cpu.read("r15") for cpu in debugger.cpus]
    asked = [part for cpu in range(CPUS) for part in (f"thread select {cpu + 1}", "register read r15")]
    output = lldb(
        lldb_client,
        debugger,
        "thread list",
        *asked,
        "thread step-inst",
        "register read r15",
        f"breakpoint set -a {receives:#x}",
        "process continue",
        "register read r15",
        "breakpoint delete -f",
        f"breakpoint set -a {sends:#x}",
        "process continue --reverse",
        "register read r15 rip",
        "process detach",
    )
    assert len(re.findall(r"thread #\d: tid = 0x000\d, .*name = 'CPU \d'", output)) >= CPUS
    read = [int(number, 16) for number in re.findall(r"r15 = 0x([0-9a-f]+)", output)]
    assert read[:CPUS] == numbers
    assert read[CPUS] == numbers[CPUS - 1], "the thread that is selected steps"
    receiver, sender = read[CPUS + 1 :]
    assert receiver != sender
    assert f"rip = 0x{sends:016x}" in output
