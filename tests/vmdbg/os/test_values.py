"""Typed values over memory laid out by hand."""

from __future__ import annotations

import struct

import pytest

from tests.vmdbg.os.compiled_types import Buffer, base_btf, compiled
from vmdbg.c.values import Value
from vmdbg.errors import UserError
from vmdbg.os.linux.type_lookup import Types
from vmdbg.x86.linear_memory import UnmappedLinearError

START = 0x1000
TEXT = 0x1800


def thing() -> Value:
    types = Types(base_btf())
    type_ = types.find("struct thing")
    at = compiled()[2]
    data = bytearray(0x1000)

    def put(path: str, form: str, *values: object) -> None:
        struct.pack_into(form, data, at[path], *values)

    put("name", "16s", b"swapper/0\0junk")
    put("where", "<ii", -7, 9)
    put("left", "<h", -2)
    put("colour", "<i", 5)
    put("words", "<4Q", 1, 2, 3, 1 << 63)
    put("label", "<Q", TEXT)
    put("call", "<Q", 0xC0DE)
    put("links.prev", "<Q", START + at["links.prev"] - 8)
    put("yes", "<?", True)
    put("number", "<d", 2.5)
    put("grid", "<6Q", 0, 0, 0, 0, 0, START + at["where"])
    flags = type_.field("flag").bit_offset >> 3
    struct.pack_into("<I", data, flags, 5 | 17 << 3 | (0x40 | 3) << 8)
    data[TEXT - START : TEXT - START + 12] = b'say "hi"\n\0xx'
    return Value(Buffer(START, bytes(data)), type_, START)


def test_members_are_attributes_through_anonymous_aggregates() -> None:
    one = thing()
    assert one.where.x == -7
    assert one.where.y == 9
    assert one.left == -2
    assert one.right == 0xFE
    assert one["name"] == "swapper/0"


def test_bit_fields_have_their_signs() -> None:
    one = thing()
    assert (int(one.flag), int(one.level), int(one.low)) == (5, 17, 0x43 - 0x80)


def test_arrays_are_indexed_within_their_bounds() -> None:
    one = thing()
    assert [int(word) for word in one.words] == [1, 2, 3, 1 << 63]
    assert one.words[-1] == 1 << 63
    with pytest.raises(IndexError):
        one.words[4]
    assert len(one.grid) == 6


def test_pointers_are_followed() -> None:
    one = thing()
    assert one.grid[5].x == -7
    assert one.grid[5].dereference_().y == 9
    assert one.label.string_() == 'say "hi"\n'
    assert one.where.pointer_().y == 9
    assert not one.grid[0]


def test_pointers_to_one_type_differ_by_elements_as_they_are_moved_by_them() -> None:
    pointer = thing().words[0].pointer_()
    for count in (-3, 0, 1, 7):
        assert (pointer + count) - pointer == count
        assert pointer - (pointer + count) == -count
        assert (pointer + count) - count == pointer
    with pytest.raises(UserError, match="not alike"):
        _ = pointer - thing().left.pointer_()


def test_container_of_a_member_and_of_a_pointer_to_one() -> None:
    one = thing()
    assert one.links.container_of_(one.type_, "links").address_ == START
    assert one.links.prev.container_of_(one.type_, "links").address_ == START
    assert one.grid[5].container_of_(one.type_, "where").name == "swapper/0"


def test_floats_and_enums() -> None:
    one = thing()
    assert float(one.number.real) == 2.5
    assert one.colour.enumerator_() == "GREEN"


def test_pointer_arithmetic_moves_by_elements() -> None:
    one = thing()
    second = one.words.pointer_().cast_(Types(base_btf()).find("word *")) + 1
    assert isinstance(second, Value)
    assert second.dereference_() == 2


def test_values_are_written_as_c() -> None:
    shown = str(thing())
    for line in (
        '    .name = (char [16])"swapper/0",',
        "        .x = (int)-7,",
        "    .flag = (unsigned int)5,",
        "    .colour = (enum colour)GREEN,",
        "    .yes = (_Bool)true,",
        '    .label = (const char *)0x1800 "say \\"hi\\"\\n",',
        "    .call = (int (*)(struct thing *, long unsigned int, ...))0xc0de <compute>,",
        "    .words = (word [4]){ 1, 2, 3, 9223372036854775808 },",
    ):
        assert line in shown.splitlines(), line


def test_unreadable_memory_is_said_in_place() -> None:
    one = thing()
    far = Value(one.space_, one.type_, 0x10)
    assert str(far) == "(struct thing)<not readable at 0x10>"
    at_the_end = Value(one.space_, one.type_, START + 0xFF8)
    assert "<not readable at " in str(at_the_end)
    with pytest.raises(UnmappedLinearError):
        int(far.low)


def test_what_makes_no_sense_is_an_error_of_the_user() -> None:
    one = thing()
    with pytest.raises(UserError):
        int(one)
    with pytest.raises(UserError):
        one.low[0]
    with pytest.raises(UserError):
        _ = one.low.nothing
    with pytest.raises(AttributeError):
        _ = one.nothing
    with pytest.raises(UserError):
        one.where.pointer_().pointer_()
    with pytest.raises(UserError, match="has no length"):
        len(one.low)
    with pytest.raises(UserError, match="is no pointer"):
        one.low.dereference_()


def test_completion_offers_the_members() -> None:
    assert {"name", "where", "words", "address_", "string_"} <= set(dir(thing()))
