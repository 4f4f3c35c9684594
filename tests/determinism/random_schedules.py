"""Schedules drawn by a seed, of each kind that a user can ask for, and what is done to runs by them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.guests.build import sample_kernel
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.debugger.actions import Action, Continue, Direction, Step, StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.engine.exits import Access, EventKind
from vmdbg.engine.stops import Catches
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.power_on import power_on
from vmdbg.machine.schedule import Turn
from vmdbg.machine.schedule_list import file_text, parse_file
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Tick
from vmdbg.x86.topology import Topology

MEMORY = 16 << 20
END = 420_000_000
"""After the end of the sample's demonstration by any schedule."""
BUSY = ((1_000_000, 175_000_000), (365_000_000, 401_000_000))
"""Ticks between which the demonstration computes, and then fills its ledger on all CPUs."""
MOST_CPUS = 4
MOST_STOPS = 12
MOST_ROUNDS = 6
AHEAD = 3_000_000


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A machine of so many CPUs, and how they have their turns."""

    cpus: int
    schedule: str

    @classmethod
    def drawn(cls, seed: int) -> Scheduled:
        """`random:`, `pct:` and the list that `file:` reads, one after the other."""
        rng = random.Random(seed)
        cpus = rng.randint(2, MOST_CPUS)
        return cls(cpus, (_random, _pct, _listed)[seed % 3](rng, cpus))

    def machine(self) -> Machine:
        """The sample kernel for several CPUs, with its demonstration to come."""
        machine = Machine(
            MachineConfig(MEMORY, topology=Topology(cores=self.cpus), schedule=self.schedule), UnicornEngine
        )
        kernel = InputFile("sample", memoryview(sample_kernel("sample-smp.elf").read_bytes()))
        power_on(machine, boot_image(BootOptions(memory=MEMORY, kernel=kernel, append="autostop")))
        return machine


def _random(rng: random.Random, _cpus: int) -> str:
    return f"random:{rng.randrange(1 << 64)},most={_length(rng, 8_000, 1_000_000)}"


def _pct(rng: random.Random, _cpus: int) -> str:
    settings = f",length={_length(rng, 10_000_000, END)},from={rng.randrange(END // 2)}"
    return f"pct:{rng.randrange(1 << 64)},{rng.randint(1, 8)}" + rng.choice(("", settings))


def _listed(rng: random.Random, cpus: int) -> str:
    """Read from the text of a file, for CPUs that are not always there."""
    shortest = _length(rng, 20, 20_000)
    turns = [
        Turn(CpuId(rng.randrange(cpus + 1)), _length(rng, shortest, 500_000)) for _ in range(rng.randint(1, 1_500))
    ]
    return str(parse_file(file_text(turns), "turns"))


def _length(rng: random.Random, least: int, most: int) -> int:
    """Short ones as likely as long ones."""
    return int(least * (most / least) ** rng.random())


# what is done to a run, from where it stands up to `goal`; it ends there, or where the guest has ended

Manner = Callable[[Debugger, int, random.Random], None]


def sliced(debugger: Debugger, goal: int, rng: random.Random) -> None:
    timeline = debugger.timeline
    while timeline.position.tick < goal and debugger.machine.ending is None:
        timeline.run(Tick(min(goal, timeline.position.tick + _length(rng, 1, AHEAD))))


def stepped(debugger: Debugger, goal: int, rng: random.Random) -> None:
    """The machine, and one CPU among the others, an instruction at a time."""
    timeline = debugger.timeline
    while timeline.position.tick < goal and debugger.machine.ending is None:
        timeline.run(Tick(min(goal, timeline.position.tick + rng.randrange(4 * AHEAD))))
        for _ in range(rng.randrange(60)):
            if timeline.position.tick + AHEAD > goal or debugger.machine.ending is not None or debugger.machine.halted:
                break
            timeline.step()
        _step_one_cpu(debugger, goal, rng)
    _run_to(debugger, goal)


def _step_one_cpu(debugger: Debugger, goal: int, rng: random.Random) -> None:
    """One that has something to do: with one that sleeps, the others would run for long."""
    awake = [cpu.number for cpu in debugger.cpus if not cpu.halted and not cpu.waits_for_sipi]
    if not awake or debugger.position.tick + AHEAD > goal or debugger.machine.ending is not None:
        return
    debugger.look_at(rng.choice(awake))
    count, mode = rng.randint(1, 8), rng.choice(list(StepMode))
    _carried_out(debugger, Step(count=count, mode=mode), rng)
    if rng.random() < 0.3:
        _carried_out(debugger, Step(Direction.BACKWARD, count, mode=mode), rng)


def _carried_out(debugger: Debugger, action: Action, rng: random.Random) -> None:
    """In slices, and broken off after some: a step of who sleeps takes the others far."""
    debugger.resume(action)
    for _ in range(rng.randint(3, 40)):
        if debugger.poll(_length(rng, 100, AHEAD // 40)) is not None:
            return
    debugger.interrupt()
    debugger.wait()


def sought(debugger: Debugger, goal: int, rng: random.Random) -> None:
    """On to the goal, and back to instants on the way and before it."""
    timeline = debugger.timeline
    start = timeline.position.tick
    _run_to(debugger, goal)
    end = timeline.position
    for _ in range(rng.randint(1, 4)):
        origin = rng.choice((0, start))
        there = Position(Tick(rng.randint(origin, end.tick)), rng.choice((0, 0, 1)))
        timeline.seek(min(there, end))
        for _ in range(rng.randrange(20)):
            if timeline.position < end:
                timeline.step()
    timeline.seek(end)


def debugged(debugger: Debugger, goal: int, rng: random.Random) -> None:
    """Stops of many kinds, on one CPU and on all, run past, forth and back."""
    timeline, points = debugger.timeline, debugger.points
    for _ in range(rng.randint(2, MOST_ROUNDS)):
        _run_to(debugger, timeline.position.tick + rng.randrange(max(1, goal - timeline.position.tick) // 2 + 1))
        _set_something(debugger, rng)
        limit = Tick(min(goal, timeline.position.tick + _length(rng, 1_000, 4 * AHEAD)))
        for _ in range(MOST_STOPS):
            if timeline.position.tick >= limit or debugger.machine.ending is not None:
                break
            debugger.resume(Continue(limit=limit))
            debugger.wait()
            if rng.random() < 0.05:
                _carried_out(debugger, Continue(Direction.BACKWARD), rng)
            if rng.random() < 0.1:
                _step_one_cpu(debugger, goal, rng)
        for point in [*points.breakpoints.values(), *points.watchpoints.values()]:
            points.remove(point)
        points.set_catches(Catches())
        points.arm(debugger.engine)
    _run_to(debugger, goal)


def _set_something(debugger: Debugger, rng: random.Random) -> None:
    points, cpus = debugger.points, debugger.cpus
    cpu = rng.choice([None, *(one.number for one in cpus)])
    near = rng.choice(cpus)
    match rng.randrange(5):
        case 0:
            points.add_breakpoint(near.linear_pc).cpu = cpu
        case 1:
            points.add_breakpoint(near.linear_pc, condition=lambda guest: bool(guest.position.tick % 3)).cpu = cpu
        case 2:
            accesses = frozenset(rng.sample(list(Access), rng.randint(1, len(Access))))
            stack = max(64, near.read("rsp"))
            points.add_watchpoint(stack + rng.randrange(-64, 64), rng.choice((1, 4, 8)), accesses).cpu = cpu
        case 3:
            events = frozenset(rng.sample(list(EventKind), 2))
            points.set_catches(Catches(events=events | {rng.choice((EventKind.LOCKED, EventKind.CR3_LOAD))}))
        case _:
            vectors = frozenset(rng.sample(range(256), 100))
            points.set_catches(Catches(vectors, interrupts=vectors))


def elsewhere(debugger: Debugger, goal: int, rng: random.Random) -> None:
    """Engine caches go, turns are noted, pages are looked at, and it runs on."""
    machine = debugger.machine
    assert isinstance(machine.engine, UnicornEngine)
    machine.cpus.turns.note()
    for _ in range(rng.randint(1, 5)):
        machine.engine.flush_caches()
        debugger.look_at(CpuId(rng.randrange(len(debugger.cpus))))
        debugger.linear().read_prefix(debugger.cpu.linear_pc, 64)
        if rng.random() < 0.5:
            debugger.timeline.take_checkpoint()
        left = max(1, goal - debugger.position.tick)
        _run_to(debugger, debugger.position.tick + rng.randrange(left))
    _run_to(debugger, goal)


def _run_to(debugger: Debugger, goal: int) -> None:
    while debugger.position.tick < goal and debugger.machine.ending is None:
        debugger.timeline.run(Tick(goal), over_breakpoint=True)


MANNERS: tuple[Manner, ...] = (sliced, stepped, sought, debugged, elsewhere)


def disturbed_digests(debugger: Debugger, marks: list[int], rng: random.Random) -> list[Digest]:
    """The digest at each mark, each come to in another manner."""
    manners = rng.sample(MANNERS, len(MANNERS))
    found = []
    for mark, manner in zip(marks, manners, strict=True):
        manner(debugger, mark, rng)
        found.append(digest(debugger.machine))
    return found


def drawn_marks(rng: random.Random) -> list[int]:
    """One for each manner, most of them where CPUs are busy, up to the end of the guest."""
    return [*sorted(rng.randrange(*rng.choice(BUSY)) for _ in MANNERS[1:]), END]


def made(scheduled: Scheduled) -> Debugger:
    return Debugger(Timeline(scheduled.machine()))
