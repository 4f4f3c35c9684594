"""Schedules over made-up CPUs that run, sleep, wake and give way: whose turn it is follows from what they did alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmdbg.errors import UserError
from vmdbg.machine.schedule import MOST_QUANTUM, OneAlone, RoundRobin, Schedule, ScheduleState, Turn
from vmdbg.machine.schedule_list import MOST_TURNS, ListedTurns, file_text, parse_file
from vmdbg.machine.schedule_pct import FIRST_CPU, PATIENCE, Pct, contended_ticks
from vmdbg.machine.schedule_random import RandomTurns
from vmdbg.machine.schedules import parse_schedule
from vmdbg.machine.splitmix import below, draw
from vmdbg.units import BOOT_CPU, CpuId, Tick

RUN, PAUSE, SLEEP = "run", "pause", "sleep"

Behaviour = list[tuple[str, int]]
behaviours = st.lists(
    st.lists(st.tuples(st.sampled_from([RUN, RUN, PAUSE, SLEEP]), st.integers(2_000, 400_000)), min_size=1, max_size=6),
    min_size=1, max_size=4,
)  # fmt: skip
seeds = st.integers(0, (1 << 64) - 1)
quanta = st.integers(1, MOST_QUANTUM)
listed = st.lists(st.builds(Turn, st.integers(0, 31).map(CpuId), quanta), min_size=1, max_size=5).map(tuple)
schedules = st.one_of(
    st.builds(RoundRobin, quanta),
    st.builds(RandomTurns, seeds, st.integers(16, MOST_QUANTUM)),
    st.builds(Pct, seeds, st.integers(1, 64), quanta, st.integers(0, MOST_QUANTUM), st.integers(16, MOST_QUANTUM)),
    st.builds(ListedTurns, listed),
    st.builds(OneAlone, st.integers(0, 31).map(CpuId)),
)
in_use = st.one_of(
    st.builds(RoundRobin, st.integers(1, 200_000)),
    st.builds(RandomTurns, seeds, st.integers(16, 200_000)),
    st.builds(
        Pct,
        seeds,
        st.integers(1, 5),
        st.integers(1, 5_000_000),
        st.sampled_from([0, 0, 1_000_000]),
        st.sampled_from([10_000, 100_000]),
    ),
)


@dataclass
class World:
    """Each CPU goes round in what it does: so many ticks, and then it goes on, gives way, or sleeps as long again."""

    behaviours: list[Behaviour]
    tick: int = 0
    done: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    wakes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.done = [0] * len(self.behaviours)
        self.left = [behaviour[0][1] for behaviour in self.behaviours]
        self.wakes = [0] * len(self.behaviours)

    def runnable(self) -> tuple[CpuId, ...]:
        """Time passes until somebody can run."""
        self.tick = max(self.tick, min(self.wakes))
        return tuple(CpuId(cpu) for cpu, wakes in enumerate(self.wakes) if wakes <= self.tick)

    def run(self, turn: Turn) -> None:
        end = self.tick + turn.quantum
        while self.tick < end:
            spent = min(self.left[turn.cpu], end - self.tick)
            self.tick += spent
            self.left[turn.cpu] -= spent
            if self.left[turn.cpu]:
                return
            what, length = self.behaviours[turn.cpu][self.done[turn.cpu] % len(self.behaviours[turn.cpu])]
            self.done[turn.cpu] += 1
            self.left[turn.cpu] = self.behaviours[turn.cpu][self.done[turn.cpu] % len(self.behaviours[turn.cpu])][1]
            if what == SLEEP:
                self.wakes[turn.cpu] = self.tick + length
            if what != RUN:
                return


def turns(schedule: Schedule, world: World, state: ScheduleState | None = None) -> Iterator[tuple[Turn, ScheduleState]]:
    """What happens, and what is remembered after it."""
    last = BOOT_CPU
    state = schedule.start(len(world.behaviours)) if state is None else state
    while True:
        runnable = world.runnable()
        turn, state = schedule.next_turn(state, last, runnable, Tick(world.tick))
        assert turn is not None
        assert turn.cpu in runnable
        assert 1 <= turn.quantum <= MOST_QUANTUM
        yield turn, state
        world.run(turn)
        last = turn.cpu


def first(schedule: Schedule, behaviours: list[Behaviour], count: int = 60) -> list[Turn]:
    return [turn for turn, _ in islice(turns(schedule, World(behaviours)), count)]


@settings(deadline=None)
@given(in_use, behaviours)
def test_turns_follow_from_what_cpus_did_and_memory_survives_being_stored(
    schedule: Schedule, behaviours: list[Behaviour]
) -> None:
    world, again = World(behaviours), first(parse_schedule(str(schedule)), behaviours)
    last, state = BOOT_CPU, schedule.start(len(behaviours))
    for expected in again:
        assert schedule.is_state(state, len(behaviours))
        state = msgspec.json.decode(msgspec.json.encode(state), type=ScheduleState)
        turn, state = schedule.next_turn(state, last, world.runnable(), Tick(world.tick))
        assert turn is not None
        assert turn == expected
        world.run(turn)
        last = turn.cpu


@settings(deadline=None)
@given(in_use, behaviours)
def test_turns_that_were_written_down_are_had_again(schedule: Schedule, behaviours: list[Behaviour]) -> None:
    had = first(schedule, behaviours)
    had = [replace(turn, exact=False) for turn in had]
    written = parse_file(file_text(had), "turns.txt")
    assert written == ListedTurns(tuple(had))
    assert first(written, behaviours) == [replace(turn, exact=True) for turn in had]


@pytest.mark.parametrize(("count", "words"), [(0, "nothing to write"), (MOST_TURNS + 1, "at most 1,048,576")])
def test_no_turns_are_written_that_would_not_be_read(count: int, words: str) -> None:
    turns = [Turn(BOOT_CPU, 1)] * count
    with pytest.raises(UserError, match=words):
        file_text(turns)
    with pytest.raises(ValueError, match="a schedule has 1 to"):
        parse_file("0 1\n" * count, "turns.txt")


def test_who_wakes_now_and_then_does_not_help_who_spins() -> None:
    """As a kernel's timer does: CPU 0 spins for CPU 2, which is behind it, and CPU 1, before it, wakes for a moment."""
    seed = next(seed for seed in range(1000) if Pct(seed, 1).start(3).numbers[FIRST_CPU : FIRST_CPU + 3] == (1, 0, 2))
    world: list[Behaviour] = [[(RUN, 1 << 40)], [(SLEEP, 4_000_000)], [(RUN, 1 << 40)]]
    world[1][0:0] = [(RUN, 5_000)]
    had = islice(turns(Pct(seed, 1), World(world)), 400)
    assert sum(turn.quantum for turn, _ in had if turn.cpu == 2) > 1_000_000


