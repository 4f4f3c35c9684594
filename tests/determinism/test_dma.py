"""The theorem where devices write memory: who watches, steps or comes back sees them and changes nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.determinism.debugging import Action, Watch, actions, debugged_to
from tests.determinism.machines import digests_at, go_on, run_in_slices, run_to, running, step_often
from tests.devices import copier
from tests.devices.workbench import fitted_devices
from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.exits import Access, LimitReached, WatchHit, WatchpointHit
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.power_on import power_on
from vmdbg.units import PAGE_SIZE, Physical

MEMORY = 4 << 20
ROUTINE, BUFFER, BUFFER_SIZE = 0x9000, 0x10000, 0x12000
END = 16_000_000
MARKS = [END * part // 4 for part in range(1, 5)]


@pytest.fixture(autouse=True, scope="module")
def _copier() -> Iterator[None]:
    with fitted_devices(copier.__name__):
        yield


def dma_machine() -> Machine:
    machine = Machine(MachineConfig(memory=MEMORY, devices=("copier",)), UnicornEngine)
    image = assemble((Path(__file__).parent / "dma.asm").read_text())
    power_on(machine, boot_image(BootOptions(memory=MEMORY, kernel=InputFile("guest", memoryview(image)))))
    return machine


@pytest.fixture(scope="module")
def expected(_copier: None) -> list[Digest]:
    return digests_at(dma_machine, MARKS)


def test_the_guest_is_busy_to_the_end(expected: list[Digest]) -> None:
    with running(dma_machine) as machine:
        assert run_to(machine, MARKS[2]) == expected[2]
        assert machine.ending is None
        run_to(machine, 2 * END)
        assert machine.ending is not None


def test_slices_and_steps_do_not_show(expected: list[Digest]) -> None:
    rng = random.Random(3)
    with running(dma_machine) as machine:
        assert [run_in_slices(machine, t, lambda: rng.choice((1, 90, 7000, 90000))) for t in MARKS] == expected
    with running(dma_machine) as machine:
        assert [step_often(machine, tick, 20_000, 20, rng) for tick in MARKS] == expected


@pytest.mark.parametrize("physical", [False, True])
def test_watched_memory_changes_where_the_device_says_and_nothing_else_does(
    physical: bool, expected: list[Digest]
) -> None:
    """Each hit of the device is checked against what was in memory at the stop before and what is there now."""
    with running(dma_machine) as machine:
        engine = machine.engine
        engine.set_watchpoints([Watchpoint(7, BUFFER, BUFFER_SIZE, frozenset({Access.WRITE}), physical)])
        shadow = bytearray(engine.ram)
        devices = 0
        while machine.clock < MARKS[0]:
            outcome = go_on(machine, MARKS[0])
            if isinstance(outcome, LimitReached):
                break
            assert isinstance(outcome, WatchpointHit)
            for hit in outcome.hits:
                assert shadow[hit.physical : hit.physical + len(hit.old)] == hit.old
                assert hit.device in ("", "copier")
                devices += bool(hit.device)
                assert not hit.device or (hit.request.startswith("copy of") and hit.linear == hit.physical)
            _follow(shadow, outcome.hits, engine.ram)
        assert devices > 80
        assert digest(machine) == expected[0]


def _follow(shadow: bytearray, hits: tuple[WatchHit, ...], ram: memoryview) -> None:
    for hit in hits:
        touched = slice(hit.physical, hit.physical + hit.size)
        shadow[touched] = ram[touched]
    assert shadow[BUFFER : BUFFER + BUFFER_SIZE] == ram[BUFFER : BUFFER + BUFFER_SIZE]


def test_reads_of_a_device_are_seen_as_reads(expected: list[Digest]) -> None:
    with running(dma_machine) as machine:
        machine.engine.set_watchpoints([Watchpoint(1, 0x7C00, 512, frozenset({Access.READ}), physical=True)])
        seen = []
        while isinstance(outcome := go_on(machine, MARKS[0]), WatchpointHit):
            seen += [(hit.size, hit.device) for hit in outcome.hits if hit.device]
        assert len(seen) > 80
        assert set(seen) == {(8, "copier")}
        assert digest(machine) == expected[0]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    script=actions(st.integers(0x7C00, 0x7DFF) | st.integers(ROUTINE, ROUTINE + 16), 0, END // 10),
    watched=st.integers(BUFFER, BUFFER + BUFFER_SIZE),
    size=st.sampled_from([1, 8, 4096, 70_000]),
    physical=st.booleans(),
)
def test_no_debugger_script_shows(
    script: list[Action], watched: int, size: int, physical: bool, expected: list[Digest]
) -> None:
    watch = Watch(watched, size, near_stack=False, physical=physical, accesses=frozenset(Access))
    with running(dma_machine) as machine:
        debugged_to(machine, MARKS[1], [watch, *script])
        assert digest(machine) == expected[1]


def test_dma_outside_of_deadlines_is_a_fault_of_the_device() -> None:
    with running(dma_machine) as machine, pytest.raises(AssertionError, match="outside of deadlines"):
        machine.pc.bus_masters.port("copier").read(0, 1)


def test_a_look_at_memory_is_seen_by_no_watchpoint(expected: list[Digest]) -> None:
    with running(dma_machine) as machine:
        machine.engine.set_watchpoints([Watchpoint(1, 0x7C00, 512, frozenset(Access), physical=True)])
        port = machine.pc.bus_masters.port("copier")
        assert port.look(0x7C00, 16) == bytes(machine.engine.ram[0x7C00:0x7C10])
        assert port.look((1 << 64) - 1, 4) == b"\xff" * 4
        assert machine.pc.bus_masters.take_hits() == ()
        machine.engine.set_watchpoints([])
        go_on(machine, MARKS[0])
        assert digest(machine) == expected[0]


def test_what_is_no_memory_reads_as_ones_and_takes_nothing() -> None:
    with running(dma_machine) as machine:
        machine.pc.memory_map.add_rom(Physical(0xFFFF_F000), bytes(range(256)) * 16)
        port = machine.pc.bus_masters.port("copier")
        before = bytes(machine.engine.ram)
        machine.pc.bus_masters.in_deadline = True
        for start in (MEMORY - 2, MEMORY, 0xFFFF_EFFE, 0xFFFF_FFFE, (1 << 40) - 1, (1 << 64) - 2, 1 << 64):
            port.write(start, b"\xaa" * PAGE_SIZE)
            read = port.read(start, PAGE_SIZE)
            byte_at = [_byte(start + lane) for lane in range(PAGE_SIZE)]
            assert list(read) == byte_at, hex(start)
        assert machine.engine.ram[:-2] == before[:-2]
        assert port.read(0, 0) == b""


@pytest.mark.parametrize("watched", [False, True])
def test_many_accesses_at_once_are_what_they_are_one_by_one(watched: bool) -> None:
    chance = random.Random(watched)
    starts = (0, 0x7C00, MEMORY - 2, MEMORY, 1 << 40, (1 << 64) - 3, 1 << 64)
    places = [(chance.choice(starts) + chance.randrange(8), chance.choice((0, 1, 7, 5000))) for _ in range(200)]
    pieces = [(address, chance.randbytes(size)) for address, size in places]
    found = []
    for at_once in (True, False):
        with running(dma_machine) as machine:
            masters, port = machine.pc.bus_masters, machine.pc.bus_masters.port("copier")
            masters.in_deadline = True
            if watched:
                machine.engine.set_watchpoints([Watchpoint(1, 0x7C00, 512, frozenset(Access), physical=True)])
            machine.engine.begin_touches()
            if at_once:
                port.scatter(pieces, "it")
                read = port.gather(places, "it")
            else:
                for address, data in pieces:
                    port.write(address, data, "it")
                read = [port.read(address, size, "it") for address, size in places]
            hits = masters.take_hits()
            assert bool(hits) == watched
            found.append((read, hits, machine.engine.end_touches(), bytes(machine.engine.ram)))
    assert found[0] == found[1]


def _byte(address: int) -> int:
    if address < MEMORY:
        return 0xAA
    return address & 0xFF if address in range(0xFFFF_F000, 1 << 32) else 0xFF
