"""A disk with a file system that is used by what is typed: every replay is the same, and so is every image of it."""

from __future__ import annotations

import json
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import vmdbg
from tests.guests.small_disk import DEVICE, ext4_disk, launched, qcow2_chain, typed
from tests.linux_assets import PROMPT, busybox_initrd, cloud_kernel
from tests.vmdbg.cli.vmdbg_process import errors
from tests.vmdbg.cli.vmdbg_process import vmdbg as run_vmdbg
from tests.vmdbg.gdb.guests import GDBS, gdb_program
from vmdbg.api import Guest
from vmdbg.images.raw import RawImage
from vmdbg.machine.digest import Digest
from vmdbg.machine.snapshot import Position

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LINES = (
    f"mkdir -p /mnt && mount -t ext4 {DEVICE} /mnt",
    "seq 20000 > /mnt/numbers; sync; md5sum /mnt/numbers",
    "echo 3 > /proc/sys/vm/drop_caches; md5sum /mnt/numbers",
    "for i in 1 2 3 4 5 6; do dd if=/mnt/numbers of=/mnt/$i bs=1000 count=$i 2>/dev/null; rm -f /mnt/$((i - 3)); done",
    "umount /mnt",
)
REPLAYS = 10

Mark = tuple[Position, Digest]


@dataclass(frozen=True, slots=True)
class Recorded:
    path: Path
    disk: Path
    marks: tuple[Mark, ...]
    """After each of LINES."""


def marks(guest: Guest) -> tuple[Mark, ...]:
    guest.expect(PROMPT)
    found = []
    for line in LINES:
        typed(guest, [line])
        found.append((guest.position, guest.digest()))
    return tuple(found)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    directory = tmp_path_factory.mktemp("used")
    disk = ext4_disk(directory / "disk.img")
    with launched(disk, record=directory / "used.vmdbg") as guest:
        return Recorded(directory / "used.vmdbg", disk, marks(guest))


def test_it_is_the_same_in_another_process_ten_times_of_ten(recorded: Recorded) -> None:
    _, expected = recorded.marks[-1]
    for _ in range(REPLAYS):
        done = run_vmdbg("replay", str(recorded.path), "--quiet", "--verify", "--digest", "-")
        assert done.returncode == 0, errors(done)
        assert "digests agree" in errors(done)
        found = json.loads(done.stdout)
        assert (found["ticks"], found["cpu"], found["ram"], found["devices"]) == (
            expected.ticks,
            expected.cpu,
            expected.ram,
            expected.devices,
        )


def test_it_does_not_matter_what_the_image_is(recorded: Recorded, tmp_path: Path) -> None:
    with launched(qcow2_chain(recorded.disk, tmp_path)) as guest:
        assert marks(guest) == recorded.marks
    with vmdbg.open_recording(recorded.path, left_out=[recorded.disk]) as guest:
        for position, expected in recorded.marks:
            guest.seek(position)
            assert guest.digest() == expected


def test_a_recording_without_what_was_read_is_replayed_from_any_image_of_the_same_disk(
    recorded: Recorded, tmp_path: Path
) -> None:
    bare, packed = tmp_path / "bare.vmdbg", tmp_path / "packed.qcow2"
    with launched(recorded.disk, record=bare, embed=False) as guest:
        assert marks(guest) == recorded.marks
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", recorded.disk, packed], check=True)
    with vmdbg.open_recording(bare, left_out=[cloud_kernel(), busybox_initrd(), packed]) as guest:
        for position, expected in reversed(recorded.marks):
            guest.seek(position)
            assert guest.digest() == expected
    (tmp_path / "other.img").write_bytes(recorded.disk.read_bytes()[:-1] + b"x")
    with pytest.raises(vmdbg.UserError, match="changed since"):
        vmdbg.open_recording(bare, left_out=[cloud_kernel(), busybox_initrd(), tmp_path / "other.img"])


def test_it_does_not_matter_how_fast_the_host_s_disk_is(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    read = RawImage.read

    def slowly(image: RawImage, offset: int, length: int) -> bytes:
        time.sleep(0.02)
        return read(image, offset, length)

    monkeypatch.setattr(RawImage, "read", slowly)
    with launched(recorded.disk) as guest:
        assert marks(guest) == recorded.marks


GDB_SCRIPT = """set pagination off
set confirm off
target remote {address}
python exec(gdb.execute("monitor gdb-helper", to_string=True))
monitor tbreak ext4_fill_super
continue
monitor tbreak submit_bio
continue
backtrace
nexti 40
stepi 40
watch *(int *) ($rsp - 64)
continue
continue
delete
reverse-stepi
monitor tbreak nvme_irq
continue
reverse-continue
detach
"""


def test_gdb_does_not_matter(recorded: Recorded, tmp_path: Path) -> None:
    with vmdbg.open_recording(recorded.path) as guest:
        guest.seek(recorded.marks[0][0].tick - 1_000_000_000)
        with guest.serve_gdb() as served:
            script = tmp_path / "script"
            script.write_text(GDB_SCRIPT.format(address=served.address))
            command = [*gdb_program(GDBS[0]), "-q", "-batch", "-nx", "-x", str(script)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "submit_bio ()" in done.stdout
        for position, expected in recorded.marks:
            guest.seek(position)
            assert guest.digest() == expected


@pytest.mark.parametrize("seed", range(4))
def test_steps_watchpoints_slices_and_checkpoints_do_not_matter(recorded: Recorded, seed: int) -> None:
    chance = random.Random(seed)
    first, last = recorded.marks[0][0].tick - 800_000_000, recorded.marks[-1][0].tick
    with vmdbg.open_recording(recorded.path) as guest:
        for _ in range(12):
            guest.seek(chance.randrange(first, last))
            _debug(guest, chance)
            if chance.random() < 0.3:
                guest.timeline.take_checkpoint()
            position, expected = chance.choice(recorded.marks)
            while chance.random() < 0.8 and guest.position < position:
                guest.run(chance.choice((1, 1000, 1_000_000, 30_000_000)))
            guest.delete()
            guest.seek(position)
            assert guest.digest() == expected


def _debug(guest: Guest, chance: random.Random) -> None:
    kind = chance.randrange(5)
    if kind == 0:
        guest.step(chance.randrange(1, 300), architectural=chance.random() < 0.5)
    elif kind == 1:
        guest.break_at(chance.choice(("submit_bio", "nvme_irq", "ext4_file_write_iter", "blk_mq_complete_request")))
        guest.run(chance.choice((1_000_000, 50_000_000)))
    elif kind == 2:
        guest.watch(guest.registers.rsp - chance.randrange(64), chance.choice((1, 8)))
        guest.run(1_000_000)
    elif kind == 3:
        guest.reverse_step(chance.randrange(1, 5))
    else:
        guest.execute("catch disk write")
        guest.run(100_000_000)
        guest.execute("uncatch all")
