"""By which rules a caller's registers are found, for each address of a function. Source: DWARF 5, 6.4.1 to 6.4.3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from vmdbg.dwarf.reader import Reader

MAX_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Undefined:
    """The value is gone."""


@dataclass(frozen=True, slots=True)
class SameValue:
    """The register still has it."""


@dataclass(frozen=True, slots=True)
class AtOffset:
    """In memory at the CFA plus `offset`."""

    offset: int


@dataclass(frozen=True, slots=True)
class ValueAtOffset:
    """The CFA plus `offset` itself."""

    offset: int


@dataclass(frozen=True, slots=True)
class InOther:
    """In another register, by number."""

    number: int


@dataclass(frozen=True, slots=True)
class AtExpression:
    """In memory where an expression says, with the CFA on its stack."""

    expression: bytes


@dataclass(frozen=True, slots=True)
class ValueOfExpression:
    """What an expression gives."""

    expression: bytes


Rule = Undefined | SameValue | AtOffset | ValueAtOffset | InOther | AtExpression | ValueOfExpression


@dataclass(frozen=True, slots=True)
class CfaRegister:
    number: int
    offset: int


@dataclass(frozen=True, slots=True)
class CfaExpression:
    expression: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """What holds at one address: the CFA and the rules of the registers that are spoken of, by number."""

    cfa: CfaRegister | CfaExpression | None
    rules: dict[int, Rule]


@dataclass(frozen=True, slots=True)
class Common:
    """A CIE."""

    version: int
    augmentation: str
    code_factor: int
    data_factor: int
    return_register: int
    address_size: int
    encoding: int
    has_augmentation: bool
    is_signal: bool
    instructions: bytes


@dataclass(frozen=True, slots=True)
class Description:
    """An FDE: code [start, end)."""

    common: Common
    start: int
    end: int
    instructions: bytes


@dataclass(slots=True)
class _Rows:
    """The state of DWARF's machine for rows."""

    row: Row
    address: int
    initial: dict[int, Rule] = field(default_factory=dict)
    kept: list[Row] = field(default_factory=list)


def row_at(description: Description, address: int) -> Row:
    """The row for the code at an address. Raises ValueError and IndexError for what is damaged."""
    return _row_at(description.common, description.instructions, description.start, address)


@lru_cache(maxsize=4096)
def _row_at(common: Common, instructions: bytes, start: int, address: int) -> Row:
    rows = _Rows(Row(None, {}), start)
    _run(common, common.instructions, rows, None)
    rows.initial = dict(rows.row.rules)
    _run(common, instructions, rows, address)
    return rows.row


def _run(common: Common, instructions: bytes, rows: _Rows, until: int | None) -> None:
    """Up to the row after that of `until`."""
    reader = Reader(instructions)
    count = 0
    while reader.more:
        count += 1
        if count > MAX_ROWS:
            raise ValueError("frame information without an end")
        opcode = reader.unsigned(1)
        advanced = _advance(common, opcode, reader, rows.address)
        if advanced is not None:
            if until is not None and advanced > until:
                return
            rows.address = advanced
        else:
            _change(common, opcode, reader, rows)


def _advance(common: Common, opcode: int, reader: Reader, address: int) -> int | None:
    if opcode >> 6 == 1:
        return address + (opcode & 0x3F) * common.code_factor
    if opcode == 0x01:
        if common.encoding & 0x70:
            raise ValueError("DW_CFA_set_loc of an encoded address")
        return reader.unsigned(common.address_size)
    if opcode in (0x02, 0x03, 0x04):
        return address + reader.unsigned(1 << opcode - 2) * common.code_factor
    return None


def _change(common: Common, opcode: int, reader: Reader, rows: _Rows) -> None:
    high, low = opcode >> 6, opcode & 0x3F
    data = common.data_factor
    if high == 2:
        return _set(rows, low, AtOffset(reader.uleb() * data))
    if high == 3:
        return _restore(rows, low)
    handler = _OPERATIONS.get(opcode)
    if handler is None:
        raise ValueError(f"DW_CFA {opcode:#x} is not known")
    return handler(rows, reader, data)


def _set(rows: _Rows, number: int, rule: Rule) -> None:
    rows.row.rules[number] = rule


def _restore(rows: _Rows, number: int) -> None:
    if number in rows.initial:
        rows.row.rules[number] = rows.initial[number]
    else:
        rows.row.rules.pop(number, None)


def _set_cfa(rows: _Rows, cfa: CfaRegister | CfaExpression) -> None:
    rows.row = Row(cfa, rows.row.rules)


def _cfa_register(rows: _Rows) -> CfaRegister:
    if not isinstance(rows.row.cfa, CfaRegister):
        raise ValueError("an offset without a register")
    return rows.row.cfa


def _ignore(_: int) -> None:
    """An operand without a meaning here."""


def _remember(rows: _Rows) -> None:
    rows.kept.append(replace(rows.row, rules=dict(rows.row.rules)))


def _recall(rows: _Rows) -> None:
    rows.row = rows.kept.pop()


_OPERATIONS: dict[int, Callable[[_Rows, Reader, int], None]] = {
    0x00: lambda _, __, ___: None,
    0x05: lambda rows, reader, data: _set(rows, reader.uleb(), AtOffset(reader.uleb() * data)),
    0x06: lambda rows, reader, _: _restore(rows, reader.uleb()),
    0x07: lambda rows, reader, _: _set(rows, reader.uleb(), Undefined()),
    0x08: lambda rows, reader, _: _set(rows, reader.uleb(), SameValue()),
    0x09: lambda rows, reader, _: _set(rows, reader.uleb(), InOther(reader.uleb())),
    0x0A: lambda rows, _, __: _remember(rows),
    0x0B: lambda rows, _, __: _recall(rows),
    0x0C: lambda rows, reader, _: _set_cfa(rows, CfaRegister(reader.uleb(), reader.uleb())),
    0x0D: lambda rows, reader, _: _set_cfa(rows, CfaRegister(reader.uleb(), _cfa_register(rows).offset)),
    0x0E: lambda rows, reader, _: _set_cfa(rows, CfaRegister(_cfa_register(rows).number, reader.uleb())),
    0x0F: lambda rows, reader, _: _set_cfa(rows, CfaExpression(reader.block())),
    0x10: lambda rows, reader, _: _set(rows, reader.uleb(), AtExpression(reader.block())),
    0x11: lambda rows, reader, data: _set(rows, reader.uleb(), AtOffset(reader.sleb() * data)),
    0x12: lambda rows, reader, data: _set_cfa(rows, CfaRegister(reader.uleb(), reader.sleb() * data)),
    0x13: lambda rows, reader, data: _set_cfa(rows, CfaRegister(_cfa_register(rows).number, reader.sleb() * data)),
    0x14: lambda rows, reader, data: _set(rows, reader.uleb(), ValueAtOffset(reader.uleb() * data)),
    0x15: lambda rows, reader, data: _set(rows, reader.uleb(), ValueAtOffset(reader.sleb() * data)),
    0x16: lambda rows, reader, _: _set(rows, reader.uleb(), ValueOfExpression(reader.block())),
    0x2D: lambda _, __, ___: None,  # GNU_window_save, which no x86 has
    0x2E: lambda _, reader, __: _ignore(reader.uleb()),  # GNU_args_size
    0x2F: lambda rows, reader, data: _set(rows, reader.uleb(), AtOffset(-reader.uleb() * data)),
}
"""DWARF 5, 6.4.2, and the GNU operations from 0x2D on."""
