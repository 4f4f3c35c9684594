"""snapshot=off: the image has what the guest has written, at every instant, and the machine cannot tell."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.disk.requests import DiskRequest
from tests.determinism.test_disks import CONTENT, END, MARKS, SECTORS
from tests.guests.build import assemble
from tests.vmdbg.cli.vmdbg_process import errors, vmdbg
from vmdbg.api import Guest, launch
from vmdbg.errors import UserError
from vmdbg.images.opening import open_image
from vmdbg.units import Tick

GUEST = Path(__file__).parents[2] / "determinism" / "disk.asm"


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guest") / "guest.bin"
    path.write_bytes(assemble(GUEST.read_text()))
    return path


@pytest.fixture(params=["raw", "qcow2", "backed"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """As --disk has it."""
    raw, path = tmp_path / "disk.img", tmp_path / "disk.qcow2"
    raw.write_bytes(CONTENT)
    if request.param == "raw":
        return str(raw)
    if request.param == "qcow2":
        subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", raw, path], check=True)
        return str(path)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", path], check=True)
    return f"{path},backing={raw}"


def made(guest: Path, image: str) -> Guest:
    return launch(guest, disks=[f"{image},snapshot=off"], memory="2M")


def to(there: Guest, tick: int) -> None:
    there.timeline.run(Tick(tick))


def on_disk(there: Guest) -> bytes:
    data: bytes = there.debugger.machine.pc.devices["disk0"].read(0, SECTORS)
    return data


def in_image(there: Guest) -> bytes:
    (medium,) = there.debugger.machine.media
    return medium.image.read(0, SECTORS)


def in_file(image: str) -> bytes:
    path, *backing = image.split(",backing=")
    opened = open_image(path, backing=backing)
    try:
        return opened.read(0, opened.size)
    finally:
        opened.close()


def test_the_image_follows(guest: Path, image: str) -> None:
    digests = []
    with launch(guest, disks=[image], memory="2M") as there:
        for mark in MARKS:
            to(there, mark)
            digests.append(there.digest())
    with made(guest, image) as there:
        for mark, digest in zip(MARKS, digests, strict=True):
            to(there, mark)
            assert there.digest() == digest
            assert in_image(there) == on_disk(there)
        end = on_disk(there)
        assert end != CONTENT
    assert in_file(image) == end


def test_the_past_leaves_the_image_alone_and_a_fork_takes_it_back(guest: Path, image: str) -> None:
    with made(guest, image) as there:
        to(there, MARKS[2])
        end, digest = on_disk(there), there.digest()
        there.seek(MARKS[0])
        then = on_disk(there)
        assert then != end
        assert in_image(there) == end
        to(there, MARKS[1])
        assert in_image(there) == end
        with pytest.raises(UserError, match="`fork` takes it back to this instant"):
            there.execute("disk commit")
        there.seek(MARKS[2])
        assert there.digest() == digest
        assert in_image(there) == end
        there.seek(MARKS[0])
        assert "are again what they were here" in there.execute("fork")
        assert in_image(there) == then
        to(there, MARKS[2])
        assert there.digest() == digest
        assert in_image(there) == end
    assert in_file(image) == end


def test_what_a_fork_did_to_an_image_is_said(guest: Path, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(CONTENT)
    with made(guest, str(path)) as there:
        to(there, MARKS[1])
        there.seek(MARKS[0])
        assert "bytes of disk.img are again what they were here" in there.execute("fork")
        (taken,) = (there.seek(0), there.fork())[1]
        assert (taken.disk, taken.medium) == ("disk0", "disk.img")
        assert taken.size > 0
    assert path.read_bytes() == CONTENT


def test_where_the_host_has_no_room_the_past_is_kept_in_memory(
    guest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    test_the_past_leaves_the_image_alone_and_a_fork_takes_it_back(guest, _raw(tmp_path))


def _raw(folder: Path) -> str:
    path = folder / "disk.img"
    path.write_bytes(CONTENT)
    return str(path)


def test_questions_to_the_past_by_several_processes_write_nothing(guest: Path, tmp_path: Path) -> None:
    with made(guest, _raw(tmp_path)) as there:
        for mark in range(MARKS[2] // 8, MARKS[2] + 1, MARKS[2] // 8):
            to(there, mark)
            there.timeline.take_checkpoint()
        end = in_image(there)
        assert "write" in there.execute("query disk")
        assert in_image(there) == end


def contents(guest: Path) -> Iterator[bytes]:
    """Of the disk after each request."""
    found = [CONTENT]

    def note(request: DiskRequest) -> None:
        if request.operation == "write":
            found.append(there.debugger.machine.pc.devices["disk0"].read(0, SECTORS))

    path = guest.with_name("plain.img")
    path.write_bytes(CONTENT)
    with launch(guest, disks=[path], memory="2M") as there:
        there.debugger.machine.media.listeners.append(note)
        there.run(3 * END)
    yield from found


KILLED = """
import os, signal, sys
from vmdbg.api import launch
with launch(sys.argv[1], disks=[sys.argv[2]], memory="2M") as guest:
    left = int(sys.argv[3])
    def note(request):
        global left
        left -= request.operation == "write"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    guest.debugger.machine.media.listeners.append(note)
    guest.run(100_000_000)
"""


@pytest.mark.parametrize("image", ["raw", "backed"], indirect=True)
def test_a_process_that_is_killed_has_written_what_the_guest_had(guest: Path, image: str) -> None:
    after = list(contents(guest))
    arguments = [sys.executable, "-c", KILLED, guest, f"{image},snapshot=off", len(after) // 2]
    done = subprocess.run(list(map(str, arguments)), check=False)
    assert done.returncode == -9
    assert in_file(image) == after[len(after) // 2]
    if ".qcow2" in image:
        checked = subprocess.run(["qemu-img", "check", image.split(",")[0]], capture_output=True, check=False)
        assert checked.returncode in (0, 3), checked.stdout


@pytest.mark.parametrize("image", ["qcow2"], indirect=True)
def test_a_run_says_what_its_image_has(guest: Path, image: str) -> None:
    done = vmdbg("run", str(guest), "--memory", "2M", "--disk", f"{image},snapshot=off", "--stop-at", str(MARKS[1]))
    assert done.returncode == 0, errors(done)
    assert "bytes written to disk." in errors(done)
    whole, raw = in_file(image), Path(image).with_name("disk.img")
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
    options = ["--memory", "2M", "--disk", f"{image},snapshot=off"]
    done = vmdbg("run", str(guest), *options, "-x", f"goto {MARKS[1]}", "-x", f"goto {MARKS[0]}")
    assert "as it was at the end of the history, not here at tick" in errors(done)
    assert in_file(image) == whole


def test_commit_into_an_image_now_and_then(guest: Path, image: str) -> None:
    with launch(guest, disks=[image], memory="2M") as there:
        to(there, MARKS[2])
        assert "bytes written to its image" in there.execute("disk commit")
        assert in_image(there) == on_disk(there)
        there.seek(MARKS[0])
        then = on_disk(there)
        there.execute("disk commit")
        assert in_image(there) == then
    assert in_file(image) == then
