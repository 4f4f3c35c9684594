"""From what hands used to gdb and C type to Python's spelling."""

from __future__ import annotations

import re

from vmdbg.expressions.tokens import OPERATOR_WORDS

_TOKEN = re.compile(
    r"""(?P<string>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
    |(?P<arrow>->)
    |(?P<dollar>[$%](?=[A-Za-z_]))
    |(?P<assign>(?<![=!<>:])=(?!=))
    """,
    re.VERBOSE,
)
_HEXADECIMAL = re.compile(
    r"""(?P<string>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
    |(?P<word>[$%]?\w+)
    """,
    re.VERBOSE,
)
_DIGITS = re.compile(r"(0x)?([0-9a-f]+)h?", re.IGNORECASE)
DOLLAR = "dollar__"
"""What `$name` begins with in Python's spelling: never a variable of the program that is debugged."""


def python_spelling(text: str) -> str:
    """`a->b` becomes `a.b`, `$rax` and `%rax` a name that begins with DOLLAR; `a %b` is a remainder.

    Strings stay as they are.
    """

    def replace(match: re.Match[str]) -> str:
        if match.lastgroup == "arrow":
            return "."
        if match.lastgroup == "dollar" and not (match.group() == "%" and _ends_operand(text[: match.start()])):
            return DOLLAR
        return match.group()

    return _TOKEN.sub(replace, text).strip()


def _ends_operand(text: str) -> bool:
    """Whether what follows the text is an operator of two operands."""
    stripped = text.rstrip()
    word = re.search(r"\w+$", stripped)
    return word[0] not in OPERATOR_WORDS if word is not None else stripped[-1:] in tuple(")]}'\"")


def hexadecimal(text: str) -> str:
    """One side of `segment:offset`, where numbers are hexadecimal with or without 0x: `10`, `e05b`, `si + 1c`, `7c00h`.

    A word is a number if it begins with a digit, or if it is the whole side (`b800`, `ffff`). `(add)` and `$add` are
    the symbol.
    """

    def replace(match: re.Match[str]) -> str:
        word = match.group()
        digits = _DIGITS.fullmatch(word)
        is_number = word[0].isdigit() or word == text.strip()
        return f"0x{digits[2]}" if digits is not None and is_number else word

    return _HEXADECIMAL.sub(replace, text)


def split_colon(text: str) -> tuple[str, str] | None:
    """The two sides of the first colon that find_colon() finds: a segment and an offset, a file and a line."""
    position = find_colon(text)
    return None if position is None else (text[:position].strip(), text[position + 1 :].strip())


def find_colon(text: str) -> int | None:
    """Where the first colon is outside brackets and quotes, but for that of `a ? b : c`."""
    depth = questions = 0
    quote = ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif depth:
            continue
        elif character == "?":
            questions += 1
        elif character == ":" and not questions:
            return position
        elif character == ":":
            questions -= 1
    return None
