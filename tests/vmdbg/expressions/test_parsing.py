"""Expressions as trees."""

from __future__ import annotations

import ast
import contextlib
import warnings

import pytest

from vmdbg.expressions.parsing import parsed


@pytest.mark.parametrize("text", ["1if x else 2", "1and 2", "0x1for x in y", "'\\d'", "10or 1"])
def test_python_warns_nobody(text: str) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with contextlib.suppress(SyntaxError):
            parsed(text)
    assert heard == []


def test_nothing_is_no_tree() -> None:
    assert parsed(" ") is None
    assert isinstance(parsed("a ? b : c"), ast.IfExp)
