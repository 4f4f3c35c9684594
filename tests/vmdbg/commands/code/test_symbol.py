"""symbol, symbol-file, list and directory."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from vmdbg.commands import catalog
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.session.source_texts import LONGEST_SOURCE


def test_address_to_symbol_and_back(session: Session) -> None:
    found = json.loads(session.execute("symbol --json deposit"))
    assert found["address"] == f"{session.debugger.pc:#x}"
    assert found["line"].endswith("bank.c:62")
    assert "<deposit+0x4>" in session.execute("symbol deposit + 4")
    assert "no symbol has 0x1" in session.execute("symbol 1")


def test_names_that_begin_alike(session: Session) -> None:
    assert "mutex_lock" in session.execute("symbol mutex_*")
    assert "no symbol begins" in session.execute("symbol zzz*")


def test_source_around_the_pc_and_elsewhere(session: Session) -> None:
    shown = session.execute("list")
    assert "=>    62 {" in shown
    assert "kernel_main" in session.execute("list kernel_main")


def test_symbols_of_a_map_with_a_slide(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "System.map"
    path.write_text("0000000000001000 T from_the_map\n0000000000001010 t next\n")
    session.run(f"symbol-file {path} --slide 0x500000")
    assert "0x501000 <from_the_map>" in session.execute("symbol from_the_map")
    session.run(f"symbol-file {path} --remove")
    assert "no register, symbol" in session.execute("symbol from_the_map")


@pytest.mark.parametrize("flags", [("-static-pie", "-nostdlib", "-Wl,-e,somewhere"), ("-shared", "-nostdlib")])
def test_what_no_address_was_chosen_for_is_nowhere_until_it_is_loaded(
    session: Session, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    (tmp_path / "part.c").write_text("int somewhere(int n) { return n + 1; }\n")
    path = tmp_path / "part"
    subprocess.run(["gcc", "-g", "-fPIC", *flags, "-o", path, tmp_path / "part.c"], check=True, timeout=60)
    assert "not loaded" in session.execute(f"symbol-file {path}")
    assert "nothing is called 'somewhere' yet" in session.execute("break --pending somewhere")
    session.run(f"symbol-file {path} --slide 0x40000000")
    assert "0x4000" in session.execute("symbol somewhere")
    session.run(f"symbol-file {path} --remove")


def test_files_that_are_none(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    assert "cannot read" in session.execute(f"symbol-file {path}")
    path.write_text("not a symbol\n")
    assert "line 1: not an address" in session.execute(f"symbol-file {path}")
    path.write_bytes(b"\x7fELF" + bytes(100))
    assert "is no ELF file" in session.execute(f"symbol-file {path}")
    assert "is no directory" in session.execute(f"directory {path}")


def test_functions_are_found_by_a_part_of_their_name(session: Session) -> None:
    assert "teller_main" in session.execute("functions ler_ma")
    assert session.execute("info functions deposit").split()[-1] == "deposit"
    assert "more; --limit" in session.execute("functions --limit 3")
    assert "no symbol contains 'nosuchthing'" in session.execute("functions nosuchthing")


def test_list_takes_lines_and_goes_on(session: Session) -> None:
    def numbers(line: str) -> list[int]:
        return [int(row.removeprefix("=> ").split()[0]) for row in session.execute(line).splitlines()[1:]]

    assert numbers("list")[5] == 62
    assert numbers("list")[0] == 68
    assert numbers("list 40,43") == [40, 41, 42, 43]
    assert numbers("list")[0] == 44
    assert 30 in numbers("list 30")
    assert numbers("list bank.c:69")[5] == 69
    session.run("stepi")
    assert numbers("list")[5] == 62
    assert "lines" in session.execute("list 5000")


def test_a_symbol_without_an_address_is_where_the_cpu_is(session: Session) -> None:
    assert session.execute("symbol") == session.execute("symbol rip")


def test_only_files_of_text_are_read_as_source(session: Session, tmp_path: Path) -> None:
    """Their names come out of symbol files, which may be the work of a guest."""
    fifo = tmp_path / "fifo.c"
    os.mkfifo(fifo)
    big = tmp_path / "big.c"
    with big.open("wb") as file:
        file.truncate(LONGEST_SOURCE + 1)
    plain = tmp_path / "plain.c"
    plain.write_text("one\ntwo\n")
    for name in (fifo, big, "/dev/zero", tmp_path, "a\0b"):
        assert session.sources.text(str(name)) is None
    assert session.sources.text(str(plain)) == ["one", "two"]


def test_who_may_not_reach_the_host_sees_no_sources(session: Session) -> None:
    guarded = Session(session.debugger, catalog.commands(), allowed=Effect.CHANGES, owner="guarded")
    try:
        guarded.sources.files = session.sources.files
        guarded.sources.texts.directories = session.sources.texts.directories
        assert "cannot be shown here" in guarded.execute("list")
        assert "push   rbp" in guarded.execute("context code source")
    finally:
        guarded.close()
