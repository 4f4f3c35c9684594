"""One symbol file, and where the guest has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmdbg.errors import UserError
from vmdbg.session.symbol_file import SymbolFile, read_symbol_file
from vmdbg.symbols.placement import NOWHERE, Placement


@pytest.fixture
def file(tmp_path: Path) -> SymbolFile:
    path = tmp_path / "System.map"
    path.write_text("0000000000001000 T first\n0000000000001010 t second\n")
    return read_symbol_file(path)


def test_a_slide_moves_every_name(file: SymbolFile) -> None:
    assert file.find("second") == 0x1010
    file.move(0x5000)
    assert (file.find("second"), file.slide) == (0x6010, 0x5000)
    found = file.nearest(0x6014)
    assert found is not None
    assert str(found) == "second+0x4"
    assert file.nearest(0x1014) is None
    assert file.program is None


def test_what_is_of_a_process_names_addresses_only_while_that_runs(file: SymbolFile) -> None:
    running: list[int | None] = [None]
    file.process, file.running = 7, lambda: running[0]
    assert file.find("first") == 0x1000
    assert file.nearest(0x1000) is None
    running[0] = 7
    assert file.nearest(0x1000) is not None


def test_names_are_looked_up_anywhere_and_addresses_where_the_guest_stands(file: SymbolFile) -> None:
    class Elsewhere:
        here = NOWHERE

        def __call__(self) -> Placement:
            return self.here

        def anywhere(self) -> Placement:
            return Placement(0x9000)

    file.where = Elsewhere()
    assert file.find("first") == 0xA000
    assert file.find("third") is None
    assert file.nearest(0xA000) is None
    Elsewhere.here = Placement(0x9000)
    assert file.nearest(0xA000) is not None


def test_what_cannot_be_read_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        read_symbol_file(tmp_path / "nothing")
