"""catch disk and catch msi, as users type them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.determinism.test_disks import Source, disk_origin
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import DeviceStop
from vmdbg.errors import UserError
from vmdbg.machine.outcome import DiskDone
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline


@pytest.fixture
def disk() -> Iterator[Session]:
    """A guest that reads and writes an IDE disk."""
    made = Session(Debugger(Timeline(disk_origin(Source()).machine())), catalog.commands(), allowed=~Effect.NONE)
    yield made
    made.debugger.close()


def caught(session: Session) -> DiskDone:
    stop = session.debugger.last_stop
    assert isinstance(stop, DeviceStop)
    (event,) = stop.events
    assert isinstance(event, DiskDone)
    return event


def test_a_write_stops_and_reverse_comes_back_to_it(disk: Session) -> None:
    disk.run("catch disk write")
    shown = disk.execute("continue")
    first, where = caught(disk), disk.debugger.position
    assert f"caught a write of sector {first.sector}" in shown or f"a write of sectors {first.sector} to" in shown
    assert "of disk0, submitted at tick" in shown
    assert first.operation == "write"
    disk.run("continue")
    assert disk.debugger.position > where
    disk.run("reverse-continue")
    assert (disk.debugger.position, caught(disk)) == (where, first)
    assert "the history starts here" in disk.execute("reverse-continue")
    disk.run("uncatch disk")
    assert disk.debugger.points.catches.devices == ()


def test_sectors_drives_and_conditions_say_which(disk: Session) -> None:
    disk.run("catch disk read --sector 300-500 --drive 0")
    for _ in range(3):
        disk.run("continue")
        event = caught(disk)
        assert event.operation == "read"
        assert event.sector <= 500
        assert event.sector + event.count > 300
    disk.run("uncatch all")
    disk.run("catch disk if $cx < 100")
    disk.run("continue")
    assert disk.registers.read("rcx") & 0xFFFF < 100
    here = disk.debugger.position
    disk.run("catch disk if 1 == 0")
    assert len(disk.debugger.points.catches.devices) == 1, "the last condition is the one that holds"
    disk.run("goto start")
    disk.debugger.timeline.run(here.tick)
    assert not disk.debugger.points.catches_device(1, disk.debugger)


def test_what_is_caught_is_listed(disk: Session) -> None:
    disk.run("catch disk write read --sector 8")
    disk.run("catch disk flush --drive disk0 if $rax == 1")
    shown = disk.execute("catch msi 0x31 50")
    assert "disk: read, write, sector 8 of every drive" in shown
    assert "disk: flush of disk0 if $rax == 1" in shown
    assert "messages: 0x31, 0x32" in shown
    found = json.loads(disk.execute("catch --json"))["devices"]
    assert [one["kind"] for one in found] == ["disk", "disk", "msi"]
    assert found[0]["last"] == 8
    assert "messages: every vector" in disk.execute("catch msi")
    disk.run("uncatch disk --sector 8")
    assert [one["kind"] for one in json.loads(disk.execute("catch --json"))["devices"]] == ["disk", "msi", "msi"]
    disk.run("uncatch msi")
    disk.run("uncatch disk flush")
    assert disk.debugger.points.catches.devices == ()
    assert not disk.debugger.points.catch_conditions


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("catch disk format", "'format' is nothing that is asked of a drive"),
        ("catch disk --sector 9-3", "are no sectors"),
        ("catch disk --drive disk7", "there is no drive 'disk7'.*there are: disk0"),
        ("catch msi 256", "no vector"),
        ("catch msi --sector 3", "for `catch disk`"),
        ("catch cr3 --drive disk0", "for `catch disk`"),
        ("catch cr3 --cpu 0", "for `catch ipi`"),
        ("catch ipi 256", "no vector"),
        ("catch ipi --to 1", "there is no CPU 1"),
        ("catch cr3 if $rip == 1", "conditions are for"),
        ("catch disk if )", "is no expression"),
    ],
)
def test_what_cannot_be_caught(disk: Session, line: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        disk.run(line)
    assert disk.debugger.points.catches.devices == ()


def test_steps_are_not_lost_where_nothing_is_wanted(disk: Session) -> None:
    disk.run("catch disk if 1 == 0")
    disk.run("goto 200000")
    for _ in range(60):
        before = disk.debugger.position
        disk.run("stepi")
        assert disk.debugger.position > before
