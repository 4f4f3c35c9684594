"""Charts of lanes as text, in the width of a terminal."""

from __future__ import annotations

import pytest

from vmdbg.document.document import document
from vmdbg.document.lanes import Chart, Entry, Mark, Tie, in_columns
from vmdbg.document.plain import render_plain


def entry(lane: int, what: str, where: str = "", position: str = "123456789012", before: str = "") -> Entry:
    return Entry(lane, position, what, where, Mark.WRITE, before)


def shown(chart: Chart, limit: int = 100) -> list[str]:
    return render_plain(document(in_columns(chart, limit))).splitlines()


def test_two_lanes_are_two_columns_and_places_are_said_once() -> None:
    entries = (entry(0, "writes a", "f+0x1"), entry(0, "writes b", "f+0x1"), entry(1, "reads a", before="3 more"))
    lines = shown(Chart(("CPU 0", "CPU 1"), entries))
    assert lines[0].split() == ["position", "CPU", "0", "CPU", "1"]
    assert [line.split() for line in lines[1:]] == [
        ["123456789012", "writes", "a"], ["f+0x1"], ["123456789012", "writes", "b"], ["3", "more"],
        ["123456789012", "reads", "a"],
    ]  # fmt: skip
    column = lines[0].index("CPU 1")
    assert lines[4].index("3 more") == lines[5].index("reads") == column


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 8, 16])
def test_no_line_is_wider_than_a_terminal_whatever_is_said(lanes: int) -> None:
    names = tuple(f"CPU {number}" for number in range(lanes))
    long = "writes something_with_quite_a_name+0x123 [module] 0xffffffff81234567 -> 0xffffffff89abcdef (locked)"
    entries = tuple(entry(number % lanes, long[: 20 + number], long[: number * 3], before=long) for number in range(60))
    ties = tuple(Tie(number, number + 1, "because") for number in range(59)) if lanes > 1 else ()
    assert max(map(len, shown(Chart(names, entries, ties)))) < 80


def test_more_lanes_are_bars_and_say_whose_doing_an_entry_follows_from() -> None:
    entries = (entry(0, "writes a", "f"), entry(2, "reads a", "g"))
    lines = shown(Chart(("CPU 0", "CPU 1", "CPU 2"), entries, (Tie(0, 1, "reads what was written"),)))
    assert lines[1].split() == ["123456789012", "*", "|", "|", "writes", "a", "f"]
    assert lines[2].split() == ["123456789012", "|", "|", "*", "reads", "a", "<-", "CPU", "0", "g"]


def test_the_first_so_many_are_shown() -> None:
    chart = Chart(("CPU 0", "CPU 1"), tuple(entry(0, f"step {number}") for number in range(9)))
    assert len(shown(chart, 4)) == 5
