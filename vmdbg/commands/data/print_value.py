"""print."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.commands.points.conditions import untyped_notes
from vmdbg.document.document import Document, Style, Text, document, joined, text
from vmdbg.errors import UserError
from vmdbg.expressions.formats import format_integer, parse_format
from vmdbg.expressions.spelling import split_colon
from vmdbg.expressions.template import compile_template
from vmdbg.expressions.values import ExpressionValue, TypedValue, whole
from vmdbg.expressions.wanted import Wanted
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.value_text import value_json, value_text

MAX_OBJECT_LINES = 4000


def declare(parser: Parser) -> None:
    parser.add_argument(
        "expression", nargs="?", default="", metavar="EXPRESSION", help="what; NAME = EXPRESSION keeps it"
    )


@command(
    "print",
    Group.LOOK,
    declare,
    aliases=("p", "output", "inspect", "calc"),
    examples=(
        "p rax + 1",
        "p/x rsp",
        "p/t rflags",
        "p cr0.PG",
        "p mem[rsp, 4]",
        "p u32(rsp)",
        "p cs:rip",
        "p base = rsp & ~0xfff",
        'p "rip is {rip:x}"',
    ),
    rest="expression",
    letters=True,
)
def print_(session: Session, arguments: Arguments) -> Document:
    """Show the value of an expression over variables, registers, symbols and memory; keep it as `_` or under a name.

    Where debug information covers the code, names are first of all the variables of the frame looked at: p *file,
    p list->next->prev, p points[2].x, p (struct file *)$rdi. $name is never one of them: $rsp is always the register.
    A variable outside of functions has members and elements, and its name alone shows its value; in a sum it is the
    symbol's address.
    Python's syntax: mem[address], mem[address, size], mem[start:end], phys[...], u8..u64(), i8..i64(),
    string(address), cr0.PG, rflags.IF; $rax, a->b and && are understood too. Text in quotes is a template.
    """
    name, source = _assignment(arguments.expression)
    if not source and not name and "_" in session.scope.variables:
        source = "_"
    if not source:
        raise UserError("print what? an expression such as rax + 1")
    if source[0] in "'\"" and source[-1] == source[0] and "{" in source and not name:
        template = compile_template(source[1:-1], session.scope)
        return document(template.render(), *untyped_notes(session, template.valued))
    value = _value(session, source)
    _keep(session, name, value)
    letters = parse_format(arguments.letters)
    if isinstance(value, TypedValue) and letters.letter is None:
        return _object(value, name)
    shown = _formatted(session, value, letters.letter, letters.size)
    line = joined((text(f"{name} = ", Style.LABEL), shown)) if name else shown
    return document(line, *_doubts(session, source), value=value_json(value))


def _doubts(session: Session, source: str) -> list[Text]:
    """That an address was taken where what it holds was wanted; a symbol alone is shown as what it is."""
    if source.isidentifier() or (split_colon(source) is not None and source[0] not in "'\""):
        return []
    return untyped_notes(session, session.compile(source, wanted=Wanted.PLACE).valued)


def _object(value: TypedValue, name: str) -> Document:
    """A typed value as C, a member a line."""
    words = str(value)
    lines = f"{name} = {words}".splitlines() if name else words.splitlines()
    more = len(lines) - MAX_OBJECT_LINES
    left = [text(f"{more} more lines; print a member of it", Style.DIM)] if more > 0 else []
    return document(*lines[:MAX_OBJECT_LINES], *left, value={"value": words})


def _value(session: Session, source: str) -> ExpressionValue:
    """Of an expression; the linear address of `segment:offset`; of a symbol, the variable, where its type is known."""
    if source.isidentifier():
        value = session.evaluate(source)
        variable = session.scope.variable_at_symbol(source) if type(value) is int else None
        return value if variable is None else variable
    if split_colon(source) is None or source[0] in "'\"":
        return session.evaluate(source)
    return session.linear(source)


def _assignment(source: str) -> tuple[str, str]:
    """The name and the expression of `name = expression`."""
    left, equals, right = source.partition("=")
    word = left.strip().lstrip("$")
    if equals and word.isidentifier() and not right.startswith("="):
        return word, right.strip()
    return "", source.strip()


def _keep(session: Session, name: str, value: ExpressionValue) -> None:
    if name and name in session.registers:
        raise UserError(f"{name} is a register: `set {name} = ...` changes it")
    session.scope.variables[name or "_"] = value


def _formatted(session: Session, value: ExpressionValue, letter: str | None, size: int | None) -> Text:
    if letter is None:
        return value_text(session, value)
    if letter == "i" or (letter == "s" and not isinstance(value, str | bytes)):
        return session.run(f"x/{letter} {whole(value)}").blocks[0]  # type: ignore[return-value]  # x gives texts
    if letter == "s":
        return value_text(session, value)
    number = whole(value)
    bytes_ = size or max(1 << (max(number.bit_length() - 1, 0) // 8).bit_length(), 4)
    words = format_integer(number, letter, bytes_)
    where = session.describe(number) if letter == "a" else ""
    return joined((text(words, Style.NUMBER), text(f" <{where}>" if where else "", Style.SYMBOL)))
