"""Interrupts between CPUs: who sent what to whom, and when it was taken."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import vmdbg
from devices.interrupts.apic_bus import DeliveryMode
from tests.guests.build import sample_kernel
from vmdbg.api import Guest
from vmdbg.machine.digest import digest
from vmdbg.machine.snapshot import Position
from vmdbg.queries.ipis import IpiQuery, _Taken
from vmdbg.queries.rows import IpiRow
from vmdbg.units import CpuId, Tick


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    with vmdbg.launch(sample_kernel("sample-smp.elf"), cpus=3, append="autostop") as made:
        made.run()
        yield made


def test_each_is_taken_once_by_the_cpu_that_it_was_sent_to(guest: Guest) -> None:
    rows = guest.queries.ipis()
    assert rows
    taken = [(row.position, row.vector, row.cpu) for row in guest.queries.interrupts()]
    fixed = [row for row in rows if row.mode is DeliveryMode.FIXED]
    assert len({row.cpu for row in fixed}) > 1
    assert all(row.to != row.cpu for row in fixed)
    for row in fixed[:-10]:
        assert row.accepted is not None
        assert row.accepted > row.position
        assert (row.accepted, row.vector, row.to) in taken
    assert [row.position for row in rows] == sorted(row.position for row in rows)


def test_the_others_are_started_by_the_first(guest: Guest) -> None:
    started = [row for row in guest.queries.ipis() if row.mode is DeliveryMode.START_UP and row.accepted is not None]
    assert [(row.cpu, row.to) for row in started] == [(0, 1), (0, 2)]


def test_they_are_named_by_their_handlers(guest: Guest) -> None:
    before = guest.position, digest(guest.debugger.machine)
    found = json.loads(guest.session.execute("query ipis --json"))
    named = {row["name"] for row in found if row["mode"] == "fixed"}
    assert named == {"interrupt_entry_240", "interrupt_entry_241"}
    assert "interrupt_entry_240" in guest.execute("query ipis --limit 40")
    assert (guest.position, digest(guest.debugger.machine)) == before
    counts = json.loads(guest.session.execute("query ipis --count-by name --json"))
    assert sum(row["count"] for row in counts) == len(found)


def test_what_is_taken_in_a_later_part_is_known_and_equal_ones_are_taken_as_one() -> None:
    def sent(tick: int, to: int, vector: int) -> IpiRow:
        return IpiRow(Position(Tick(tick)), CpuId(to), DeliveryMode.FIXED, vector)

    def taken(tick: int, cpu: int, vector: int) -> _Taken:
        return _Taken(Position(Tick(tick), 1), CpuId(cpu), vector)

    parts = [[sent(1, 1, 0x40), sent(2, 1, 0x40), sent(3, 2, 0x40)], [taken(5, 1, 0x40), sent(6, 1, 0x40)]]
    assert [row.accepted for row in IpiQuery().join(parts)] == [
        Position(Tick(5), 1), Position(Tick(5), 1), None, None,
    ]  # fmt: skip
