"""Colours of code: the command line as it is typed, instructions and source lines, through pygments."""

from __future__ import annotations

import re
from functools import lru_cache

from pygments.lexer import RegexLexer
from pygments.lexers.asm import NasmLexer
from pygments.lexers.c_cpp import CLexer
from pygments.style import StyleMeta
from pygments.styles import get_style_by_name
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace, _TokenType
from rich.style import Style as Look

from vmdbg.x86.registers import ALIASES, SUB_REGISTERS
from vmdbg.x86.registers import BY_NAME as REGISTERS

_NAMES = "|".join(re.escape(name) for name in sorted({*REGISTERS, *SUB_REGISTERS, *ALIASES}, key=len, reverse=True))


class CommandLexer(RegexLexer):  # type: ignore[misc]  # pygments has no types
    """A line of the prompt: the command, its options, and an expression."""

    name = "vmdbg"
    flags = re.IGNORECASE
    tokens = {  # noqa: RUF012 - pygments' own way
        "root": [
            (r"\s+", Whitespace),
            (r"#.*$", Comment),
            (r"[A-Za-z_][\w-]*(/\w+)?|[.!?]", Keyword, "rest"),
            (r".", Punctuation, "rest"),
        ],
        "rest": [
            (r"\n", Whitespace, "#pop"),
            (r"\s+", Whitespace),
            (r"--?[A-Za-z][\w-]*", Name.Attribute),
            (r"\"(\\.|[^\"\\])*\"?|'(\\.|[^'\\])*'?", String),
            (r"0x[0-9a-f_]+|\d[\d_]*%?", Number),
            (rf"[$%]?\b({_NAMES})\b", Name.Builtin),
            (r"\b(if|and|or|not|in|for|else)\b", Operator.Word),
            (r"\b(mem|phys|u8|u16|u32|u64|i8|i16|i32|i64|string)\b", Name.Function),
            (r"[A-Za-z_]\w*", Name.Variable),
            (r".", Punctuation),
        ],
    }


_LEXERS = {"asm": NasmLexer(), "c": CLexer()}
_STACKS = {"asm": ("root", "instruction-args"), "c": ("root",)}
"""Where lexers begin: what is left of an instruction without its mnemonic is its operands."""


@lru_cache(maxsize=4096)
def coloured(words: str, language: str, style: str) -> tuple[tuple[str, Look], ...]:
    """Pieces of a line of code with how they look."""
    pieces = []
    for _, token, piece in _LEXERS[language].get_tokens_unprocessed(words, _STACKS[language]):
        if piece:
            pieces.append((piece, _look(token, style)))
    return tuple(pieces)


@lru_cache(maxsize=512)
def _look(token: _TokenType, style: str) -> Look:
    found = _style(style).style_for_token(token)
    colour = f"#{found['color']}" if found["color"] else None
    return Look(color=colour, bold=found["bold"] or None, italic=found["italic"] or None)


@lru_cache(maxsize=8)
def _style(name: str) -> StyleMeta:
    return get_style_by_name(name)
