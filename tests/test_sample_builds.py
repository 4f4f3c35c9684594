"""samples/kernel as a file: what loaders and debuggers need is in it, and nothing of the building machine."""

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.construct import Container
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection, SymbolTableSection

from tests.guests.build import REPOSITORY, SAMPLE_KERNEL, require, sample_kernel

MULTIBOOT_MAGIC = 0x1BADB002
MULTIBOOT_SEARCH = 8192  # Multiboot 0.6.96, 3.1
ADDRESS_FIELDS = 1 << 16
XEN_ELFNOTE_PHYS32_ENTRY = 18


ONE_CPU, SEVERAL_CPUS = "sample.elf", "sample-smp.elf"


@pytest.fixture(scope="module", params=[ONE_CPU, SEVERAL_CPUS])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def path(name: str) -> Path:
    return sample_kernel(name)


@pytest.fixture(scope="module")
def elf(path: Path) -> Iterator[ELFFile]:
    with path.open("rb") as stream:
        yield ELFFile(stream)


def _loads(elf: ELFFile) -> list[Container]:
    return [segment.header for segment in elf.iter_segments("PT_LOAD")]


def _symbols(elf: ELFFile) -> dict[str, int]:
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}


def test_is_a_static_64_bit_x86_executable(elf: ELFFile) -> None:
    assert (elf.elfclass, elf.get_machine_arch(), elf["e_type"]) == (64, "x64", "ET_EXEC")
    assert not list(elf.iter_segments("PT_INTERP"))
    assert not list(elf.iter_segments("PT_DYNAMIC"))


def test_multiboot_address_fields_and_program_headers_describe_one_image(elf: ELFFile, path: Path) -> None:
    start = path.read_bytes()[:MULTIBOOT_SEARCH]
    words = struct.unpack_from(f"<{MULTIBOOT_SEARCH // 4}I", start)
    offset = 4 * words.index(MULTIBOOT_MAGIC)
    magic, flags, checksum, header, load, load_end, bss_end, entry = struct.unpack_from("<8I", start, offset)
    assert (magic + flags + checksum) % 2**32 == 0
    assert flags & ADDRESS_FIELDS
    loads = [h for h in _loads(elf) if h["p_filesz"]]
    assert {h["p_paddr"] - h["p_offset"] for h in loads} == {header - offset}
    assert load == min(h["p_paddr"] for h in loads)
    assert load_end == max(h["p_paddr"] + h["p_filesz"] for h in loads)
    assert bss_end >= max(h["p_paddr"] + h["p_memsz"] for h in loads)
    assert entry == elf["e_entry"]


def test_the_pvh_note_names_the_entry(elf: ELFFile) -> None:
    section = elf.get_section_by_name(".note.pvh")
    assert isinstance(section, NoteSection)
    (note,) = section.iter_notes()
    assert note["n_name"] == "Xen"
    assert int(note["n_type"]) == XEN_ELFNOTE_PHYS32_ENTRY
    assert int.from_bytes(note["n_descdata"], "little") == _symbols(elf)["pvh_entry"]


def test_no_segment_is_both_writable_and_executable(elf: ELFFile) -> None:
    assert not [h for h in _loads(elf) if h["p_flags"] & 3 == 3]


def test_dwarf_names_sources_relative_to_the_repository(elf: ELFFile, name: str) -> None:
    dwarf = elf.get_dwarf_info()
    sources = set()
    for unit in dwarf.iter_CUs():
        attributes = unit.get_top_DIE().attributes
        assert attributes["DW_AT_comp_dir"].value == b"samples/kernel"
        sources.add(attributes["DW_AT_name"].value.decode())
    files = SAMPLE_KERNEL.rglob("*") if name == SEVERAL_CPUS else SAMPLE_KERNEL.iterdir()
    assert sources == {str(p.relative_to(SAMPLE_KERNEL)) for p in files if p.suffix in {".c", ".S"}}


def _sequences_with_lines(elf: ELFFile) -> Iterator[range]:
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        assert program is not None
        start = None
        for state in (entry.state for entry in program.get_entries() if entry.state is not None):
            start = state.address if start is None else start
            if state.end_sequence:
                yield range(start, state.address)
                start = None