@pytest.mark.parametrize("seed", range(6))
def test_who_gives_way_again_and_again_keeps_nobody_waiting(seed: int) -> None:
    """Two wait by PAUSE for a third, whatever its priority."""
    world: list[Behaviour] = [[(PAUSE, 2_000)], [(PAUSE, 2_000)], [(RUN, 1 << 40)]]
    had = [turn for turn, _ in islice(turns(Pct(seed, 1), World(world)), 200)]
    assert sum(turn.cpu == 2 for turn in had) > 190


@pytest.mark.parametrize("text", ["round-robin", "random:3", "pct:1,5,length=20m", "pct:2,1", "pct:9,3,from=1m"])
def test_who_spins_waits_for_nobody_for_ever(text: str) -> None:
    """All but one wait for it, without PAUSE; it gets on all the same."""
    for cpus in (2, 4):
        for worker in range(cpus):
            had = islice(turns(parse_schedule(text), World([[(RUN, 1 << 40)]] * cpus)), 8 * PATIENCE // 100_000)
            assert sum(turn.quantum for turn, _ in had if turn.cpu == worker) > 100_000


@given(schedules)
def test_a_schedule_reads_as_it_is_written(schedule: Schedule) -> None:
    assert parse_schedule(str(schedule)) == schedule


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("round-robin", RoundRobin()),
        ("round-robin:5k", RoundRobin(5_000)),
        ("random:7", RandomTurns(7)),
        ("random:7,most=1.5m", RandomTurns(7, 1_500_000)),
        ("pct:7", Pct(7)),
        ("pct:7,2", Pct(7, 2)),
        ("pct:7,2,length=20m,from=3.5G", Pct(7, 2, 20_000_000, 3_500_000_000)),
        ("pct:7,from=1k", Pct(7, first=1_000)),
        ("pct:7,grain=10k", Pct(7, grain=10_000)),
        ("only:3", OneAlone(CpuId(3))),
        ("turns:0*5 1*20", ListedTurns((Turn(CpuId(0), 5), Turn(CpuId(1), 20)))),
    ],
)
def test_what_users_write(text: str, schedule: Schedule) -> None:
    assert parse_schedule(text) == schedule


