"""Discs and disks as people make them: ISO images by xorriso with isolinux, floppy disks by syslinux."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.guests.build import require

ISOLINUX = Path("/usr/lib/ISOLINUX")
MODULES = Path("/usr/lib/syslinux/modules/bios")
CONFIG = """SERIAL 0 115200
DEFAULT guest
PROMPT 0
LABEL guest
  KERNEL {kernel}
  APPEND {append}
"""


def config(kernel: str, append: str) -> bytes:
    """Of syslinux and isolinux."""
    return CONFIG.format(kernel=kernel, append=append).encode()


def installed(directory: Path, package: str) -> Path:
    """Skips the test where the package is not."""
    if not directory.exists():
        pytest.skip(f"{directory} is not there (on Debian: apt-get install {package})")
    return directory


def isolinux_iso(path: Path, files: Mapping[str, bytes], modules: tuple[str, ...] = (), efi: bytes = b"") -> None:
    """A hybrid ISO image that isolinux boots with isolinux.cfg of `files`, from a CD or a disk.

    With `efi`, the image of a FAT file system, UEFI boots that.
    """
    tree = path.with_suffix(".tree")
    loader, parts = installed(ISOLINUX, "isolinux"), installed(MODULES, "syslinux-common")
    sources = {name: parts / name for name in ("ldlinux.c32", *modules)} | {"isolinux.bin": loader / "isolinux.bin"}
    for name, source in sources.items():
        _put(tree / "isolinux" / name, source.read_bytes())
    for name, data in files.items():
        _put(tree / name, data)
    boot = ("-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4")
    uefi: tuple[str, ...] = ()
    if efi:
        _put(tree / "efi.img", efi)
        uefi = ("-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot")
    make_iso(path, tree, *boot, "-boot-info-table", "-isohybrid-mbr", str(loader / "isohdpfx.bin"), *uefi)


def floppy_iso(path: Path, floppy: bytes) -> None:
    """An ISO image with El Torito's emulation of a floppy disk."""
    tree = path.with_suffix(".tree")
    _put(tree / "floppy.img", floppy)
    make_iso(path, tree, "-b", "floppy.img", "-c", "boot.cat")


def make_iso(path: Path, tree: Path, *options: str) -> None:
    command = [require("xorriso"), "-as", "mkisofs", "-quiet", "-J", "-R", *options, "-o", str(path), str(tree)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def syslinux_floppy(path: Path, files: Mapping[str, bytes], modules: tuple[str, ...] = (), size: int = 1440) -> None:
    """A FAT floppy disk of so many KiB with syslinux on it."""
    parts = installed(MODULES, "syslinux-common")
    run = [[require("mkfs.vfat"), "-C", str(path), str(size)]]
    here = path.with_suffix(".files")
    for name, data in {**{name: (parts / name).read_bytes() for name in modules}, **files}.items():
        _put(here / name, data)
        run.append([require("mcopy"), "-i", str(path), str(here / name), f"::{name}"])
    run.append([require("syslinux"), "--install", str(path)])
    for command in run:
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
