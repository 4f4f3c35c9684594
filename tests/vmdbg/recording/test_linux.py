"""A stock Linux kernel, recorded with what is typed, and replayed: also when it is short of memory."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

import vmdbg
from tests.guests.boot_media import config, isolinux_iso
from tests.linux_assets import PROMPT, busybox_initrd, cloud_kernel, cloud_modules
from tests.vmdbg.cli.vmdbg_process import errors
from tests.vmdbg.cli.vmdbg_process import vmdbg as vmdbg_process
from vmdbg.machine.digest import Digest
from vmdbg.machine.snapshot import Position
from vmdbg.recording.blocks import CACHE, Block, Kind, read_payload, scan
from vmdbg.recording.page_ordinals import count_of
from vmdbg.recording.page_records import Archived
from vmdbg.recording.records import decode

TYPED = b"uname -a\necho $((6*7))\nls /proc | wc -l\npoweroff -f\n"
LOG = 64 << 10
MODULES = ("zsmalloc.ko", "lzo.ko", "lzo-rle.ko", "zram.ko")
PRESSURE = f"""#!/bin/sh
for module in {" ".join(MODULES)}; do busybox insmod /$module; done
echo 24M > /sys/block/zram0/disksize
busybox mkswap /dev/zram0 > /dev/null && busybox swapon /dev/zram0
echo 7 > /sys/kernel/mm/lru_gen/enabled
for round in 1 2; do
    seq 330000 | sort -n | tail -n 1
    for process in /proc/[0-9]*; do echo 1 > $process/clear_refs; done 2> /dev/null
done
echo scanned $(awk '/^pgscan_(kswapd|direct) /{{ n += $2 }} END {{ print n }}' /proc/vmstat) swapped \
$(awk '/^pswp(in|out) /{{ n += $2 }} END {{ print n }}' /proc/vmstat)
"""
MEMORY = "76M"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_replays_in_other_processes_are_the_recorded_run(tmp_path: Path) -> None:
    path = tmp_path / "linux"
    first = vmdbg_process("record", path, "--kernel", cloud_kernel(), "--initrd", busybox_initrd(), typed=TYPED)
    assert first.returncode == 0
    assert b"\r\n42\r\n" in first.stdout
    for _ in range(10):
        again = vmdbg_process("replay", path, "--verify")
        assert again.returncode == 0, again.stderr
        assert re.search(r"(\d+) of \1 digests agree", errors(again))
        assert again.stdout == first.stdout
    with path.open("rb") as file:
        blocks = [block for block in scan(file, path.stat().st_size) if isinstance(block, Block)]
    assert sum(block.end - block.offset for block in blocks if block.kind not in {*CACHE, Kind.CONTENT}) < LOG


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_kernel_that_reclaims_pages_comes_to_the_same_from_any_checkpoint(tmp_path: Path) -> None:
    files = {"autorun": PRESSURE.encode(), **cloud_modules(*MODULES)}
    guest_files = {"initrd": busybox_initrd(files), "memory": MEMORY}
    with vmdbg.launch(cloud_kernel(), **guest_files) as undisturbed:  # type: ignore[arg-type]  # what launch() takes
        undisturbed.timeline.keeping.wanted = False
        undisturbed.expect(PROMPT)
        scanned, swapped = map(int, re.findall(r"scanned (\d+) swapped (\d+)", undisturbed.console)[0])
        assert scanned > 500
        assert swapped > 300
        end, expected = undisturbed.position, undisturbed.digest()
    with vmdbg.launch(cloud_kernel(), record=tmp_path / "r", **guest_files) as recorded:  # type: ignore[arg-type]
        recorded.expect(PROMPT)
        assert (recorded.position, recorded.digest()) == (end, expected)
    comes_to_the_same_from_any_checkpoint(tmp_path / "r", end, expected)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_unpacked_from_an_initrd_comes_back_into_memory(packed: bool, tmp_path: Path) -> None:
    """It is in the recording as the initrd alone."""
    initrd = busybox_initrd()
    if packed:
        initrd = tmp_path / "initrd.gz"
        initrd.write_bytes(gzip.compress(busybox_initrd().read_bytes()))
    with vmdbg.launch(cloud_kernel(), initrd=initrd, memory=MEMORY, record=tmp_path / "r") as recorded:
        recorded.expect(PROMPT)
        end, expected = recorded.position, recorded.digest()
    with (tmp_path / "r").open("rb") as file:
        assert Kind.ARCHIVED in {
            one.kind for one in scan(file, (tmp_path / "r").stat().st_size) if isinstance(one, Block)
        }
    comes_to_the_same_from_any_checkpoint(tmp_path / "r", end, expected)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_kernel_that_unpacks_itself_comes_back_into_memory(tmp_path: Path) -> None:
    """It is in the recording as it was read of a disc."""
    menu = config("/boot/kernel", "console=ttyS0 panic=-1")
    disc = tmp_path / "disc.iso"
    isolinux_iso(disc, {"isolinux/isolinux.cfg": menu, "boot/kernel": cloud_kernel().read_bytes()})
    with vmdbg.launch(cdroms=[str(disc)], memory="160M", record=tmp_path / "r") as recorded:
        recorded.expect("Kernel panic", patience=200_000_000_000)
        end, expected = recorded.position, recorded.digest()
    with (tmp_path / "r").open("rb") as file:
        blocks = scan(file, (tmp_path / "r").stat().st_size)
        there = [one for one in blocks if isinstance(one, Block) and one.kind == Kind.ARCHIVED]
        pages = [decode(read_payload(file, one), Archived, "a block") for one in there]
    assert {some.packing for some in pages} == {"KERNEL"}
    assert sum(count_of(some.keys) for some in pages) > 1000
    comes_to_the_same_from_any_checkpoint(tmp_path / "r", end, expected)


def comes_to_the_same_from_any_checkpoint(path: Path, end: Position, expected: Digest) -> None:
    with vmdbg.open_recording(path) as guest:
        checkpoints = list(guest.timeline.checkpoints)
        assert len(checkpoints) > 5
        for checkpoint in checkpoints[:: -max(1, len(checkpoints) // 8)]:
            guest.timeline.checkpoints.drop_after(checkpoint.position)
            guest.timeline.keeping.wanted = False
            guest.timeline.restore(checkpoint)
            guest.seek(end)
            assert guest.digest() == expected
