"""Files of memory: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmdbg.errors import UserError
from vmdbg.session.dumping import MOST_BYTES, dump_core, dump_memory
from vmdbg.session.session import Session


def test_a_range_is_written_as_it_is(session: Session, tmp_path: Path) -> None:
    start = session.integer("deposit")
    dump_memory(session, tmp_path / "linear", start, start + 5000)
    assert (tmp_path / "linear").read_bytes() == session.debugger.linear().read(start, 5000)  # type: ignore[arg-type]  # Linear
    dump_memory(session, tmp_path / "physical", 0x7000, 0x9001, physical=True)
    assert (tmp_path / "physical").read_bytes() == bytes(session.debugger.engine.ram[0x7000:0x9001])


def test_a_hole_is_named_and_leaves_no_file(session: Session, tmp_path: Path) -> None:
    end = session.debugger.engine.ram_size
    with pytest.raises(UserError, match=f"answers at physical {end:#x}: {end - 16:#x} to {end:#x} can be had"):
        dump_memory(session, tmp_path / "file", end - 16, end + 16, physical=True)
    with pytest.raises(UserError, match="choose another start"):
        dump_memory(session, tmp_path / "file", 0x7777_0000_0000, 0x7777_0000_0010)
    assert list(tmp_path.iterdir()) == []


def test_who_stops_it_leaves_no_file(session: Session, tmp_path: Path) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    session.progress = stop
    try:
        with pytest.raises(KeyboardInterrupt):
            dump_memory(session, tmp_path / "file", 0, 0x10000, physical=True)
        with pytest.raises(KeyboardInterrupt):
            dump_core(session, tmp_path / "core")
    finally:
        session.progress = None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("start", "end"), [(16, 16), (16, 0), (0, MOST_BYTES + 1)])
def test_what_is_no_range_is_refused(session: Session, tmp_path: Path, start: int, end: int) -> None:
    with pytest.raises(UserError):
        dump_memory(session, tmp_path / "file", start, end)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays_as_it_is(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"cannot write .*: File exists"):
        dump_memory(session, tmp_path / "file", 0, 16, physical=True)
    assert (tmp_path / "file").read_text() == "mine"
