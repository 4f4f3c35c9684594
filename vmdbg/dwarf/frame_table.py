"""Call frame information: how each register of the caller is found. Sources: DWARF 5, 6.4; LSB Core, Exception Frames.

.debug_frame and .eh_frame, of a file or as a guest has the latter loaded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from vmdbg.dwarf.reader import Reader

_PE_OMIT, _PE_PCREL, _PE_RELATIVE = 0xFF, 0x10, 0x70
_FIXED = {0x00: 0, 0x02: 2, 0x03: 4, 0x04: 8, 0x0A: -2, 0x0B: -4, 0x0C: -8}
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


class FrameTable:
    """One section. `address` is where it is loaded: .eh_frame counts from itself. Damaged entries are passed over."""

    def __init__(self, data: bytes, address: int, address_size: int, *, is_eh: bool) -> None:
        self._data = data
        self._address = address
        self._size = address_size
        self._is_eh = is_eh
        self._common: dict[int, Common | None] = {}
        self._places: list[tuple[int, int, int]] | None = None

    def find(self, address: int) -> Description | None:
        """Of the code at an address. Raises IndexError and ValueError for what is damaged."""
        if self._places is None:
            self._places = sorted(self._scan())
        index = bisect_right(self._places, (address, 1 << 64, 0)) - 1
        if index < 0 or address >= self._places[index][1]:
            return None
        return self.at(self._places[index][2])

    def _scan(self) -> Iterator[tuple[int, int, int]]:
        position = 0
        while position + 4 <= len(self._data):
            try:
                reader, end, identity, is_common = self._head(position)
                if not is_common:
                    common = self.common(identity)
                    if common is not None:
                        start, size = self._extent(reader, common)
                        if size:
                            yield start, start + size, position
            except (IndexError, ValueError):
                end = self._end(position)
            if end <= position:
                return
            position = end

    def _end(self, position: int) -> int:
        length = int.from_bytes(self._data[position : position + 4], "little")
        if length == 0xFFFF_FFFF:
            return position + 12 + int.from_bytes(self._data[position + 4 : position + 12], "little")
        return position + 4 + length

    def _head(self, position: int) -> tuple[Reader, int, int, bool]:
        """A reader behind it, the end of the entry, the offset of the CIE, and whether this is one."""
        reader = Reader(self._data, position)
        length = reader.unsigned(4)
        wide = length == 0xFFFF_FFFF
        if wide:
            length = reader.unsigned(8)
        end = reader.position + length
        if not length:
            return reader, end, 0, True
        if end > len(self._data):
            raise ValueError("beyond the end")
        reader.end = end
        place = reader.position
        size = 8 if wide and not self._is_eh else 4
        identity = reader.unsigned(size)
        if self._is_eh:
            return reader, end, place - identity, not identity
        return reader, end, identity, identity == (1 << 8 * size) - 1

    def common(self, offset: int) -> Common | None:
        if offset not in self._common:
            self._common[offset] = self._read_common(offset)
        return self._common[offset]

    def _read_common(self, offset: int) -> Common | None:
        """None for an augmentation that is not known: what follows it cannot be read."""
        reader, end, _, is_common = self._head(offset)
        if not is_common or not reader.more:
            raise ValueError("no CIE")
        version, augmentation = reader.unsigned(1), reader.text()
        address_size = self._size
        if augmentation == "eh":
            reader.unsigned(self._size)
        if version >= 4:
            address_size = reader.unsigned(1)
            reader.unsigned(1)
        code_factor, data_factor = reader.uleb(), reader.sleb()
        return_register = reader.unsigned(1) if version == 1 else reader.uleb()
        encoding, signal = 0, False
        if augmentation.startswith("z"):
            size = reader.uleb()
            after = reader.position + size
            for letter in augmentation[1:]:
                if letter == "R":
                    encoding = reader.unsigned(1)
                elif letter == "P":
                    form = reader.unsigned(1)
                    self._pointer(reader, form)
                elif letter == "L":
                    reader.unsigned(1)
                elif letter == "S":
                    signal = True
                elif letter != "B":
                    break
            reader.position = after
        elif augmentation not in ("", "eh", "S"):
            return None
        return Common(version, augmentation, code_factor, data_factor, return_register, address_size, encoding,
                      augmentation.startswith("z"), signal or augmentation == "S",
                      bytes(self._data[reader.position : end]))  # fmt: skip

    def _extent(self, reader: Reader, common: Common) -> tuple[int, int]:
        if not self._is_eh:
            return reader.unsigned(common.address_size), reader.unsigned(common.address_size)
        start = self._pointer(reader, common.encoding)
        return start, self._pointer(reader, common.encoding & 0x0F)

    def _pointer(self, reader: Reader, encoding: int) -> int:
        if encoding == _PE_OMIT:
            return 0
        place = self._address + reader.position
        form = encoding & 0x0F
        if form == 0x01:
            value = reader.uleb()
        elif form == 0x09:
            value = reader.sleb()
        else:
            size = _FIXED.get(form)
            if size is None:
                raise ValueError("a pointer of an unknown form")
            size = size or self._size
            value = reader.unsigned(size) if size > 0 else reader.signed(-size)
        if encoding & _PE_RELATIVE == _PE_PCREL:
            value += place
        elif encoding & _PE_RELATIVE:
            raise ValueError("a pointer of an unknown form")
        return value & (1 << 8 * self._size) - 1

    def at(self, offset: int) -> Description:
        """The FDE at an offset of the section."""
        reader, end, identity, is_common = self._head(offset)
        common = self.common(identity) if not is_common else None
        if common is None:
            raise ValueError("no FDE")
        start, size = self._extent(reader, common)
        if common.has_augmentation:
            reader.block()
        return Description(common, start, start + size, bytes(self._data[reader.position : end]))


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
