"""Plain text and JSON, as gdb's monitor shows them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from vmdbg.document.document import document, pairs, section, table, text
from vmdbg.document.plain import render_json, render_plain


@given(st.text(), st.text())
def test_no_line_ends_in_blanks_and_each_ends(one: str, other: str) -> None:
    made = document(one, table((one, other), [(one, other)]), pairs([(one, other)]), section(other, one))
    shown = render_plain(made)
    assert shown.endswith("\n")
    assert all(line == line.rstrip() for line in shown.split("\n"))
    assert "\t" not in shown


@given(st.text())
def test_data_is_one_line_with_the_text_as_it_was(words: str) -> None:
    shown = render_json(document(text(words)))
    assert json.loads(shown) == words
    assert shown.count("\n") == 1
