"""How instants were come to: what is kept of one way back is what another finds, and holds for this future alone."""

from __future__ import annotations

import random

import pytest

from tests.determinism.random_guests import random_origin
from tests.vmdbg.timeline.model import machine_of
from tests.vmdbg.timeline.test_against_the_model import GUESTS
from vmdbg.machine.inputs import MemoryWrite, NmiButton
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.arrivals import Arrival, Came
from vmdbg.timeline.steps_back import arrival, reverse_step
from vmdbg.timeline.timeline import LONGEST_INSTRUCTION, Timeline
from vmdbg.units import Physical, Tick

TICKS = 4_000


def history(machine: Machine, rng: random.Random) -> Timeline:
    """A timeline with inputs at random instants of it, standing at its end."""
    timeline = Timeline(machine)
    for _ in range(6):
        timeline.run(Tick(machine.clock + rng.randrange(1, TICKS // 6)))
        if machine.ending is not None:
            break
        timeline.push(rng.choice([NmiButton(), MemoryWrite(Physical(rng.randrange(1 << 12)), rng.randbytes(2))]))
        for _ in range(rng.randrange(4)):
            timeline.step(patient=False)
    return timeline


def found_anew(timeline: Timeline, now: Position) -> Arrival:
    timeline.arrivals.clear()
    return arrival(timeline, now)


def naive(timeline: Timeline, now: Position) -> Arrival:
    """Instant for instant from a place far before, with memory read at each."""
    machine, engine = timeline.machine, timeline.machine.engine
    timeline.go(max(Position(Tick(max(0, now.tick - 300))), timeline.start), to_stay=False)
    while True:
        before, taken, count = timeline.position, timeline.history.taken(), engine.delivery_count
        code = engine.read_linear(engine.linear_pc, LONGEST_INSTRUCTION)
        machine.step(Tick(now.tick + 1))
        if timeline.position >= now or timeline.position == before:
            break
    length = now.tick - before.tick
    if timeline.history.taken() > taken:
        return Arrival(before, Came.INPUT)
    if engine.delivery_count > count:
        return Arrival(before, Came.DELIVERY)
    return Arrival(before, Came.INSTRUCTION, code[:length] if length <= LONGEST_INSTRUCTION else b"")


def walk_back(timeline: Timeline, rng: random.Random, steps: int) -> set[Came]:
    """What came, from the present instant backwards, each as it is kept, as it is found anew and by the naive way."""
    seen = set[Came]()
    with timeline.undisturbed():
        now = timeline.position
        for _ in range(steps):
            if now <= timeline.start:
                break
            kept = arrival(timeline, now)
            assert found_anew(timeline, now) == kept, now
            if not timeline.machine.cpus.halted and now.tick - kept.before.tick <= LONGEST_INSTRUCTION:
                assert naive(timeline, now) == kept, now
            seen.add(kept.came)
            timeline.go(now)
            assert reverse_step(timeline) == kept.before
            now = kept.before
            if rng.random() < 0.3:
                timeline.arrivals.clear()
    return seen


@pytest.mark.parametrize("guest", GUESTS)
def test_what_is_kept_of_a_way_back_is_what_another_finds(guest: str) -> None:
    rng = random.Random(guest)
    timeline = history(machine_of(guest), rng)
    try:
        for _ in range(4):
            timeline.seek(Position(Tick(rng.randrange(timeline.start.tick, timeline.end.tick + 1))))
            walk_back(timeline, rng, 12)
    finally:
        timeline.machine.close()


def test_of_random_code_inputs_and_deliveries_are_told_from_instructions() -> None:
    seen = set[Came]()
    for seed in range(12):
        rng = random.Random(seed)
        timeline = history(random_origin(seed).machine(), rng)
        for place in [timeline.end, *(entry.position for entry in timeline.history.inputs)]:
            timeline.seek(place)
            seen |= walk_back(timeline, rng, 8)
        timeline.machine.close()
    assert seen == set(Came)


@pytest.mark.parametrize("guest", GUESTS)
def test_what_is_kept_is_of_no_other_future(guest: str) -> None:
    rng = random.Random(guest)
    timeline = history(machine_of(guest), rng)
    try:
        with timeline.undisturbed():
            arrival(timeline, timeline.position)
        middle = Tick((timeline.start.tick + timeline.end.tick) // 2)
        timeline.seek(Position(middle))
        timeline.fork()
        timeline.push(NmiButton())
        timeline.run(Tick(timeline.machine.clock + 100))
        walk_back(timeline, rng, 12)
    finally:
        timeline.machine.close()
