"""Queries find what single steps find, leave the timeline where it was, and give the same rows in parallel."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import vmdbg
from tests.guests.build import REPOSITORY, sample_kernel
from tests.vmdbg.timeline.model import Model, origin_of
from vmdbg.engine.exits import Access, Delivery, DeliveryKind
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.machine.snapshot import Position
from vmdbg.queries.accesses import AccessQuery
from vmdbg.queries.parallel import file_scan, scan_parts, split
from vmdbg.queries.queries import Queries
from vmdbg.queries.rows import AccessRow
from vmdbg.recording.reader import open_recording
from vmdbg.recording.replay import replay
from vmdbg.recording.save import save_recording
from vmdbg.symbols.load import load_symbols
from vmdbg.symbols.source import SymbolSource
from vmdbg.timeline.steps_back import reverse_step
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

FOR_EVER = Tick(1 << 62)


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    """protected_ring3, run to its end."""
    origin = origin_of("protected_ring3")
    machine = origin.machine()
    timeline = Timeline(machine, origin=origin)
    timeline.run(FOR_EVER)
    yield timeline
    machine.close()


def stepped_changes(timeline: Timeline, start: int, end: int) -> list[tuple[Position, bytes]]:
    """The instants after which physical memory from `start` to `end` differs from before, and what it holds then."""
    ram = timeline.machine.engine.ram
    timeline.seek(timeline.start)
    found, before = [], bytes(ram[start:end])
    while timeline.position < timeline.end:
        timeline.step()
        now = bytes(ram[start:end])
        if now != before:
            found.append((timeline.position, now))
            before = now
    return found


def test_a_history_that_no_file_can_hold_is_searched_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a machine that nobody said the making of, where a thread keeps this process from being copied."""
    monkeypatch.setattr("vmdbg.queries.queries.WORTH_PROCESSES", 0)
    monkeypatch.setattr("vmdbg.queries.queries.can_fork", lambda: False)
    machine = origin_of("protected_ring3").machine()
    timeline = Timeline(machine)
    timeline.run(FOR_EVER)
    place = most_written(timeline)
    found = Queries(timeline, workers=2).writes(place, 4, physical=True)
    assert found == Queries(timeline, workers=1).writes(place, 4, physical=True)
    assert found
    machine.close()


def test_writes_are_those_that_single_steps_see(timeline: Timeline) -> None:
    place = most_written(timeline)
    changes = stepped_changes(timeline, place, place + 4)
    rows = [row for row in Queries(timeline).writes(place, 4, physical=True) if row.old != row.new]
    assert {row.position for row in rows} == {position for position, _ in changes}
    assert rows


