import struct
from pathlib import Path

import pytest

import vmdbg
from tests.vmdbg.boot import qemu
from tests.vmdbg.boot.builders import NOTE, PUTS, Part, assemble, elf32, elf64, input_file, note
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootImage, BootOptions, CpuMode, Module, Protocol
from vmdbg.errors import UserError

MIB = 1 << 20
ADDRESS = 0x100000
GUEST = (
    f"""
bits 32
org {ADDRESS:#x}
start:
    dd 0x1badb002, {{flags}}, -(0x1badb002 + {{flags}})
    dd start, start, 0, end + 0x1000, enter
enter:
    cmp eax, 0x2badb002
    jne leave
    push dword 0x5a5a5a5a
    mov esi, [ebx + 16]
    call puts
    mov esi, [ebx + 64]
    call puts
    mov ecx, [ebx + 24]
    mov esi, [ecx]
    call puts
    mov esi, text
    pushf
    pop eax
    test eax, 0x200
    jz .off
    inc esi
.off:
    mov ecx, [ebx + 44]
    cmp ecx, 24 * {{entries}}
    jne leave
    call puts
    jmp leave
text: db ' done', 0
"""
    + PUTS
    + "end:"
)
ENTRIES = 6


def _code(flags: int = 0) -> bytes:
    return assemble(GUEST.format(flags=flags, entries=ENTRIES))


def _boot(kernel: bytes, **more: object) -> BootImage:
    return boot_image(BootOptions(memory=16 * MIB, kernel=input_file(kernel), **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["elf32", "elf64", "flat"])
def test_a_kernel_finds_its_command_line_module_and_memory_map(form: str, tmp_path: Path) -> None:
    kernel = {
        "elf32": lambda: elf32([Part(ADDRESS, _code())], ADDRESS + 32),
        "elf64": lambda: elf64([Part(ADDRESS, _code())], ADDRESS + 32),
        "flat": lambda: _code(1 << 16),
    }[form]()
    image = _boot(kernel, append="bug=stack ", initrd=input_file(b" a module\0", "module"))
    assert (image.protocol, image.start.mode) == (Protocol.MULTIBOOT, CpuMode.PROTECTED32)
    assert len(image.e820) == ENTRIES
    assert qemu.run(image, tmp_path, " done") == "bug=stack vmdbg a module done"


ALL_MODULES = (
    f"""
bits 32
org {ADDRESS:#x}
start:
    dd 0x1badb002, 1 << 16, -(0x1badb002 + (1 << 16))
    dd start, start, 0, end + 0x1000, enter
enter:
    push dword 0x5a5a5a5a
    mov ebp, [ebx + 20]
    mov ebx, [ebx + 24]
.next:
    test ebp, ebp
    jz .done
    mov esi, [ebx + 8]                  ; its text
    call puts
    mov esi, [ebx]                      ; and all of it, which ends in NUL
    call puts
    add ebx, 16
    dec ebp
    jmp .next
.done:
    mov esi, text
    call puts
    jmp leave
text: db ' done', 0
"""
    + PUTS
    + "end:"
)


@pytest.mark.parametrize("count", [0, 1, 2, 7])
@pytest.mark.parametrize("initrd", [False, True])
def test_a_kernel_finds_all_its_modules_in_order(count: int, initrd: bool, tmp_path: Path) -> None:
    modules = tuple(Module(input_file(f" is {n};\0".encode(), f"m{n}"), f"text {n}") for n in range(count))
    first = input_file(b" is first;\0", "initrd") if initrd else None
    image = _boot(assemble(ALL_MODULES), initrd=first, modules=modules)
    said = "initrd is first;" * initrd + "".join(f"text {n} is {n};" for n in range(count))
    assert qemu.run(image, tmp_path, " done") == said + " done"


def test_modules_lie_on_pages_that_nothing_else_has() -> None:
    modules = tuple(Module(input_file(bytes(size), f"m{size}")) for size in (4097, 1, 4096))
    image = _boot(elf32([Part(ADDRESS, _code())], ADDRESS + 32), modules=modules)
    found = [segment for segment in image.segments if segment.name.startswith("module m")]
    assert [segment.address for segment in found] == [0x101000, 0x103000, 0x104000]


@pytest.mark.parametrize(
    ("kernel", "more", "words"),
    [
        (elf32([Part(ADDRESS, b"\xf4")], ADDRESS), {}, "--module is for Multiboot kernels, but this is elf"),
        (b"\xf4", {"load_address": 0x1000, "mode": CpuMode.PROTECTED32}, "but this is flat"),
        (b"\xf4", {"bios": input_file(bytes(0x10000))}, "--module is for Multiboot kernels, and this is firmware"),
    ],
)
def test_modules_are_refused_where_nobody_is_told_of_them(kernel: bytes, more: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        _boot(kernel, modules=(Module(input_file(b"m")),), **more)


def test_a_module_that_memory_has_no_room_for_is_named() -> None:
    modules = (Module(input_file(b"m", "small")), Module(input_file(bytes(32 * MIB), "large")))
    with pytest.raises(UserError, match="module large"):
        _boot(assemble(ALL_MODULES), modules=modules)


def test_a_text_with_a_nul_is_refused() -> None:
    with pytest.raises(UserError, match="a module's text holds a NUL character: take it out of --module"):
        _boot(assemble(ALL_MODULES), modules=(Module(input_file(b"m"), "a\0b"),))


def test_a_recording_has_the_modules_or_is_refused(tmp_path: Path) -> None:
    kernel, module = tmp_path / "kernel", tmp_path / "module"
    kernel.write_bytes(assemble(ALL_MODULES))
    module.write_bytes(b" is there;\0")
    recorded = tmp_path / "run.rec"
    with vmdbg.launch(kernel, modules=[f"{module},text=it"], record=recorded) as guest:
        guest.expect(" done")
        digest = guest.digest()
    module.unlink()
    with vmdbg.open_recording(recorded) as again:
        again.seek(again.end)
        assert again.digest() == digest
    module.write_bytes(b" is there;\0")
    with pytest.raises(UserError, match="a recording cannot name the files of --module"):
        vmdbg.launch(kernel, modules=[module], record=tmp_path / "other.rec", embed=False)


def test_the_module_lies_behind_the_kernel_on_a_page() -> None:
    image = _boot(elf32([Part(ADDRESS, _code())], ADDRESS + 32), initrd=input_file(b"m", "module"))
    (module,) = (segment for segment in image.segments if "module module" in segment.name)
    assert module.address == 0x101000


def test_real_mode_has_a_bios_where_that_is_asked_for() -> None:
    plain, asked = (_boot(elf32([Part(ADDRESS, _code())], ADDRESS + 32), real_mode=real) for real in (False, True))
    assert asked.chips, "as a BIOS leaves them"
    assert not plain.chips
    vectors = next(bytes(segment.data) for segment in asked.segments if segment.address == 0)
    assert {int.from_bytes(vectors[at : at + 2], "little") for at in range(2, 1024, 4)} == {0xF000}


def test_a_bios_for_real_mode_is_refused_where_it_would_be_of_no_use() -> None:
    with pytest.raises(UserError, match="--real-mode is for Multiboot kernels, but this is flat"):
        vmdbg.launch(b"\xf4", load_address=0x1000, mode="protected", real_mode=True)


def test_a_virtual_entry_point_is_entered_where_it_is_loaded() -> None:
    assert _boot(elf32([Part(ADDRESS, _code(), 0xC0100000)], 0xC0100020)).entry == ADDRESS + 32


def test_a_header_with_a_wrong_checksum_is_none() -> None:
    code = bytearray(_code())
    code[8] ^= 1
    assert _boot(elf32([Part(ADDRESS, bytes(code))], ADDRESS + 32)).protocol is Protocol.ELF


def test_requirements_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UserError, match="flags 0x8"):
        _boot(elf32([Part(ADDRESS, _code(8))], ADDRESS + 32))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ((0x100010, 0x100020, 0, 0, 0x100020), "behind itself"),
        ((0x100000, 0x100000, 0x200000, 0, 0x100020), "truncated"),
        ((0x100000, 0x100000, 0, 0, 0x300000), "entry point 0x300000 lies outside"),
        ((0xA0000, 0xA0000, 0, 0, 0xA0020), "not free RAM"),
    ],
)
def test_address_fields_that_cannot_be_are_refused(fields: tuple[int, ...], text: str) -> None:
    kernel = struct.pack("<3I5I", 0x1BADB002, 1 << 16, -(0x1BADB002 + (1 << 16)) & 0xFFFFFFFF, *fields)
    with pytest.raises(UserError, match=text):
        _boot(kernel + bytes(100))


