import struct
from dataclasses import replace

import pytest

from tests.vmdbg.boot.builders import KERNEL_MAP, PACKERS, Part, bzimage, elf32, elf64, input_file, vmlinux
from vmdbg.boot.bzimage import parse_setup_header, unpack_vmlinux
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootImage, BootOptions, CpuMode, Protocol, Segment
from vmdbg.boot.linux import DEFAULT_COMMAND_LINE
from vmdbg.errors import UserError
from vmdbg.units import Physical

MIB = 1 << 20
CODE = bytes(range(64))
KERNEL = bzimage(PACKERS["lz4"](vmlinux(CODE)))


def _options(kernel: bytes = KERNEL, memory: int = 64 * MIB, **more: object) -> BootOptions:
    return replace(BootOptions(memory=memory, kernel=input_file(kernel)), **more)


def _segment(image: BootImage, name: str) -> Segment:
    return next(segment for segment in image.segments if name in segment.name)


def _at(image: BootImage, address: int) -> Segment:
    return next(segment for segment in image.segments if segment.address == address)


def _zero_page(image: BootImage) -> bytes:
    return bytes(_at(image, image.start.general["rsi"]).data)


@pytest.mark.parametrize("name", PACKERS)
def test_the_kernel_is_unpacked_and_entered_in_long_mode_at_its_physical_entry(name: str) -> None:
    image = boot_image(_options(bzimage(PACKERS[name](vmlinux(CODE)))))
    assert image.protocol is Protocol.LINUX
    assert image.start.mode is CpuMode.LONG64
    assert image.entry == 0x1000000
    assert bytes(_at(image, 0x1000000).data[:64]) == CODE
    assert image.description == "Linux 6.1.0-test, entered at startup_64"


def test_a_vmlinux_is_entered_like_its_bzimage() -> None:
    image = boot_image(_options(vmlinux(CODE)))
    packed = boot_image(_options())
    assert image.protocol is Protocol.LINUX
    assert image.start == packed.start
    assert _at(image, 0x1000000).data == _at(packed, 0x1000000).data


def test_an_entry_point_linked_high_is_entered_where_it_is_loaded() -> None:
    text = b"\xf4" * 64 + b"Linux version 6"
    kernel = elf64([Part(0x1000000, text, KERNEL_MAP + 0x1000000)], KERNEL_MAP + 0x1000010)
    assert boot_image(_options(kernel)).entry == 0x1000010


def test_its_own_decompressor_is_entered_at_its_64_bit_entry_where_the_kernel_wants_to_lie() -> None:
    image = boot_image(_options(bzimage(PACKERS["lz4"](vmlinux()), load_address=0x2000000), via_decompressor=True))
    assert image.start.mode is CpuMode.LONG64
    assert image.entry == 0x2000000 + 0x200
    assert bytes(_at(image, 0x2000000).data[:1]) == b"\xf4"


def test_a_32_bit_kernel_unpacks_itself_from_its_32_bit_entry() -> None:
    payload = PACKERS["gzip"](elf32([Part(0x1000000, b"\xf4")], 0x1000000))
    image = boot_image(_options(bzimage(payload, xloadflags=0)))
    assert image.start.mode is CpuMode.PROTECTED32
    assert image.entry == 0x1000000


def test_lzo_is_left_to_the_kernels_own_decompressor() -> None:
    kernel = bzimage(b"\x89LZO\0\r\n\x1a\n" + bytes(100))
    with pytest.raises(UserError, match=r"guest is packed with lzo.*--via-decompressor"):
        boot_image(_options(kernel))
    assert boot_image(_options(kernel, via_decompressor=True)).entry == 0x1000200


def test_the_zero_page_keeps_the_setup_header_and_says_who_loaded_it() -> None:
    page = _zero_page(boot_image(_options()))
    assert page[0x1FE:0x200] == b"\x55\xaa"
    assert page[0x202:0x206] == b"HdrS"
    assert page[0x210] == 0xFF
    assert page[0x211] & 1
    assert page[0x1EF] == 0


def test_the_zero_page_holds_the_e820_map() -> None:
    image = boot_image(_options())
    page = _zero_page(image)
    entries = [struct.unpack_from("<QQI", page, 0x2D0 + 20 * index) for index in range(page[0x1E8])]
    assert entries == [(entry.address, entry.size, entry.type) for entry in image.e820]


def test_the_initrd_lies_at_the_top_of_ram_and_below_the_kernels_limit() -> None:
    initrd = input_file(b"070701" + bytes(5000), "initrd")
    page = _zero_page(image := boot_image(_options(initrd=initrd)))
    address, size = struct.unpack_from("<II", page, 0x218)
    assert (address, size) == (64 * MIB - 0x2000, 5006)
    assert bytes(_at(image, address).data) == bytes(initrd.data)
    limited = bzimage(PACKERS["lz4"](vmlinux()), initrd_max=48 * MIB - 1)
    assert struct.unpack_from("<I", _zero_page(boot_image(_options(limited, initrd=initrd))), 0x218)[0] < 48 * MIB


def test_an_initrd_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match=r"initrd big of 60 MiB does not fit .*--memory"):
        boot_image(_options(initrd=input_file(bytes(60 * MIB), "big")))


