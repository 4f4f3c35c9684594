import random
from dataclasses import dataclass, field

import pytest

from vmdbg.host.pacing import (
    FIRST_SLICE,
    LEAST_CPU_SECONDS,
    LONGEST_SLICE,
    LONGEST_WAIT,
    SLICE_SECONDS,
    TOLERATED_SECONDS,
    Pacer,
    SliceLength,
    end_of_slice,
)
from vmdbg.timeline.keeping import GRID
from vmdbg.units import TICKS_PER_SECOND, Tick


@dataclass
class HostClock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Events:
    due: int | None = None

    def next_due(self) -> int | None:
        return self.due

    def next_tick(self) -> int | None:
        return self.due


@dataclass
class Cpu:
    can_run: bool = False


@dataclass
class Engine:
    cpus: tuple[Cpu, ...] = (Cpu(), Cpu())


@dataclass
class HaltedMachine:
    clock: int = 0
    halted: bool = True
    engine: Engine = field(default_factory=Engine)
    scheduler: Events = field(default_factory=Events)
    inputs: Events = field(default_factory=Events)


def paced(machine: HaltedMachine) -> tuple[Pacer, HostClock]:
    host = HostClock()
    return Pacer(machine, host), host  # type: ignore[arg-type]  # as much of a machine as pacing looks at


def test_a_busy_guest_does_not_wait() -> None:
    pacer, _ = paced(HaltedMachine(halted=False))
    assert pacer.wait_seconds() == 0
    assert pacer.limit() is None


def test_waits_for_the_next_deadline_in_host_time() -> None:
    machine = HaltedMachine(scheduler=Events(TICKS_PER_SECOND // 20))
    pacer, host = paced(machine)
    assert pacer.wait_seconds() == pytest.approx(0.05)
    host.now += 0.05
    assert pacer.wait_seconds() == pytest.approx(0)
    limit = pacer.limit()
    assert limit is not None
    assert limit >= TICKS_PER_SECOND // 20


def test_input_and_interrupts_do_not_wait() -> None:
    pacer, _ = paced(HaltedMachine(inputs=Events(0)))
    assert pacer.wait_seconds() == 0
    pacer, _ = paced(HaltedMachine(engine=Engine((Cpu(), Cpu(can_run=True)))))
    assert pacer.wait_seconds() == 0


def test_never_waits_long() -> None:
    pacer, _ = paced(HaltedMachine(scheduler=Events(100 * TICKS_PER_SECOND)))
    assert pacer.wait_seconds() == LONGEST_WAIT
    pacer, _ = paced(HaltedMachine())
    assert pacer.wait_seconds() == LONGEST_WAIT


def test_guest_time_follows_host_time_while_idle() -> None:
    pacer, host = paced(HaltedMachine(scheduler=Events(TICKS_PER_SECOND)))
    pacer.wait_seconds()
    host.now += 0.03
    assert pacer.limit() == pytest.approx(0.03 * TICKS_PER_SECOND, abs=2000)


def test_a_guest_that_was_busy_for_long_starts_anew() -> None:
    machine = HaltedMachine(scheduler=Events(TICKS_PER_SECOND // 100))
    pacer, host = paced(machine)
    pacer.wait_seconds()
    host.now += 2 * TOLERATED_SECONDS
    pacer.wait_seconds()
    assert pacer.limit() == pytest.approx(0, abs=2000)


def test_slices_grow_to_the_host_time_they_should_take() -> None:
    host = HostClock()
    slices = SliceLength(host, host)
    for _ in range(20):
        length = slices.begin()
        host.now += length / 1e9
        slices.end(length)
    assert slices.begin() == pytest.approx(SLICE_SECONDS * 1e9, rel=0.01)


def test_slices_take_some_cpu_time_where_others_have_most_of_it() -> None:
    host, cpu = HostClock(), HostClock()
    slices = SliceLength(host, cpu)
    for _ in range(20):
        length = slices.begin()
        cpu.now += length / 1e9
        host.now += 30 * length / 1e9
        slices.end(length)
    assert slices.begin() == pytest.approx(LEAST_CPU_SECONDS * 1e9, rel=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_slices_end_where_a_history_stops_anyway(seed: int) -> None:
    chance = random.Random(seed)
    begin = Tick(chance.randrange(1 << 40))
    length = chance.choice((FIRST_SLICE, GRID, LONGEST_SLICE, chance.randrange(FIRST_SLICE, LONGEST_SLICE)))
    found = end_of_slice(begin, length)
    ends = range(begin + -(-length // 2), begin + min(length + length // 2, LONGEST_SLICE) + 1)
    stops = [tick for tick in range(begin // GRID * GRID, begin + 2 * LONGEST_SLICE, GRID) if tick in ends]
    assert found == min(stops, key=lambda tick: abs(tick - begin - length), default=begin + length)


def test_slices_of_a_steady_guest_all_end_there() -> None:
    host, clock = HostClock(), Tick(12345)
    slices, ends = SliceLength(host, host), []
    for _ in range(60):
        end = end_of_slice(clock, slices.begin())
        host.now += (end - clock) / 1e9
        slices.end(end - clock)
        clock = end
        ends.append(end)
    assert [end % GRID for end in ends[20:]] == [0] * 40


def test_slices_stay_in_bounds() -> None:
    host = HostClock()
    slices = SliceLength(host, host)
    for _ in range(40):
        slices.end(slices.begin())
    assert slices.begin() == LONGEST_SLICE
    slices.begin()
    host.now += 1000
    slices.end(1)
    assert slices.begin() == FIRST_SLICE
