"""The numbers and encodings that the written ELF uses (DWARF Debugging Information Format, version 4)."""

from __future__ import annotations

from enum import IntEnum


class Tag(IntEnum):
    ARRAY_TYPE = 0x01
    ENUMERATION_TYPE = 0x04
    FORMAL_PARAMETER = 0x05
    MEMBER = 0x0D
    POINTER_TYPE = 0x0F
    COMPILE_UNIT = 0x11
    STRUCTURE_TYPE = 0x13
    SUBROUTINE_TYPE = 0x15
    TYPEDEF = 0x16
    UNION_TYPE = 0x17
    UNSPECIFIED_PARAMETERS = 0x18
    SUBRANGE_TYPE = 0x21
    BASE_TYPE = 0x24
    CONST_TYPE = 0x26
    ENUMERATOR = 0x28
    SUBPROGRAM = 0x2E
    VARIABLE = 0x34
    VOLATILE_TYPE = 0x35
    RESTRICT_TYPE = 0x37


class At(IntEnum):
    LOCATION = 0x02
    NAME = 0x03
    BYTE_SIZE = 0x0B
    LOW_PC = 0x11
    HIGH_PC = 0x12
    LANGUAGE = 0x13
    CONST_VALUE = 0x1C
    PRODUCER = 0x25
    PROTOTYPED = 0x27
    COUNT = 0x37
    DATA_MEMBER_LOCATION = 0x38
    DECLARATION = 0x3C
    ENCODING = 0x3E
    EXTERNAL = 0x3F
    FRAME_BASE = 0x40
    TYPE = 0x49
    RANGES = 0x55
    DATA_BIT_OFFSET = 0x6B
    BIT_SIZE = 0x0D


class Form(IntEnum):
    ADDR = 0x01
    DATA4 = 0x06
    DATA8 = 0x07
    DATA1 = 0x0B
    STRP = 0x0E
    REF4 = 0x13
    SEC_OFFSET = 0x17
    EXPRLOC = 0x18
    FLAG_PRESENT = 0x19


class Encoding(IntEnum):
    BOOLEAN = 0x02
    FLOAT = 0x04
    SIGNED = 0x05
    SIGNED_CHAR = 0x06
    UNSIGNED = 0x07
    UNSIGNED_CHAR = 0x08


LANGUAGE_C99 = 0x0C
OP_ADDR, OP_DEREF, OP_PLUS, OP_CONSTS = 0x03, 0x06, 0x22, 0x11
OP_REG0, OP_BREG0, OP_CALL_FRAME_CFA = 0x50, 0x70, 0x9C
CFA_ADVANCE_LOC = 0x40
CFA_ADVANCE_LOC1, CFA_ADVANCE_LOC2, CFA_ADVANCE_LOC4 = 0x02, 0x03, 0x04
CFA_UNDEFINED, CFA_SAME_VALUE, CFA_DEF_CFA = 0x07, 0x08, 0x0C
CFA_DEF_CFA_EXPRESSION, CFA_EXPRESSION = 0x0F, 0x10
CFA_OFFSET_EXTENDED_SF, CFA_DEF_CFA_SF = 0x11, 0x12

# System V ABI, AMD64 supplement, figure 3.36.
REGISTERS = {
    "rax": 0, "rdx": 1, "rcx": 2, "rbx": 3, "rsi": 4, "rdi": 5, "rbp": 6, "rsp": 7, "r8": 8, "r9": 9,
    "r10": 10, "r11": 11, "r12": 12, "r13": 13, "r14": 14, "r15": 15, "rip": 16,
}  # fmt: skip


def uleb(value: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sleb(value: int) -> bytes:
    """Signed LEB128."""
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)
