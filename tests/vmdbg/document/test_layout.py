"""Documents in lines, whose text is nobody's to choose."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vmdbg.document.document import document, pairs, section, table, text
from vmdbg.document.layout import lay_out
from vmdbg.document.printable import printable


@given(st.text())
def test_nothing_shown_can_drive_a_terminal(words: str) -> None:
    made = document(words, table((words,), [(words,)]), pairs([(words, words)]), section(words, words))
    for line in lay_out(made):
        assert line.plain.isprintable()
    assert printable(words).isprintable()
    assert len(printable(words)) == len(words)


def test_a_title_is_a_heading_and_what_is_in_it_lies_deeper() -> None:
    lines = list(lay_out(document("before", section("title", "inside", section("more", "in")), "after")))
    assert [(line.depth, line.heading) for line in lines] == [
        (0, False), (0, True), (1, False), (1, True), (2, False), (0, False),
    ]  # fmt: skip


def test_the_last_column_leaves_no_blanks_behind() -> None:
    made = document(table(("a", "b"), [(text("1"), text("long")), (text("2"), text("")), (text("3"), text("x"))]))
    assert [line.plain for line in lay_out(made)] == ["a  b", "1  long", "2", "3  x"]
