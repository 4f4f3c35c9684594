"""The rules at the edges, as docs/time-travel.md has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devices.serial.feed import SerialInput
from tests.vmdbg.timeline.model import Model, machine_of
from vmdbg.engine.exits import Access, BreakpointHit, ExceptionDelivered, TripleFault, WatchpointHit
from vmdbg.engine.stops import Breakpoints, Stops, Watchpoint
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.machine.inputs import NmiButton, RegisterWrite
from vmdbg.machine.outcome import Outcome, TestExited
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.outcomes import EndOfHistory
from vmdbg.timeline.reverse import reverse_search
from vmdbg.timeline.steps_back import reverse_step
from vmdbg.timeline.stops import arm
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick

GUEST = "protected_exceptions"
FOR_EVER = Tick(1 << 62)


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    timeline = Timeline(machine_of(GUEST))
    timeline.run(FOR_EVER)
    yield timeline
    timeline.machine.close()


def anything(_outcome: Outcome) -> bool:
    return True


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(GUEST)


@pytest.mark.parametrize("guest", ["modes", "protected_exceptions", "real_exceptions", "protected_ring3"])
def test_every_execution_of_a_breakpoint_is_reported_once(guest: str) -> None:
    model = Model(guest)
    for pc in sorted(set(model.pcs), key=model.pcs.count)[-3:]:
        wanted = [position for position, at in model.arrivals if at == pc and position != model.end]
        reports = model.reports(Stops(Breakpoints(linear=(Linear(pc),))))
        assert [position for position, kind in reports if kind == BreakpointHit.__name__] == wanted


def test_a_breakpoint_on_the_present_pc_is_not_before_now(timeline: Timeline, model: Model) -> None:
    pcs = [pc for _, pc in model.arrivals]
    pc = max(set(pcs), key=pcs.count)
    places = [position for position, at in model.arrivals if at == pc]
    arm(timeline.machine.engine, Stops(Breakpoints(linear=(Linear(pc),))))
    timeline.seek(places[5])
    assert reverse_search(timeline, anything) == places[4]
    assert isinstance(timeline.run(FOR_EVER, over_breakpoint=True), BreakpointHit)
    assert timeline.position == places[5]
    assert isinstance(timeline.run(FOR_EVER), BreakpointHit)
    assert timeline.position == places[5]


def test_going_back_over_a_write_shows_the_old_value(timeline: Timeline) -> None:
    engine = timeline.machine.engine
    timeline.seek(Position(Tick(timeline.end.tick // 2)))
    place = (engine.read_register("rsp") - 8) & ~3
    arm(engine, Stops(watchpoints=(Watchpoint(1, place, 4, frozenset({Access.WRITE})),)))
    forward = timeline.run(FOR_EVER)
    assert isinstance(forward, WatchpointHit)
    hit = forward.hits[0]
    after, touched = timeline.position, slice(hit.physical, hit.physical + hit.size)
    new = bytes(engine.ram[touched])
    before = reverse_search(timeline, anything)
    assert before is not None
    assert before < after
    assert bytes(engine.ram[touched]) == hit.old
    assert engine.linear_pc == hit.pc
    timeline.step()
    assert timeline.position == after
    assert bytes(engine.ram[touched]) == new


def test_no_earlier_stop_leads_to_the_start(timeline: Timeline) -> None:
    arm(timeline.machine.engine, Stops(Breakpoints(linear=(Linear(0xDEAD0000),))))
    assert reverse_search(timeline, anything) is None
    assert timeline.position == timeline.start
    assert reverse_step(timeline) == timeline.start


def test_a_cancelled_search_is_back_where_it_began(timeline: Timeline) -> None:
    origin, before = timeline.position, digest(timeline.machine)
    assert reverse_search(timeline, anything, cancelled=lambda: True) is None
    assert timeline.position == origin
    assert digest(timeline.machine) == before


def test_a_condition_that_fails_leaves_all_as_it_was(timeline: Timeline, model: Model) -> None:
    def broken(_outcome: Outcome) -> bool:
        raise UserError("no such symbol")

    stops = Stops(Breakpoints(linear=(Linear(model.pcs[10]),)))
    arm(timeline.machine.engine, stops)
    origin = timeline.position
    with pytest.raises(UserError, match="no such symbol"):
        reverse_search(timeline, broken)
    assert timeline.position == origin
    assert timeline.machine.engine.stops == stops


def test_delivery_and_instruction_are_two_instants(timeline: Timeline) -> None:
    from vmdbg.engine.stops import Catches

    timeline.seek(timeline.start)
    arm(timeline.machine.engine, Stops(catches=Catches(vectors=frozenset(range(32)))))
    assert isinstance(timeline.run(FOR_EVER), ExceptionDelivered)
    at = timeline.position
    assert at.phase == 1
    assert reverse_step(timeline) == Position(at.tick)


def test_the_end_of_a_closed_history(timeline: Timeline, model: Model) -> None:
    timeline.close(at=model.following(Position(Tick(5000))))
    timeline.seek(timeline.start)
    assert timeline.run(FOR_EVER) == EndOfHistory()
    assert timeline.position == timeline.end
    assert timeline.run(FOR_EVER) == timeline.step() == EndOfHistory()
    with pytest.raises(UserError, match="the recording has no more"):
        timeline.seek(Position(Tick(5100)))
    with pytest.raises(UserError, match="fork"):
        timeline.push(SerialInput(0, b"x"))


def test_a_guest_that_ended_stays_ended_until_it_is_gone_back_in(timeline: Timeline) -> None:
    assert isinstance(timeline.run(FOR_EVER), TestExited)
    reverse_step(timeline)
    assert isinstance(timeline.step(), TestExited)


def test_what_lies_ahead_of_a_live_end_is_not_known(timeline: Timeline) -> None:
    with pytest.raises(UserError, match="run on to get there"):
        timeline.seek(Position(FOR_EVER))


def test_a_hot_breakpoint_is_found_from_the_end_of_the_interval(timeline: Timeline) -> None:
    """More hits than are looked at one by one."""
    engine = timeline.machine.engine
    model = Model("virtual_8086")
    long = Timeline(machine_of("virtual_8086"))
    long.run(FOR_EVER)
    pcs = tuple(Linear(pc) for pc in sorted(set(model.pcs)))
    arm(long.machine.engine, Stops(Breakpoints(linear=pcs)))
    calls = 0

    def early(_outcome: Outcome) -> bool:
        nonlocal calls
        calls += 1
        return long.position == model.positions[3]

    assert reverse_search(long, early) == model.positions[3]
    assert calls > 500
    long.machine.close()
    assert engine.stops == Stops()


def test_halted_time_is_no_instant_of_its_own() -> None:
    """Back from the interrupt that ended a HLT is the instant after the HLT."""
    timeline = Timeline(machine_of("real_timer"))
    timeline.run(FOR_EVER)
    model = Model("real_timer")
    for position in model.positions[:0:-1]:
        timeline.seek(position)
        assert reverse_step(timeline) == model.previous(position)
    asleep = next(
        Position(Tick((a.tick + b.tick) // 2))
        for a, b in zip(model.positions, model.positions[1:], strict=False)
        if b.tick - a.tick > 1000
    )
    timeline.seek(asleep)
    assert timeline.position == asleep
    assert timeline.machine.halted
    assert reverse_step(timeline) == model.previous(asleep)
    timeline.machine.close()


@pytest.mark.parametrize("guest", ["real_exceptions", "real_single_step", "virtual_8086", "triple_fault_protected"])
def test_a_step_back_from_every_instant_is_to_the_one_before(guest: str) -> None:
    """Also from a trap's handler: its instruction retired and trapped in one."""
    model = Model(guest)
    timeline = Timeline(machine_of(guest))
    timeline.run(FOR_EVER)
    assert timeline.position == model.end
    for position in model.positions[:0:-1]:
        timeline.seek(position)
        assert reverse_step(timeline) == model.previous(position)
    timeline.machine.close()