@pytest.mark.parametrize(
    "text",
    ["", "fair", "round-robin:", "round-robin:0", "round-robin:-5", "round-robin:x", "random", "random:", "random:-1",
     "random:1,2", "random:1,most=3", "random:1,most=1k,most=2k", "random:18446744073709551616", "pct:1,0", "pct:1,65",
     "pct:1,2,3", "pct:x", "pct:1,length=0", "pct:1,width=2", "turns:", "turns:0", "turns:0*0", "turns:32*5",
     "turns:1*2*3", "turns:\u0660*5",
     "only:", "only:32", "only:x", "random:\u0661", "round-robin:99999999999999999999"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"schedule|turn"):
        parse_schedule(text)


@pytest.mark.parametrize("line", ["0", "0 1 2", "x 1", "0 0", "32 5", "0 -1", "0 1.5"])
def test_a_line_that_is_no_turn_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"^my\.turns, line 3: "):
        parse_file(f"# mine\n0 5 # first\n{line}\n", "my.turns")


def test_a_file_without_turns_is_none() -> None:
    with pytest.raises(ValueError, match=r"my\.turns has 0 turns"):
        parse_file("# nothing\n\n", "my.turns")


def test_where_a_listed_cpu_sleeps_the_next_takes_its_turn() -> None:
    schedule = ListedTurns(tuple(Turn(CpuId(cpu), 10) for cpu in (1, 2, 0)))
    state, order = schedule.start(3), []
    for _ in range(5):
        turn, state = schedule.next_turn(state, BOOT_CPU, (CpuId(0), CpuId(2)), Tick(0))
        assert turn is not None
        order.append((turn.cpu, turn.quantum))
    assert order == [(2, 10), (2, 10), (0, 10), (2, 100_000), (2, 100_000)]


@given(schedules, st.lists(st.integers(-(1 << 65), 1 << 65), max_size=12).map(tuple), st.integers(1, 4))
def test_what_a_stranger_says_it_remembers_is_refused_or_makes_turns(
    schedule: Schedule, numbers: tuple[int, ...], cpus: int
) -> None:
    state = ScheduleState(numbers)
    if schedule.is_state(state, cpus):
        runnable = tuple(CpuId(cpu) for cpu in range(cpus))
        turn, after = schedule.next_turn(state, BOOT_CPU, runnable, Tick(1_000))
        assert turn is None or turn.cpu in runnable
        assert turn is None or 1 <= turn.quantum <= MOST_QUANTUM
        assert schedule.is_state(after, cpus)


def test_one_alone_has_its_turn_whenever_it_can_run_and_others_never() -> None:
    schedule = OneAlone(CpuId(1))
    state = schedule.start(3)
    assert schedule.next_turn(state, BOOT_CPU, (CpuId(0), CpuId(1)), Tick(0))[0] == Turn(CpuId(1), 100_000)
    assert schedule.next_turn(state, BOOT_CPU, (CpuId(0), CpuId(2)), Tick(0))[0] is None


# drawn turns


def test_numbers_are_those_of_splitmix64() -> None:
    state, numbers = 0, []
    for _ in range(3):
        number, state = draw(state)
        numbers.append(number)
    assert numbers == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@given(seeds, st.integers(1, 1000))
def test_drawn_numbers_are_below_their_bound(seed: int, bound: int) -> None:
    assert 0 <= below(seed, bound)[0] < bound


def test_drawn_turns_are_of_all_lengths_and_cpus() -> None:
    had = first(RandomTurns(1), [[(RUN, 1 << 40)]] * 4, 2000)
    for cpu in range(4):
        lengths = [turn.quantum for turn in had if turn.cpu == cpu]
        assert 400 < len(lengths) < 600
        assert min(lengths) < 40
        assert 60_000 < max(lengths) <= 100_000
        assert 50 < sum(length < 500 for length in lengths) < 300


# priorities


def priorities(schedule: Pct, behaviours: list[Behaviour], count: int) -> list[tuple[int, int]]:
    """Who ran when, each run as the tick at which it began."""
    world, found = World(behaviours), []
    for turn, _ in islice(turns(schedule, world), count):
        if not found or found[-1][1] != turn.cpu:
            found.append((world.tick, int(turn.cpu)))
    return found


