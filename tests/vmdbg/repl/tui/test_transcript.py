"""Lines of a pane: cut where it ends, and without anything that moves a cursor."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from vmdbg.repl.tui.transcript import MOST, Transcript, wrapped

LOOK = re.compile(r"\x1b\[[0-9;:]*m")


@given(st.text(alphabet="ab \u4e16\u0301\x1b[0;31mHJ\r\b\x07\t\n", max_size=200), st.integers(2, 40), st.integers(1, 9))
def test_rows_fit_whatever_is_written(words: str, columns: int, count: int) -> None:
    made = Transcript(lambda: None)
    made.write(words)
    rows = made.rows(columns, count)
    assert len(rows) <= count
    for row in rows:
        plain = LOOK.sub("", row)
        assert cell_len(plain) <= columns
        assert not any(one < " " for one in plain), row


def test_a_long_line_keeps_its_look_from_row_to_row() -> None:
    assert wrapped("\x1b[31mabcdef", 4) == ["\x1b[31mabcd", "\x1b[31mef"]


def test_what_was_written_long_ago_is_forgotten_and_the_rest_scrolled_to() -> None:
    shown: list[int] = []
    made = Transcript(lambda: shown.append(1))
    for number in range(MOST + 100):
        made.write(f"{number}\n")
    assert len(shown) == MOST + 100
    assert made.rows(10, 2) == [str(MOST + 98), str(MOST + 99)]
    made.scroll(1)
    assert made.rows(10, 2) == [str(MOST + 97), str(MOST + 98)]
    made.scroll(10 * MOST)
    assert int(made.rows(10, 2)[0]) >= 100
    made.scroll(-20 * MOST)
    assert made.rows(10, 1) == [str(MOST + 99)]
