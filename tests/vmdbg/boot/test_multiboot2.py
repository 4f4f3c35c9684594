"""Multiboot 2 kernels, assembled here: what they are told, where they lie, what is refused; GRUB as the judge."""

from __future__ import annotations

import random
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests.build import require
from tests.vmdbg.boot import grub
from tests.vmdbg.boot.builders import assemble, input_file
from tests.vmdbg.machine.guest_runs import PATIENCE, text_of
from vmdbg.boot.acpi import AcpiConfig, acpi_segment
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootImage, BootOptions, CpuMode, InputFile, Module, Protocol
from vmdbg.boot.multiboot2_header import find_offset
from vmdbg.boot.multiboot2_info import InfoTag
from vmdbg.boot.services import CHIPS, interrupt_vectors
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.errors import UserError
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.machine import Machine
from vmdbg.machine.power_on import power_on

MEMORY = grub.MEMORY_MIB << 20
SOURCE = Path(__file__).with_name("multiboot2_guest.asm").read_text()
ADDRESS = 0x100000
FLAT = "dw 2, 0\n dd 24, header, start, 0, end + 0x1000\n align 8\n dw 3, 0\n dd 12, enter\n"
CONSOLE = "align 8\n dw 4, 0\n dd 12, 3\n"
TEXT_SCREEN = "align 8\n dw 5, 0\n dd 20, 80, 25, 0\n"
MODULES_ALIGNED = "align 8\n dw 6, 0\n dd 8\n"
EFI = "align 8\n dw 7, 0\n dd 8\n align 8\n dw 9, 0\n dd 12, 0x1234\n"
RELOCATABLE = "align 8\n dw 10, 0\n dd 24, {lowest:#x}, {highest:#x}, {align:#x}, {preference}\n"
REQUEST = "align 8\n dw 1, {flags}\n dd {size}, {words}\n"


def _flat(tags: str = "") -> bytes:
    return assemble(_source(FLAT + tags, f"%define ORIGIN {ADDRESS:#x}\n"))


def _source(tags: str, head: str = "") -> str:
    return head + SOURCE.replace("        TAGS\n", tags)


def _elf(work: Path, tags: str, bits: int = 32) -> bytes:
    """Linked by ld, with its symbols."""
    (work / "guest.asm").write_text(_source(tags))
    subprocess.run([require("nasm"), "-f", "elf32", "-o", work / "guest.o", work / "guest.asm"], check=True)
    linked = ["-m", "elf_i386", "--nmagic", "-Ttext", f"{ADDRESS:#x}", "-e", "enter", "-o", work / "guest.elf"]
    subprocess.run([require("ld"), *linked, work / "guest.o"], check=True)
    if bits == 64:
        subprocess.run(["objcopy", "-O", "elf64-x86-64", work / "guest.elf"], check=True)
    return (work / "guest.elf").read_bytes()


def _boot(kernel: bytes, **more: object) -> BootImage:
    acpi = acpi_segment(AcpiConfig())
    options = BootOptions(MEMORY, input_file(kernel), firmware=(acpi,), rsdp=acpi.address, **more)  # type: ignore[arg-type]
    return boot_image(options)


def _run(image: BootImage) -> str:
    machine = Machine(MachineConfig(memory=MEMORY), UnicornEngine)
    printed: list[bytes] = []
    machine.serial[0].listeners.append(lambda _port, data, _now: printed.append(data))
    power_on(machine, image)
    try:
        machine.run(PATIENCE)
        return text_of(printed)
    finally:
        machine.close()


@dataclass(frozen=True, slots=True)
class Told:
    """What a kernel printed: EAX, its tags, the state of its CPU and how far it was moved."""

    magic: str
    tags: dict[int, bytes]
    state: str
    modules: tuple[bytes, ...]
    """All tags of them, of which `tags` has the last."""

    @property
    def moved(self) -> int:
        return int(self.state[-8:], 16)


