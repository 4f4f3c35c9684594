"""Steps of one CPU among several, forth and back, against a record of every instant: smp.asm in short turns."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.determinism.machines import smp_machine
from vmdbg.debugger.actions import Continue, Direction, Step, StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import BreakpointStop, StepDone, Stop
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Tick

CPUS, SCHEDULE = 3, "round-robin:300"
START, END = 66_000, 74_000


@dataclass(frozen=True)
class Instant:
    """Where the machine stood, whose turn it was (None: all slept), and where that CPU was."""

    position: Position
    cpu: CpuId | None
    pc: int


@pytest.fixture(scope="module")
def instants() -> list[Instant]:
    """All from START to END, by single steps of the machine."""
    machine = smp_machine(CPUS, schedule=SCHEDULE)
    machine.run(Tick(START))
    found = []
    while machine.clock < END:
        cpu = machine.cpus.turns.current
        pc = machine.cpus.read_of(cpu, "rip") if cpu is not None else 0
        found.append(Instant(machine.position, cpu, pc))
        machine.step()
    machine.close()
    assert {instant.cpu for instant in found} >= {0, 1, 2}
    return found


@pytest.fixture(scope="module")
def debugger() -> Iterator[Debugger]:
    made = Debugger(Timeline(smp_machine(CPUS, schedule=SCHEDULE)))
    made.step_mode = StepMode.ARCHITECTURAL
    made.timeline.run(Tick(END + 2000))
    yield made
    made.close()


def _do(debugger: Debugger, action: Step | Continue) -> Stop:
    debugger.resume(action)
    return debugger.wait()


def _places(instants: list[Instant], number: int) -> list[int]:
    return random.Random(number).sample(range(100, len(instants) - 100), 40)


@pytest.mark.parametrize("cpu", [CpuId(number) for number in range(CPUS)])
def test_a_step_forth_ends_after_the_next_thing_that_the_cpu_does(
    cpu: CpuId, instants: list[Instant], debugger: Debugger
) -> None:
    for at in _places(instants, cpu):
        debugger.timeline.seek(instants[at].position)
        debugger.look_at(cpu)
        acts = next((i for i in range(at, len(instants) - 1) if instants[i].cpu == cpu), None)
        if acts is None:
            continue
        assert _do(debugger, Step()) == StepDone()
        assert debugger.position == instants[acts + 1].position
        assert debugger.cpu.number == cpu


@pytest.mark.parametrize("cpu", [CpuId(number) for number in range(CPUS)])
def test_a_step_back_ends_before_the_last_thing_that_the_cpu_did(
    cpu: CpuId, instants: list[Instant], debugger: Debugger
) -> None:
    for at in _places(instants, cpu):
        debugger.timeline.seek(instants[at].position)
        debugger.look_at(cpu)
        acted = next((instants[i] for i in reversed(range(at)) if instants[i].cpu == cpu), None)
        if acted is None:
            continue
        assert _do(debugger, Step(Direction.BACKWARD)) == StepDone()
        assert debugger.position == acted.position
        assert (debugger.cpu.number, debugger.pc) == (cpu, acted.pc)


def test_steps_forth_and_back_show_in_no_later_state(debugger: Debugger) -> None:
    rng = random.Random(7)
    plain = Timeline(smp_machine(CPUS, schedule=SCHEDULE))
    debugger.timeline.seek(Position(Tick(START)))
    for _ in range(60):
        debugger.look_at(CpuId(rng.randrange(CPUS)))
        direction = rng.choice((Direction.FORWARD, Direction.FORWARD, Direction.BACKWARD))
        _do(debugger, Step(direction, count=rng.randrange(1, 30)))
    plain.run(Tick(debugger.position.tick + 500))
    debugger.timeline.run(Tick(debugger.position.tick + 500))
    assert _shown(debugger.timeline) == _shown(plain)
    plain.machine.close()


def _shown(timeline: Timeline) -> tuple[Position, Digest]:
    return timeline.position, digest(timeline.machine)


def test_a_breakpoint_of_one_cpu_stops_no_other_and_a_continue_passes_it(
    instants: list[Instant], debugger: Debugger
) -> None:
    places = [instant for instant in instants if instant.cpu == 1]
    address = max({place.pc for place in places}, key=[place.pc for place in places].count)
    point = debugger.points.add_breakpoint(address)
    point.cpu = CpuId(1)
    debugger.timeline.seek(instants[0].position)
    seen = []
    while debugger.position.tick < END - 100:
        debugger.resume(Continue(limit=Tick(END - 100)))
        if not isinstance(debugger.wait(), BreakpointStop):
            break
        assert debugger.cpu.number == 1
        seen.append(debugger.position)
    debugger.points.remove(point)
    wanted = [place.position for place in places if place.pc == address and place.position.tick < END - 100]
    assert seen == wanted


def test_reverse_continue_finds_the_same_stops_as_continue(instants: list[Instant], debugger: Debugger) -> None:
    others = [instant for instant in instants if instant.cpu == 2]
    address = others[len(others) // 2].pc
    point = debugger.points.add_breakpoint(address)
    point.cpu = CpuId(2)
    debugger.timeline.seek(Position(Tick(END - 100)))
    seen = []
    for _ in range(5):
        debugger.resume(Continue(Direction.BACKWARD))
        debugger.wait()
        assert debugger.cpu.number == 2
        seen.append(debugger.position)
    debugger.points.remove(point)
    wanted = [one.position for one in reversed(others) if one.pc == address and one.position.tick < END - 100]
    assert seen == wanted[:5]