def most_written(timeline: Timeline) -> int:
    """Where the guest's stack was at some instant."""
    timeline.seek(Position(Tick(timeline.end.tick // 2)))
    return (timeline.machine.engine.read_register("rsp") - 16) & ~3


def test_who_wrote_is_the_last_write_before(timeline: Timeline) -> None:
    place = most_written(timeline)
    rows = Queries(timeline).writes(place, 4, physical=True)
    origin = timeline.position
    queries = Queries(timeline)
    for before in (timeline.end, rows[len(rows) // 2].position, rows[0].position):
        wanted = [row for row in rows if row.position <= before]
        assert queries.who_wrote(place, 4, before=before, physical=True) == wanted[-1]
    assert queries.who_wrote(place, 4, before=timeline.start) is None
    assert timeline.position == origin


def test_a_row_names_the_instruction_that_did_it(timeline: Timeline) -> None:
    place = most_written(timeline)
    row = Queries(timeline).writes(place, 4, physical=True)[-1]
    timeline.seek(row.position)
    reverse_step(timeline)
    assert timeline.machine.engine.linear_pc == row.pc
    assert bytes(timeline.machine.engine.ram[row.physical : row.physical + len(row.old)]) == row.old


def test_executions_are_all_instants_at_the_address(timeline: Timeline) -> None:
    model = Model("protected_ring3")
    pc = max(set(model.pcs), key=model.pcs.count)
    rows = Queries(timeline).executions(pc)
    assert [row.position for row in rows] == [p for p, at in zip(model.positions, model.pcs, strict=True) if at == pc]


def test_exceptions_are_all_deliveries(timeline: Timeline) -> None:
    rows = Queries(timeline).exceptions()
    assert len(rows) == len(deliveries_of("protected_ring3"))
    only = Queries(timeline).exceptions([13])
    assert only == [row for row in rows if row.vector == 13]


def deliveries_of(guest: str) -> tuple[Delivery, ...]:
    """All deliveries of a guest that has few."""
    machine = origin_of(guest).machine()
    machine.run(FOR_EVER)
    found = machine.engine.deliveries()
    assert len(found) == machine.engine.delivery_count
    machine.close()
    return found


def test_interrupts_are_found_and_can_be_gone_to() -> None:
    machine = origin_of("real_timer").machine()
    timeline = Timeline(machine)
    timeline.run(FOR_EVER)
    rows = Queries(timeline).interrupts()
    seen = [(d.tick, d.vector) for d in deliveries_of("real_timer") if d.kind is DeliveryKind.EXTERNAL]
    assert [(row.position.tick, row.vector) for row in rows] == seen
    timeline.seek(rows[-1].position)
    assert timeline.position == rows[-1].position
    machine.close()


@pytest.mark.parametrize("cpus", [1, 2])
def test_nmis_are_interrupts_too(cpus: int) -> None:
    with vmdbg.launch(cpus=cpus, memory="16M") as guest:
        guest.run(5_000_000)
        pressed = guest.tick
        guest.press_nmi_button()
        guest.run(10_000)
        (row,) = guest.queries.interrupts([2])
        assert (row.position.tick, row.kind, row.cpu) == (pressed, DeliveryKind.NMI, 0)
        assert row in guest.queries.interrupts()
        assert not any(row.kind is DeliveryKind.NMI for row in guest.queries.interrupts([0x20, 0x21]))
        guest.seek(row.position)
        assert guest.position == row.position


def test_port_accesses_have_values(timeline: Timeline) -> None:
    rows = Queries(timeline).port_accesses([0xE9])
    text = bytes(row.value or 0 for row in rows if row.access is Access.WRITE).decode()
    assert text == timeline.console.ports[-1].text.decode()


def test_asking_leaves_no_trace(timeline: Timeline) -> None:
    timeline.seek(Position(Tick(5000)))
    before, position = digest(timeline.machine), timeline.position
    Queries(timeline).accesses(0x7000, 0x1000, physical=True)
    Queries(timeline).cr3_loads()
    assert timeline.position == position
    assert digest(timeline.machine) == before
    timeline.seek(timeline.end)
    assert digest(timeline.machine) == Model("protected_ring3").digest(timeline.end)


def test_a_difference_is_what_changed(timeline: Timeline) -> None:
    place = most_written(timeline)
    row = Queries(timeline).writes(place, 4, physical=True)[-1]
    timeline.seek(row.position)
    before = reverse_step(timeline)
    found = Queries(timeline).difference(before, row.position)
    assert all(place - 16 <= change.physical < place + 32 for change in found.memory)
    assert "rip" in [change.name for change in found.registers]
    assert timeline.position == before


def test_what_is_outside_the_history_is_refused(timeline: Timeline) -> None:
    with pytest.raises(UserError, match="outside the history"):
        Queries(timeline).who_wrote(0, before=Position(FOR_EVER))
    with pytest.raises(UserError, match="no range"):
        Queries(timeline).writes(0, 0)


def test_a_search_can_be_ended_from_its_progress(timeline: Timeline) -> None:
    def stop(_done: float) -> None:
        raise KeyboardInterrupt

    position = timeline.position
    with pytest.raises(KeyboardInterrupt):
        Queries(timeline, on_progress=stop).executions(0)
    assert timeline.position == position


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of the sample kernel's demonstration with checkpoints all along it."""
    from tests.vmdbg.recording.guests import new_timeline

    path = tmp_path_factory.mktemp("queries") / "sample.vmdbg"
    timeline = new_timeline()
    for tick in range(200_000, 1_200_000, 100_000):
        timeline.run(Tick(tick))
        timeline.take_checkpoint()
    timeline.run(Tick(325_000_000))
    save_recording(timeline, path)
    timeline.machine.close()
    return path


def symbol(name: str) -> int:
    address = load_symbols(SymbolSource(sample_kernel())).find(name)
    assert address is not None
    return address


def test_calls_have_arguments_and_return_values(sample: Path) -> None:
    with open_recording(sample) as recording:
        timeline = replay(recording)
        rows = Queries(timeline, recording).calls(symbol("printk"), 1)
        assert len(rows) > 10
        for row in rows[:3]:
            assert row.returned is not None
            timeline.seek(row.returned)
            assert timeline.machine.engine.linear_pc == row.caller
            assert timeline.machine.engine.read_register("rax") == row.value
        timeline.machine.close()


def test_system_calls_have_numbers_and_results(sample: Path) -> None:
    with open_recording(sample) as recording:
        timeline = replay(recording)
        rows = Queries(timeline, recording).system_calls()
        assert len(rows) == 10
        assert rows[0].number == 1
        assert rows[0].value == rows[0].arguments[1]
        assert Queries(timeline).system_calls([1]) == [row for row in rows if row.number == 1]
        timeline.machine.close()


def rows_with(executor: Executor, sample: Path) -> list[AccessRow]:
    with open_recording(sample) as recording:
        timeline = replay(recording)
        query = AccessQuery(symbol("ticks"), 8, frozenset(Access))
        parts = split(timeline, 2)
        assert len(parts) > 1
        rows = scan_parts(executor, file_scan(sample), query, parts)
        timeline.machine.close()
        return rows


def test_processes_find_the_same_rows(sample: Path) -> None:
    with open_recording(sample) as recording:
        timeline = replay(recording)
        alone = Queries(timeline, workers=1).accesses(symbol("ticks"), 8)
        timeline.machine.close()
    assert alone
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        assert rows_with(executor, sample) == alone


def test_any_executor_will_do(sample: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert rows_with(executor, sample)


COPIES = """
import multiprocessing, sys, vmdbg
from vmdbg.queries import copies, queries
queries.WORTH_PROCESSES = 0
with vmdbg.open_recording(sys.argv[1]) as guest:
    guest.seek("50%")
    before = guest.position, guest.digest()
    alone, shared, more = (guest.queries.using(workers=n).accesses(int(sys.argv[2]), 8) for n in (1, 2, 5))
    assert alone == shared == more and len(alone) > 10
    assert before == (guest.position, guest.digest())
    assert copies.can_fork() and not multiprocessing.active_children()
"""
ENDED = """
import multiprocessing, sys, vmdbg
from vmdbg.queries import queries
queries.WORTH_PROCESSES = 0

class Unanswerable:
    def begin(self, timeline):
        raise vmdbg.UserError("nobody knows")

def end(done):
    assert 0 <= done <= 1
    raise KeyboardInterrupt

with vmdbg.open_recording(sys.argv[1]) as guest:
    ends = ((Unanswerable(), None, vmdbg.UserError), (queries.Cr3Query(), end, KeyboardInterrupt))
    for query, progress, error in ends:
        before = guest.position, guest.digest()
        try:
            guest.queries.using(workers=2, on_progress=progress).run(query)
        except error:
            assert not multiprocessing.active_children()
            assert before == (guest.position, guest.digest())
        else:
            raise AssertionError(error)
    assert guest.queries.using(workers=2).cr3_loads() == guest.queries.using(workers=1).cr3_loads()
"""


def run_alone(script: str, *arguments: object) -> None:
    """In a process that has no threads, and so can be copied."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    subprocess.run(command, check=True, timeout=100, cwd=REPOSITORY)


def test_copies_of_this_process_find_the_same_rows_and_leave_it_alone(sample: Path) -> None:
    run_alone(COPIES, sample, symbol("ticks"))


def test_copies_end_with_an_error_in_one_of_them_or_in_the_parent(sample: Path) -> None:
    run_alone(ENDED, sample)


def test_dask_finds_the_same_rows(sample: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the dask extra is not installed")
    with ThreadPoolExecutor(1) as executor:
        wanted = rows_with(executor, sample)
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert rows_with(client.get_executor(), sample) == wanted


def test_executions_in_a_large_range_are_those_in_its_parts(timeline: Timeline) -> None:
    """A breakpoint at every address: planting them cost the square of their number."""
    queries = Queries(timeline)
    start, size = 1 << 20, 1 << 18
    whole = queries.executions(start, 4 * size)
    parts = [row for part in range(4) for row in queries.executions(start + part * size, size)]
    assert sorted(parts, key=lambda row: row.position) == whole
    assert len({row.pc for row in whole}) > 100
    with pytest.raises(UserError, match="at most 4194304 bytes"):
        queries.executions(0, 1 << 23)
