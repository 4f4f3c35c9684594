import pytest

from tests.vmdbg.boot.builders import INTERP, Part, elf32, elf64, input_file
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, CpuMode, Protocol
from vmdbg.errors import UserError

MIB = 1 << 20


def _boot(data: bytes, **more: object):  # type: ignore[no-untyped-def]
    return boot_image(BootOptions(memory=16 * MIB, kernel=input_file(data), **more))  # type: ignore[arg-type]


def test_a_bare_64_bit_kernel_starts_in_long_mode() -> None:
    image = _boot(elf64([Part(0x200000, b"\xf4")], 0x200000))
    assert (image.protocol, image.start.mode, image.entry) == (Protocol.ELF, CpuMode.LONG64, 0x200000)
    assert image.command_line is None


def test_a_bare_32_bit_kernel_starts_in_protected_mode_without_paging() -> None:
    image = _boot(elf32([Part(0x200000, b"\xf4")], 0x200000))
    assert (image.protocol, image.start.mode, image.entry) == (Protocol.ELF, CpuMode.PROTECTED32, 0x200000)
    assert image.start.cr0 == 0x11


def test_a_kernel_linked_high_is_entered_where_it_is_loaded() -> None:
    high = 0xFFFFFFFF80200000
    assert _boot(elf64([Part(0x200000, b"\x90\xf4", high)], high + 1)).entry == 0x200001


def test_bss_takes_room_without_bytes() -> None:
    image = _boot(elf64([Part(0x200000, b"\xf4", memory_size=MIB)], 0x200000))
    assert [len(segment.data) for segment in image.segments if segment.address == 0x200000] == [1]
    with pytest.raises(UserError, match=r"give --memory 66M or more"):
        _boot(elf64([Part(0x200000, b"\xf4", memory_size=64 * MIB)], 0x200000))


@pytest.mark.parametrize(
    ("machine", "name"), [(183, "AArch64"), (243, "RISC-V"), (40, "ARM"), (8, "MIPS"), (999, "machine 999")]
)
def test_another_machine_is_named(machine: int, name: str) -> None:
    with pytest.raises(UserError, match=f"guest is for {name}: vmdbg runs x86 guests only"):
        _boot(elf64([Part(0x200000, b"\xf4")], 0x200000, machine=machine))


def test_a_big_endian_file_is_refused() -> None:
    data = bytearray(elf64([Part(0x200000, b"\xf4")], 0x200000))
    data[5] = 2
    with pytest.raises(UserError, match="not for x86"):
        _boot(bytes(data))


@pytest.mark.parametrize(("kind", "text"), [(1, "an object file: link it"), (4, "a core dump"), (9, "type 9")])
def test_what_is_no_executable_is_named(kind: int, text: str) -> None:
    with pytest.raises(UserError, match=text):
        _boot(elf64([Part(0x200000, b"\xf4")], 0x200000, kind=kind))


def test_a_program_of_an_operating_system_is_refused() -> None:
    with pytest.raises(UserError, match="not a kernel"):
        _boot(elf64([Part(0x200000, b"\xf4")], 0x200000, kind=3))
    with pytest.raises(UserError, match="not a kernel"):
        _boot(elf64([Part(0, b"/lib/ld", type=INTERP), Part(0x200000, b"\xf4")], 0x200000))


def test_the_hosts_own_programs_are_refused() -> None:
    with open("/bin/ls", "rb") as file, pytest.raises(UserError, match="not a kernel"):
        _boot(file.read())


def test_a_segment_in_the_legacy_hole_or_beyond_ram_is_refused() -> None:
    with pytest.raises(UserError, match="not free RAM"):
        _boot(elf64([Part(0xB8000, b"\xf4")], 0xB8000))
    with pytest.raises(UserError, match="at most 3 GiB"):
        _boot(elf64([Part(1 << 40, b"\xf4")], 1 << 40))


def test_nothing_to_load_and_an_entry_nowhere_are_refused() -> None:
    with pytest.raises(UserError, match="nothing to load"):
        _boot(elf64([], 0x200000))
    with pytest.raises(UserError, match="entry point 0x300000 lies outside"):
        _boot(elf64([Part(0x200000, b"\xf4")], 0x300000))


def test_damaged_headers_are_refused() -> None:
    whole = elf64([Part(0x200000, bytes(100))], 0x200000)
    for kept in (10, 60, 100, len(whole) - 1):
        with pytest.raises(UserError, match=r"truncated|too short"):
            _boot(whole[:kept])
    with pytest.raises(UserError, match="larger in the file than in memory"):
        _boot(elf64([Part(0x200000, bytes(100), memory_size=50)], 0x200000))
    with pytest.raises(UserError, match="wraps round"):
        _boot(elf64([Part((1 << 64) - 16, bytes(100))], 0x200000))
    many = bytearray(whole)
    many[56:58] = b"\xff\xff"
    with pytest.raises(UserError, match="65535 program headers"):
        _boot(bytes(many))


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"append": "quiet"}, "--append"),
        ({"initrd": input_file(b"x")}, "--initrd"),
        ({"command_line": "x"}, "--append"),
    ],
)
def test_what_cannot_be_passed_on_is_refused(more: dict[str, object], name: str) -> None:
    with pytest.raises(UserError, match=f"no way to be told of {name}"):
        _boot(elf64([Part(0x200000, b"\xf4")], 0x200000), **more)
