"""symbol, symbol-file, list and directory."""

from __future__ import annotations

import json
from pathlib import Path

from vmdbg.commands.session import Session


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


def test_files_that_are_none(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    assert "cannot read" in session.execute(f"symbol-file {path}")
    path.write_text("not a symbol\n")
    assert "line 1: not an address" in session.execute(f"symbol-file {path}")
    path.write_bytes(b"\x7fELF" + bytes(100))
    assert "is no ELF file" in session.execute(f"symbol-file {path}")
    assert "is no directory" in session.execute(f"directory {path}")
