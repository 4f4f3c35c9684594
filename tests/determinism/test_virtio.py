"""The theorem on a virtio device: rings, data and interrupts come at the same instants whoever looks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.determinism.debugging import Action, Watch, actions, debugged_to
from tests.determinism.machines import digests_at, go_on, run_in_slices, running, step_often
from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.exits import Access, WatchpointHit
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.chipset import Chipset
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.power_on import power_on

MEMORY = 4 << 20
USED, BUFFER, ROUTINE = 0x112000, 0x120000, 0x130800
END = 12_000_000
MARKS = [END * part // 4 for part in range(1, 5)]


def virtio_machine() -> Machine:
    config = MachineConfig(memory=MEMORY, devices=("virtio-rng",), chipset=Chipset.I440FX)
    machine = Machine(config, UnicornEngine)
    image = assemble((Path(__file__).parent / "virtio.asm").read_text())
    power_on(machine, boot_image(BootOptions(memory=MEMORY, kernel=InputFile("guest", memoryview(image)))))
    return machine


@pytest.fixture(scope="module")
def expected() -> list[Digest]:
    return digests_at(virtio_machine, MARKS)


def test_the_guest_is_busy_to_the_end(expected: list[Digest]) -> None:
    assert len(set(map(str, expected))) == len(MARKS)
    with running(virtio_machine) as machine:
        go_on(machine, MARKS[0])
        before = int.from_bytes(machine.engine.ram[USED + 2 : USED + 4], "little")
        go_on(machine, END)
        assert int.from_bytes(machine.engine.ram[USED + 2 : USED + 4], "little") > before + 100
        assert machine.ending is None
        assert any(machine.engine.ram[BUFFER : BUFFER + 0x10000])


def test_slices_and_steps_do_not_show(expected: list[Digest]) -> None:
    rng = random.Random(5)
    with running(virtio_machine) as machine:
        assert [run_in_slices(machine, t, lambda: rng.choice((1, 90, 7000, 90000))) for t in MARKS] == expected
    with running(virtio_machine) as machine:
        assert [step_often(machine, tick, 20_000, 20, rng) for tick in MARKS] == expected


def test_the_device_is_seen_to_write_its_ring_and_its_data(expected: list[Digest]) -> None:
    with running(virtio_machine) as machine:
        machine.engine.set_watchpoints([Watchpoint(1, USED, 0x11000, frozenset({Access.WRITE}), physical=True)])
        said = set()
        while isinstance(outcome := go_on(machine, MARKS[0]), WatchpointHit):
            said |= {hit.request for hit in outcome.hits if hit.device == "virtio-rng"}
        assert said == {"used ring", "random numbers"}
        assert digest(machine) == expected[0]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    script=actions(st.integers(0x100020, 0x100200) | st.integers(ROUTINE, ROUTINE + 4), 0, END // 10),
    watched=st.integers(USED, ROUTINE),
    size=st.sampled_from([1, 8, 4096, 70_000]),
    physical=st.booleans(),
)
def test_no_debugger_script_shows(
    script: list[Action], watched: int, size: int, physical: bool, expected: list[Digest]
) -> None:
    watch = Watch(watched, size, near_stack=False, physical=physical, accesses=frozenset(Access))
    with running(virtio_machine) as machine:
        debugged_to(machine, MARKS[1], [watch, *script])
        assert digest(machine) == expected[1]
