"""What a file is, by its magic number, and the loader for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from vmdbg.boot import elf_file, multiboot
from vmdbg.boot.bzimage import is_bzimage, parse_setup_header
from vmdbg.boot.image import BootImage, BootOptions, InputFile, Protocol
from vmdbg.errors import UserError

_OTHERS = (
    (0, b"MZ", "an EFI or DOS program"),
    (0, b"\x1f\x8b", "gzip-compressed: unpack it first"),
    (0, b"\xfd7zXZ", "xz-compressed: unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "zstd-compressed: unpack it first"),
    (0, b"070701", "an initrd: give it with --initrd, and a kernel with --kernel"),
    (0, b"QFI\xfb", "a disk image: give it with --disk"),
    (0, b"!<arch>", "a library or a Debian package: name the kernel in it"),
    (0x38, b"ARM\x64", "a Linux kernel for AArch64: vmdbg runs x86 guests only"),
    (0x8001, b"CD001", "a CD image: give it with --cdrom"),
)


def boot_image(options: BootOptions) -> BootImage:
    """Lay out the guest that the options name. Raises UserError with what is wrong, where, and what to do."""
    return replace(_laid_out(options), random=options.random)


def _laid_out(options: BootOptions) -> BootImage:
    if options.modules and options.bios is not None:
        raise UserError("--module is for Multiboot kernels, and this is firmware: leave it out")
    if options.bios is not None:
        return _bios(options, options.bios)
    if options.kernel is None:
        raise UserError("nothing to boot: name a kernel")
    kernel = options.kernel
    protocol = options.protocol or detect(
        kernel, flat_wanted=options.load_address is not None or options.mode is not None
    )
    _check_options(options, protocol)
    return _LOADERS[protocol](options, kernel)


def detect(kernel: InputFile, flat_wanted: bool = False) -> Protocol:
    """How a file is to be entered. `flat_wanted` takes what is unknown, or a boot sector, as a flat image.

    A kernel with the headers of both Multiboots is entered by the first, as QEMU does. A vmlinux is entered by
    Linux's own protocol even where it has a PVH note, just as its bzImage would be.
    Raises UserError for what is no guest.
    """
    data = kernel.data
    if is_bzimage(data):
        return Protocol.LINUX
    if multiboot.find_header(data) is not None:
        return Protocol.MULTIBOOT
    return _detect_rarer(kernel, flat_wanted)


def _detect_rarer(kernel: InputFile, flat_wanted: bool) -> Protocol:
    """Of what is neither a bzImage nor a Multiboot kernel. The code for each guest is loaded for its like alone."""
    from vmdbg.boot import flat, linux, multiboot2_header, pvh

    data = kernel.data
    if multiboot2_header.find_offset(data) is not None:
        return Protocol.MULTIBOOT2
    if bytes(data[:4]) == elf_file.MAGIC:
        parsed = elf_file.parse(kernel)
        if linux.is_vmlinux(parsed):
            return Protocol.LINUX
        return Protocol.ELF if pvh.find_entry(parsed) is None else Protocol.PVH
    if flat_wanted:
        return Protocol.FLAT
    what = next((text for offset, magic, text in _OTHERS if bytes(data[offset : offset + len(magic)]) == magic), None)
    if what is not None:
        raise UserError(f"{kernel.name} is no guest that can be booted but {what}")
    if flat.is_boot_sector(data):
        return Protocol.BOOT_SECTOR
    raise UserError(
        f"{kernel.name} is no guest that can be booted: neither a bzImage, an ELF kernel nor a boot sector. "
        "To run it as flat code, give --load-address and --mode"
    )


def _linux(options: BootOptions, kernel: InputFile) -> BootImage:
    from vmdbg.boot import linux, linux_setup

    if is_bzimage(kernel.data):
        by_setup = options.via_setup or not parse_setup_header(kernel).has_32bit_entry
        return linux_setup.load_setup(options, kernel) if by_setup else linux.load_bzimage(options, kernel)
    if options.via_setup:
        raise UserError(f"{kernel.name} is no bzImage, so it has no setup code: leave out --via-setup")
    parsed = elf_file.parse(kernel)
    if not linux.is_vmlinux(parsed):
        raise UserError(f"{kernel.name} is neither a bzImage nor a 64-bit vmlinux: it cannot be booted as Linux")
    return linux.load_vmlinux(options, parsed)


def _multiboot(options: BootOptions, kernel: InputFile) -> BootImage:
    header = multiboot.find_header(kernel.data)
    return multiboot.load(options, kernel, _required(header, kernel, "Multiboot header in its first 8192 bytes"))


def _multiboot2(options: BootOptions, kernel: InputFile) -> BootImage:
    from vmdbg.boot import multiboot2, multiboot2_header

    tags = multiboot2_header.parse_header(kernel.data, kernel.name)
    return multiboot2.load(options, kernel, _required(tags, kernel, "Multiboot 2 header in its first 32768 bytes"))


def _pvh(options: BootOptions, kernel: InputFile) -> BootImage:
    from vmdbg.boot import linux, pvh

    parsed = elf_file.parse(kernel)
    entry = _required(pvh.find_entry(parsed), kernel, "XEN_ELFNOTE_PHYS32_ENTRY note")
    return pvh.load(options, parsed, entry, linux.DEFAULT_COMMAND_LINE if linux.is_vmlinux(parsed) else "")


def _elf(options: BootOptions, kernel: InputFile) -> BootImage:
    from vmdbg.boot import elf

    return elf.load_bare(options, elf_file.parse(kernel))


def _boot_sector(options: BootOptions, kernel: InputFile) -> BootImage:
    from vmdbg.boot import flat

    if not flat.is_boot_sector(kernel.data):
        raise UserError(f"{kernel.name} is no boot sector: it lacks the bytes 55 aa at offset 510")
    return flat.load_boot_sector(options, kernel)


def _flat(options: BootOptions, kernel: InputFile) -> BootImage:
    from vmdbg.boot import flat

    return flat.load_flat(options, kernel)


def _bios(options: BootOptions, file: InputFile) -> BootImage:
    from vmdbg.boot import bios

    return bios.load(options, file)


_LOADERS: dict[Protocol, Callable[[BootOptions, InputFile], BootImage]] = {
    Protocol.LINUX: _linux,
    Protocol.MULTIBOOT: _multiboot,
    Protocol.MULTIBOOT2: _multiboot2,
    Protocol.PVH: _pvh,
    Protocol.ELF: _elf,
    Protocol.BOOT_SECTOR: _boot_sector,
    Protocol.FLAT: _flat,
    Protocol.BIOS: _bios,
}


def _check_options(options: BootOptions, protocol: Protocol) -> None:
    if options.via_decompressor and protocol is not Protocol.LINUX:
        raise UserError("--via-decompressor is for compressed Linux kernels: leave it out")
    if options.modules and protocol not in (Protocol.MULTIBOOT, Protocol.MULTIBOOT2):
        raise UserError(f"--module is for Multiboot kernels, but this is {protocol.value}: leave it out")
    if options.via_setup and protocol is not Protocol.LINUX:
        raise UserError("--via-setup is for compressed Linux kernels: leave it out")
    if protocol is not Protocol.FLAT and (options.load_address is not None or options.mode is not None):
        raise UserError(f"--load-address and --mode are for flat images, but this is {protocol.value}: omit them")


_T = TypeVar("_T")


def _required(found: _T | None, kernel: InputFile, what: str) -> _T:
    if found is None:
        raise UserError(f"{kernel.name} has no {what}")
    return found
