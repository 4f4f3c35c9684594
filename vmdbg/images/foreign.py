"""Images of formats that are not read: what they are called, and how they become one that is."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.images.host_file import HostFile
from vmdbg.images.image import ImageError
from vmdbg.images.remedies import convert_line, unpack_line


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


@dataclass(frozen=True, slots=True)
class Packing:
    """Bytes at the beginning, and the command that unpacks such a file; `suffix` is how one is called."""

    magic: bytes
    title: str
    command: str
    suffix: str = ""


PACKED = (
    Packing(b"\x1f\x8b\x08", "compressed with gzip", "gunzip", ".gz"),
    Packing(b"\xfd7zXZ\0", "compressed with xz", "unxz", ".xz"),
    Packing(b"BZh", "compressed with bzip2", "bunzip2", ".bz2"),
    Packing(b"\x28\xb5\x2f\xfd", "compressed with zstd", "unzstd", ".zst"),
    Packing(b"\x04\x22\x4d\x18", "compressed with lz4", "unlz4", ".lz4"),
    Packing(b"PK\x03\x04", "a zip archive", "unzip"),
    Packing(b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x"),
)


def refuse_foreign(file: HostFile) -> None:
    """Raises ImageError for what is of a known format, but none that is read."""
    for magic in MAGICS:
        if _has(file, magic.offset, magic.magic):
            raise ImageError(
                f"{file.name} is {magic.title}, which vmdbg does not read: make a qcow2 image of it with "
                f"`{convert_line(file.name, magic.qemu)}`"
            )
    for packing in PACKED:
        if _has(file, 0, packing.magic):
            line = unpack_line(file.name, packing.command, packing.suffix)
            raise ImageError(f"{file.name} is {packing.title}: unpack it with `{line}`")


def _has(file: HostFile, offset: int, magic: bytes) -> bool:
    """A negative offset is one from the end."""
    if offset < 0:
        offset += file.size
    fits = offset >= 0 and offset + len(magic) <= file.size
    return fits and file.read(offset, len(magic)) == magic
