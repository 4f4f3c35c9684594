"""Random code in every mode ends in one state: at once, in steps, in slices with flushes between, or debugged."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from tests.vmdbg.engine.hostile_code import EDGES, PLACES, prepare
from vmdbg.engine.exits import (
    Access,
    BreakpointHit,
    EventCaught,
    EventKind,
    ExceptionDelivered,
    Exit,
    LimitReached,
    Stepped,
    Stuck,
    WatchpointHit,
)
from vmdbg.engine.stops import Breakpoints, Catches, Watchpoint
from vmdbg.engine.unicorn.bare import CODE, BareCpu
from vmdbg.units import PAGE_SIZE, Linear, Tick

LIMITS = [20, 100, 300]
TAUGHT = [1108, 3585, 7254, 11125, 13142, 19870, 46044]
"""Each once showed a defect."""
Way = Callable[[BareCpu, Tick, random.Random], Exit]


def at_once(cpu: BareCpu, limit: Tick, _rng: random.Random) -> Exit:
    return cpu.engine.run(limit)


def in_steps(cpu: BareCpu, limit: Tick, _rng: random.Random) -> Exit:
    while cpu.engine.clock < limit:
        ended = cpu.engine.step()
        if ended != Stepped():
            return ended
    return LimitReached()


def in_slices(cpu: BareCpu, limit: Tick, rng: random.Random) -> Exit:
    while cpu.engine.clock < limit:
        if rng.random() < 0.2:
            cpu.engine.flush_caches()
        stepping = rng.random() < 0.3
        until = Tick(min(limit, cpu.engine.clock + rng.randrange(1, 40)))
        ended = cpu.engine.step() if stepping else cpu.engine.run(until)
        if ended not in (Stepped(), LimitReached()):
            return ended
    return LimitReached()


def debugged(cpu: BareCpu, limit: Tick, rng: random.Random) -> Exit:
    """Past watchpoints nearly everywhere, breakpoints and catches."""
    engine = cpu.engine
    places = [rng.choice(PLACES) + rng.randrange(-16, 16) for _ in range(6)]
    kinds = [frozenset({Access.WRITE}), frozenset({Access.READ}), frozenset(Access)]
    watchpoints = [
        Watchpoint(n, max(0, at), rng.choice([1, 4, 4096]), rng.choice(kinds)) for n, at in enumerate(places)
    ]
    if rng.random() < 0.3:
        watchpoints.append(Watchpoint(9, 0, rng.choice([PAGE_SIZE * 5, 1 << 40]), rng.choice(kinds), physical=True))
    engine.set_watchpoints(watchpoints)
    nowhere = [Linear(address) for address in EDGES]
    engine.set_breakpoints(Breakpoints((*nowhere, *(Linear(CODE + rng.randrange(60)) for _ in range(10)))))
    engine.set_catches(Catches(vectors=frozenset({6, 13, 14}), events=frozenset(EventKind)))
    while True:
        ended = engine.run(limit, over_breakpoint=True)
        if not isinstance(ended, WatchpointHit | BreakpointHit | ExceptionDelivered | EventCaught):
            return ended


def ran(seed: int, way: Way) -> tuple[object, ...]:
    """All that can be seen afterwards."""
    cpu, rng = BareCpu(), random.Random(seed)
    prepare(cpu, rng)
    ended = way(cpu, Tick(rng.choice(LIMITS)), rng)
    engine = cpu.engine
    cpu_state = (engine.clock, engine.cpu_digest_bytes(), engine.repeating)
    state = (ended, cpu_state, bytes(engine.ram), engine.deliveries(), cpu.bus.log)
    cpu.close()
    return state


def check(seeds: Iterable[int]) -> None:
    for seed in seeds:
        expected = ran(seed, at_once)
        if expected[0] == Stuck():  # exceptions without end, of which steps see each
            continue
        assert ran(seed, in_steps) == expected, f"seed {seed}"
        assert ran(seed, in_slices) == expected, f"seed {seed}"
        assert ran(seed, debugged) == expected, f"seed {seed}"


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_however_it_is_cut(first: int) -> None:
    check(range(first, first + 100))


def test_however_it_is_cut_where_that_once_showed() -> None:
    check(TAUGHT)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 20_000, 1000))
def test_however_it_is_cut_and_for_long(first: int) -> None:
    check(range(first, first + 1000))
