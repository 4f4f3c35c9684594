"""dump core and dump memory."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.guests.build import sample_kernel
from tests.vmdbg.conftest import FUNCTION
from tests.vmdbg.gdb.guests import GDBS, gdb_program
from vmdbg.commands import catalog
from vmdbg.errors import UserError
from vmdbg.session import dumping
from vmdbg.session.new_files import Outbox
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.mappings import mappings


def _run_gdb(program: list[str], core: Path, *commands: str) -> str:
    options = [part for command in commands for part in ("-ex", command)]
    line = [*program, "-q", "-batch", "-nx", "-ex", "set style enabled off", str(sample_kernel()), str(core), *options]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60, stdin=subprocess.DEVNULL).stdout


def test_a_core_has_all_memory_and_the_same_bytes_at_every_mapped_address(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "here.core"
    shown = session.execute(f"dump core {path}")
    assert str(path) in shown
    assert "no VMCOREINFO" in shown
    debugger = session.debugger
    with path.open("rb") as file:
        segments = [one.header for one in ELFFile(file).iter_segments("PT_LOAD")]
        physical = [one for one in segments if one.p_paddr != (1 << 64) - 1]
        for one in physical:
            file.seek(one.p_offset)
            assert file.read(one.p_filesz) == debugger.physical.read(one.p_paddr, one.p_memsz)
        assert sum(one.p_memsz for one in physical) == debugger.engine.ram_size
        found = list(mappings(debugger.physical, debugger.linear().paging))
        chance = random.Random(1)
        for mapping in chance.sample(found, min(40, len(found))):
            address = mapping.start + chance.randrange(mapping.size) & ~7
            data = debugger.linear().read_prefix(Linear(address), 8)
            inside = [one for one in segments if one.p_vaddr <= address < one.p_vaddr + one.p_memsz]
            assert bool(inside) == bool(data)
            for one in inside:
                file.seek(one.p_offset + address - one.p_vaddr)
                assert file.read(8) == data


@pytest.mark.cell("opens a core of any instant", "gdb 13")
def test_gdb_opens_a_core_and_sees_the_calls(session: Session, tmp_path: Path) -> None:
    session.execute(f"dump core {tmp_path / 'c'}")
    output = _run_gdb(gdb_program(GDBS[0]), tmp_path / "c", "bt", "info registers rip cr3", "p/x $rsp", "x/gx $rsp")
    assert f"#0  {FUNCTION} (" in output
    assert "#1  0x" in output
    assert session.debugger.linear().read(Linear(session.registers.read("rsp")), 8)[::-1].hex() in output
    assert f"{session.registers.read('rip'):#x}" in output
    assert f"{session.registers.read('rsp'):#x}" in output


@pytest.mark.cell("opens a core of any instant", "gdb 18")
def test_the_newest_gdb_opens_a_core_of_a_past_instant(session: Session, tmp_path: Path) -> None:
    session.run("reverse-stepi 5")
    session.execute(f"dump core {tmp_path / 'c'}")
    output = _run_gdb(gdb_program(GDBS[1]), tmp_path / "c", "info registers rip", "info all-registers xmm0 st0")
    assert f"{session.registers.read('rip'):#x}" in output


def test_no_file_is_overwritten_and_none_is_left_half(session: Session, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("precious")
    for line in (f"dump core {there}", f"dump core {tmp_path}/no/such", f"dump memory {there} rsp +8"):
        assert session.execute(line).startswith("error: ")
    assert there.read_text() == "precious"
    assert session.execute(f"dump memory {tmp_path}/hole 0xdead00000000 +0x2000").startswith("error: ")
    assert session.execute("dump core /dev/full").startswith("error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_memory_is_dumped_by_linear_and_physical_addresses(session: Session, tmp_path: Path) -> None:
    session.run(f"dump memory {tmp_path / 'linear'} {FUNCTION} {FUNCTION}+5000")
    where = session.place(FUNCTION).address
    assert (tmp_path / "linear").read_bytes() == session.debugger.linear().read(Linear(where), 5000)
    session.run(f"dump memory {tmp_path / 'low'} 0 0x3000 --physical")
    assert (tmp_path / "low").read_bytes() == bytes(session.debugger.engine.ram[:0x3000])
    session.run(f"dump memory {tmp_path / 'same'} phys:0x1000 +0x1000")
    assert (tmp_path / "same").read_bytes() == bytes(session.debugger.engine.ram[0x1000:0x2000])


@pytest.mark.parametrize("physical", [False, True])
def test_a_hole_is_named_by_its_first_address(session: Session, tmp_path: Path, physical: bool) -> None:
    debugger = session.debugger
    if physical:
        start, hole = debugger.engine.ram_size - 0x2000, debugger.engine.ram_size
    else:
        found = next(one for one in mappings(debugger.physical, debugger.linear().paging) if one.start > 1 << 47)
        start = found.start
        hole = start
        while debugger.linear().read_prefix(Linear(hole), 1):
            hole += 0x1000
    with pytest.raises(UserError, match=f"{hole:#x}: {start:#x} to {hole:#x} can be had"):
        dumping.dump_memory(session, tmp_path / "x", start, hole + 0x1000, physical=physical)
    assert not (tmp_path / "x").exists()
    with pytest.raises(UserError, match="the end comes after the start"):
        dumping.dump_memory(session, tmp_path / "x", start, start)


def test_who_connects_writes_only_into_the_directory_set_apart(session: Session, tmp_path: Path) -> None:
    """As over gdb's `monitor`, and where no files may be written at all."""
    session_of_gdb = Session(session.debugger, catalog.commands(), allowed=Effect.FILES, owner="gdb")
    session_of_gdb.files = Outbox(tmp_path / "out")
    assert session_of_gdb.execute(f"dump core {tmp_path}/x").startswith("error: ")
    assert str(tmp_path / "out" / "x") in session_of_gdb.execute("dump core x")
    nobody = Session(session.debugger, catalog.commands(), allowed=Effect.NONE, owner="gdb")
    assert "cannot be used here" in nobody.execute("dump core y")
    session_of_gdb.close()
    nobody.close()


