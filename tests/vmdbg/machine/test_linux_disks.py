"""Debian's kernel with its own drivers on a disk at virtio and at NVMe: what it reads, what it writes, and again."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import PROMPT, busybox_initrd, cloud_kernel, cloud_modules

SIZE = 4 << 20
VIRTIO = ("virtio_ring.ko", "virtio.ko", "virtio_pci_modern_dev.ko", "virtio_pci_legacy_dev.ko", "virtio_pci.ko",
          "virtio_blk.ko")  # fmt: skip
USE = """
md5sum {disk}
seq 1 20000 | dd of={disk} bs=4k seek=100 iflag=fullblock conv=notrunc 2> /dev/null
sync
echo 3 > /proc/sys/vm/drop_caches
md5sum {disk}
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("bus", "disk", "modules"),
    [("virtio", "/dev/vda", VIRTIO), pytest.param("nvme", "/dev/nvme0n1", (), marks=pytest.mark.slow)],
)
def test_linux_reads_and_writes_a_disk_and_a_replay_does_the_same(
    bus: str, disk: str, modules: tuple[str, ...], tmp_path: Path
) -> None:
    before = random.Random(bus).randbytes(SIZE)
    image = tmp_path / "disk.img"
    image.write_bytes(before)
    script = "#!/bin/sh\n" + "".join(f"busybox insmod /{module}\n" for module in modules) + USE.format(disk=disk)
    initrd = busybox_initrd({"autorun": script.encode(), **cloud_modules(*modules)})
    recording = tmp_path / "recording"
    with vmdbg.launch(cloud_kernel(), initrd=initrd, disks=(f"{image},bus={bus}",), record=recording) as guest:
        guest.expect(PROMPT)
        written = "".join(f"{number}\n" for number in range(1, 20001)).encode()
        after = before[:409600] + written + before[409600 + len(written) :]
        for content in (before, after):
            assert f"{hashlib.md5(content).hexdigest()}  {disk}" in guest.console
        end, expected, middle = guest.position, guest.digest(), guest.tick - 300_000_000
    assert image.read_bytes() == before, "the image is never written"
    image.unlink()
    with vmdbg.open_recording(recording) as guest:
        guest.seek(end)
        assert guest.digest() == expected
        guest.seek(middle)
        guest.seek(end)
        assert guest.digest() == expected