@given(seeds, st.integers(2, 6), st.integers(2, 4))
def test_priorities_change_at_the_drawn_ticks_and_nowhere_else(seed: int, depth: int, cpus: int) -> None:
    schedule = Pct(seed, depth, length=3_000_000)
    numbers = schedule.start(cpus).numbers
    changes = sorted(numbers[FIRST_CPU + 3 * cpus :: 2])
    assert len(changes) == depth - 1
    switches = [tick for tick, _ in priorities(schedule, [[(RUN, 1 << 40)]] * cpus, 60)]
    assert set(switches) <= {0, *changes}
    assert len(switches) >= 2, "the one in front goes behind the others at its first change point"


def test_who_wakes_with_a_higher_priority_has_its_turn_soon() -> None:
    seed = next(seed for seed in range(100) if Pct(seed, 1).start(2).numbers[FIRST_CPU : FIRST_CPU + 2] == (1, 0))
    world = [[(RUN, 1 << 40)], [(SLEEP, 1_000_000)]]
    found = priorities(Pct(seed, 1), world, 40)
    assert [cpu for _, cpu in found][:4] == [1, 0, 1, 0]
    assert all(tick % 2_000_000 < 1_200_000 for tick, _ in found[2:4])


def test_who_gives_way_goes_behind() -> None:
    found = priorities(Pct(1, 1), [[(PAUSE, 50)], [(PAUSE, 50)]], 10)
    assert [cpu for _, cpu in found] in ([0, 1] * 5, [1, 0] * 5)


@given(seeds, st.integers(2, 4))
def test_a_change_point_puts_its_cpu_behind_those_that_have_given_way(seed: int, cpus: int) -> None:
    """However often CPUs were put last before it, as a kernel's that spin are."""
    schedule = Pct(seed, 2, length=3_000_000)
    change = schedule.start(cpus).numbers[FIRST_CPU + 3 * cpus]
    world: list[Behaviour] = [[(PAUSE, 2_000)] * 40 + [(RUN, 1 << 40)] for _ in range(cpus)]
    found = priorities(schedule, world, 300)
    for (begun, cpu), (end, after) in pairwise(found):
        if begun < change <= end and change > 200_000 * cpus:
            assert end == change, "nobody gives way any more"
            assert after != cpu


def test_ticks_that_one_cpu_has_for_itself_do_not_count() -> None:
    schedule, state, tick = Pct(1, 1), Pct(1, 1).start(2), 0
    for runnable, length, contended in (((0,), 70, 0), ((0, 1), 50, 50), ((1,), 30, 50), ((0, 1), 20, 70)):
        _, state = schedule.next_turn(state, BOOT_CPU, tuple(map(CpuId, runnable)), Tick(tick))
        tick += length
        assert contended_ticks(state, Tick(tick)) == contended


def test_before_its_first_tick_it_is_round_robin() -> None:
    busy: list[Behaviour] = [[(RUN, 1 << 40)]] * 3
    assert first(Pct(5, first=1_000_000), busy, 10) == first(RoundRobin(), busy, 10)


@pytest.mark.parametrize("cpus", [2, 4])
def test_a_bug_of_depth_two_is_found_as_often_as_the_paper_says(cpus: int) -> None:
    """It strikes where CPU 0 is stopped within a window of 1/50 of its work, and CPU 1 gets through meanwhile."""
    work, window, runs = 1_000_000, range(500_000, 520_000), 1_000

    def strikes(schedule: Schedule) -> bool:
        done = [0] * cpus
        state, last, tick, stopped = schedule.start(cpus), BOOT_CPU, 0, False
        while min(done) < work:
            runnable = [CpuId(cpu) for cpu in range(cpus) if done[cpu] < work]
            turn, state = schedule.next_turn(state, last, runnable, Tick(tick))
            assert turn is not None
            spent = min(turn.quantum, work - done[turn.cpu])
            done[turn.cpu] += spent
            tick, last = tick + spent, turn.cpu
            stopped = done[0] in window
            if stopped and done[1] >= work:
                return True
        return False

    found = sum(strikes(Pct(seed, 2, length=cpus * work)) for seed in range(runs))
    assert found >= runs * len(window) / (cpus * cpus * work)
    assert not strikes(RoundRobin())
