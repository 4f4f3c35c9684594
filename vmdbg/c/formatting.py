"""Values and types written as C."""

from __future__ import annotations

from typing import Protocol

from vmdbg.c.content import Content, NotAvailableError
from vmdbg.c.space import Space
from vmdbg.c.text import escaped
from vmdbg.c.types import AGGREGATES, ENUMERATIONS, CType, Field, Kind, declare
from vmdbg.x86.linear_memory import UnmappedLinearError

MAX_ELEMENTS = 32
MAX_LEVELS = 6
MAX_TEXT = 64
INDENT = "    "


class Writable(Protocol):
    """What is asked of a value to write it down: vmdbg.c.values.Value."""

    @property
    def space_(self) -> Space: ...

    @property
    def type_(self) -> CType: ...

    @property
    def address_(self) -> int | None: ...

    @property
    def content_(self) -> Content | None: ...

    @property
    def is_object_(self) -> bool: ...

    def at_(self, field: Field) -> Writable: ...

    def __getitem__(self, index: int) -> Writable: ...

    def __int__(self) -> int: ...

    def __float__(self) -> float: ...

    def __bool__(self) -> bool: ...

    def enumerator_(self) -> str: ...

    def string_(self, limit: int = ...) -> str: ...


def format_value(value: Writable) -> str:
    """`(type)value`, with designated initialisers for aggregates. Unreadable memory is said in place."""
    type_ = value.type_.strip()
    if _is_nowhere(value):
        assert value.content_ is not None
        return f"<{value.content_.why}>"
    if type_.kind in AGGREGATES and value.address_ is not None:
        try:
            value.space_.read(value.address_, 1)
        except UnmappedLinearError as error:
            return f"({value.type_})<not readable at {error.address:#x}>"
    if type_.kind in AGGREGATES or (type_.kind is Kind.ARRAY and not type_.element.is_character):
        return f"({value.type_})" + _body(value, 0)
    return f"({value.type_})" + _body(value, 0) if type_.kind is Kind.POINTER else _body(value, 0)


def format_short(value: Writable) -> str:
    """In one line: scalars, text and pointers as format_value() has them without a type, `...` for all else."""
    kind = value.type_.strip().kind
    if _is_nowhere(value):
        assert value.content_ is not None
        return f"<{value.content_.why}>"
    is_text = kind is Kind.ARRAY and value.type_.strip().element.is_character
    return _body(value, 0) if kind not in AGGREGATES and (kind is not Kind.ARRAY or is_text) else "..."


def _is_nowhere(value: Writable) -> bool:
    """Whether nothing of it is known; what takes no room is known."""
    if value.content_ is None or value.content_.known:
        return False
    return value.type_.size > 0 or value.type_.strip().kind is Kind.ARRAY


def _body(value: Writable, level: int) -> str:
    try:
        return _readable(value, level)
    except UnmappedLinearError as error:
        return f"<not readable at {error.address:#x}>"
    except NotAvailableError as error:
        return f"<{error}>"


def _readable(value: Writable, level: int) -> str:
    type_ = value.type_.strip()
    kind = type_.kind
    if kind in AGGREGATES:
        return _aggregate(value, type_, level) if value.is_object_ else "{...}"
    if kind is Kind.ARRAY:
        return _array(value, type_, level)
    if kind is Kind.POINTER:
        return _pointer(value, type_)
    if kind in ENUMERATIONS:
        return value.enumerator_()
    if kind is Kind.FLOAT:
        return repr(float(value))
    if type_.is_bool:
        return "true" if value else "false"
    return str(int(value))


def _pointer(value: Writable, type_: CType) -> str:
    address = int(value)
    if not address:
        return "NULL"
    if type_.element.is_character:
        try:
            return f'{address:#x} "{escaped(value.string_(MAX_TEXT))}"'
        except UnmappedLinearError:
            return f"{address:#x}"
    described = value.space_.describe(address)
    return f"{address:#x} <{described}>" if described else f"{address:#x}"


def _array(value: Writable, type_: CType, level: int) -> str:
    if type_.element.is_character and type_.count:
        return f'"{escaped(value.string_())}"'
    if (words := _unsigned_text(value, type_)) is not None:
        return words
    if level >= MAX_LEVELS:
        return "{...}"
    shown = [_body(value[index], level + 1) for index in range(min(type_.count, MAX_ELEMENTS))]
    if type_.count > MAX_ELEMENTS:
        shown.append("...")
    return "{ " + ", ".join(shown) + " }" if shown else "{}"


def _unsigned_text(value: Writable, type_: CType) -> str | None:
    """The text in an array of unsigned bytes, where there is one up to a zero byte or to the end; None for numbers."""
    element = type_.element.strip()
    if element.kind is not Kind.INT or element.size != 1 or element.is_bool or not type_.count:
        return None
    data = bytes(int(value[index]) & 0xFF for index in range(min(type_.count, MAX_TEXT)))
    text, end, _ = data.partition(b"\0")
    whole = bool(end) or type_.count <= MAX_TEXT
    words = text.decode("utf-8", "replace")
    return f'"{escaped(words)}"' if whole and text and words.isprintable() and "\ufffd" not in words else None


def _aggregate(value: Writable, type_: CType, level: int) -> str:
    if level >= MAX_LEVELS:
        return "{...}"
    margin = INDENT * (level + 1)
    lines = []
    for member, field in type_.fields:
        if not member and field.type.strip().kind not in AGGREGATES:
            continue
        inner = value.at_(field)
        name = f".{member} = " if member else ""
        cast = f"({declare(inner.type_, '')})" if member else ""
        lines.append(f"{margin}{name}{cast}{_body(inner, level + 1)},\n")
    return "{\n" + "".join(lines) + INDENT * level + "}" if lines else "{}"


def format_type(type_: CType) -> str:
    """The definition of a struct, union or enum with offsets and sizes, as pahole(1) writes it."""
    stripped = type_.strip()
    if stripped.kind in ENUMERATIONS:
        body = "".join(f"{INDENT}{one.name} = {one.value},\n" for one in stripped.enumerators)
        return f"{stripped} {{\n{body}}}; /* size: {stripped.size} */"
    if stripped.kind in AGGREGATES:
        return _definition(stripped, 0, 0, "") + f" /* size: {stripped.size} */"
    return f"typedef {declare(stripped, type_.name)};" if type_.kind is Kind.TYPEDEF else str(type_)


def _definition(type_: CType, base: int, level: int, name: str) -> str:
    margin = INDENT * (level + 1)
    word = "struct" if type_.kind is Kind.STRUCT else "union"
    lines = [f"{word} {type_.name} {{\n" if type_.name else f"{word} {{\n"]
    for member, field in type_.fields:
        inner = field.type
        offset = base + field.bit_offset
        if inner.kind in AGGREGATES and not inner.name and level < MAX_LEVELS:
            lines.append(margin + _definition(inner, offset, level + 1, member) + "\n")
            continue
        declared = declare(inner, member) + (f":{field.bits}" if field.bits else "")
        place = f"{offset >> 3}:{offset & 7}" if field.bits else f"{offset >> 3}"
        lines.append(f"{margin}{declared + ';':<{48 - 4 * level}} /* {place:>6} {inner.size:>5} */\n")
    return "".join(lines) + INDENT * level + "}" + (f" {name};" if name else ";")
