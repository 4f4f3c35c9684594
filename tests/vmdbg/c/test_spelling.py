"""Types by their C spelling."""

from __future__ import annotations

import pytest

from vmdbg.c.spelling import Spelling, integer_key, parse_spelling
from vmdbg.c.types import NoSuchTypeError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("int", Spelling("", "int", 0, ())),
        ("struct file **", Spelling("struct", "file", 2, ())),
        ("const char * const", Spelling("", "char", 1, ())),
        ("unsigned   long [4][2]", Spelling("", "unsigned long", 0, (4, 2))),
        ("union u *[3]", Spelling("union", "u", 1, (3,))),
    ],
)
def test_parts(text: str, meant: Spelling) -> None:
    assert parse_spelling(text) == meant


@pytest.mark.parametrize("text", ["", "int (*)(void)", "struct {", "a->b", "[3]", "*"])
def test_what_has_no_name_is_refused(text: str) -> None:
    with pytest.raises(NoSuchTypeError, match="write it as 'struct file \\*'"):
        parse_spelling(text)


def test_an_integer_has_many_names_and_one_key() -> None:
    assert integer_key("long unsigned int") == integer_key("unsigned long") == integer_key("unsigned long int")
    assert integer_key("signed int") == integer_key("int") == integer_key("signed")
    assert integer_key("signed char") != integer_key("char")
    assert integer_key("bool") == integer_key("_Bool")
    assert parse_spelling("unsigned long").is_integer
    assert not parse_spelling("struct long").is_integer
