"""Questions are answered alike with the history index and without it, by guests of every kind."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.determinism.random_guests import random_origin
from tests.determinism.test_dma import BUFFER, ROUTINE, dma_machine
from tests.devices import copier
from tests.devices.workbench import fitted_devices
from tests.vmdbg.debugger.programs import program, run_to
from tests.vmdbg.timeline.model import machine_of, origin_of
from tests.vmdbg.timeline.test_against_the_model import FOR_EVER, GUESTS
from vmdbg.engine.exits import Access, LimitReached
from vmdbg.engine.stops import Breakpoints, Stops, Watchpoint
from vmdbg.engine.touches import Touches
from vmdbg.errors import RecordingError
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position
from vmdbg.queries.accesses import AccessQuery, ExecutionQuery
from vmdbg.queries.calls import CallQuery, SystemCallQuery
from vmdbg.queries.events import Cr3Query, ExceptionQuery, InterruptQuery, PortQuery
from vmdbg.queries.queries import Queries
from vmdbg.queries.scan import Query, scan
from vmdbg.recording.reader import open_recording
from vmdbg.recording.replay import replay
from vmdbg.recording.save import save_recording
from vmdbg.timeline.history_index import HistoryIndex
from vmdbg.timeline.reverse import reverse_search
from vmdbg.timeline.stops import arm
from vmdbg.timeline.timeline import Timeline
from vmdbg.timeline.touched import Touched
from vmdbg.units import Tick

TICKS = 40_000
PARTS = 12
QUESTIONS = 6
PLACES = (0x7000, 0x3000)
PORTS = (0x20, 0x21, 0x40, 0x60, 0x64, 0x3F8)


class Seen:
    """Where a guest was, found on the way."""

    def __init__(self) -> None:
        self.pcs: list[int] = []
        self.stacks: list[int] = []
        self.cr3s: list[int] = []

    def note(self, machine: Machine) -> None:
        rsp, cr3 = machine.engine.read_registers(("rsp", "cr3"))
        self.pcs.append(machine.engine.linear_pc)
        self.stacks.append(rsp)
        self.cr3s.append(cr3)


def history(machine: Machine, rng: random.Random, ticks: int) -> tuple[Timeline, Seen]:
    """A timeline run to its end, its index in parts that end anywhere."""
    timeline, seen = Timeline(machine), Seen()
    end = Tick(machine.clock + ticks)
    for _ in range(PARTS):
        seen.note(machine)
        step = rng.choice([ticks // 1000, ticks // 100, ticks // 10])
        if not isinstance(timeline.run(min(end, Tick(machine.clock + rng.randrange(1, step)))), LimitReached):
            break
        for _ in range(rng.randrange(6)):
            seen.note(machine)
            timeline.step()
        timeline.keep_index()
    timeline.keep_index()
    timeline.close()
    return timeline, seen


def question(rng: random.Random, seen: Seen, places: Sequence[int]) -> Query:
    pc, stack, cr3 = rng.choice(seen.pcs), rng.choice(seen.stacks), rng.choice(seen.cr3s)
    address = rng.choice([pc, stack + rng.randrange(-64, 64), cr3 + rng.randrange(4096), *places])
    size, physical = rng.choice([1, 4, 64, 5000]), rng.random() < 0.4
    address = max(0, address) & (0xFFFFFFFF if physical else (1 << 64) - 8192)
    match rng.randrange(8):
        case 0 | 1 | 2:
            wanted = rng.choice([{Access.READ}, {Access.WRITE}, {Access.READ, Access.WRITE}])
            return AccessQuery(address, size, frozenset(wanted), physical)
        case 3:
            return ExecutionQuery((pc, rng.choice(seen.pcs)), physical)
        case 4:
            return ExceptionQuery(frozenset(rng.sample(range(33), 3)))
        case 5:
            return InterruptQuery(frozenset(rng.sample(range(64), 20)))
        case 6:
            return PortQuery(frozenset(rng.sample(PORTS, 2)), frozenset({rng.choice(list(Access))}))
        case _:
            return rng.choice([Cr3Query(), CallQuery(pc), SystemCallQuery()])


@contextmanager
def without_index(timeline: Timeline) -> Iterator[None]:
    known, timeline.index = timeline.index, HistoryIndex(timeline.machine.engine)
    timeline.index.stop()
    try:
        yield
    finally:
        timeline.index = known


def stops(rng: random.Random, seen: Seen) -> Stops:
    places = [max(0, rng.choice(seen.stacks) + rng.randrange(-64, 64)) for _ in range(rng.randrange(3))]
    watched = [Watchpoint(n, place, rng.choice([1, 8]), frozenset({Access.WRITE})) for n, place in enumerate(places)]
    return Stops(Breakpoints(linear=tuple(rng.sample(seen.pcs, min(2, len(seen.pcs))))), tuple(watched))  # type: ignore[arg-type]  # plain addresses


def last_before(timeline: Timeline, where: Position, armed: Stops) -> Position | None:
    timeline.seek(where)
    arm(timeline.machine.engine, armed)
    try:
        return reverse_search(timeline, lambda _outcome: True)
    finally:
        arm(timeline.machine.engine, Stops())


def compare(
    machine: Machine, rng: random.Random, questions: int, places: Sequence[int] = PLACES, ticks: int = TICKS
) -> tuple[int, int]:
    """How many questions had an answer, and how many parts were passed over."""
    try:
        timeline, seen = history(machine, rng, ticks)
        answered = passed_over = 0
        for _ in range(questions):
            timeline.index.worth_a_way_round = rng.choice([0, ticks // 100])
            asked = question(rng, seen, places)
            start = timeline.start if rng.random() < 0.7 else instant(timeline, rng)
            rows: Sequence[object] = scan(timeline, asked, start, timeline.end)
            with without_index(timeline):
                assert rows == scan(timeline, asked, start, timeline.end), asked
            answered += bool(rows)
            armed, where = stops(rng, seen), instant(timeline, rng)
            found = last_before(timeline, where, armed)
            with without_index(timeline):
                assert found == last_before(timeline, where, armed), (where, armed)
            passed_over += sum(
                timeline.index.next_chance(part.start, armed, timeline.start, timeline.end)[0] > part.start
                for part in timeline.index
            )
        return answered, passed_over
    finally:
        machine.close()


def instant(timeline: Timeline, rng: random.Random) -> Position:
    tick = rng.randrange(timeline.start.tick, timeline.end.tick + 1)
    return max(timeline.start, min(Position(Tick(tick)), timeline.end))


@pytest.mark.parametrize("guest", GUESTS)
def test_answers_are_the_same_with_the_index_of_guests_of_all_modes(guest: str) -> None:
    compare(machine_of(guest), random.Random(guest), QUESTIONS)


def test_answers_are_the_same_with_the_index_where_devices_write_memory() -> None:
    with fitted_devices(copier.__name__):
        compare(dma_machine(), random.Random(1), QUESTIONS, (ROUTINE, BUFFER, BUFFER + 0x8000), 20 * TICKS)


def test_answers_are_the_same_with_the_index_of_random_code() -> None:
    totals = [compare(random_origin(seed).machine(), random.Random(seed), 4) for seed in range(30)]
    assert sum(answered for answered, _ in totals) > 20
    assert sum(passed_over for _, passed_over in totals) > 20


def test_a_recording_keeps_the_index(tmp_path: Path) -> None:
    origin, path = origin_of("protected_ring3"), tmp_path / "ring3.vmdbg"
    timeline = Timeline(origin.machine(), origin=origin)
    for tick in (1_000, 2_000, FOR_EVER):
        timeline.run(Tick(tick))
        timeline.keep_index()
    save_recording(timeline, path)
    timeline.machine.close()
    with open_recording(path) as recording:
        again = replay(recording)
        assert len(list(again.index)) == 3
        assert list(again.index) == list(timeline.index)
        again.machine.close()


MAPPED_TO_TABLES = """
    mov qword [WINDOW_PT], TEST_PAGES | P | W
    mov qword [WINDOW], 1
    mov qword [WINDOW_PT], WINDOW_PT | P | W
    mov qword [WINDOW_PT + 8], TEST_PAGES | P | W
    invlpg [WINDOW]
    mov eax, 1000
