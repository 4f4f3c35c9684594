"""All symbol files of a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guests.build import sample_kernel
from vmdbg.errors import UserError
from vmdbg.session.session import Session


def written(path: Path, address: int, name: str) -> Path:
    path.write_text(f"{address:016x} T {name}\n")
    return path


def test_a_file_read_again_takes_the_place_of_the_first(session: Session, tmp_path: Path) -> None:
    path, before = tmp_path / "System.map", len(session.sources.files)
    session.sources.add(written(path, 0x1000, "one"))
    changes = session.sources.changes
    session.sources.add(written(path, 0x2000, "two"))
    assert len(session.sources.files) == before + 1
    assert (session.symbols.find("one"), session.symbols.find("two")) == (None, 0x2000)
    assert session.sources.changes > changes
    assert session.sources.remove(path)
    assert not session.sources.remove(path)
    assert session.symbols.find("two") is None


def test_lines_and_addresses_are_each_others(session: Session) -> None:
    start = session.integer("deposit")
    line = session.sources.line_at(start)
    assert line is not None
    found = session.sources.find_line(line.file, line.line)
    assert found is not None
    assert found.start == start
    assert session.sources.is_line_start(start)
    assert start in session.sources.copies_of_line(line)
    span = session.sources.span(start)
    assert span is not None
    assert span[0] <= start < span[1]
    assert session.sources.line_at(1) is None


def test_the_kernel_of_the_sample_stays_where_it_was_linked(session: Session) -> None:
    (file,) = (one for one in session.sources.files if one.path == sample_kernel())
    assert file.slide == 0
    assert session.sources.debug_file_at(session.debugger.pc) in session.sources.files
    assert not session.sources.has_moving_files


def test_what_is_not_linked_has_no_addresses(session: Session, tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "part.c").write_text("int part(void) { return 1; }\n")
    made = tmp_path / "part.o"
    subprocess.run(["cc", "-g", "-c", str(tmp_path / "part.c"), "-o", str(made)], check=True)
    before = list(session.sources.files)
    with pytest.raises(UserError, match="it has no addresses"):
        session.sources.add(made)
    assert session.sources.files == before
