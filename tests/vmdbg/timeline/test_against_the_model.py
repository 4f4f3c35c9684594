"""A timeline, driven at random, always agrees with running the guest again from the start."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from devices.serial.feed import SerialInput
from tests.vmdbg.timeline.model import Model, machine_of
from vmdbg.engine.exits import Access, BreakpointHit, LimitReached
from vmdbg.engine.stops import Breakpoints, Catches, Stops, Watchpoint
from vmdbg.machine.digest import digest
from vmdbg.machine.inputs import Input, MemoryWrite, NmiButton, RegisterWrite
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.ram import WORTH_OWING
from vmdbg.timeline.reverse import reverse_search
from vmdbg.timeline.steps_back import reverse_step
from vmdbg.timeline.stops import arm
from vmdbg.timeline.timeline import WORTH_BRINGING, Timeline
from vmdbg.units import Linear, Physical, Tick

GUESTS = (
    "real_coprocessor",
    "real_exceptions",
    "real_single_step",
    "real_timer",
    "virtual_8086",
    "protected_exceptions",
    "protected_pae",
    "protected_ring3",
    "task_switch",
    "triple_fault_protected",
    "modes",
    "compatibility",
    "long_page_faults",
    "long_ring3",
    "rep_interrupted",
    "timer_interrupts",
    "sample",
)
FOR_EVER = Tick(1 << 62)
model_of = cache(Model)
fractions = st.floats(0, 1, exclude_max=True)


class TimelineAgainstModel(RuleBasedStateMachine):
    """The history is run to its end first; then everything happens somewhere in it."""

    @initialize(
        guest=st.sampled_from(GUESTS),
        cuts=st.lists(fractions, max_size=8),
        owing=st.tuples(
            st.sampled_from([0, WORTH_OWING]), st.integers(0, 4), st.sampled_from([1, 100, WORTH_BRINGING])
        ),
    )
    def boot(
        self, guest: str, cuts: Sequence[float] = (), owing: tuple[int, int, int] = (WORTH_OWING, 4, WORTH_BRINGING)
    ) -> None:
        """The history index is in parts that end at `cuts`. `owing`: of how many pages that differ some are put back
        when they are accessed, how far it is foreseen which, and for how long a way that is done beforehand.
        """
        self.guest, self.cuts = guest, sorted(cuts)
        self.model = model_of(guest)
        self.machine = machine_of(guest)
        self.timeline = Timeline(self.machine, worth_owing=owing[0])
        self.timeline.index.foreseen = owing[1]
        self.timeline.worth_bringing = owing[2]
        self.stops = Stops()
        self.run_out()

    def run_out(self) -> None:
        """As far as the model knows."""
        for fraction in self.cuts:
            goal = self.instant(fraction, self.model.end)
            self.timeline.run(goal.tick)
            while self.now < goal:
                self.timeline.step()
            self.timeline.keep_index()
        self.timeline.run(self.model.end.tick)
        while self.timeline.position < self.model.end:
            self.timeline.step()
        assert self.timeline.end == self.model.end
        if self.machine.ending is None:
            self.timeline.close()

    def teardown(self) -> None:
        if hasattr(self, "machine"):
            self.machine.close()

    @property
    def now(self) -> Position:
        return self.timeline.position

    def instant(self, fraction: float, end: Position | None = None) -> Position:
        known = [position for position in self.model.positions if position <= (end or self.timeline.end)]
        return known[int(fraction * len(known))]

    @rule(fraction=fractions)
    def seek_an_instant(self, fraction: float) -> None:
        goal = self.instant(fraction)
        self.timeline.seek(goal)
        assert self.now == goal

    @rule(fraction=fractions)
    def seek_a_tick(self, fraction: float) -> None:
        start, end = self.timeline.start, self.timeline.end
        goal = max(start, Position(Tick(start.tick + int(fraction * (end.tick - start.tick)))))
        self.timeline.seek(goal)
        assert goal <= self.now <= self.model.following(goal)

    @precondition(lambda self: self.now < self.timeline.end)
    @rule()
    def step(self) -> None:
        goal = self.model.positions[_index_after(self.model, self.now)]
        self.timeline.step()
        assert self.now == goal

    @rule(count=st.integers(1, 20))
    def reverse_step(self, count: int) -> None:
        for _ in range(count):
            goal = self.model.previous(self.now)
            assert reverse_step(self.timeline) == goal == self.now

    @rule(ticks=st.integers(1, 20_000))
    def run_with_nothing_armed(self, ticks: int) -> None:
        goal = Position(Tick(self.now.tick + ticks))
        arm(self.machine.engine, Stops())
        outcome = self.timeline.run(goal.tick)
        arm(self.machine.engine, self.stops)
        if isinstance(outcome, LimitReached):
            assert goal <= self.now <= self.model.following(goal)
        else:
            assert self.now == self.timeline.end == self.model.end

    @rule(
        code=st.lists(fractions, max_size=3),
        data=st.lists(st.tuples(fractions, st.integers(-16, 16), st.sampled_from([1, 4, 64])), max_size=2),
        vectors=st.frozensets(st.sampled_from([0, 1, 3, 6, 13, 14]), max_size=2),
    )
    def set_stops(self, code: list[float], data: list[tuple[float, int, int]], vectors: frozenset[int]) -> None:
        """Watchpoints are near where the stack was at some instant."""
        pcs, stacks = self.model.pcs, self.model.stacks
        places = [max(0, stacks[int(fraction * len(stacks))] + offset) for fraction, offset, _ in data]
        self.stops = Stops(
            Breakpoints(linear=tuple(Linear(pcs[int(fraction * len(pcs))]) for fraction in code)),
            tuple(
                Watchpoint(number, place, size, frozenset({Access.WRITE}))
                for number, (place, (_, _, size)) in enumerate(zip(places, data, strict=True))
            ),
            Catches(vectors=vectors),
        )
        arm(self.machine.engine, self.stops)

    @precondition(lambda self: self.timeline.end == self.model.end)
    @rule()
    def run_to_a_stop(self) -> None:
        coming = [entry for entry in self.model.reports(self.stops) if self._is_ahead(*entry)]
        outcome = self.timeline.run(FOR_EVER, over_breakpoint=True)
        assert (self.now, type(outcome).__name__) == coming[0] if coming else self.now == self.model.end

    def _is_ahead(self, position: Position, kind: str) -> bool:
        """A breakpoint where one stands is passed, also if inputs are taken before its instruction runs.

        One may stand where no step goes to: a CPU that is halted is so for many ticks.
        """
        there = self.model.pcs[self.model.positions.index(position)]
        here = self.machine.engine.linear_pc
        passed = kind == BreakpointHit.__name__ and position.tick == self.now.tick and here == there
        return position > self.now and not passed

    @precondition(lambda self: self.timeline.end == self.model.end)
    @rule()
    def search_backwards(self) -> None:
        goal = self.model.last_report(self.stops, self.now)
        assert reverse_search(self.timeline, lambda _outcome: True) == goal
        assert self.now == (goal or self.timeline.start)

    @rule()
    def take_a_checkpoint(self) -> None:
        self.timeline.take_checkpoint()

    @rule()
    def lose_all_checkpoints(self) -> None:
        self.timeline.checkpoints.clear()

    @rule(budget=st.sampled_from([1, 1 << 20, 1 << 30]))
    def change_the_budget(self, budget: int) -> None:
        self.timeline.checkpoints.budget = budget
        self.timeline.checkpoints.fit(self.now)

    @precondition(lambda self: self.machine.ending is None)
    @rule(
        data=st.one_of(
            st.builds(SerialInput, st.just(0), st.binary(min_size=1, max_size=3)),
            st.builds(RegisterWrite, st.sampled_from(["rbp", "xmm0"]), st.integers(0, 0xFFFF)),
            st.builds(MemoryWrite, st.integers(0x3000, 0x4FFF).map(Physical), st.binary(min_size=1, max_size=8)),
            st.just(NmiButton()),
        )
    )
    def fork_with_an_input(self, data: Input) -> None:
        here = self.now
        self.timeline.fork()
        assert self.timeline.live
        assert self.timeline.end == here
        self.timeline.push(data)
        self.model = Model(self.guest, self.timeline.history.inputs)
        arm(self.machine.engine, Stops())
        self.run_out()
        arm(self.machine.engine, self.stops)

    @invariant()
    def is_what_a_run_from_the_start_would_be(self) -> None:
        if hasattr(self, "machine"):
            assert digest(self.machine) == self.model.digest(self.now)


def _index_after(model: Model, position: Position) -> int:
    return next(index for index, other in enumerate(model.positions) if other > position)


def test_a_breakpoint_does_not_stop_where_an_nmi_comes_before_the_instruction() -> None:
    state = TimelineAgainstModel()
    try:
        state.boot("long_page_faults")
        state.seek_an_instant(0.10426121784253307)
        pc = state.machine.engine.linear_pc
        state.fork_with_an_input(NmiButton())
        state.stops = Stops(Breakpoints(linear=(pc,)))
        arm(state.machine.engine, state.stops)
        assert state.timeline.position.phase
        state.search_backwards()
    finally:
        state.teardown()


@pytest.mark.parametrize("guest", ["real_coprocessor", "real_timer"])
def test_a_run_to_a_stop_may_begin_where_the_cpu_is_halted(guest: str) -> None:
    state = TimelineAgainstModel()
    try:
        state.boot(guest)
        for tenth in range(10):
            state.seek_a_tick(tenth / 10)
            state.set_stops([0.0, tenth / 10], [], frozenset({0, 1}))
            state.run_to_a_stop()
    finally:
        state.teardown()


def test_what_a_checkpoint_was_taken_at_is_found_by_a_search_from_later() -> None:
    """Whoever goes on from there does not hear of the delivery that the part before ends with."""
    state = TimelineAgainstModel()
    try:
        state.boot("real_exceptions")
        state.seek_a_tick(0.0)
        state.set_stops([], [], frozenset({0, 1}))
        state.run_to_a_stop()
        state.take_a_checkpoint()
        state.run_to_a_stop()
        state.search_backwards()
    finally:
        state.teardown()


class AtLength(TimelineAgainstModel):
    pass


TimelineAgainstModel.TestCase.settings = settings(
    max_examples=40,
    derandomize=True,  # what AtLength looks for is not to be found by chance in somebody's run of the suite
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes: AtLength does it
)
AtLength.TestCase.settings = settings(
    TimelineAgainstModel.TestCase.settings, max_examples=150, derandomize=False, phases=tuple(Phase)
)
TestTimelineAgainstModel = TimelineAgainstModel.TestCase
TestTimelineAgainstModelAtLength = pytest.mark.slow(pytest.mark.timeout(1500)(AtLength.TestCase))
