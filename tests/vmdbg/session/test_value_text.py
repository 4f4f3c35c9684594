"""Values for people and for programs."""

from __future__ import annotations

import json

import pytest

from vmdbg.session.session import Session
from vmdbg.session.value_text import MAX_ITEMS, MAX_JSON_ITEMS, value_json, value_text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (5, "5"),
        (-9, "-9"),
        (255, "0xff = 255"),
        (-255, "-0xff = -255"),
        (1 << 60, f"{1 << 60:#x}"),
        (True, "True"),
        (None, "None"),
        (1.5, "1.5"),
        ("a\nb", r"'a\nb'"),
        (b"\x01A", r"01 41  b'\x01A'"),
        ([1, [2, "x"]], "[1, [2, 'x']]"),
        (range(3), "[0, 1, 2]"),
    ],
)
def test_a_value_for_people(session: Session, value: object, words: str) -> None:
    assert str(value_text(session, value)) == words


def test_an_address_has_its_symbol(session: Session) -> None:
    assert str(value_text(session, session.integer("deposit"))).endswith("<deposit>")


def test_a_list_that_holds_itself_is_cut(session: Session) -> None:
    knot: list[object] = []
    knot += [knot, 1]
    shown = str(value_text(session, list(range(10_000))))
    assert shown.endswith("...]")
    assert shown.count(",") <= MAX_ITEMS + 1


def test_data_is_cut_and_says_so() -> None:
    assert value_json([1, "a", b"\xff", 1.5, float("nan")]) == {"value": ["0x1", "a", "ff", 1.5, "nan"]}
    long = value_json(list(range(MAX_JSON_ITEMS + 1)))
    assert long["truncated"] is True
    json.dumps(long)
