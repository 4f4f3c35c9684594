"""pagewalk."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

from tests.vmdbg.x86.builders import PageTables, Ram
from vmdbg.commands.cpu.pagewalk import _allowed, _row
from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.page_walk import walk
from vmdbg.x86.paging import CR0_WP, CR4_PKE, CR4_SMAP, CR4_SMEP, PagingMode


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


def test_what_is_refused_says_why() -> None:
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    built.map(0, 0x3000, bits=0b101)
    bare = built.paging
    paging = replace(bare, cr0=bare.cr0 | CR0_WP, cr4=bare.cr4 | CR4_SMAP | CR4_SMEP)
    found = walk(built.memory, paging, Linear(0))
    assert list(map(str, _allowed(found, paging, alignment_check=False))) == [
        "kernel: no read no write no fetch, user: read no write fetch",
        "no kernel read: SMAP: supervisor read of a user page, #PF(0x1)",
        "no kernel write: SMAP: supervisor write of a user page, #PF(0x3)",
        "no kernel fetch: SMEP: supervisor fetch from a user page, #PF(0x11)",
    ]
    lifted = list(map(str, _allowed(found, paging, alignment_check=True)))
    assert lifted[0] == "kernel: read no write no fetch, user: read no write fetch"
    assert lifted[-1].startswith("RFLAGS.AC is set, which lifts SMAP")


def test_the_key_of_a_page_is_shown_and_what_it_refuses() -> None:
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    built.map(0, 0x3000, bits=0b111 | 5 << 59)
    paging = replace(built.paging, cr4=built.paging.cr4 | CR4_PKE, pkru=2 << 10)
    found = walk(built.memory, paging, Linear(0))
    assert str(_row(found.entries[-1], found.permissions.protection_key)[-1]).endswith("user, protection key 5")
    assert list(map(str, _allowed(found, paging, alignment_check=False)))[1:] == [
        "no user write: PKRU denies writes to pages of protection key 5, #PF(0x27)"
    ]
    without = replace(paging, cr4=built.paging.cr4)
    assert walk(built.memory, without, Linear(0)).permissions.protection_key == 0