def _told(output: str) -> Told:
    magic, info, state = output.strip().splitlines()[-3:]
    data = bytes.fromhex(info)
    total, reserved = struct.unpack_from("<II", data)
    assert (total, reserved) == (len(data), 0)
    tags, position, modules = {}, 8, []
    while position < total:
        kind, size = struct.unpack_from("<II", data, position)
        tags[kind] = data[position + 8 : position + size]
        modules += [tags[kind]] if kind == InfoTag.MODULE else []
        position += -(-size // 8) * 8
    assert list(tags)[-1] == InfoTag.END
    return Told(magic, tags, state, tuple(modules))


def test_a_kernel_is_entered_as_the_specification_says_and_told_what_there_is(tmp_path: Path) -> None:
    image = _boot(_elf(tmp_path, CONSOLE + TEXT_SCREEN), append="bug=stack x", initrd=input_file(b"a module", "module"))
    assert (image.protocol, image.start.mode) == (Protocol.MULTIBOOT2, CpuMode.PROTECTED32)
    told = _told(_run(image))
    assert told.magic == "36d76289"
    assert told.state == "000000010000000000409a000040920000000000"
    assert told.tags[InfoTag.COMMAND_LINE] == b"bug=stack x\0"
    assert told.tags[InfoTag.LOADER_NAME] == b"vmdbg\0"
    start, end = struct.unpack_from("<II", told.tags[InfoTag.MODULE])
    assert (end - start, start % 4096, told.tags[InfoTag.MODULE][8:]) == (8, 0, b"initrd\0")
    (module,) = (segment for segment in image.segments if segment.address == start)
    assert bytes(module.data) == b"a module"
    screen = struct.unpack("<QIIIBB", told.tags[InfoTag.FRAMEBUFFER][:22])
    assert screen == (0xB8000, 160, 80, 25, 16, 2)
    assert struct.unpack("<II", told.tags[InfoTag.BASIC_MEMORY]) == (639, 15 * 1024)
    size, version = struct.unpack_from("<II", told.tags[InfoTag.MEMORY_MAP])
    entries = [entry[:3] for entry in struct.iter_unpack("<QQII", told.tags[InfoTag.MEMORY_MAP][8:])]
    assert (size, version, entries) == (24, 0, [(entry.address, entry.size, entry.type) for entry in image.e820])
    root = bytes(acpi_segment(AcpiConfig()).data[:36])
    assert (told.tags[InfoTag.ACPI_OLD], told.tags[InfoTag.ACPI_NEW]) == (root[:20], root)
    assert sum(root) % 256 == sum(root[:20]) % 256 == 0


def test_real_mode_has_a_bios_where_that_is_asked_for(tmp_path: Path) -> None:
    plain, asked = (_boot(_elf(tmp_path, ""), real_mode=real) for real in (False, True))
    assert (asked.chips, plain.chips) == (CHIPS, ())
    assert [segment.address for segment in plain.segments if segment.address < 0x400] == []
    vectors = next(bytes(segment.data) for segment in asked.segments if segment.address == 0)
    assert vectors[:0x400] == interrupt_vectors()


@pytest.mark.parametrize("bits", [32, 64])
def test_a_kernel_finds_its_own_symbols(bits: int, tmp_path: Path) -> None:
    image = _boot(_elf(tmp_path, "", bits))
    told = _told(_run(image))
    count, size, names = struct.unpack_from("<III", told.tags[InfoTag.ELF_SECTIONS])
    headers = told.tags[InfoTag.ELF_SECTIONS][12:]
    assert len(headers) == count * size
    form, extent = ("<IIIIII", slice(3, 6)) if bits == 32 else ("<IIQQQQ", slice(3, 6))
    places = [struct.unpack_from(form, headers, index * size)[extent] for index in range(count)]
    address, _, length = places[names]
    (text,) = (bytes(segment.data) for segment in image.segments if segment.address == address)
    assert len(text) == length
    assert {b".text", b".symtab", b".strtab"} <= set(text.split(b"\0"))


@pytest.mark.parametrize(
    ("tags", "base"),
    [
        (RELOCATABLE.format(lowest=0x100000, highest=0xFFFFFF, align=0x1000, preference=0), ADDRESS),
        (RELOCATABLE.format(lowest=0x200001, highest=0xFFFFFF, align=0x10000, preference=0), 0x210000),
        (RELOCATABLE.format(lowest=0x180000, highest=0xFFFFFFFF, align=0x1000, preference=1), 0x180000),
        (RELOCATABLE.format(lowest=0x100000, highest=0x7FFFFF, align=0x10000, preference=2), 0x7F0000),
    ],
)
def test_a_relocatable_kernel_lies_where_it_would_and_is_told(tags: str, base: int, tmp_path: Path) -> None:
    image = _boot(_elf(tmp_path, tags))
    told = _told(_run(image))
    assert struct.unpack("<I", told.tags[InfoTag.LOAD_BASE]) == (base,)
    assert told.moved == base - ADDRESS


def test_a_flat_kernel_is_loaded_where_its_header_says() -> None:
    told = _told(_run(_boot(_flat())))
    assert InfoTag.ELF_SECTIONS not in told.tags
    assert InfoTag.LOAD_BASE not in told.tags
    whole = assemble(_source(FLAT.replace("header, start,", "header, -1,"), f"%define ORIGIN {ADDRESS:#x}\n"))
    assert _told(_run(_boot(whole))).magic == told.magic


def test_an_entry_tag_goes_before_the_entry_of_the_elf(tmp_path: Path) -> None:
    kernel = bytearray(_elf(tmp_path, "align 8\n dw 3, 0\n dd 12, enter\n"))
    right = struct.unpack_from("<I", kernel, 24)[0]
    struct.pack_into("<I", kernel, 24, right + 1)
    assert _boot(bytes(kernel)).entry == right


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (REQUEST.format(flags=0, size=16, words="6, 12"), "requires information .*: the EFI system table. Make"),
        (REQUEST.format(flags=0, size=12, words="7"), "VBE modes"),
        (REQUEST.format(flags=0, size=12, words="13"), "SMBIOS"),
        ("align 8\n dw 4, 0\n dd 12, 1\n", "a console other than EGA text"),
        ("align 8\n dw 5, 0\n dd 20, 1024, 768, 32\n", r"framebuffer \(1024 by 768, 32 bits"),
        ("align 8\n dw 77, 0\n dd 8\n", "a tag of type 77"),
        ("align 8\n dw 2, 0\n dd 12, 0\n", "too short: 12 bytes"),
        ("align 8\n dw 2, 0\n dd 4, 0\n", "has 4 bytes"),
        (RELOCATABLE.format(lowest=0x100000, highest=0x100010, align=1, preference=0), "wants .* between 0x100000"),
        (RELOCATABLE.format(lowest=0x10000000, highest=0x20000000, align=1, preference=1), "wants .* between"),
    ],
)
def test_what_a_kernel_requires_in_vain_is_refused_in_words(tags: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        _boot(_elf(tmp_path, tags))


@pytest.mark.parametrize("initrd", [None, input_file(b"first", "initrd")])
def test_a_kernel_is_told_of_all_its_modules_in_order(initrd: InputFile | None) -> None:
    named = [("", b"a" * 5000), ("two words", b"b"), ("\u00e9,text=x", b"")]
    modules = tuple(Module(input_file(data, f"module {n}"), text) for n, (text, data) in enumerate(named))
    image = _boot(_flat(), initrd=initrd, modules=modules)
    wanted = [("initrd", b"first")] * (initrd is not None) + named
    found = []
    for tag in _told(_run(image)).modules:
        start, end = struct.unpack_from("<II", tag)
        held = b"".join(bytes(segment.data) for segment in image.segments if segment.address == start and end > start)
        assert (start % 4096, len(held)) == (0, end - start)
        found.append((tag[8:-1].decode(), held))
    assert found == wanted


@pytest.mark.parametrize("tags", [REQUEST.format(flags=1, size=12, words="12"), "align 8\n dw 77, 1\n dd 8\n", EFI])
def test_what_is_optional_or_only_for_efi_is_passed_over(tags: str, tmp_path: Path) -> None:
    assert _boot(_elf(tmp_path, tags)).protocol is Protocol.MULTIBOOT2


def test_an_address_without_an_entry_and_another_architecture_are_refused() -> None:
    with pytest.raises(UserError, match="load addresses and no entry address"):
        _boot(assemble(_source(FLAT.partition("align")[0], f"%define ORIGIN {ADDRESS:#x}\n")))
    mips = SOURCE.replace("0xe85250d6, 0,", "0xe85250d6, 4,").replace("-(0xe85250d6 +", "-(4 + 0xe85250d6 +")
    with pytest.raises(UserError, match="for architecture 4"):
        _boot(assemble(f"%define ORIGIN {ADDRESS:#x}\n" + mips.replace("        TAGS\n", FLAT)))


def test_grub_tells_the_same_kernel_the_same(tmp_path: Path) -> None:
    tags = CONSOLE + MODULES_ALIGNED + EFI
    tags += RELOCATABLE.format(lowest=0x400000, highest=0xFFFFFF, align=0x10000, preference=1)
    kernel = _elf(tmp_path, tags)
    theirs = _told(grub.boot(kernel, tmp_path, "multiboot2", append="bug=stack x", module=b"a module"))
    ours = _told(_run(_boot(kernel, append="bug=stack x", initrd=input_file(b"a module", "module"))))
    assert (ours.magic, ours.state) == (theirs.magic, theirs.state)
    same = {InfoTag.COMMAND_LINE, InfoTag.FRAMEBUFFER, InfoTag.LOAD_BASE, InfoTag.END}
    assert {kind: ours.tags[kind] for kind in same} == {kind: theirs.tags[kind] for kind in same}
    assert theirs.tags[InfoTag.MODULE][8:] == ours.tags[InfoTag.MODULE][8:]
    assert theirs.tags.keys() - ours.tags.keys() <= {InfoTag.BOOT_DEVICE, InfoTag.APM, InfoTag.VBE, InfoTag.ACPI_NEW}
    assert ours.tags.keys() - theirs.tags.keys() <= {InfoTag.ACPI_NEW}
    assert ours.tags[InfoTag.ELF_SECTIONS][:12] == theirs.tags[InfoTag.ELF_SECTIONS][:12]
    text = 12 + 40 + 12
    assert ours.tags[InfoTag.ELF_SECTIONS][text : text + 12] == theirs.tags[InfoTag.ELF_SECTIONS][text : text + 12]


def test_grub_finds_a_header_where_we_do(tmp_path: Path) -> None:
    chance = random.Random(30)
    header = struct.pack("<4IHHI", 0xE85250D6, 0, 24, -(0xE85250D6 + 24) & 0xFFFFFFFF, 0, 0, 8)
    for _ in range(40):
        place = chance.choice([chance.randrange(0, 33000), 8 * chance.randrange(0, 4100), 32768 - 24, 32768 - 16])
        kernel = bytearray(chance.randrange(place + 24, place + 60))
        kernel[place : place + len(header)] = header
        if chance.random() < 0.2:
            kernel[place + chance.randrange(12)] ^= 1
        assert (find_offset(memoryview(kernel)) is not None) == grub.is_kernel(
            "--is-x86-multiboot2", bytes(kernel), tmp_path
        ), place
