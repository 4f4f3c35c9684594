"""pagewalk."""

from __future__ import annotations

import json
from itertools import pairwise

from vmdbg.session.session import Session


def test_every_level_and_what_is_allowed(session: Session) -> None:
    found = json.loads(session.execute("pagewalk rip --json"))
    assert [row["level"] for row in found["rows"]] == ["PML4E", "PDPTE", "PDE", "PTE"]
    assert "4 KiB page" in found["text"][1]
    assert found["text"][2] == "kernel: read no write fetch, user: no read no write no fetch"


def test_each_entry_is_where_the_one_above_points(session: Session) -> None:
    rows = json.loads(session.execute("pagewalk rsp --json"))["rows"]
    for above, below in pairwise(rows):
        assert int(below["at_physical"], 16) & ~0xFFF == int(above["points_to"], 16)


def test_a_fault_names_the_level(session: Session) -> None:
    assert "fault: PML4E: not present" in session.execute("pagewalk 0x123456789000")
    assert "not canonical" in session.execute("pagewalk 1<<62")


def test_walking_sets_no_bits(session: Session) -> None:
    table = session.registers.read("cr3") & ~0xFFF
    before = session.debugger.physical.read(table, 4096)  # type: ignore[arg-type]  # a physical address
    session.run("pagewalk 0x400000")
    assert session.debugger.physical.read(table, 4096) == before  # type: ignore[arg-type]  # as above


def test_without_paging_it_is_the_address_itself(real_mode: Session) -> None:
    assert "physical 0x7c00, identity" in real_mode.execute("pagewalk 0x7c00")
