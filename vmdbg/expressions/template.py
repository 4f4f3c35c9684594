"""Text with expressions in braces, as `open({string(rdi)}) flags={rsi:x}`: what logpoints and print write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vmdbg.errors import VmdbgError
from vmdbg.expressions.compiler import Expression, compile_expression
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.scope import Scope
from vmdbg.expressions.spelling import find_colon
from vmdbg.expressions.values import ExpressionValue, TypedValue
from vmdbg.expressions.wanted import Wanted

_FIELD = re.compile(r"""\{\{|\}\}|\{(?P<inside>(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^{}'"])*)\}|[{}]""")
_SPECIFICATION = re.compile(r"(.?[<>=^])?[-+ ]?#?0?\d{0,3}[_,]?(\.\d{1,3})?[a-zA-Z%]?")


@dataclass(frozen=True, slots=True)
class Template:
    """Compiled: pieces of text, and expressions with how to format them."""

    text: str
    _parts: tuple[tuple[str, Expression | None, str], ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names in it that meant nothing when it was compiled."""
        return tuple(name for _, expression, _ in self._parts if expression for name in expression.unknown)

    @property
    def valued(self) -> tuple[str, ...]:
        """Names in it that stand for what is held there, if they are those of variables."""
        return tuple(name for _, expression, _ in self._parts if expression for name in expression.valued)

    def render(self) -> str:
        """Never raises for the guest: what has no value shows as `?` with the reason."""
        return "".join(
            literal + (_shown(expression, spec) if expression else "") for literal, expression, spec in self._parts
        )


def compile_template(text: str, scope: Scope) -> Template:
    """Raises ExpressionError."""
    parts: list[tuple[str, Expression | None, str]] = []
    for literal, inside in _fields(text):
        if inside is None:
            parts.append((literal, None, ""))
            continue
        colon = find_colon(inside)
        name, specification = (inside, "") if colon is None else (inside[:colon], inside[colon + 1 :])
        if not _SPECIFICATION.fullmatch(specification):
            raise ExpressionError(f"{{{name}}}: {specification!r} is no format")
        parts.append((literal, compile_expression(name, scope, wanted=Wanted.VALUE), specification))
    return Template(text, tuple(parts))


def _fields(text: str) -> Iterator[tuple[str, str | None]]:
    """Text, and what is in the braces behind it; None behind the last. Braces written twice are text."""
    literal, position = "", 0
    for found in _FIELD.finditer(text):
        literal += text[position : found.start()]
        position = found.end()
        if found["inside"] is None and len(found[0]) == 1:
            raise ExpressionError(f"{text!r} is no template: a single {found[0]!r}, which is written twice as text")
        if found["inside"] is None:
            literal += found[0][0]
            continue
        yield literal, found["inside"]
        literal = ""
    yield literal + text[position:], None


def _shown(expression: Expression, specification: str) -> str:
    try:
        return _format(expression.evaluate(), specification)
    except VmdbgError as error:
        return f"?({error})"
    except (ValueError, TypeError) as error:
        return f"?({expression.text}: {error})"


def _format(value: ExpressionValue, specification: str) -> str:
    if isinstance(value, TypedValue) and specification:
        value = value.number_()
    if isinstance(value, int) and not isinstance(value, bool) and not specification:
        return f"{value:#x}" if value > 9 else str(value)
    return format(value, specification) if isinstance(value, int | float | str) else str(value)
