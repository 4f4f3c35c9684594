"""What fails while the guest runs, or is sought, is a stop at an instant that is as it was."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.vmdbg.recording.guests import AGREES_AT, DIVERGES_AT, new_timeline, record_divergence
from vmdbg.debugger.actions import Continue, Direction, Seek, Step
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import BreakpointStop, HistoryStart, RunFailed, StepDone
from vmdbg.errors import EngineError, RecordingError, VmdbgError
from vmdbg.machine.digest import digest
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import MachineState, Position
from vmdbg.recording.replay import replay_file
from vmdbg.timeline.state_digest import DivergenceError
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


@pytest.fixture(scope="module")
def diverging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "diverging.vmdbg"
    record_divergence(path)
    return path


@pytest.fixture
def debugger(diverging: Path) -> Iterator[Debugger]:
    made = Debugger(replay_file(diverging))
    yield made
    made.close()


@pytest.fixture
def truth() -> Iterator[Timeline]:
    """The same guest where nothing fails."""
    made = new_timeline()
    yield made
    made.machine.close()


def do(debugger: Debugger, action: Continue | Step | Seek) -> object:
    debugger.resume(action)
    stop = debugger.wait()
    assert not debugger.running
    return stop.error.__class__ if isinstance(stop, RunFailed) else stop


def at(tick: int) -> Position:
    return Position(Tick(tick))


def test_a_run_that_diverges_ends_where_it_was_last_known_to_agree(debugger: Debugger) -> None:
    told: list[object] = []
    debugger.stop_listeners.append(told.append)
    assert do(debugger, Continue()) is DivergenceError
    assert AGREES_AT <= debugger.position.tick < AGREES_AT + 15
    (stop,) = told
    assert isinstance(stop, RunFailed)
    assert "ram differ" in stop.words
    assert f"the guest stands at tick {debugger.position}" in stop.words
    stood = digest(debugger.machine)
    assert do(debugger, Seek(at(5_000_000))) == StepDone()
    assert do(debugger, Seek(at(AGREES_AT))) == StepDone()
    assert digest(debugger.machine) == stood
    assert do(debugger, Continue()) is DivergenceError  # from the agreed instant on: there it ends again
    assert digest(debugger.machine) == stood


@pytest.mark.parametrize("slices", [1, 2, 7, 100])
def test_where_that_is_does_not_depend_on_how_the_run_is_cut(debugger: Debugger, slices: int) -> None:
    assert do(debugger, Seek(at(5_000_000))) == StepDone()
    debugger.resume(Continue())
    stop = None
    while stop is None:
        stop = debugger.poll(budget=DIVERGES_AT // slices)
    assert isinstance(stop, RunFailed)
    assert AGREES_AT <= debugger.position.tick < AGREES_AT + 15


def test_a_run_from_after_the_last_digest_comes_back_to_where_it_began(debugger: Debugger) -> None:
    assert do(debugger, Seek(at(AGREES_AT + 50_000_000))) == StepDone()
    here, wanted = debugger.position, digest(debugger.machine)
    for action in (Continue(), Seek(debugger.timeline.end), Continue(limit=Tick(DIVERGES_AT + 10_000_000))):
        assert do(debugger, action) is DivergenceError
        assert debugger.position == here
        assert digest(debugger.machine) == wanted


def test_points_and_ways_back_serve_on(debugger: Debugger) -> None:
    point = debugger.points.add_breakpoint(debugger.pc)
    assert do(debugger, Continue()) is DivergenceError
    assert do(debugger, Step()) == StepDone()
    assert do(debugger, Step(Direction.BACKWARD)) == StepDone()
    assert do(debugger, Continue(Direction.BACKWARD)) == BreakpointStop((point,))
    assert debugger.position == debugger.timeline.start
    assert do(debugger, Step(Direction.BACKWARD)) == HistoryStart()


def test_a_seek_by_other_ways_comes_back_too(debugger: Debugger) -> None:
    timeline = debugger.timeline
    timeline.seek(at(3_000_000))
    wanted = digest(timeline.machine)
    with pytest.raises(DivergenceError):
        timeline.seek(timeline.end)
    assert timeline.position.tick - 3_000_000 < 15
    assert digest(timeline.machine) == wanted


def without_a_device(state: MachineState) -> MachineState:
    return replace(state, devices=dict(list(state.devices.items())[:-1]))


def with_a_device_of_garbage(state: MachineState) -> MachineState:
    return replace(state, devices=state.devices | {list(state.devices)[-1]: b"\xc1"})


def with_half_a_cpu(state: MachineState) -> MachineState:
    """The devices are restored before that is seen."""
    return replace(state, cpu=replace(state.cpu, state=state.cpu.state[:-8]))


@pytest.mark.parametrize(
    ("damage", "failure"),
    [
        (without_a_device, RecordingError),
        (with_a_device_of_garbage, RecordingError),
        (with_half_a_cpu, EngineError),
    ],
)
def test_a_checkpoint_that_cannot_be_restored_is_told_of_once_and_passed_by(
    truth: Timeline, damage: Callable[[MachineState], MachineState], failure: type[VmdbgError]
) -> None:
    """Where the guest stood nothing has changed, and asked again it comes where it was to go: at random instants."""
    chosen, debugger, known = random.Random(damage.__name__), Debugger(truth), dict[Position, object]()
    truth.run(Tick(6_000_000))
    for tick in chosen.sample(range(1_000_000, 6_000_000), 4):
        truth.seek(at(tick))
        known[truth.position] = digest(truth.machine)
    for mark in chosen.sample(list(known), 3):
        truth.seek(mark)
        truth.checkpoints.clear()
        good = truth.checkpoint_here()
        truth.checkpoints.add(replace(good, state=damage(good.state)), mark, 1.0)
        here = chosen.choice([one for one in known if one != mark])
        truth.seek(here)
        assert do(debugger, Seek(mark)) is failure
        assert (truth.position, digest(truth.machine)) == (here, known[here])
        assert do(debugger, Seek(mark)) == StepDone()
        assert (truth.position, digest(truth.machine)) == (mark, known[mark])


def test_a_live_guest_whose_engine_fails_can_go_on(truth: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    debugger, wanted = Debugger(truth), {}
    for tick in (2_000_000, 4_000_000):
        truth.run(Tick(tick))
        wanted[tick] = truth.position, digest(truth.machine)
    truth.seek(at(2_000_000))
    truth.fork()
    run, failures = truth.machine.run, iter([EngineError("Unicorn stopped with error 21")])

    def once(limit: Tick, *, over_breakpoint: bool = False) -> Outcome:
        for error in failures:
            run(Tick(3_000_000), over_breakpoint=over_breakpoint)
            raise error
        return run(limit, over_breakpoint=over_breakpoint)

    monkeypatch.setattr(truth.machine, "run", once)
    assert do(debugger, Continue()) is EngineError
    assert (truth.position, digest(truth.machine)) == wanted[2_000_000]
    assert do(debugger, Continue(limit=Tick(4_000_000))) == StepDone()
    assert (truth.position, digest(truth.machine)) == wanted[4_000_000]
