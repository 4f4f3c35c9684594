"""A kernel entered by its setup code: laid out as boot.rst has it, and Debian's gets as far as by any other way."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

import vmdbg
from tests.linux_assets import MARKER, busybox_initrd, cloud_kernel
from tests.vmdbg.boot.builders import PACKERS, bzimage, input_file, vmlinux
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootImage, BootOptions, CpuMode
from vmdbg.boot.linux_setup import SETUP, writes_to_com1
from vmdbg.errors import UserError

MIB = 1 << 20
KERNEL = bzimage(PACKERS["lz4"](vmlinux()), load_address=0x2000000)


def options(kernel: bytes = KERNEL, **more: object) -> BootOptions:
    return replace(BootOptions(memory=64 * MIB, kernel=input_file(kernel), via_setup=True), **more)


def at(image: BootImage, address: int, size: int) -> bytes:
    segment = next(one for one in image.segments if one.address <= address < one.end)
    return bytes(segment.data)[address - segment.address : address - segment.address + size]


def number(image: BootImage, offset: int, size: int) -> int:
    return int.from_bytes(at(image, SETUP + offset, size), "little")


def test_the_layout_is_that_of_the_boot_protocol() -> None:
    image = boot_image(options(append="more", initrd=input_file(b"i" * 5000, "initrd")))
    start = image.start
    assert (start.mode, image.entry) == (CpuMode.REAL, SETUP + 0x200)
    assert {one.base for one in (start.ds, start.es, start.ss, start.fs, start.gs)} == {SETUP}
    assert start.rsp == number(image, 0x224, 2) + 0x200
    assert not start.rflags & 0x200
    assert at(image, SETUP, 0x1F1) == KERNEL[:0x1F1]
    assert (number(image, 0x210, 1), number(image, 0x211, 1)) == (0xFF, 0x81)
    assert number(image, 0x214, 4) == 0x2000000
    assert at(image, 0x2000000, 4) == KERNEL[5 * 512 : 5 * 512 + 4]
    assert at(image, number(image, 0x218, 4), number(image, 0x21C, 4)) == b"i" * 5000
    assert at(image, number(image, 0x228, 4), 300).split(b"\0")[0].endswith(b" more")
    assert at(image, number(image, 0x250, 8) + 8, 4) == struct.pack("<I", 9)
    assert image.chips, "as a BIOS leaves them"
    assert number(image, 0, 0) == 0
    assert at(image, 0x15 * 4 + 2, 2) == b"\x00\xf0", "a BIOS answers INT 15h"


def test_a_kernel_without_another_entry_is_entered_by_its_setup_code() -> None:
    image = boot_image(options(bzimage(b"", entry=0), via_setup=False))
    assert (image.start.mode, image.entry) == (CpuMode.REAL, SETUP + 0x200)
    assert image.command_line == "", "it is no Linux"


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (options(via_decompressor=True), "leave out --via-decompressor"),
        (options(vmlinux()), "is no bzImage, so it has no setup code"),
        (options(bytes(510) + b"\x55\xaa"), "for compressed Linux kernels"),
        (options(KERNEL[:0x1F1] + b"\x7f" + KERNEL[0x1F2:] + bytes(1 << 17)), "bytes of setup code"),
    ],
)
def test_what_cannot_be_entered_so(chosen: BootOptions, words: str) -> None:
    with pytest.raises(UserError, match=words):
        boot_image(chosen)


def test_a_kernel_finds_its_way_to_protected_mode() -> None:
    """Where it has asked the BIOS for the memory map (boot_params.e820_table)."""
    with vmdbg.launch(cloud_kernel(), via_setup=True, memory="128M") as guest:
        guest.run(40_000_000)
        assert guest.registers["cs"] == 0x10
        assert guest.pc > MIB
        console = guest.execute("query console")
        assert console.count("Probing EDD") == 1, "by the setup code itself, and not by the BIOS's screen too"
        expected = console + str(guest.digest())
    with vmdbg.launch(cloud_kernel(), via_setup=True, memory="128M") as guest:
        guest.run(40_000_000)
        assert guest.execute("query console") + str(guest.digest()) == expected


def test_what_is_on_the_screen_alone_comes_to_the_serial_port() -> None:
    with vmdbg.launch(cloud_kernel(), via_setup=True, memory="128M", command_line="quiet=0") as guest:
        guest.run(40_000_000)
        assert guest.execute("query console").count("Probing EDD") == 1


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("console=ttyS0", False),
        ("earlyprintk", False),
        ("earlyprintk=vga", False),
        ("earlyprintk=serial", True),
        ("earlyprintk=serial,keep", True),
        ("earlyprintk=serial,ttyS0,115200", True),
        ("earlyprintk=ttyS0,9600 quiet", True),
        ("earlyprintk=serial,ttyS1,115200", False),
        ("earlyprintk=serial,0x3f8,115200", True),
        ("earlyprintk=serial,0x2f8", False),
        ("earlyprintk=serial earlyprintk=vga", False),
        ("console=uart8250,io,0x3f8,115200n8", True),
        ("console=uart,io,0x2f8", False),
    ],
)
def test_who_writes_to_the_serial_port(command: str, written: bool) -> None:
    assert writes_to_com1(command) is written


@pytest.mark.slow
def test_it_comes_to_user_space() -> None:
    for machine in ("plain", "i440fx"):
        with vmdbg.launch(cloud_kernel(), initrd=busybox_initrd(), via_setup=True, machine=machine) as guest:
            said = guest.expect(MARKER)
            assert "BIOS-e820: [mem 0x0000000000100000-0x000000000fffffff] usable" in said
