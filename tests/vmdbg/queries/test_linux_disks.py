"""Who asked for what of a disk, held to what the guest's own tracer says of the same requests."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator

import pytest

import vmdbg
from devices.disk.requests import DiskRequest, Operation
from tests.guests.build import require
from tests.linux_assets import busybox_initrd, cloud_kernel
from vmdbg.os.linux.bios import Bio
from vmdbg.os.seam import CurrentTask
from vmdbg.queries import queries
from vmdbg.queries.disk import SHORT_LEAD, DiskQuery, DiskScan, _Asked
from vmdbg.queries.rows import DiskRow
from vmdbg.units import Linear

pytestmark = pytest.mark.timeout(600)
SCRIPT = b"""#!/bin/sh
mount -t ext4 /dev/nvme0n1 /tmp
mkdir /trace
mount -t tracefs tracefs /trace
cd /trace
echo 1 > events/block/block_bio_queue/enable
echo 1 > tracing_on
cat /tmp/directory/large > /dev/null
cat /tmp/note
cp /tmp/note /tmp/directory/copy
sync
dd if=/dev/nvme0n1 of=/dev/null bs=64k count=2 skip=100 iflag=direct 2> /dev/null
echo 0 > tracing_on
echo DONE
grep block_bio_queue trace
poweroff -f
"""
QUEUED = re.compile(r"^\s*(.{1,16})-(\d+)\s+\[\d+\].*: block_bio_queue: \S+ (\w+) (\d+) \+ (\d+) \[", re.MULTILINE)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vmdbg.Guest]:
    directory = tmp_path_factory.mktemp("disk")
    (directory / "tree" / "directory").mkdir(parents=True)
    (directory / "tree" / "directory" / "large").write_bytes(random.Random(1).randbytes(300_000))
    (directory / "tree" / "note").write_text("a note\n")
    image = directory / "disk.img"
    command = [require("mke2fs"), "-q", "-t", "ext4", "-d", str(directory / "tree"), str(image), "16M"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    initrd = busybox_initrd({"autorun": SCRIPT})
    with vmdbg.launch(cloud_kernel(), initrd=initrd, disks=[f"{image},bus=nvme"], append="quiet") as made:
        made.run()
        yield made


@pytest.fixture(scope="module")
def rows(guest: vmdbg.Guest) -> list[DiskRow]:
    return guest.queries.disk_requests()


def test_each_request_has_those_who_asked_for_it(guest: vmdbg.Guest, rows: list[DiskRow]) -> None:
    said = guest.timeline.console.port(0).text.decode()
    events = [
        (name.strip(), int(pid), kind.startswith("R"), int(sector), int(sector) + int(count))
        for name, pid, kind, sector, count in QUEUED.findall(said.replace("\r", ""))
    ]
    assert len(events) > 20
    for name, pid, reads, first, end in events:
        covering = [row for row in rows if row.sector < end and first < row.sector + row.count]
        covering = [row for row in covering if (row.operation is Operation.READ) == reads]
        assert any(name in row.task.split(", ") and row.pid in (pid, None) for row in covering), (name, first)
    asked = [row for row in rows if row.operation is not Operation.FLUSH]
    assert all(row.task for row in asked)


def test_requests_for_data_of_files_name_them(rows: list[DiskRow]) -> None:
    files = {(row.task, row.operation, row.file) for row in rows}
    assert ("cat", Operation.READ, "/tmp/directory/large") in files
    assert ("cat", Operation.READ, "/tmp/note") in files
    written = {row.file for row in rows if row.operation is Operation.WRITE and row.file.startswith("/")}
    assert written == {"/tmp/directory/copy"}
    assert {row.file for row in rows if row.task.startswith("jbd2")} == {"(block device)"}
    assert {row.file for row in rows if row.task == "dd"} == {""}, "what goes past the page cache is of no file"


@pytest.mark.parametrize("lead", [SHORT_LEAD, 1])
def test_a_sector_has_the_rows_that_it_has_among_all(
    guest: vmdbg.Guest, rows: list[DiskRow], lead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "SHORT_LEAD", lead)
    named = [row for row in rows if row.task]
    for asked_for in random.Random(lead).sample(named, 2):
        sector = asked_for.sector + asked_for.count - 1
        expected = [row for row in rows if row.sector <= sector < row.sector + row.count]
        assert guest.queries.using(workers=1).disk_requests(sector=sector) == expected


def test_the_prompt_says_who(guest: vmdbg.Guest, rows: list[DiskRow]) -> None:
    row = next(row for row in rows if row.file == "/tmp/note")
    shown = guest.execute(f"query disk --sector {row.sector}")
    assert re.search(rf"disk0 +read .* cat +{row.pid} +/tmp/note", shown)


def test_other_questions_say_who_too(guest: vmdbg.Guest) -> None:
    shown = guest.execute("query ports 0x3f8 --count-by task")
    assert re.search(r" (echo|autorun)$", shown, re.MULTILINE), shown


def scan_of(guest: vmdbg.Guest) -> DiskScan:
    found = DiskQuery().begin(guest.timeline)
    guest.debugger.machine.media.listeners.remove(found._on_request)
    return found


def asked(name: str, disk: str, sector: int, count: int, *, reads: bool = True, tick: int = 5) -> _Asked:
    return _Asked(Bio(disk, sector, count, reads, ""), CurrentTask(Linear(1), 1, 1, name), tick, count)


def test_where_it_is_not_sure_nobody_is_named(guest: vmdbg.Guest) -> None:
    scan = scan_of(guest)
    scan._pending = [
        asked("other", "nvme1n1", 100, 8),
        asked("late", "nvme0n1", 100, 8, tick=50),
        asked("writer", "nvme0n1", 100, 8, reads=False),
        asked("virtio", "vda", 100, 8),
        asked("mine", "nvme0n1", 104, 8),
    ]
    both = DiskRequest("disk0", Operation.READ, 100, 8, 10, 20)
    assert scan._asked_for(both) == [], "two disks could be it"
    alone = DiskRequest("disk0", Operation.READ, 110, 2, 10, 20)
    assert [one.task.name for one in scan._asked_for(alone)] == ["mine"]
    assert [one.task.name for one in scan._asked_for(both)] == ["mine"], "which disk it is is known now"
    assert [one.left for one in scan._pending if one.task.name == "mine"] == [2]
    scan._asked_for(DiskRequest("disk0", Operation.READ, 108, 2, 10, 20))
    assert all(one.task.name != "mine" for one in scan._pending), "all of it has been moved"
    write = DiskRequest("disk0", Operation.WRITE, 104, 2, 10, 20)
    assert [one.task.name for one in scan._asked_for(write)] == ["writer"]
    assert scan._asked_for(DiskRequest("disk0", Operation.FLUSH, 0, 0, 10, 20)) == []