@pytest.mark.parametrize(
    "line",
    [
        "gcore {0}",
        "generate-core-file {0}",
        "dump-guest-memory -p {0}",
        "dump binary memory {0} 0x1000 0x2000",
        "memsave 0x100000 256 {0}",
        "pmemsave 0x1000 256 {0}",
    ],
)
def test_gdb_and_qemu_words_for_it_do_it(session: Session, tmp_path: Path, line: str) -> None:
    path = tmp_path / "made"
    shown = session.execute(line.format(path))
    if "binary" in line or line.startswith("memsave"):
        assert path.exists() or "no memory answers" in shown
    else:
        assert path.stat().st_size >= 256, shown


@pytest.mark.parametrize("line", ["dump", "dump 0x1000", "dump zzz x"])
def test_the_first_word_alone_is_asked_for_the_second(session: Session, line: str) -> None:
    assert session.execute(line) == "error: dump what? core, memory\n"


@pytest.mark.parametrize("line", ["dump core", "dump core --kdump", "dump memory {0} 0 0x800000 --physical"])
def test_a_dump_that_is_left_leaves_no_file(session: Session, tmp_path: Path, line: str) -> None:
    """By Ctrl-C, or by a client that hangs up, in the midst of the memory."""

    def leave(done: float) -> None:
        if done > 0.2:
            raise KeyboardInterrupt

    session.progress = leave
    try:
        with pytest.raises(KeyboardInterrupt):
            session.run(line.format(tmp_path / "x") if "{" in line else f"{line} {tmp_path / 'x'}")
    finally:
        session.progress = None
    assert not list(tmp_path.iterdir())
