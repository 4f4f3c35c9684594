"""Rows as tables, data and CSV."""

from __future__ import annotations

import csv
import io
import json
import struct

from tests.vmdbg.session.other_system import TABLE, OtherDetector, use
from vmdbg.document.plain import render_json, render_plain
from vmdbg.engine.exits import Access
from vmdbg.machine.snapshot import Position
from vmdbg.queries.rows import AccessRow, ExecutionRow
from vmdbg.session.query_rows import csv_lines, rows_document, shown_fields
from vmdbg.session.session import Session
from vmdbg.units import Linear, Physical, Tick
from vmdbg.x86.paging import NO_EXECUTE


def rows_at(session: Session, number: int) -> list[ExecutionRow]:
    deposit = session.integer("deposit")
    return [ExecutionRow(Position(Tick(n), n), Linear(deposit + n), 0x1000 + n, 0x2000) for n in range(number)]


def test_a_table_has_some_rows_and_the_data_all(session: Session) -> None:
    made = rows_document(session, rows_at(session, 5), 2, durations=False, as_csv=False)
    lines = render_plain(made).splitlines()
    assert lines[0].split() == ["position", "pc", "rsp", "cr3"]
    assert "<deposit>" in lines[1]
    assert lines[-1] == "3 more; --limit shows more, --json and --csv all"
    data = json.loads(render_json(made))
    assert [row["position"] for row in data] == ["0", "1+1", "2+2", "3+3", "4+4"]
    assert data[1]["rsp"] == "0x1001"


def test_nothing_is_said_in_words_and_is_an_empty_list(session: Session) -> None:
    made = rows_document(session, [], 5, durations=False, as_csv=False)
    assert render_plain(made) == "it never happened\n"
    assert json.loads(render_json(made)) == []
    assert csv_lines([]) == []


def test_csv_reads_back_what_was_written() -> None:
    access = Access.WRITE, Linear(0x10), Physical(0x20), b"\x01", b"\xff", 0
    row = AccessRow(Position(Tick(7)), None, *access, device="disk, with a comma", request='a "q"')
    lines = csv_lines([row])
    (read,) = csv.DictReader(io.StringIO("\n".join(lines)))
    assert read["device"] == "disk, with a comma"
    assert (read["position"], read["pc"], read["linear"], read["new"]) == ("7", "", "0x10", "ff")
    assert read["request"] == 'a "q"'
    assert shown_fields([row], durations=False, several_cpus=False)[:2] == ["position", "pc"]
    assert shown_fields([row], durations=False, several_cpus=True)[:2] == ["position", "cpu"]


def test_text_of_the_guest_cannot_drive_a_terminal() -> None:
    row = AccessRow(Position(Tick(7)), None, Access.READ, Linear(0), Physical(0), b"", b"", 0, "\x1b[2J", "\n")
    assert all(line.isprintable() for line in csv_lines([row]))


def test_a_place_of_a_program_has_a_name_in_its_own_address_space_alone(live: Session) -> None:
    """Not where another's page tables are in the next page; but in the other half of its own, which maps the same."""
    live.run("tbreak syscall")
    live.run("continue")
    use(live.system, OtherDetector())
    live.run("when")
    own = live.registers.read("cr3")
    other = own ^ 0x1000

    def named(cr3: int) -> bool:
        row = ExecutionRow(Position(Tick(0)), TABLE, 0, cr3)
        return "proc_table" in render_plain(rows_document(live, [row], 1, durations=False, as_csv=False))

    assert [named(cr3) for cr3 in (own, own | 5, other, own + 0x3000, 1 << 50)] == [True, True, False, False, False]
    half = live.debugger.physical.read(Physical(own), 2048)
    barred = b"".join((entry | NO_EXECUTE).to_bytes(8, "little") for (entry,) in struct.iter_unpack("<Q", half))
    live.debugger.physical.write(Physical(other), barred)
    assert named(other)
    assert not named(other + 0x2000)
