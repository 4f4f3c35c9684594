"""Typed lines in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.session.errors import UsageError
from vmdbg.session.words import split_condition, split_words, unquoted


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  a   b ", ["a", "b"]),
        ("u32(rsp + 8) x", ["u32(rsp + 8)", "x"]),
        ("mem[a, b] {c d}", ["mem[a, b]", "{c d}"]),
        ("'a b' c", ["'a b'", "c"]),
        (r'"a \" b" c', [r'"a \" b"', "c"]),
        ("f('(') g", ["f('(')", "g"]),
        ("a) b", ["a)", "b"]),
        ("(a b", ["(a b"]),
    ],
)
def test_blanks_inside_brackets_and_quotes_separate_nothing(line: str, words: list[str]) -> None:
    assert [word.text for word in split_words(line)] == words


@pytest.mark.parametrize("line", ["'open", 'a "b', r"'\'"])
def test_a_quote_that_is_not_closed_is_refused_with_its_place(line: str) -> None:
    with pytest.raises(UsageError, match="is not closed"):
        split_words(line)


@given(st.text(max_size=60))
def test_words_are_pieces_of_the_line_in_order(line: str) -> None:
    try:
        words = split_words(line)
    except UsageError:
        return
    end = 0
    for word in words:
        assert line[word.start : word.start + len(word.text)] == word.text
        assert line[end : word.start].strip() == ""
        end = word.start + len(word.text)
    assert line[end:].strip() == ""


@pytest.mark.parametrize(
    ("word", "bare"), [("'a'", "a"), ('"a b"', "a b"), (r"'it\'s'", "it's"), ("'a", "'a"), ("a", "a"), ("''", "")]
)
def test_quotes_around_a_whole_word_are_taken_off(word: str, bare: str) -> None:
    assert unquoted(word) == bare


@pytest.mark.parametrize(
    ("line", "before", "condition"),
    [
        ("f if rax == 1", "f", "rax == 1"),
        ("f if rax == 1 --ring 3", "f --ring 3", "rax == 1"),
        ("f 'if' x", "f 'if' x", ""),
        ("f (a if b)", "f (a if b)", ""),
        ("f if", "f", ""),
        ("iffy", "iffy", ""),
    ],
)
def test_a_condition_is_what_follows_if(line: str, before: str, condition: str) -> None:
    assert split_condition(line) == (before, condition)
