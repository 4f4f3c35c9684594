"""Boots a Multiboot kernel by GRUB in QEMU: another loader judges what ours tells kernels."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.guests.build import require

MODULES = Path("/usr/lib/grub/i386-pc")
MEMORY_MIB = 16


def boot(kernel: bytes, work: Path, command: str, *, append: str = "", module: bytes | None = None) -> str:
    """What the kernel prints on COM1. `command` is GRUB's: multiboot or multiboot2."""
    disk = _disk(kernel, work, command, append, module)
    qemu = [require("qemu-system-x86_64"), "-m", f"{MEMORY_MIB}", "-drive", f"if=floppy,format=raw,file={disk}"]
    qemu += ["-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot", "-net", "none", "-boot", "a"]
    qemu += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    ran = subprocess.run(qemu, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    return ran.stdout.decode("latin-1")


def is_kernel(kind: str, kernel: bytes, work: Path) -> bool:
    """Whether grub-file finds a header of a kind, as `--is-x86-multiboot2`."""
    path = work / "candidate"
    path.write_bytes(kernel)
    return subprocess.run([require("grub-file"), kind, path], check=False).returncode == 0


def _disk(kernel: bytes, work: Path, command: str, append: str, module: bytes | None) -> Path:
    if not MODULES.is_dir():
        pytest.skip("GRUB's modules for PCs are not here: apt-get install grub-pc-bin")
    more = "module2 (memdisk)/module initrd\n" if module is not None else ""
    (work / "grub.cfg").write_text(f"{command} (memdisk)/kernel {append}\n{more}boot\n")
    with tarfile.open(work / "memdisk.tar", "w") as files:
        for name, data in (("kernel", kernel), ("module", module or b"")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            files.addfile(entry, io.BytesIO(data))
    core = work / "core.img"
    made = ["-O", "i386-pc", "-p", "(memdisk)/", "-c", work / "grub.cfg", "-o", core, "-m", work / "memdisk.tar"]
    subprocess.run([require("grub-mkimage"), *made, "memdisk", "tar", "biosdisk", command], check=True)
    disk = work / "disk.img"
    disk.write_bytes(((MODULES / "boot.img").read_bytes() + core.read_bytes()).ljust(1440 << 10, b"\0"))
    return disk