wait_a_while:
    dec eax
    jnz wait_a_while
    mov rax, [WINDOW + 1000h]       ; the CPU notes that in an entry, which is at WINDOW + 8, too
done:
    finish 0
"""


def test_what_a_page_is_mapped_to_where_one_asks_is_known_though_nobody_used_it() -> None:
    with program(MAPPED_TO_TABLES, "done") as (debugger, labels, _):
        run_to(debugger, labels["done"])
        timeline, at = debugger.timeline, 0x4000_0008
        timeline.keep_index()
        stops = Stops(watchpoints=(Watchpoint(0, at, 8, frozenset({Access.WRITE})),))
        where = last_before(timeline, timeline.end, stops)
        assert where is not None
        queries = Queries(timeline, workers=1)
        timeline.seek(timeline.end)
        rows, last = queries.writes(at, 8), queries.who_wrote(at, 8)
        assert rows
        assert last == rows[-1]
        with without_index(timeline):
            assert where == last_before(timeline, timeline.end, stops)
            timeline.seek(timeline.end)
            assert rows == queries.writes(at, 8)


def test_a_damaged_part_is_refused() -> None:
    for touched in (Touched(b"no frame"), Touched(Touched.of(Touches(b"1", b"", b"", b"", b"", b"")).rows)):
        with pytest.raises(RecordingError):
            touched.check()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_answers_are_the_same_with_the_index_at_length() -> None:
    for seed in range(1000, 3000):
        compare(random_origin(seed).machine(), random.Random(seed), 6)
    for seed in range(20):
        for guest in GUESTS:
            compare(machine_of(guest), random.Random(f"{guest} {seed}"), QUESTIONS)
