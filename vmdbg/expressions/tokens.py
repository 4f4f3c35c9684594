"""The tokens of an expression, those of C and of Python alike."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<string>[bBrRuU]{0,2}(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))
    |(?P<number>0[xX][\da-fA-F]+\w*|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w*)
    |(?P<name>[^\W\d]\w*)
    |(?P<operator>\*\*|//|<<|>>|&&|\|\||[<>=!]=|\S)
    """,
    re.VERBOSE,
)
OPERATOR_WORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "for"})
"""Names that end no operand."""


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is string, number, name or operator; [start, end) is where it stands."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def is_word(self) -> bool:
        """Whether it is a name, and none of Python's operators."""
        return self.kind == "name" and self.text not in OPERATOR_WORDS

    @property
    def ends_operand(self) -> bool:
        return self.is_word or self.kind in ("string", "number") or self.text in (")", "]", "}")


def tokens_of(text: str) -> list[Token]:
    return [Token(str(found.lastgroup), found.group(), *found.span()) for found in _TOKEN.finditer(text)]
