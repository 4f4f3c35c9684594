"""Where the guest has the module that a file is of."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from vmdbg.dwarf.debug_file import DebugFile
from vmdbg.errors import UserError
from vmdbg.os.seam import DamagedError
from vmdbg.session import module_files
from vmdbg.session.module_files import ModulePlacement
from vmdbg.session.session import Session
from vmdbg.session.symbol_file import read_symbol_file
from vmdbg.symbols.kernel_module import BUILD_ID, build_id_note
from vmdbg.symbols.placement import NOWHERE

TEXT, NOTE = 0xFFFF_FFFF_C000_1000, 0xFFFF_FFFF_C000_3000


class Modules:
    """A Linux as far as it is asked: sections of one module, and the note in its memory."""

    def __init__(self, sections: dict[str, int], note: bytes) -> None:
        self.sections = sections
        self.kernel = SimpleNamespace(read=lambda where, size: note[:size] if where == NOTE else b"")
        self.error: Exception | None = None

    def module_sections(self, name: str) -> dict[str, int]:
        assert name == "one"
        if self.error is not None:
            raise self.error
        return self.sections


@pytest.fixture
def file(tmp_path: Path) -> DebugFile:
    (tmp_path / "one.c").write_text("int one(int n) { return n + 1; }\n")
    subprocess.run(["cc", "-g", "-c", str(tmp_path / "one.c"), "-o", str(tmp_path / "part.o")], check=True)
    subprocess.run(
        ["ld", "-r", "--build-id=0x01020304", str(tmp_path / "part.o"), "-o", str(tmp_path / "one.ko")], check=True
    )
    found = read_symbol_file(tmp_path / "one.ko").debug
    assert found is not None
    return found


Placed = tuple[ModulePlacement, list[Modules | None]]


@pytest.fixture
def placed(session: Session, file: DebugFile, monkeypatch: pytest.MonkeyPatch) -> Placed:
    here: list[Modules | None] = [None]
    monkeypatch.setattr(module_files, "find_linux", lambda _: here[0])
    return ModulePlacement(session.system, "one", file), here


def test_it_is_where_the_kernel_has_its_sections_at_each_instant(placed: Placed, file: DebugFile) -> None:
    where, here = placed
    assert where() is NOWHERE
    note = build_id_note(file)
    assert note
    here[0] = Modules({".text": TEXT, BUILD_ID: NOTE}, note)
    loaded = where()
    raw = loaded.to_file(TEXT)
    assert raw is not None
    assert loaded.to_file(TEXT - 1) is None
    assert where() is where.anywhere() is loaded
    here[0] = Modules({}, note)
    assert where() is NOWHERE, "not loaded yet"
    here[0].error = DamagedError("modules", 0x1000)
    here[0] = Modules({".text": TEXT, BUILD_ID: NOTE}, note)
    assert where() == loaded


def test_another_build_is_nowhere_and_is_refused_while_it_is_loaded(placed: Placed, file: DebugFile) -> None:
    where, here = placed
    where.check()
    here[0] = Modules({".text": TEXT, BUILD_ID: NOTE}, bytes(64))
    assert where() is NOWHERE
    with pytest.raises(UserError, match="of another build"):
        where.check()
