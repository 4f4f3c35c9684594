"""Devices that do what drivers ask of them, held to a list of all that they did: whoever asks about memory or disks, of
the whole history or of an instant, forwards or backwards, is told what is in the list and nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devices.disk.medium import SECTOR
from devices.disk.overlay import SECTORS as PAGE_SECTORS
from devices.disk.requests import DiskRequest, Operation
from devices.network.inputs import together
from tests.determinism.hostile_attacks import CABLES
from tests.determinism.hostile_scripts import COPY, DISABLE, FLOPPY, Steps, hostile_machine
from tests.determinism.obedient_scripts import (
    AREA,
    HIGH,
    HIGH_MEMORY,
    RINGS,
    SECTORS,
    SOURCE,
    TARGET,
    Asked,
    beyond_reach,
    drivers,
    with_a20_off_in_between,
)
from vmdbg.commands import catalog
from vmdbg.debugger.actions import Continue, Direction
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Space
from vmdbg.debugger.stops import DeviceStop, WatchpointStop
from vmdbg.engine.exits import Access
from vmdbg.machine.bus_masters import MasterPort
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import DiskDone
from vmdbg.machine.snapshot import Position
from vmdbg.queries.queries import Queries
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import PAGE_SIZE, Linear, Physical, Tick
from vmdbg.x86.ram import A20

CONTENT = random.Random(3).randbytes(SECTORS * SECTOR)
"""Of each disk at first, as hostile_machine() has them."""
Row = tuple[int, str, str, Access, int, bytes, bytes]
"""Tick, device, request, access, address, and what was there before and after."""
Range = tuple[int, int]


def _shifts(address: int, *, a20: bool) -> tuple[int, ...]:
    """How far from a physical address the linear ones are that lead there."""
    if address >> 32 or (address & A20 and not a20):
        return ()
    return (0,) if a20 else (0, A20)


@dataclass
class History:
    """All that happened. `asked` and `done` go together, in order."""

    machine: Machine
    timeline: Timeline
    session: Session
    chance: random.Random
    asked: list[Asked]
    done: list[DiskRequest]
    rows: list[Row]
    a20: list[bool]
    """Whether it was on, at each of the rows."""
    end: Position
    high: int

    def of(self, low: int, high: int, accesses: frozenset[Access], *, physical: bool) -> list[tuple[int, Row]]:
        """Of a range, as much of each as lies in it, and where the range has that.

        Without paging the 4 GiB of linear memory are the first of physical memory, but for A20, which masks what the
        CPU asks for alone.
        """
        found = []
        for (tick, device, request, access, address, old, new), a20 in zip(self.rows, self.a20, strict=True):
            for shift in _shifts(address, a20=a20) if not physical else (0,):
                start, end = max(low - shift, address), min(high - shift, address + len(old))
                if start < end and access in accesses:
                    part = slice(start - address, end - address)
                    found.append((start + shift, (tick, device, request, access, start, old[part], new[part])))
        return found

    def ranges(self, count: int) -> list[Range]:
        """Near what was done, across its edges and those of pages."""
        found = []
        for _, _, _, _, address, old, _ in self.chance.choices(self.rows, k=count):
            low = max(0, address + self.chance.choice((-1, 0, 0, 1, len(old) - 1, -4095)))
            found.append((low, low + self.chance.choice((1, 2, 8, 513, 4096, 8192))))
        return found

    def disks_at(self, tick: int) -> tuple[dict[str, bytearray], dict[str, set[int]]]:
        """What is on each, and which pages of it were written."""
        sectors = {"disk0": SECTORS, "disk1": SECTORS, "disk2": SECTORS, "disk3": SECTORS, "floppy0": FLOPPY}
        data = {name: bytearray(CONTENT if name != "floppy0" else FLOPPY * SECTOR) for name in sectors}
        written = {name: set[int]() for name in sectors}
        for asked, done in zip(self.asked, self.done, strict=True):
            disk, first, end = asked.drive, asked.sector, asked.sector + asked.count
            if done.completed > tick:
                break
            if asked.operation is Operation.WRITE:
                data[disk][first * SECTOR : end * SECTOR] = asked.data
                written[disk] |= {number // PAGE_SECTORS for number in range(first, end)}
            if asked.operation is Operation.DISCARD:
                for page in written[disk]:
                    if first <= page * PAGE_SECTORS and (page + 1) * PAGE_SECTORS <= end:
                        data[disk][page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = bytes(PAGE_SIZE)
        return data, written


def history(seed: int, requests: int, without: set[str], high: int = 0, *, a20: bool = True) -> Iterator[History]:
    chance, source = random.Random(seed), random.Random(99).randbytes(AREA)
    high_source = random.Random(98).randbytes(AREA) if high else source
    masters = {name: one for name, one in drivers(source, high, high_source).items() if name not in without}
    script: Steps = [(DISABLE, 0, 0, 0)]
    asked = []
    for driver in masters.values():
        script += driver.begin()
    for _ in range(requests):
        steps, request = chance.choice(list(masters.values())).next(chance)
        script += steps
        asked += [request] if request is not None else []
        if chance.random() < 0.2:
            words = chance.randrange(1, 200)
            to, of = (area + chance.randrange(AREA - 4 * words) for area in (TARGET, SOURCE))
            script.append((COPY, to, of, words))
    script, above = beyond_reach(script if a20 else with_a20_off_in_between(script))
    machine = hostile_machine(script, memory=HIGH_MEMORY) if high else hostile_machine(script)
    for address, data in [(SOURCE, source), (SOURCE + high, high_source), *above]:
        machine.engine.write_ram(Physical(address), data)
    timeline, rows, done = Timeline(machine), Rows(), list[DiskRequest]()
    timeline.take_checkpoint()
    machine.media.listeners.append(done.append)
    with pytest.MonkeyPatch.context() as patch:
        note(patch, rows)
        while machine.ending is None:
            timeline.run(Tick(timeline.position.tick + chance.choice((10_000, 50_000, 100_000))))
            if machine.ending is None and chance.random() < 0.3:
                timeline.push(together(chance.choice(CABLES), [frame(chance) for _ in range(chance.choice((1, 3)))]))
            if chance.random() < 0.05:
                timeline.take_checkpoint()
    machine.media.listeners.remove(done.append)
    session = Session(Debugger(timeline), catalog.commands(), allowed=~Effect.NONE)
    session.workers = 1
    asked = asked if not high else in_order_of(done, asked)
    yield History(machine, timeline, session, chance, asked, done, rows.rows, rows.a20, timeline.position, high)
    session.debugger.close()


def in_order_of(done: Iterable[DiskRequest], asked: list[Asked]) -> list[Asked]:
    """A ring that the guest cannot store to is full from the beginning: what is in it is asked for at once."""
    left, found = list(asked), []
    for request in done:
        same = (request.unit, request.operation, request.sector, request.count)
        one = next(one for one in left if (one.drive, one.operation, one.sector, one.count) == same)
        left.remove(one)
        found.append(one)
    return found + left


def frame(chance: random.Random) -> bytes:
    return b"\xff" * 6 + chance.randbytes(6) + b"\x08\x06" + chance.randbytes(chance.choice((46, 500, 1400)))


@dataclass
class Rows:
    rows: list[Row] = field(default_factory=list)
    a20: list[bool] = field(default_factory=list)

    def add(self, port: MasterPort, request: str, access: Access, address: int, old: bytes, new: bytes) -> None:
        engine = port.masters.at_hand()
        self.rows.append((engine.clock, port.device, request, access, address, old, new))
        self.a20.append(engine.translate(Linear(A20)) == A20)


def note(patch: pytest.MonkeyPatch, rows: Rows) -> None:
    """What devices do to memory, as they do it, with nothing of what tells of it to others."""
    read, write = MasterPort.read, MasterPort.write

    def noted_read(port: MasterPort, address: int, size: int, request: str = "") -> bytes:
        data = read(port, address, size, request)
        rows.add(port, request, Access.READ, address, data, data)
        return data

    def noted_write(port: MasterPort, address: int, data: bytes, request: str = "") -> None:
        engine, place = port.masters.at_hand(), Physical(address)
        old = engine.read_physical(place, len(data))
        write(port, address, data, request)
        new = engine.read_physical(place, len(data))
        rows.add(port, request, Access.WRITE, address, old, new)

    def noted_gather(port: MasterPort, places: Iterable[tuple[int, int]], request: str = "") -> list[bytes]:
        return [port.read(address, size, request) for address, size in places]

    def noted_scatter(port: MasterPort, pieces: Iterable[tuple[int, bytes]], request: str = "") -> None:
        for address, data in pieces:
            port.write(address, data, request)

    patch.setattr(MasterPort, "read", noted_read)
    patch.setattr(MasterPort, "write", noted_write)
    patch.setattr(MasterPort, "gather", noted_gather)
    patch.setattr(MasterPort, "scatter", noted_scatter)


@pytest.fixture(
    scope="module",
    params=[
        (1, 40, {"fdc"}),
        (4, 40, {"fdc"}, HIGH),
        pytest.param((5, 60, set[str](), HIGH), marks=pytest.mark.slow),
        *(pytest.param((seed, 120, set[str]()), marks=[pytest.mark.slow, pytest.mark.timeout(900)]) for seed in (2, 3)),
    ],
)
def past(request: pytest.FixtureRequest) -> Iterator[History]:
    yield from history(*request.param)


@pytest.fixture(scope="module", params=[0, pytest.param(HIGH, marks=pytest.mark.slow)])
def closed(request: pytest.FixtureRequest) -> Iterator[History]:
    """With A20 off whenever the guest waits."""
    yield from history(6, 30, {"fdc"} if not request.param else set(), request.param, a20=False)


def test_the_devices_are_busy(past: History) -> None:
    assert {"ide", "ahci", "nvme-disk3", "virtio-disk2", "net0", "net1", "net2"} <= {row[1] for row in past.rows}
    asked = [(one.drive, one.operation, one.sector, one.count) for one in past.asked]
    assert [(one.unit, one.operation, one.sector, one.count) for one in past.done] == asked


def test_data_goes_where_it_was_asked_for(past: History) -> None:
    assert_data_went_where_it_was_asked_for(past)


def assert_data_went_where_it_was_asked_for(past: History) -> None:
    """All 64 bits of an address count, where a device takes as many, and none is masked."""
    for asked, done in zip(past.asked, past.done, strict=True):
        if not asked.parts or asked.drive == "floppy0":
            continue
        access = Access.WRITE if asked.operation is Operation.READ else Access.READ
        content, moved, wanted = past.disks_at(done.completed)[0][asked.drive], dict[int, int](), dict[int, int]()
        data = content[asked.sector * SECTOR : (asked.sector + asked.count) * SECTOR]
        for address, size in asked.parts:
            wanted.update(zip(range(address, address + size), data, strict=False))
            del data[:size]
        for tick, _, _, kind, address, _, new in past.rows:
            if tick == done.completed and kind is access:
                moved.update(enumerate(new, address))
        assert {address: moved.get(address) for address in wanted} == wanted, asked


@pytest.mark.parametrize("physical", [False, True])
def test_a20_masks_what_the_cpu_asks_for_alone(closed: History, physical: bool) -> None:
    masters = {"ide", "ahci", "nvme-disk3", "virtio-disk2", "net0", "net1", "net2"}
    assert {row[1] for row, a20 in zip(closed.rows, closed.a20, strict=True) if not a20} >= masters
    assert_data_went_where_it_was_asked_for(closed)
    test_a_whole_history_has_each_access_of_a_device_with_what_was_there_before_and_after_it(
        closed, frozenset(Access), physical
    )
    test_watchpoints_stop_for_devices_on_the_way_back_as_on_the_way_forth(closed)


@pytest.mark.parametrize("physical", [False, True])
@pytest.mark.parametrize("accesses", [frozenset({Access.WRITE}), frozenset({Access.READ}), frozenset(Access)])
def test_a_whole_history_has_each_access_of_a_device_with_what_was_there_before_and_after_it(
    past: History, accesses: frozenset[Access], physical: bool
) -> None:
    queries = Queries(past.timeline, workers=1)
    areas = [(start, start + AREA) for start in (TARGET + past.high, RINGS + past.high)]
    for low, high in [*areas, *past.ranges(4)]:
        ask = {frozenset({Access.WRITE}): queries.writes, frozenset({Access.READ}): queries.reads}
        rows = ask.get(accesses, queries.accesses)(low, high - low, physical=physical)
        told = [
            (row.linear, (row.position.tick, row.device, row.request, row.access, row.physical, row.old, row.new))
            for row in rows
            if row.device
        ]
        assert told == past.of(low, high, accesses, physical=physical)
        left: dict[int, int] = {}
        for row in (row for row in rows if row.access is Access.WRITE):
            for at, (old, new) in enumerate(zip(row.old, row.new, strict=True), row.physical):
                assert left.get(at, old) == old, f"{at:#x}, before {row.position}"
                left[at] = new


def stops(past: History, direction: Direction) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    debugger = past.session.debugger
    while True:
        debugger.resume(Continue(direction))
        match debugger.wait():
            case WatchpointStop(hits=hits):
                found.append(tuple((point.number, hit) for point, hit in hits))
            case DeviceStop(events=events):
                found.append(tuple(events))
            case _:
                return found


def test_watchpoints_stop_for_devices_on_the_way_back_as_on_the_way_forth(past: History) -> None:
    points = past.session.debugger.points
    seen = 0
    for _ in range(3):
        for low, high in past.ranges(3):
            accesses = past.chance.choice(((Access.WRITE,), (Access.READ,), tuple(Access)))
            space = Space.PHYSICAL if past.high or past.chance.random() < 0.3 else Space.LINEAR
            changes = past.chance.random() < 0.3
            points.add_watchpoint(low, high - low, accesses, space=space, on_change=changes)
        past.timeline.seek(past.timeline.start)
        forth = stops(past, Direction.FORWARD)
        assert stops(past, Direction.BACKWARD) == forth[::-1]
        seen += len(forth)
        for point in [*points.watchpoints.values()]:
            points.remove(point)
    assert seen > 3


def test_the_last_write_is_the_last_one_whoever_made_it(past: History) -> None:
    queries, chance = Queries(past.timeline, workers=1), past.chance
    for _ in range(12):
        tick, _, _, _, address, old, _ = chance.choice(past.rows)
        low, size = address + chance.choice((0, 1, len(old) - 1)), chance.choice((1, 4, 8, 600))
        physical = chance.random() < 0.5
        past.timeline.seek(min(past.end, Position(Tick(tick + chance.choice((0, 1, 70_000))))))
        here = past.timeline.position
        rows = [row for row in queries.writes(low, size, physical=physical) if row.position <= here]
        past.timeline.seek(here)
        said = past.session.execute(f"last-write {'phys:' if physical else ''}{low:#x} {size} --json")
        if not rows:
            assert json.loads(said) == {}
            continue
        found = json.loads(said)
        for row in (row for row in rows if row.position == rows[-1].position and row.device):
            old, new = int.from_bytes(row.old, "little"), int.from_bytes(row.new, "little")
            words = f"{new:#x}, {old:#x} before" if len(row.new) <= 8 else row.new.hex(" ")
            assert f"{len(row.new)} bytes at {row.linear:#x}: {words}" in found["wrote"]
        if rows[-1].device:
            assert found["by"] in {f"{row.device}, {row.request}" for row in rows if row.position == rows[-1].position}


def test_disks_are_at_any_instant_what_was_done_to_them(past: History, tmp_path: Path) -> None:
    session, chance = past.session, past.chance
    ticks = [one.completed + chance.choice((-1, 0, 1, 100)) for one in chance.sample(past.done, 6)]
    for number, tick in enumerate([*ticks, 0, past.end.tick]):
        past.timeline.seek(min(past.end, Position(Tick(tick))))
        data, written = past.disks_at(past.timeline.position.tick)
        for name, content in data.items():
            first, count = chance.randrange(len(content) // SECTOR), chance.choice((1, 7, 256))
            shown = bytes.fromhex("".join(session.run(f"disk read {first} {count} --disk {name}").data))
            assert shown == content[first * SECTOR : (first + count) * SECTOR]
        name = chance.choice(list(data))
        session.run(f"disk export {tmp_path / str(number)} --disk {name}")
        assert (tmp_path / str(number)).read_bytes() == data[name]
        listed = {row["drive"]: row["written"] for row in json.loads(session.execute("disk --json"))}
        assert {name: listed[name] for name in written} == {name: len(written[name]) * PAGE_SIZE for name in written}


def test_what_differs_between_two_instants_is_what_was_done_between_them(past: History) -> None:
    for _ in range(5):
        one, other = (past.chance.choice(past.done).completed for _ in range(2))
        before, after = past.disks_at(one)[0], past.disks_at(other)[0]
        name = past.chance.choice(list(before))
        changed = [
            number
            for number in range(len(before[name]) // SECTOR)
            if before[name][number * SECTOR :][:SECTOR] != after[name][number * SECTOR :][:SECTOR]
        ]
        found = json.loads(past.session.execute(f"disk diff {one} {other} --disk {name} --limit 9999 --json"))
        runs = found["sectors"]["rows"]
        assert [at for run in runs for at in range(run["first"], run["first"] + run["sectors"])] == changed


def test_questions_about_disks_and_stops_at_requests_have_all_that_are_meant(past: History) -> None:
    session, chance = past.session, past.chance
    past.timeline.seek(past.end)
    every = [(one.unit, str(one.operation), one.sector, one.count, one.completed, one.submitted) for one in past.done]
    names = ("drive", "operation", "sector", "count", "position", "submitted")
    for _ in range(8):
        drive, sector = chance.choice(("", "disk0", "disk1", "disk2", "disk3")), chance.randrange(SECTORS)
        at_drive = [one for one in every if drive in ("", one[0])]
        rows = json.loads(session.execute(f"query disk {drive} --sector {sector} --limit 9999 --json"))
        told = [tuple(int(row[name]) if name in names[4:] else row[name] for name in names) for row in rows]
        assert told == [one for one in at_drive if one[2] <= sector < one[2] + one[3]]
        past.timeline.seek(past.timeline.start)
        operations, last = chance.sample(list(Operation), 2), sector + chance.choice((0, 50))
        named = f"--drive {drive}" if drive else ""
        session.run(f"catch disk {' '.join(operations)} --sector {sector}-{last} {named}")
        forth = stops(past, Direction.FORWARD)
        events = [one for stop in forth for one in stop if isinstance(one, DiskDone)]
        met = [(one.drive, str(one.operation), one.sector, one.count) for one in events]
        wanted = [one for one in at_drive if one[1] in operations and one[2] <= last and sector < one[2] + one[3]]
        assert met == [one[:4] for one in wanted]
        assert stops(past, Direction.BACKWARD) == forth[::-1]
        session.run("uncatch disk")
        past.timeline.seek(past.end)
