"""The theorem where what devices do is caught: stops are exact, the same both ways, and nothing shows them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices.disk.requests import DiskRequest, Operation
from tests.determinism.machines import digests_at, go_on, run_to, running
from tests.determinism.test_disks import disk_machine, unit_of
from tests.determinism.test_floppies import floppy_machine
from tests.devices import messenger
from tests.devices.messenger import Messenger
from tests.devices.workbench import fitted_devices
from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.exits import LimitReached
from vmdbg.engine.stops import Breakpoints, Catches, DiskCatch, MessageCatch
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import DevicesCaught, DiskDone, MessageSent
from vmdbg.machine.power_on import power_on
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.reverse import reverse_search
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick

MEMORY = 4 << 20
DISK_END = 6_000_000
DISK = Catches(devices=(DiskCatch(1, frozenset(map(str, Operation))),))
MESSAGES = Catches(devices=(MessageCatch(2),))
Stop = tuple[Position, object]


@pytest.fixture(autouse=True, scope="module")
def _messenger() -> Iterator[None]:
    with fitted_devices(messenger.__name__):
        yield


def messages_machine() -> Machine:
    machine = Machine(MachineConfig(memory=MEMORY, devices=("messenger",)), UnicornEngine)
    image = assemble((Path(__file__).parent / "messages.asm").read_text())
    power_on(machine, boot_image(BootOptions(memory=MEMORY, kernel=InputFile("guest", memoryview(image)))))
    return machine


def messenger_of(machine: Machine) -> Messenger:
    device = machine.pc.devices["messenger"]
    assert isinstance(device, Messenger)
    return device


def stops_of(machine: Machine, catches: Catches, end: int, slices: Callable[[], int] = lambda: 1 << 60) -> list[Stop]:
    """Where it stops for them, and for what."""
    machine.engine.set_catches(catches)
    found: list[Stop] = []
    while machine.ending is None and machine.clock < end:
        outcome = go_on(machine, min(end, machine.clock + slices()))
        if isinstance(outcome, DevicesCaught):
            found.append((machine.position, outcome.hits))
    machine.engine.set_catches(Catches())
    return found


def test_disk_requests_stop_where_their_data_has_moved() -> None:
    requests: list[DiskRequest] = []
    with running(disk_machine) as machine:
        unit_of(machine).listeners.append(requests.append)
        found = stops_of(machine, DISK, DISK_END)
        assert [position.tick for position, _ in found] == [request.completed for request in requests]
        done = [
            DiskDone(request.unit, request.operation, request.sector, request.count, Tick(request.submitted))
            for request in requests
        ]
        assert [hits for _, hits in found] == [((1, one),) for one in done]
        assert digest(machine) == digests_at(disk_machine, [DISK_END])[0]


def test_only_what_is_asked_for_stops() -> None:
    with running(disk_machine) as machine:
        everything = [event for _, hits in stops_of(machine, DISK, DISK_END) for _, event in hits]
    for operation, first, end in (("read", 0, 1 << 64), ("write", 100, 400), ("read", 500, 501), ("flush", 0, 9)):
        wanted = [
            event
            for event in everything
            if event.operation == operation and event.sector < end and first < event.sector + event.count
        ]
        for drive, expected in (("", wanted), ("disk0", wanted), ("disk1", [])):
            with running(disk_machine) as machine:
                catch = DiskCatch(7, frozenset({operation}), first, end, drive)
                found = stops_of(machine, Catches(devices=(catch,)), DISK_END)
                assert [event for _, hits in found for _, event in hits] == expected


def stepped(machine: Machine, end: int) -> list[Position]:
    """Where the instructions, and the boundaries, end at which messages were sent: an instruction at a time."""
    found, known, device = [], 0, messenger_of(machine)
    while machine.ending is None and machine.clock < end:
        machine.step()
        if len(device.sent) > known:
            found.append(machine.position)
            known = len(device.sent)
    return found


def test_messages_stop_behind_the_instruction_that_had_them_sent() -> None:
    end = 200_000
    with running(messages_machine) as machine:
        expected = stepped(machine, end)
        assert len(expected) > 300
    clean = digests_at(messages_machine, [end])[0]
    rng = random.Random(9)
    for slices in (lambda: 1 << 60, lambda: rng.choice((1, 40, 3000))):
        with running(messages_machine) as machine:
            found = stops_of(machine, MESSAGES, end, slices)
            told = [event for _, hits in found for _, event in hits]
            assert {event.vector for event in told if isinstance(event, MessageSent)} == set(range(0x31, 0x39))
            assert {event.device for event in told if isinstance(event, MessageSent)} == {"messenger"}
            assert len(told) == len(messenger_of(machine).sent)
            assert [position for position, _ in found] == expected
            assert run_to(machine, end) == clean


def test_steps_tell_of_messages_too() -> None:
    with running(messages_machine) as machine:
        expected = stepped(machine, 20_000)
    with running(messages_machine) as machine:
        machine.engine.set_catches(MESSAGES)
        found = []
        while machine.clock < 20_000:
            if isinstance(machine.step(), DevicesCaught):
                found.append(machine.position)
        assert found == expected


def test_a_vector_is_caught_alone_and_breakpoints_stop_besides() -> None:
    with running(messages_machine) as machine:
        everything = stops_of(machine, MESSAGES, 100_000)
    wanted = [
        (position, event) for position, hits in everything for _, event in hits if getattr(event, "vector", 0) == 0x35
    ]
    with running(messages_machine) as machine:
        machine.engine.set_breakpoints(Breakpoints((Linear(0x100021),)))
        found = stops_of(machine, Catches(devices=(MessageCatch(1, frozenset({0x35})),)), 100_000)
        assert [(position, event) for position, hits in found for _, event in hits] == wanted


@pytest.mark.parametrize(
    ("make", "catches", "end"),
    [(disk_machine, DISK, 800_000), (floppy_machine, DISK, 1_200_000), (messages_machine, MESSAGES, 10_000)],
)
def test_the_way_back_stops_where_the_way_forth_did(make: Callable[[], Machine], catches: Catches, end: int) -> None:
    with running(make) as machine:
        expected = stops_of(machine, catches, end)
    timeline = Timeline(make())
    for tick in range(0, end, end // 5):
        timeline.run(Tick(tick))
        timeline.take_checkpoint()
    timeline.run(Tick(end))
    after = digest(timeline.machine)
    timeline.machine.engine.set_catches(catches)
    found: list[Position] = []
    while (position := reverse_search(timeline, lambda outcome: isinstance(outcome, DevicesCaught))) is not None:
        assert timeline.position == position
        found.append(position)
    assert found[::-1] == [position for position, _ in expected]
    forth: list[Stop] = []
    while timeline.position.tick < end and not isinstance(outcome := timeline.run(Tick(end)), LimitReached):
        if isinstance(outcome, DevicesCaught):
            forth.append((timeline.position, outcome.hits))
    assert forth == expected
    assert digest(timeline.machine) == after
    timeline.machine.close()