def test_an_input_is_an_instant_of_its_own() -> None:
    timeline = Timeline(machine_of("real_timer"))
    timeline.run(FOR_EVER)
    timeline.seek(timeline.start)
    timeline.fork()
    timeline.push(NmiButton())
    timeline.run(Tick(1000))
    timeline.seek(timeline.start)
    forth = [timeline.position]
    for _ in range(3):
        timeline.step()
        forth.append(timeline.position)
    assert forth[1] == Position(Tick(0), 1)
    assert [reverse_step(timeline) for _ in range(3)] == forth[-2::-1]
    timeline.machine.close()


def test_a_breakpoint_where_an_input_comes_is_reported_once_after_it() -> None:
    timeline = Timeline(machine_of("protected_ring3"))
    timeline.run(Tick(1000))
    place = timeline.position
    timeline.push(RegisterWrite("xmm0", 1))
    timeline.push(RegisterWrite("xmm0", 2))
    timeline.run(Tick(2000))
    timeline.seek(place)
    arm(timeline.machine.engine, Stops(Breakpoints(linear=(timeline.machine.engine.linear_pc,))))
    timeline.seek(timeline.start)
    while timeline.position.tick < place.tick:
        assert isinstance(timeline.run(FOR_EVER, over_breakpoint=True), BreakpointHit)
    after = Position(place.tick, 2)
    assert timeline.position == after
    timeline.seek(Position(Tick(place.tick + 1)))
    assert reverse_search(timeline, anything) == after
    earlier = reverse_search(timeline, anything)
    assert earlier is None or earlier.tick < place.tick
    timeline.machine.close()


def test_a_triple_fault_is_the_end() -> None:
    timeline = Timeline(machine_of("triple_fault_protected"))
    assert isinstance(timeline.run(FOR_EVER), TripleFault)
    end = timeline.position
    assert isinstance(timeline.run(FOR_EVER), TripleFault)
    assert isinstance(timeline.step(), TripleFault)
    assert timeline.position == end
    timeline.machine.close()
