"""From what hands used to gdb and C type to Python's spelling."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<string>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
    |(?P<arrow>->)
    |(?P<and>&&)
    |(?P<or>\|\|)
    |(?P<not>!(?!=))
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
_REPLACED = {"arrow": ".", "and": " and ", "or": " or ", "not": " not ", "dollar": DOLLAR}


def python_spelling(text: str) -> str:
    """`a->b` becomes `a.b`, `&&` `and`, `$rax` a name that begins with DOLLAR; strings stay as they are."""

    def replace(match: re.Match[str]) -> str:
        kind = match.lastgroup or ""
        return _REPLACED.get(kind, match.group())

    return _TOKEN.sub(replace, text).strip()


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
    """The two sides of the first colon outside brackets and quotes: a segment and an offset, a file and a line."""
    depth = 0
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
        elif character == ":" and depth == 0:
            return text[:position].strip(), text[position + 1 :].strip()
    return None
