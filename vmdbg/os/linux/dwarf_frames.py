"""ORC as DWARF call frame information, so that stock gdb unwinds the kernel as the kernel itself would.

One FDE covers at most `MAX_ROWS` ORC entries of one shape. Saved registers of exceptions are rules of a CIE
of their own, marked as a signal frame: the address they return to was interrupted, not called from.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from vmdbg.os.linux.dwarf import (
    CFA_ADVANCE_LOC,
    CFA_ADVANCE_LOC1,
    CFA_ADVANCE_LOC2,
    CFA_ADVANCE_LOC4,
    CFA_DEF_CFA,
    CFA_DEF_CFA_EXPRESSION,
    CFA_DEF_CFA_SF,
    CFA_EXPRESSION,
    CFA_OFFSET_EXTENDED_SF,
    CFA_SAME_VALUE,
    CFA_UNDEFINED,
    OP_BREG0,
    OP_CONSTS,
    OP_DEREF,
    OP_PLUS,
    REGISTERS,
    sleb,
    uleb,
)
from vmdbg.os.linux.orc import Base, Entry, Shape, Table

MAX_ROWS = 48
_SIGNAL = frozenset({Shape.REGISTERS, Shape.REGISTERS_PARTIAL})
_NO_AUGMENTATION = b"\0"
_DATA_ALIGNMENT = -8
_RBP, _RSP, _RIP = REGISTERS["rbp"], REGISTERS["rsp"], REGISTERS["rip"]
_BASES = {
    Base.SP: "rsp", Base.BP: "rbp", Base.R10: "r10", Base.R13: "r13", Base.DI: "rdi", Base.DX: "rdx",
}  # fmt: skip
_PT_REGS = (
    "r15",
    "r14",
    "r13",
    "r12",
    "rbp",
    "rbx",
    "r11",
    "r10",
    "r9",
    "r8",
    "rax",
    "rcx",
    "rdx",
    "rsi",
    "rdi",
)
_PT_REGS_RIP, _PT_REGS_RSP = 128, 152


def _saved(register: int, offset: int) -> bytes:
    """The register is at CFA + offset."""
    return bytes([CFA_OFFSET_EXTENDED_SF]) + uleb(register) + sleb(offset // _DATA_ALIGNMENT)


_ALL_REGISTERS = b"".join(_saved(REGISTERS[name], 8 * i) for i, name in enumerate(_PT_REGS))
_RULES = {
    Shape.CALL: _saved(_RIP, -8),
    Shape.REGISTERS: _ALL_REGISTERS + _saved(_RIP, _PT_REGS_RIP) + _saved(_RSP, _PT_REGS_RSP),
    Shape.REGISTERS_PARTIAL: _saved(_RIP, 0) + _saved(_RSP, 24),
    Shape.END_OF_STACK: bytes([CFA_UNDEFINED, _RIP]),
    Shape.UNDEFINED: bytes([CFA_UNDEFINED, _RIP]),
}


def debug_frame(tables: Iterable[tuple[Table, int]]) -> bytes:
    """`.debug_frame` of (table, end of its code)s."""
    out = bytearray()
    information: dict[Shape, int] = {}
    for shape, rules in _RULES.items():
        information[shape] = len(out)
        out += _cie(rules, shape in _SIGNAL)
    for table, end in tables:
        out += _descriptions(table, end, information)
    return bytes(out)


def _cie(rules: bytes, signal: bool) -> bytes:
    body = struct.pack("<IB", 0xFFFF_FFFF, 1) + (b"zS\0" if signal else b"\0")
    body += uleb(1) + sleb(_DATA_ALIGNMENT) + bytes([_RIP]) + (_NO_AUGMENTATION if signal else b"")
    body += bytes([CFA_DEF_CFA]) + uleb(_RSP) + uleb(8) + rules
    return _padded(body)


def _padded(body: bytes) -> bytes:
    body += bytes(-(len(body) + 4) % 8)
    return struct.pack("<I", len(body)) + body


def _descriptions(table: Table, end: int, information: dict[Shape, int]) -> bytes:
    """FDEs over one ORC table."""
    rows: dict[bytes, tuple[Shape, bytes]] = {}
    for raw, entry in table.distinct():
        rows[raw] = entry.shape, _row(entry)
    raws, starts = table.raw_entries(), [*table.starts(), end]
    out: list[bytes] = []
    count, index = len(raws), 0
    while index < count:
        start = position = starts[index]
        shape, row = rows[raws[index]]
        program = [row]
        last = min(index + MAX_ROWS, count)
        index += 1
        while index < last:
            other, row = rows[raws[index]]
            if other is not shape:
                break
            delta = starts[index] - position
            program.append(_SHORT_ADVANCES[delta] if 0 <= delta < 0x40 else _advance(delta))
            program.append(row)
            position += delta
            index += 1
        size = starts[index] - start
        if shape is not Shape.UNDEFINED and size > 0:
            head = struct.pack("<IQQ", information[shape], start, size)
            head += _NO_AUGMENTATION if shape in _SIGNAL else b""
            out.append(_padded(head + b"".join(program)))
    return b"".join(out)


_SHORT_ADVANCES = tuple(bytes([CFA_ADVANCE_LOC | delta]) for delta in range(0x40))


def _advance(delta: int) -> bytes:
    if delta < 0x100:
        return bytes([CFA_ADVANCE_LOC1, delta])
    if delta < 0x1_0000:
        return struct.pack("<BH", CFA_ADVANCE_LOC2, delta)
    return struct.pack("<BI", CFA_ADVANCE_LOC4, delta)


def _row(entry: Entry) -> bytes:
    """Rules for the CFA and, where a call is left, for RBP."""
    if entry.shape in (Shape.UNDEFINED, Shape.END_OF_STACK):
        return b""
    frame = _frame_pointer(entry) if entry.shape is not Shape.REGISTERS else b""
    return _canonical_frame_address(entry) + frame


def _canonical_frame_address(entry: Entry) -> bytes:
    base, offset = entry.sp_base, entry.sp_offset
    if base is Base.SP_INDIRECT:
        return _expression(bytes([OP_BREG0 + _RSP, 0, OP_DEREF, OP_CONSTS]) + sleb(offset) + bytes([OP_PLUS]))
    if base is Base.BP_INDIRECT:
        return _expression(bytes([OP_BREG0 + _RBP]) + sleb(offset) + bytes([OP_DEREF]))
    name = _BASES.get(base) if base is not None else None
    if name is None:
        return bytes([CFA_UNDEFINED, _RIP])
    if base not in (Base.SP, Base.BP):
        offset = 0
    if offset >= 0:
        return bytes([CFA_DEF_CFA, REGISTERS[name]]) + uleb(offset)
    return bytes([CFA_DEF_CFA_SF, REGISTERS[name]]) + sleb(offset // _DATA_ALIGNMENT)


def _expression(operations: bytes) -> bytes:
    return bytes([CFA_DEF_CFA_EXPRESSION]) + uleb(len(operations)) + operations


def _frame_pointer(entry: Entry) -> bytes:
    if entry.bp_base is Base.PREVIOUS_SP:
        return _saved(_RBP, entry.bp_offset)
    if entry.bp_base is Base.BP:
        where = bytes([OP_BREG0 + _RBP]) + sleb(entry.bp_offset)
        return bytes([CFA_EXPRESSION, _RBP]) + uleb(len(where)) + where
    return bytes([CFA_SAME_VALUE, _RBP])
