"""Text as Python's tree of an expression."""

from __future__ import annotations

import ast
import warnings

from vmdbg.expressions.c_forms import c_forms
from vmdbg.expressions.spelling import python_spelling


def parsed(text: str) -> ast.expr | None:
    """Of C's or Python's spelling; None where there is nothing. Raises what ast.parse() does.

    What Python would warn of, as `1if x else 2` or an unknown escape in a string, is for nobody: it is no program's.
    """
    spelled = c_forms(python_spelling(text))
    if not spelled:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(spelled, mode="eval").body
