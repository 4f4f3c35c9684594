"""Folding of recursion."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vmdbg.session.folding import FEWEST, Fold, folded


def test_a_function_that_calls_itself_is_shown_once() -> None:
    assert list(folded("xaaaaab")) == [0, 1, Fold(2, 6, 1), 6]
    assert Fold(2, 6, 1).times == 4


def test_functions_that_call_each_other_are_shown_once() -> None:
    assert list(folded("abcabcabcab")) == [0, 1, 2, Fold(3, 9, 3), 9, 10]


def test_twice_is_no_recursion() -> None:
    assert list(folded("aabb")) == [0, 1, 2, 3]
    assert list(folded("")) == []


@given(st.text("abc", max_size=60))
def test_nothing_is_lost(keys: str) -> None:
    made = ""
    for part in folded(keys):
        if isinstance(part, Fold):
            assert part.times >= FEWEST - 1
            assert (part.end - part.start) % part.period == 0
            made += made[-part.period :] * part.times
            assert len(made) == part.end
        else:
            made += keys[part]
    assert made == keys