def test_the_command_line_is_the_default_and_then_the_users() -> None:
    image = boot_image(_options(append="root=/dev/ram0 quiet"))
    assert image.command_line == DEFAULT_COMMAND_LINE + " root=/dev/ram0 quiet"
    (address,) = struct.unpack_from("<I", _zero_page(image), 0x228)
    assert bytes(_at(image, address).data) == image.command_line.encode() + b"\0"
    assert boot_image(_options(command_line="quiet", append="foo")).command_line == "quiet foo"
    assert boot_image(_options(command_line="")).command_line == ""


def test_a_command_line_beyond_the_kernels_limit_is_refused() -> None:
    kernel = bzimage(PACKERS["lz4"](vmlinux()), command_line_size=255)
    assert boot_image(_options(kernel, command_line="x" * 255)).command_line == "x" * 255
    with pytest.raises(UserError, match=r"256 bytes, but this kernel takes 255"):
        boot_image(_options(kernel, command_line="x" * 256))
    with pytest.raises(UserError, match="NUL"):
        boot_image(_options(append="a\0b"))


def test_the_acpi_root_pointer_is_passed_on() -> None:
    tables = Segment(Physical(0xE0000), b"RSD PTR ", "ACPI tables")
    image = boot_image(_options(firmware=(tables,), rsdp=Physical(0xE0000)))
    assert struct.unpack_from("<Q", _zero_page(image), 0x70) == (0xE0000,)
    assert tables in image.segments


def test_the_random_seed_is_a_function_of_the_option() -> None:
    first, same, other = (boot_image(_options(seed=seed)) for seed in (b"a", b"a", b"b"))
    (address,) = struct.unpack_from("<Q", _zero_page(first), 0x250)
    assert struct.unpack_from("<QII", _at(first, address).data) == (0, 9, 32)
    assert first == same
    assert first.digest() == same.digest() != other.digest()


def test_the_digest_does_not_depend_on_names() -> None:
    renamed = BootOptions(memory=64 * MIB, kernel=input_file(KERNEL, "elsewhere/vmlinuz"))
    assert boot_image(_options()).digest() == boot_image(renamed).digest()
    assert boot_image(_options()).digest() != boot_image(_options(memory=65 * MIB)).digest()


def test_memory_needed_is_enough_and_too_little_for_the_kernel_is_not() -> None:
    initrd = input_file(bytes(3 * MIB), "initrd")
    needed = boot_image(_options(initrd=initrd)).memory_needed
    boot_image(_options(memory=needed, initrd=initrd))
    with pytest.raises(UserError, match="--memory"):
        boot_image(_options(memory=needed - 5 * MIB, initrd=initrd))


def test_too_little_memory_for_the_kernel_says_how_much() -> None:
    with pytest.raises(UserError, match=r"has only 8 MiB: give --memory 18M or more"):
        boot_image(_options(memory=8 * MIB))


@pytest.mark.parametrize("missing", range(1, 16))
def test_a_kernel_need_not_fill_the_last_paragraph_that_its_header_tells_of(missing: int) -> None:
    kernel = bzimage(b"", stub=b"\xf4" * 0x420)
    assert boot_image(_options(kernel[:-missing])).protocol is Protocol.LINUX


@pytest.mark.parametrize("kept", [0x220, 0x260, 5 * 512, len(KERNEL) - 17])
def test_a_truncated_kernel_is_refused(kept: int) -> None:
    with pytest.raises(UserError, match="guest is truncated"):
        boot_image(_options(KERNEL[:kept]))


def test_a_setup_header_too_short_for_its_fields_is_refused() -> None:
    kernel = bytearray(KERNEL)
    kernel[0x201] = 0
    with pytest.raises(UserError, match="ends inside the setup header"):
        boot_image(_options(bytes(kernel)))


def test_a_kernel_of_another_age_is_refused() -> None:
    with pytest.raises(UserError, match=r"boot protocol 2\.01: too old"):
        boot_image(_options(bzimage(b"", version=0x0201)))
    with pytest.raises(UserError, match="too old, or no bzImage"):
        boot_image(_options(bzimage(b"", loadflags=0)))


def test_a_payload_that_is_no_x86_kernel_is_refused() -> None:
    with pytest.raises(UserError, match="the kernel in guest is for AArch64"):
        boot_image(_options(bzimage(PACKERS["gzip"](elf64([Part(0x1000000, b"x")], 0x1000000, machine=183)))))
    with pytest.raises(UserError, match="the kernel in guest is too short for an ELF file"):
        boot_image(_options(bzimage(PACKERS["gzip"](b"text"))))


def test_overlapping_segments_and_an_entry_outside_are_damage() -> None:
    parts = [Part(0x1000000, bytes(0x2000)), Part(0x1001000, bytes(0x2000))]
    with pytest.raises(UserError, match="two segments overlap at 0x1001000"):
        boot_image(_options(bzimage(PACKERS["gzip"](elf64(parts, 0x1000000)))))
    with pytest.raises(UserError, match="entry point 0x900000 lies outside"):
        boot_image(_options(bzimage(PACKERS["gzip"](elf64([Part(0x1000000, bytes(64))], 0x900000)))))


def test_a_vmlinux_has_no_decompressor() -> None:
    with pytest.raises(UserError, match="not compressed"):
        boot_image(_options(vmlinux(), via_decompressor=True))


def test_the_unpacked_vmlinux_is_offered_for_its_symbols() -> None:
    kernel = input_file(KERNEL)
    elf = unpack_vmlinux(kernel, parse_setup_header(kernel), 64 * MIB)
    assert elf is not None
    assert bytes(elf.data) == vmlinux(CODE)
