"""C's casts, `*pointer` and `&object` as calls that Python can parse: `cast("struct file *", rdi)`, `deref(...)`,
`address_of(...)`; bare `struct file` as the text "struct file"; constants and operators of C as Python has them.
"""

from __future__ import annotations

import keyword

from vmdbg.expressions.basic_types import SIZES
from vmdbg.expressions.c_operators import c_operators
from vmdbg.expressions.literals import python_number, unsigned
from vmdbg.expressions.tokens import Token, tokens_of

_TAGGED = {"struct", "union", "enum"}
_WORDS = {"unsigned", "signed", "long", "short", "int", "char", "void", "_Bool"}
_CONSTANTS = {"None", "True", "False"}
_PREFIXES = {"*": "deref(", "**": "deref(deref(", "&": "address_of(", "!": "(not "}
_SIGNS = ("-", "~", "+")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_MAX_DEPTH = 100
MEMBER_MARK = "\u01c3"
"""Ends a member's name that Python reserves, as in `device.class`: a letter to Python, and none of C's."""


def c_forms(text: str) -> str:
    """The text itself where it has none of these forms."""
    text = c_operators(text)
    tokens = tokens_of(text)
    return _Rewriter(text, tokens).rewritten(0, len(tokens))


class _Rewriter:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens

    def rewritten(self, start: int, end: int, depth: int = 0) -> str:
        """Tokens [start, end) with the blanks before and between them."""
        made, position = [], start
        while position < end:
            follows_operand = position > start and self._tokens[position - 1].ends_operand
            after, words = self._form(position, end, -1 if follows_operand else depth)
            before = self._tokens[position - 1].end if position > start else self._tokens[position].start
            made.append(self._text[before : self._tokens[position].start] + words)
            position = after
        return "".join(made)

    def _form(self, position: int, end: int, depth: int) -> tuple[int, str]:
        """Where the next form begins, and how this one is spelled; a negative depth is behind an operand."""
        token = self._tokens[position]
        if self._is_member(position, end):
            return position + 1, token.text + MEMBER_MARK
        if 0 <= depth < _MAX_DEPTH:
            type_, inside = self._cast(position, end)
            if type_:
                return self._call(f'cast("{type_}", ', inside, end, depth)
            if token.text in _PREFIXES and position + 1 < end:
                return self._call(_PREFIXES[token.text], position + 1, end, depth)
            if position + 1 < end and (number := unsigned(token.text, self._at(position + 1, end))) is not None:
                return position + 2, number
        if token.kind == "number":
            return position + 1, python_number(token.text)
        type_, after = self._bare_type(position, end)
        return (after, f'"{type_}"') if type_ else (position + 1, token.text)

    def _is_member(self, position: int, end: int) -> bool:
        """Whether a word that Python reserves is a member: `dev.class`, or last in `offsetof(struct device, class)`."""
        text = self._at(position, end)
        if not keyword.iskeyword(text) or text in _CONSTANTS or not position:
            return False
        before = self._tokens[position - 1].text
        return before == "." or (before == "," and self._at(position + 1, end) in (")", "."))

    def _call(self, opening: str, operand: int, end: int, depth: int) -> tuple[int, str]:
        after = self._operand_end(operand, end)
        return after, f"{opening}{self.rewritten(operand, after, depth + 1)}" + ")" * opening.count("(")

    def _cast(self, position: int, end: int) -> tuple[str, int]:
        """The type in the brackets that open here and what comes behind them; "" if there is none."""
        if self._at(position, end) != "(":
            return "", position
        type_, after = self._bare_type(position + 1, end)
        if not type_ and self._is_name(position + 1, end):
            stars = self._stars(position + 2, end)
            if stars > position + 2 or self._is_lone_type(position + 1, end):
                type_, after = self._spelled(position + 1, stars), stars
        if type_ and self._at(after, end) == ")" and after + 1 < end:
            return type_, after + 1
        return "", position

    def _is_lone_type(self, position: int, end: int) -> bool:
        """Whether the name in brackets is a type: by its own, or because an operand follows where none can in Python.

        What may be an operator of two operands is one, as in `(size) - 1`, unless the name can only be a type's.
        """
        name = self._at(position, end)
        if name in _WORDS or name in SIZES or name.endswith("_t"):
            return True
        if self._at(position + 1, end) != ")" or position + 2 >= end:
            return False
        after = self._tokens[position + 2]
        return after.is_word or after.kind in ("number", "string") or after.text in ("(", "~", "!")

    def _bare_type(self, position: int, end: int) -> tuple[str, int]:
        """`struct file *` or `unsigned long`, two words in a row and so nothing of Python's; `u32 *)` too."""
        first = self._at(position, end)
        if first in _TAGGED and self._is_name(position + 1, end):
            after = self._stars(position + 2, end)
            return self._spelled(position, after), after
        after = position
        while self._at(after, end) in _WORDS:
            after += 1
        if after < position + 2:
            stars = self._stars(position + 1, end) if self._is_name(position, end) else position
            is_argument = stars > position + 1 and self._at(stars, end) in (")", ",")
            return (self._spelled(position, stars), stars) if is_argument else ("", position)
        after = self._stars(after, end)
        return self._spelled(position, after), after

    def _operand_end(self, position: int, end: int) -> int:
        """Behind what a prefix operator applies to: more prefixes, a primary, and its members, items and calls."""
        while True:
            type_, inside = self._cast(position, end)
            if not type_ and self._at(position, end) not in (*_PREFIXES, *_SIGNS):
                break
            position = inside if type_ else position + 1
        position = self._group_end(position, end)
        while position < end:
            if self._at(position, end) == "." and self._is_name(position + 1, end):
                position += 2
            elif self._at(position, end) in ("(", "["):
                position = self._group_end(position, end)
            else:
                break
        return position

    def _group_end(self, position: int, end: int) -> int:
        """Behind a bracket's partner, or behind one token."""
        expected: list[str] = []
        while position < end:
            text = self._at(position, end)
            if text in _CLOSING:
                expected.append(_CLOSING[text])
            elif expected and text == expected[-1]:
                expected.pop()
            position += 1
            if not expected:
                break
        return position

    def _stars(self, position: int, end: int) -> int:
        while self._at(position, end) in ("*", "**"):
            position += 1
        return position

    def _spelled(self, start: int, end: int) -> str:
        return " ".join(token.text for token in self._tokens[start:end])

    def _is_name(self, position: int, end: int) -> bool:
        return position < end and self._tokens[position].kind == "name"

    def _at(self, position: int, end: int) -> str:
        return self._tokens[position].text if position < end else ""
