"""Debian's kernel with its own drivers on a disk and a CD: it reads what is there and what it wrote.

Its recording needs no image.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path

import pytest

from tests.linux_assets import MARKER, busybox_initrd, generic_kernel, generic_modules
from tests.vmdbg.cli.vmdbg_process import errors, vmdbg

MODULES = (
    "scsi_common.ko", "scsi_mod.ko", "libata.ko", "libahci.ko", "ahci.ko", "ata_piix.ko", "crct10dif_common.ko",
    "crc-t10dif.ko", "crc64.ko", "crc64-rocksoft.ko", "t10-pi.ko", "sd_mod.ko", "cdrom.ko", "sr_mod.ko", "isofs.ko",
)  # fmt: skip
"""In the order in which they can be loaded, but for a few, which the second round loads."""
AUTORUN = "".join(f"insmod /lib/{name} 2>/dev/null\n" for name in MODULES)
SCRIPT = f"""#!/bin/sh
{AUTORUN}{AUTORUN}
md5sum /dev/sda
dd if=/dev/sda of=/dev/sda bs=4k count=100 skip=200 seek=10 conv=notrunc 2>/dev/null
sync
echo 3 > /proc/sys/vm/drop_caches
md5sum /dev/sda
mount -t iso9660 /dev/sr0 /tmp && cat /tmp/file
poweroff -f
"""
SIZE = 4 << 20
PAGE = 4096

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("bus", ["ide", "ahci"])
def test_linux_reads_and_writes_and_every_replay_is_the_same(tmp_path: Path, bus: str) -> None:
    disk, cd, recording = tmp_path / "disk.img", tmp_path / "cd.iso", tmp_path / "boot.vmdbg"
    content = random.Random(bus).randbytes(SIZE)
    disk.write_bytes(content)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("hello from the CD\n")
    make = ["xorriso", "-as", "mkisofs", "-quiet", "-o", cd, tmp_path / "tree"]
    subprocess.run(make, check=True, capture_output=True)
    files = {f"lib/{name}": data for name, data in generic_modules(*MODULES).items()} | {"autorun": SCRIPT.encode()}
    done = vmdbg(
        "record", str(recording), "--kernel", str(generic_kernel()), "--initrd", str(busybox_initrd(files)),
        "--disk", f"{disk},bus={bus}", "--cdrom", f"{cd},bus={bus}",
    )  # fmt: skip
    assert done.returncode == 0, errors(done)
    assert disk.read_bytes() == content
    changed = bytearray(content)
    changed[10 * PAGE : 110 * PAGE] = content[200 * PAGE : 300 * PAGE]
    for expected in (content, changed):
        assert hashlib.md5(expected).hexdigest().encode() in done.stdout
    assert MARKER.encode() in done.stdout
    assert b"hello from the CD" in done.stdout
    disk.unlink()
    cd.unlink()
    again = vmdbg("replay", str(recording), "--verify")
    assert again.returncode == 0, errors(again)
    assert "digests agree" in errors(again)
    then = tmp_path / "then.img"
    vmdbg("replay", str(recording), "-x", "goto end", "-x", f"disk export {then}")
    assert then.read_bytes() == changed


FLOPPY_SCRIPT = """#!/bin/sh
insmod /lib/floppy.ko
md5sum /dev/fd0
dd if=/dev/fd0 of=/dev/fd0 bs=4k count=100 skip=200 seek=10 conv=notrunc 2>/dev/null
sync
echo 3 > /proc/sys/vm/drop_caches
md5sum /dev/fd0 /dev/fd1
echo x > /dev/fd1 || echo cannot write
poweroff -f
"""


def test_linux_reads_and_writes_floppy_disks(tmp_path: Path) -> None:
    first, second, recording = tmp_path / "a.img", tmp_path / "b.img", tmp_path / "boot.vmdbg"
    contents = [random.Random(size).randbytes(size << 10) for size in (1440, 720)]
    for path, content in zip((first, second), contents, strict=True):
        path.write_bytes(content)
    files = {f"lib/{name}": data for name, data in generic_modules("floppy.ko").items()}
    files["autorun"] = FLOPPY_SCRIPT.encode()
    done = vmdbg(
        "record", str(recording), "--kernel", str(generic_kernel()), "--initrd", str(busybox_initrd(files)),
        "--floppy", str(first), "--floppy", f"{second},readonly=on",
    )  # fmt: skip
    assert done.returncode == 0, errors(done)
    changed = bytearray(contents[0])
    changed[10 * PAGE : 110 * PAGE] = contents[0][200 * PAGE : 300 * PAGE]
    for expected in (*contents, changed):
        assert hashlib.md5(expected).hexdigest().encode() in done.stdout
    assert b"cannot write" in done.stdout
    assert b"I/O error" not in done.stdout
    first.unlink()
    second.unlink()
    again = vmdbg("replay", str(recording), "--verify")
    assert again.returncode == 0, errors(again)
    assert "digests agree" in errors(again)