def test_every_function_has_line_numbers(elf: ELFFile) -> None:
    covered = list(_sequences_with_lines(elf))
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    functions = {s.name: s["st_value"] for s in table.iter_symbols() if s["st_info"]["type"] == "STT_FUNC"}
    assert {"kernel_main", "deposit", "text_copy_unchecked", "pay_interest", "user_main"} <= functions.keys()
    assert [name for name, address in functions.items() if not any(address in part for part in covered)] == []


def test_the_kernel_and_the_task_are_where_the_readme_says(elf: ELFFile) -> None:
    symbols = _symbols(elf)
    assert symbols["kernel_main"] >= 0xFFFFFFFF80100000
    assert 0x400000 <= symbols["user_start"] < 0x500000


def test_builds_to_the_same_bytes_in_any_directory(path: Path, name: str, tmp_path: Path) -> None:
    tree = tmp_path / "another place" / "kernel"
    shutil.copytree(SAMPLE_KERNEL, tree, ignore=shutil.ignore_patterns("*.o", "*.elf"))
    subprocess.run([require("make"), "-s", "-j2", "-C", tree, name], check=True, capture_output=True, timeout=60)
    assert (tree / name).read_bytes() == path.read_bytes()


def test_no_path_of_the_building_machine_is_in_it(path: Path) -> None:
    assert str(REPOSITORY).encode() not in path.read_bytes()


def _boot(elf: Path, command_line: str) -> tuple[int, str]:
    """Exit status and serial output under QEMU: an independent opinion of whether the kernel works."""
    command = [
        require("qemu-system-x86_64"), "-kernel", str(elf), "-append", command_line, "-m", "32",
        "-display", "none", "-net", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-icount", "shift=0,sleep=off",
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def test_qemu_boots_it_by_multiboot_and_it_powers_off(path: Path) -> None:
    status, output = _boot(path, "autostop")
    assert status == 0
    assert "boot: Multiboot" in output
    assert "2262 primes" in output
    assert "bank: the account holds 500, as it should" in output
    assert "demo: done" in output
    assert "PANIC" not in output


def test_qemu_boots_it_by_pvh(path: Path, tmp_path: Path) -> None:
    only_pvh = tmp_path / "pvh.elf"
    only_pvh.write_bytes(path.read_bytes().replace(MULTIBOOT_MAGIC.to_bytes(4, "little"), bytes(4), 1))
    status, output = _boot(only_pvh, "autostop")
    assert status == 0
    assert "boot: PVH" in output
    assert "demo: done" in output


@pytest.mark.parametrize(
    ("bug", "panic"),
    [
        ("smash", "PANIC: vector 14 (page fault), error code 10, rip ffffff00"),
        ("race", "PANIC: bank: the account holds"),
        ("stale", "PANIC: vector 14 (page fault), error code 0, rip"),
    ],
)
def test_each_planted_bug_ends_in_its_panic(path: Path, bug: str, panic: str) -> None:
    status, output = _boot(path, f"bug={bug} panic=exit autostop")
    assert status == 3
    assert panic in output
    assert "demo: done" not in output


@pytest.mark.parametrize("cpus", [1, 2, 4, pytest.param(32, marks=pytest.mark.slow)])
def test_the_one_for_several_cpus_does_its_demonstration_in_qemu(cpus: int) -> None:
    """Its CPUs are QEMU's threads there: what locks keep apart is told by nobody's turns."""
    qemu = require("qemu-system-x86_64")
    command = [
        qemu,
        "-kernel",
        str(sample_kernel(SEVERAL_CPUS)),
        "-append",
        "autostop",
        "-smp",
        str(cpus),
        "-no-reboot",
    ]
    command += ["-display", "none", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    output = subprocess.run(command, check=True, capture_output=True, timeout=600, stdin=subprocess.DEVNULL).stdout
    for line in (
        f"smp: {cpus} CPUs",
        "bank: the account holds 500, as it should",
        "ledger: 150 entries, as it should",
    ):
        assert line in output.decode()
    assert "demo: done" in output.decode()
