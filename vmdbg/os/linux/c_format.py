"""Values and types written as C."""

from __future__ import annotations

from vmdbg.os.linux.btf import AGGREGATES, ENUMERATIONS, Kind
from vmdbg.os.linux.c_text import escaped
from vmdbg.os.linux.types import Type, declare
from vmdbg.os.linux.values import Value
from vmdbg.x86.linear_memory import UnmappedLinearError

MAX_ELEMENTS = 32
MAX_LEVELS = 6
MAX_TEXT = 64
INDENT = "    "


def format_value(value: Value) -> str:
    """`(type)value`, with designated initialisers for aggregates. Unreadable memory is said in place."""
    type_ = value.type_.strip()
    if type_.kind in AGGREGATES and value.address_ is not None:
        try:
            value.space_.read(value.address_, 1)
        except UnmappedLinearError as error:
            return f"({value.type_})<not readable at {error.address:#x}>"
    if type_.kind in AGGREGATES or (type_.kind is Kind.ARRAY and not type_.element.is_character):
        return f"({value.type_})" + _body(value, 0)
    return f"({value.type_})" + _body(value, 0) if type_.kind is Kind.POINTER else _body(value, 0)


def _body(value: Value, level: int) -> str:
    try:
        return _readable(value, level)
    except UnmappedLinearError as error:
        return f"<not readable at {error.address:#x}>"


def _readable(value: Value, level: int) -> str:
    type_ = value.type_.strip()
    kind = type_.kind
    if kind in AGGREGATES:
        return _aggregate(value, type_, level) if value.address_ is not None else "{...}"
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


def _pointer(value: Value, type_: Type) -> str:
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


def _array(value: Value, type_: Type, level: int) -> str:
    if type_.element.is_character and type_.count:
        return f'"{escaped(value.string_())}"'
    if level >= MAX_LEVELS:
        return "{...}"
    shown = [_body(value[index], level + 1) for index in range(min(type_.count, MAX_ELEMENTS))]
    if type_.count > MAX_ELEMENTS:
        shown.append("...")
    return "{ " + ", ".join(shown) + " }" if shown else "{}"


def _aggregate(value: Value, type_: Type, level: int) -> str:
    if level >= MAX_LEVELS:
        return "{...}"
    margin = INDENT * (level + 1)
    lines = []
    for member in type_.members:
        address = value.address_
        assert address is not None
        inner = _member(value, type_, member.name, member.type, member.bit_offset)
        if inner is None:
            continue
        name = f".{member.name} = " if member.name else ""
        declared = declare(inner.type_, "")
        cast = "" if not member.name else f"({declared})"
        lines.append(f"{margin}{name}{cast}{_body(inner, level + 1)},\n")
    return "{\n" + "".join(lines) + INDENT * level + "}" if lines else "{}"


def _member(value: Value, type_: Type, name: str, type_id: int, bit_offset: int) -> Value | None:
    assert value.address_ is not None
    if name:
        return Value(value.space_, type_, value.address_).member_(name)
    inner = type_.at(type_id)
    if inner.strip().kind not in AGGREGATES:
        return None
    return Value(value.space_, inner, value.address_ + (bit_offset >> 3))


def format_type(type_: Type) -> str:
    """The definition of a struct, union or enum with offsets and sizes, as pahole(1) writes it."""
    stripped = type_.strip()
    if stripped.kind in ENUMERATIONS:
        body = "".join(f"{INDENT}{one.name} = {one.value},\n" for one in stripped.enumerators)
        return f"{stripped} {{\n{body}}}; /* size: {stripped.size} */"
    if stripped.kind in AGGREGATES:
        return _definition(stripped, 0, 0, "") + f" /* size: {stripped.size} */"
    return f"typedef {declare(stripped, type_.name)};" if type_.kind is Kind.TYPEDEF else str(type_)


def _definition(type_: Type, base: int, level: int, name: str) -> str:
    margin = INDENT * (level + 1)
    word = "struct" if type_.kind is Kind.STRUCT else "union"
    lines = [f"{word} {type_.name} {{\n" if type_.name else f"{word} {{\n"]
    for member in type_.members:
        inner = type_.at(member.type)
        offset = base + member.bit_offset
        if inner.kind in AGGREGATES and not inner.name and level < MAX_LEVELS:
            lines.append(margin + _definition(inner, offset, level + 1, member.name) + "\n")
            continue
        declared = declare(inner, member.name) + (f":{member.bits}" if member.bits else "")
        place = f"{offset >> 3}:{offset & 7}" if member.bits else f"{offset >> 3}"
        lines.append(f"{margin}{declared + ';':<{48 - 4 * level}} /* {place:>6} {inner.size:>5} */\n")
    return "".join(lines) + INDENT * level + "}" + (f" {name};" if name else ";")
