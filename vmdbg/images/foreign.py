"""Images of formats that are not read: what they are called, and how they become one that is."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from vmdbg.images.host_file import HostFile
from vmdbg.images.image import ImageError


@dataclass(frozen=True, slots=True)
class Magic:
    """Bytes at an offset, from the end if that is negative. `qemu` is qemu-img's name of the format, if it reads it."""

    offset: int
    magic: bytes
    title: str
    qemu: str = ""


MAGICS = (
    Magic(0, b"KDMV", "a VMDK image", "vmdk"),
    Magic(0, b"COWD", "a VMDK image", "vmdk"),
    Magic(0, b"# Disk DescriptorFile", "the description of a VMDK image", "vmdk"),
    Magic(0x40, b"\x7f\x10\xda\xbe", "a VDI image of VirtualBox", "vdi"),
    Magic(0, b"vhdxfile", "a VHDX image", "vhdx"),
    Magic(0, b"conectix", "a VHD image", "vpc"),
    Magic(-512, b"conectix", "a VHD image", "vpc"),
    Magic(0, b"QED\0", "a QED image", "qed"),
    Magic(0, b"WithoutFreeSpace", "an image of Parallels", "parallels"),
    Magic(0, b"WithouFreSpacExt", "an image of Parallels", "parallels"),
    Magic(0, b"Bochs Virtual HD Image", "a Bochs image", "bochs"),
    Magic(0, b"#!/bin/sh\n#V2.0 Format", "a cloop image", "cloop"),
    Magic(-512, b"koly", "a DMG image", "dmg"),
)
PACKED = (
    Magic(0, b"\x1f\x8b\x08", "compressed with gzip", "gunzip --keep"),
    Magic(0, b"\xfd7zXZ\0", "compressed with xz", "unxz --keep"),
    Magic(0, b"BZh", "compressed with bzip2", "bunzip2 --keep"),
    Magic(0, b"\x28\xb5\x2f\xfd", "compressed with zstd", "unzstd"),
    Magic(0, b"\x04\x22\x4d\x18", "compressed with lz4", "unlz4 --keep"),
    Magic(0, b"PK\x03\x04", "a zip archive", "unzip"),
    Magic(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x"),
)
"""`qemu` is here the command that unpacks it."""


def refuse_foreign(file: HostFile) -> None:
    """Raises ImageError for what is of a known format, but none that is read."""
    for magic in MAGICS:
        if _has(file, magic):
            raise ImageError(
                f"{file.name} is {magic.title}, which vmdbg does not read: make a qcow2 image of it with "
                f"`{convert_line(file.name, magic.qemu)}`"
            )
    for magic in PACKED:
        if _has(file, magic):
            raise ImageError(f"{file.name} is {magic.title}: unpack it with `{magic.qemu} {shlex.quote(file.name)}`")


def _has(file: HostFile, magic: Magic) -> bool:
    offset = magic.offset if magic.offset >= 0 else file.size + magic.offset
    fits = offset >= 0 and offset + len(magic.magic) <= file.size
    return fits and file.read(offset, len(magic.magic)) == magic.magic


def check_line(name: str) -> str:
    """The qemu-img command that tells what is wrong with an image."""
    return f"qemu-img check {shlex.quote(name)}"


def convert_line(name: str, form: str) -> str:
    """The qemu-img command that makes an image that is read of one that is not."""
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0] or "disk"
    target = stem if f"{stem}.qcow2" != name.rsplit("/", 1)[-1] else f"{stem}-converted"
    return f"qemu-img convert -f {form} -O qcow2 {shlex.quote(name)} {shlex.quote(target + '.qcow2')}"
