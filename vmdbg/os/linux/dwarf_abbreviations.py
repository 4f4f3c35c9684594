"""The abbreviations of the written `.debug_info`: the shape of every kind of entry in it."""

from __future__ import annotations

from vmdbg.os.linux.dwarf import At, Form, Tag, uleb

_ABBREVIATIONS: tuple[tuple[Tag, bool, tuple[tuple[At, Form], ...]], ...] = (
    (Tag.COMPILE_UNIT, True, (
        (At.PRODUCER, Form.STRP), (At.LANGUAGE, Form.DATA1), (At.NAME, Form.STRP),
        (At.LOW_PC, Form.ADDR), (At.RANGES, Form.SEC_OFFSET))),
    (Tag.BASE_TYPE, False, ((At.NAME, Form.STRP), (At.BYTE_SIZE, Form.DATA1), (At.ENCODING, Form.DATA1))),
    (Tag.POINTER_TYPE, False, ((At.TYPE, Form.REF4), (At.BYTE_SIZE, Form.DATA1))),
    (Tag.ARRAY_TYPE, True, ((At.TYPE, Form.REF4),)),
    (Tag.SUBRANGE_TYPE, False, ((At.TYPE, Form.REF4), (At.COUNT, Form.DATA4))),
    (Tag.STRUCTURE_TYPE, True, ((At.NAME, Form.STRP), (At.BYTE_SIZE, Form.DATA4))),
    (Tag.STRUCTURE_TYPE, True, ((At.BYTE_SIZE, Form.DATA4),)),
    (Tag.UNION_TYPE, True, ((At.NAME, Form.STRP), (At.BYTE_SIZE, Form.DATA4))),
    (Tag.UNION_TYPE, True, ((At.BYTE_SIZE, Form.DATA4),)),
    (Tag.MEMBER, False, (
        (At.NAME, Form.STRP), (At.TYPE, Form.REF4), (At.DATA_MEMBER_LOCATION, Form.DATA4))),
    (Tag.MEMBER, False, ((At.TYPE, Form.REF4), (At.DATA_MEMBER_LOCATION, Form.DATA4))),
    (Tag.MEMBER, False, (
        (At.NAME, Form.STRP), (At.TYPE, Form.REF4), (At.BIT_SIZE, Form.DATA1),
        (At.DATA_BIT_OFFSET, Form.DATA4))),
    (Tag.ENUMERATION_TYPE, True, ((At.NAME, Form.STRP), (At.BYTE_SIZE, Form.DATA1))),
    (Tag.ENUMERATION_TYPE, True, ((At.BYTE_SIZE, Form.DATA1),)),
    (Tag.ENUMERATOR, False, ((At.NAME, Form.STRP), (At.CONST_VALUE, Form.DATA8))),
    (Tag.STRUCTURE_TYPE, False, ((At.NAME, Form.STRP), (At.DECLARATION, Form.FLAG_PRESENT))),
    (Tag.UNION_TYPE, False, ((At.NAME, Form.STRP), (At.DECLARATION, Form.FLAG_PRESENT))),
    (Tag.TYPEDEF, False, ((At.NAME, Form.STRP), (At.TYPE, Form.REF4))),
    (Tag.CONST_TYPE, False, ((At.TYPE, Form.REF4),)),
    (Tag.VOLATILE_TYPE, False, ((At.TYPE, Form.REF4),)),
    (Tag.RESTRICT_TYPE, False, ((At.TYPE, Form.REF4),)),
    (Tag.SUBROUTINE_TYPE, True, ((At.PROTOTYPED, Form.FLAG_PRESENT), (At.TYPE, Form.REF4))),
    (Tag.FORMAL_PARAMETER, False, ((At.TYPE, Form.REF4),)),
    (Tag.UNSPECIFIED_PARAMETERS, False, ()),
    (Tag.SUBPROGRAM, True, (
        (At.NAME, Form.STRP), (At.EXTERNAL, Form.FLAG_PRESENT), (At.PROTOTYPED, Form.FLAG_PRESENT),
        (At.TYPE, Form.REF4), (At.LOW_PC, Form.ADDR), (At.HIGH_PC, Form.DATA4),
        (At.FRAME_BASE, Form.EXPRLOC))),
    (Tag.FORMAL_PARAMETER, False, (
        (At.NAME, Form.STRP), (At.TYPE, Form.REF4), (At.LOCATION, Form.SEC_OFFSET))),
    (Tag.FORMAL_PARAMETER, False, ((At.NAME, Form.STRP), (At.TYPE, Form.REF4))),
    (Tag.POINTER_TYPE, False, ((At.BYTE_SIZE, Form.DATA1),)),
    (Tag.TYPEDEF, False, ((At.NAME, Form.STRP),)),
    (Tag.CONST_TYPE, False, ()),
    (Tag.VOLATILE_TYPE, False, ()),
    (Tag.RESTRICT_TYPE, False, ()),
    (Tag.SUBROUTINE_TYPE, True, ((At.PROTOTYPED, Form.FLAG_PRESENT),)),
    (Tag.SUBPROGRAM, True, (
        (At.NAME, Form.STRP), (At.EXTERNAL, Form.FLAG_PRESENT), (At.PROTOTYPED, Form.FLAG_PRESENT),
        (At.LOW_PC, Form.ADDR), (At.HIGH_PC, Form.DATA4), (At.FRAME_BASE, Form.EXPRLOC))),
    (Tag.VARIABLE, False, (
        (At.NAME, Form.STRP), (At.TYPE, Form.REF4), (At.EXTERNAL, Form.FLAG_PRESENT),
        (At.LOCATION, Form.EXPRLOC))),
)  # fmt: skip
(
    UNIT, BASE, POINTER, ARRAY, SUBRANGE, STRUCT, STRUCT_ANONYMOUS, UNION, UNION_ANONYMOUS, MEMBER,
    MEMBER_ANONYMOUS, MEMBER_BITS, ENUM, ENUM_ANONYMOUS, ENUMERATOR, STRUCT_FORWARD, UNION_FORWARD, TYPEDEF,
    CONST, VOLATILE, RESTRICT, PROTOTYPE, PARAMETER, ELLIPSIS, SUBPROGRAM, PARAMETER_IN_REGISTER,
    PARAMETER_ELSEWHERE, POINTER_VOID, TYPEDEF_VOID, CONST_VOID, VOLATILE_VOID, RESTRICT_VOID, PROTOTYPE_VOID,
    SUBPROGRAM_VOID, VARIABLE,
) = range(1, len(_ABBREVIATIONS) + 1)  # fmt: skip


def abbreviation_table() -> bytes:
    out = bytearray()
    for number, (tag, children, attributes) in enumerate(_ABBREVIATIONS, 1):
        out += uleb(number) + uleb(tag) + bytes([children])
        for attribute, form in attributes:
            out += uleb(attribute) + uleb(form)
        out += b"\0\0"
    return bytes(out) + b"\0"
