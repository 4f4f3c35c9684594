"""The theorem where memory of a device is at windows that move under the code that runs there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.determinism.debugging import Action, actions, debugged_to
from tests.determinism.machines import digests_at, run_in_slices, run_to, running, step_often
from tests.devices import banked
from tests.devices.workbench import fitted_devices
from tests.guests.build import assemble
from vmdbg.api import launch, open_recording
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.power_on import power_on
from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick

MEMORY = 4 << 20
IMAGE = (Path(__file__).parent / "banks.asm").read_text()


@pytest.fixture(autouse=True, scope="module")
def _banked() -> Iterator[None]:
    with fitted_devices(banked.__name__):
        yield


def banked_machine() -> Machine:
    machine = Machine(MachineConfig(memory=MEMORY, devices=("banked",)), UnicornEngine)
    image = InputFile("guest", memoryview(assemble(IMAGE)))
    power_on(machine, boot_image(BootOptions(memory=MEMORY, kernel=image)))
    return machine


@pytest.fixture(scope="module")
def end(_banked: None) -> int:
    with running(banked_machine) as machine:
        run_to(machine, 100_000_000)
        return machine.clock


@pytest.fixture(scope="module")
def expected(end: int) -> list[Digest]:
    return digests_at(banked_machine, _marks(end))


def _marks(end: int) -> list[int]:
    return [end * part // 4 for part in range(1, 4)]


def test_what_comes_after_the_window_has_moved_is_what_is_there_now() -> None:
    with launch(assemble(IMAGE), devices=["banked"], memory=MEMORY) as guest:
        guest.run(ticks=100_000_000)
        assert guest.console == "0"


def test_slices_and_steps_do_not_show(end: int, expected: list[Digest]) -> None:
    rng, marks = random.Random(5), _marks(end)
    with running(banked_machine) as machine:
        assert [run_in_slices(machine, t, lambda: rng.choice((1, 9, 700, 9000))) for t in marks] == expected
    with running(banked_machine) as machine:
        assert [step_often(machine, tick, 2_000, 30, rng) for tick in marks] == expected


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_debugger_script_shows(data: st.DataObject, end: int, expected: list[Digest]) -> None:
    code = st.integers(0x7C00, 0x7DFF) | st.integers(0xA0400, 0xA0410) | st.integers(0xA8400, 0xA8410)
    script: list[Action] = data.draw(actions(code, 0, end // 10))
    with running(banked_machine) as machine:
        debugged_to(machine, _marks(end)[1], script)
        assert digest(machine) == expected[1]


def test_it_follows_the_position_and_is_in_recordings(tmp_path: Path, end: int) -> None:
    path, rng = tmp_path / "banks.rec", random.Random(6)
    with launch(assemble(IMAGE), devices=["banked"], memory=MEMORY, record=path) as guest:
        guest.run(ticks=end - 100)
        timeline = guest.debugger.timeline
        known: dict[Position, Digest] = {}
        for number in range(16):
            timeline.seek(Position(Tick(rng.randrange(end - 100))))
            if number % 2:
                timeline.take_checkpoint()
            known[timeline.position] = digest(timeline.machine)
        for position in sorted(known, key=lambda _: rng.random()):
            timeline.seek(position)
            assert digest(timeline.machine) == known[position]
    with open_recording(path) as again:
        for position, wanted in known.items():
            again.seek(position)
            assert digest(again.debugger.machine) == wanted
