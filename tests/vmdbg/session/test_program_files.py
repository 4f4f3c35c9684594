"""Which program of the guest a file of this host is."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmdbg.os.linux.user_programs import UserProgram
from vmdbg.session.program_files import ProgramPlacement, build_id, is_placed_when_loaded, is_program, program_of
from vmdbg.session.session import Session
from vmdbg.session.symbol_file import SymbolFile, read_symbol_file
from vmdbg.symbols.placement import NOWHERE, Placement


def built(directory: Path, name: str, *flags: str) -> SymbolFile:
    source = directory / "it.c"
    source.write_text("int it(int n) { return n + 1; }\nvoid _start(void) { it(1); }\n")
    path = directory / name
    subprocess.run(["cc", "-g", "-nostdlib", *flags, str(source), "-o", str(path)], check=True)
    return read_symbol_file(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[SymbolFile, SymbolFile]:
    directory = tmp_path_factory.mktemp("programs")
    static = built(directory, "static", "-static", "-no-pie", "-Wl,--build-id=0x0102")
    return static, built(directory, "moved", "-static-pie", "-Wl,--build-id=none")


def test_files_say_what_they_are(files: tuple[SymbolFile, SymbolFile]) -> None:
    static, moved = files
    assert static.debug is not None
    assert moved.debug is not None
    assert (build_id(static.debug), build_id(moved.debug)) == ("0102", "")
    assert (is_placed_when_loaded(static.debug), is_placed_when_loaded(moved.debug)) == (False, True)
    assert is_program(static.table)
    assert is_program(moved.table)


def test_a_kernel_is_no_program(session: Session) -> None:
    assert not is_program(session.sources.files[0].table)


@dataclass(frozen=True)
class Known:
    path: str
    build_id: str


def test_the_build_id_decides_and_the_name_where_there_is_none() -> None:
    known: list[UserProgram] = [Known("/bin/a", "01"), Known("/bin/b", "02"), Known("/bin/c", "")]  # type: ignore[list-item]  # as far as asked
    assert program_of(Path("/here/anything"), "02", known) is known[1]
    assert program_of(Path("/here/a"), "02", known) is known[1]
    assert program_of(Path("/here/a"), "03", known) is None, "another build"
    assert program_of(Path("/here/a"), "", known) is known[0]
    assert program_of(Path("/here/c"), "03", known) is known[2]
    assert program_of(Path("/here/d"), "", known) is None


def test_without_a_system_only_what_has_addresses_of_its_own_is_somewhere(
    session: Session, files: tuple[SymbolFile, SymbolFile]
) -> None:
    for file, where in zip(files, (Placement(), NOWHERE), strict=True):
        assert file.debug is not None
        placed = ProgramPlacement(session.system, file.path, file.debug)
        assert placed() == placed.anywhere() == where