PVH_GUEST = (
    f"""
bits 32
org {ADDRESS:#x}
    cmp dword [ebx], 0x336ec578
    jne leave
    mov esi, [ebx + 24]
    call puts
    mov ecx, [ebx + 16]
    mov esi, [ecx]
    call puts
    cmp dword [ebx + 12], 1
    jne leave
    cmp dword [ebx + 32], 0xe0000
    jne leave
    mov ecx, [ebx + 40]
    mov eax, [ecx + 24]
    cmp eax, 0x9fc00
    jne leave
    str ax
    test eax, eax
    jz leave
    mov esi, text
    call puts
    jmp leave
text: db ' done', 0
"""
    + PUTS
)


def _pvh(entry: int = ADDRESS) -> bytes:
    code = assemble(PVH_GUEST)
    return elf64([Part(0, note(b"Xen", 18, struct.pack("<I", entry)), type=NOTE), Part(ADDRESS, code)], 0)


def test_a_pvh_kernel_finds_its_start_info(tmp_path: Path) -> None:
    image = _boot(_pvh(), append="pvh ", rsdp=0xE0000, initrd=input_file(b"initrd\0", "initrd"))
    assert (image.protocol, image.start.mode, image.entry) == (Protocol.PVH, CpuMode.PROTECTED32, ADDRESS)
    assert image.start.general.keys() == {"rbx"}
    assert qemu.run(image, tmp_path, " done") == "pvhinitrd done"


def test_a_pvh_entry_outside_what_is_loaded_is_damage() -> None:
    with pytest.raises(UserError, match="PVH entry point 0x900000 lies outside"):
        _boot(_pvh(0x900000))
