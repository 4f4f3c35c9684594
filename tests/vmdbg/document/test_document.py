"""Documents: one result, shown as lines and as data."""

from __future__ import annotations

import json
import random

import pytest

from vmdbg.document.document import (
    EMPTY,
    Block,
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


def shape(data: Json) -> Json:
    """Of what kind it is, whatever is in it: objects by their keys; tables hold rows, or none."""
    if isinstance(data, dict):
        return {key: shape(value) for key, value in data.items()}
    return type(data).__name__


def some_blocks(chance: random.Random, rows: int, depth: int = 0) -> list[Block]:
    """The same ones for the same chance, with so many rows in each table."""
    made: list[Block] = []
    for number in range(chance.randrange(4)):
        kind = chance.randrange(4 if depth < 2 else 3)
        if kind == 0:
            made.append(text(f"words {number}"))
        elif kind == 1:
            made.append(table(("a", ">b"), [("x", "1")] * rows))
        elif kind == 2:
            made.append(pairs([(f"name {number}", "value")]))
        else:
            made.append(section(f"section {number}", *some_blocks(chance, rows, depth + 1)))
    return made


@pytest.mark.parametrize("seed", range(200))
def test_whether_tables_are_empty_is_nothing_to_the_shape_of_data(seed: int) -> None:
    filled, empty = (document(*some_blocks(random.Random(seed), rows)) for rows in (3, 0))
    assert shape(data_of(filled)) == shape(data_of(empty))


def test_an_empty_table_of_a_section_is_rows_like_any_other() -> None:
    made = [document(section("found", text("0 of them", value=0), table(("a",), rows))) for rows in ([], [("x",)])]
    assert [data_of(one) for one in made] == [
        {"found": {"rows": [], "text": [0]}},
        {"found": {"rows": [{"a": "x"}], "text": [0]}},
    ]
