from pathlib import Path

import pytest

from tests.vmdbg.boot.builders import Part, elf64, input_file
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, CpuMode, Protocol
from vmdbg.boot.source import read_input
from vmdbg.errors import UserError
from vmdbg.units import Physical

MIB = 1 << 20
SECTOR = b"\xf4".ljust(510, b"\0") + b"\x55\xaa"


def _boot(data: bytes, **more: object):  # type: ignore[no-untyped-def]
    return boot_image(BootOptions(memory=16 * MIB, kernel=input_file(data), **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello world", "no guest .* neither a bzImage, an ELF kernel nor a boot sector.*--load-address"),
        (b"MZ" + bytes(600), "EFI or DOS program"),
        (b"\x1f\x8b\x08" + bytes(600), "gzip-compressed: unpack it"),
        (b"070701" + bytes(600), "an initrd: give it with --initrd"),
        (b"!<arch>\n", "Debian package"),
        (bytes(510) + b"\x55\xaa" + bytes(0x8001 - 512) + b"CD001", "a CD image"),
        (bytes(0x38) + b"ARM\x64" + bytes(600), "AArch64"),
    ],
)
def test_what_is_no_guest_is_named(data: bytes, text: str) -> None:
    with pytest.raises(UserError, match=text):
        _boot(data)


def test_nothing_to_boot() -> None:
    with pytest.raises(UserError, match="name a kernel"):
        boot_image(BootOptions(memory=16 * MIB))


def test_a_boot_sector_is_one_sector_at_7c00_in_real_mode() -> None:
    image = _boot(SECTOR + b"second sector")
    assert (image.protocol, image.start.mode, image.entry) == (Protocol.BOOT_SECTOR, CpuMode.REAL, 0x7C00)
    assert image.start.general["rdx"] == 0x80
    assert [bytes(segment.data) for segment in image.segments if segment.address == 0x7C00] == [SECTOR]


@pytest.mark.parametrize(
    ("mode", "address"),
    [(CpuMode.REAL, 0x12345), (CpuMode.PROTECTED32, 0x200000), (CpuMode.LONG64, 0x300010)],
)
def test_a_flat_image_is_entered_at_its_address_in_its_mode(mode: CpuMode, address: int) -> None:
    image = _boot(b"\xf4 anything", load_address=Physical(address), mode=mode)
    assert (image.protocol, image.start.mode, image.entry) == (Protocol.FLAT, mode, address)
    assert mode is not CpuMode.REAL or image.start.rip < 0x10000


def test_a_boot_sector_with_an_address_is_a_flat_image() -> None:
    assert _boot(SECTOR, load_address=Physical(0x1000)).entry == 0x1000


def test_flat_images_that_cannot_be_run_are_refused() -> None:
    with pytest.raises(UserError, match="real mode does not reach"):
        _boot(b"\xf4", load_address=Physical(0x100000))
    with pytest.raises(UserError, match="not free RAM"):
        _boot(bytes(0x20000), load_address=Physical(0x90000))
    with pytest.raises(UserError, match=r"-0x.*only 16 MiB"):
        _boot(b"\xf4", load_address=Physical(16 * MIB), mode=CpuMode.LONG64)


def test_options_of_another_kind_of_guest_are_refused() -> None:
    kernel = elf64([Part(0x200000, b"\xf4")], 0x200000)
    with pytest.raises(UserError, match="for flat images"):
        _boot(kernel, mode=CpuMode.REAL)
    with pytest.raises(UserError, match="--via-decompressor is for"):
        _boot(kernel, via_decompressor=True)


@pytest.mark.parametrize("protocol", [item for item in Protocol if item is not Protocol.FLAT])
def test_a_protocol_that_the_file_does_not_speak_is_refused(protocol: Protocol) -> None:
    with pytest.raises(UserError, match="guest"):
        _boot(b"no guest at all", protocol=protocol)


def test_firmware_starts_at_the_reset_vector_as_rom_and_shadow() -> None:
    bios = input_file(bytes(0x20000) + b"\xea".ljust(0x20000, b"\1"), "bios.bin")
    image = boot_image(BootOptions(memory=16 * MIB, bios=bios))
    assert (image.protocol, image.entry, image.e820) == (Protocol.BIOS, 0xFFFFFFF0, ())
    shadow, rom = image.segments
    assert (rom.address, rom.rom, bytes(rom.data)) == (0xFFFC0000, True, bytes(bios.data))
    assert (shadow.address, shadow.rom, bytes(shadow.data)) == (0xE0000, False, bytes(bios.data[-0x20000:]))


@pytest.mark.parametrize("size", [1, 0xFFFF, 0x18000, 17 * MIB])
def test_firmware_of_an_odd_size_is_refused(size: int) -> None:
    with pytest.raises(UserError, match="a BIOS image is a multiple of 64 KiB"):
        boot_image(BootOptions(memory=16 * MIB, bios=input_file(bytes(size), "bios.bin")))


def test_firmware_takes_no_kernel() -> None:
    with pytest.raises(UserError, match="--bios runs firmware"):
        boot_image(BootOptions(memory=16 * MIB, bios=input_file(bytes(65536)), kernel=input_file(b"x")))


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read kernel .*/absent: No such file or directory"):
        read_input(tmp_path / "absent", "kernel")
    with pytest.raises(UserError, match="is a directory"):
        read_input(tmp_path, "initrd")
    with pytest.raises(UserError, match="is not a file"):
        read_input("/dev/zero", "kernel")
    with pytest.raises(UserError, match="cannot read kernel"):
        read_input("a\0b", "kernel")
    (tmp_path / "empty").touch()
    with pytest.raises(UserError, match="is empty"):
        read_input(tmp_path / "empty", "kernel")
    (tmp_path / "large").write_bytes(bytes(100))
    with pytest.raises(UserError, match="larger than 99 bytes"):
        read_input(tmp_path / "large", "kernel", limit=99)
    assert bytes(read_input(tmp_path / "large", "kernel").data) == bytes(100)
