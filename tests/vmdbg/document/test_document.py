"""Documents: one result, shown as lines and as data."""

from __future__ import annotations

import json

import pytest

from vmdbg.document.document import (
    EMPTY,
    Column,
    Document,
    Json,
    Style,
    address,
    count,
    document,
    hexadecimal,
    joined,
    pairs,
    section,
    table,
    text,
)
from vmdbg.document.plain import render_json, render_plain


def data_of(made: Document) -> Json:
    return json.loads(render_json(made))


def test_nothing_is_nothing_in_both_forms() -> None:
    assert render_plain(EMPTY) == ""
    assert data_of(EMPTY) == {}


def test_a_text_stands_for_its_value_where_it_has_one() -> None:
    assert data_of(document(text("five", value=5))) == 5
    assert data_of(document("words")) == "words"
    assert render_plain(document(joined(("a", text("b", Style.BAD), "c")))) == "abc\n"


@pytest.mark.parametrize(
    ("made", "shown", "value"),
    [(address(0xB8000), "0xb8000", "0xb8000"), (hexadecimal(5, 4), "0x0005", "0x5"), (count(12345), "12,345", 12345)],
)
def test_numbers_are_data_that_no_reader_of_json_cuts(made: object, shown: str, value: Json) -> None:
    assert render_plain(document(made)) == f"{shown}\n"  # type: ignore[arg-type]  # a Text
    assert data_of(document(made)) == value  # type: ignore[arg-type]  # a Text


def test_a_table_is_aligned_and_its_rows_are_objects() -> None:
    made = document(table(("name", ">how many"), [("a", "1"), ("longer", "22")]))
    assert render_plain(made).splitlines() == ["name    how many", "a              1", "longer        22"]
    assert data_of(made) == [{"name": "a", "how_many": "1"}, {"name": "longer", "how_many": "22"}]


def test_a_table_without_rows_has_no_titles() -> None:
    assert render_plain(document(table(("name",), []))) == ""
    assert data_of(document(table(("name",), []))) == []


def test_a_column_may_have_a_key_of_its_own() -> None:
    made = table((Column("bytes", "size in bytes", right=True),), [(text("7"),)], titles=False)
    assert render_plain(document(made)) == "7\n"
    assert data_of(document(made)) == [{"bytes": "7"}]


def test_pairs_are_an_object_and_line_up() -> None:
    made = document(pairs([("rip", address(16)), ("tick", "7")]))
    assert render_plain(made) == "rip   0x10\ntick  7\n"
    assert data_of(made) == {"rip": "0x10", "tick": "7"}


def test_sections_nest_by_indentation_and_by_key() -> None:
    made = document(section("Two words", "inside", section("deeper", pairs([("a", "1")]))), "after")
    assert render_plain(made) == "Two words\n  inside\n  deeper\n    a  1\nafter\n"
    assert data_of(made) == {"two_words": {"deeper": {"a": "1"}, "text": ["inside"]}, "text": ["after"]}


def test_a_document_s_value_replaces_what_its_blocks_would_give() -> None:
    assert data_of(document("shown", value={"said": True})) == {"said": True}


def test_documents_add_up() -> None:
    assert render_plain(document("a") + document("b")) == "a\nb\n"
