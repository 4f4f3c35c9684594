"""BTF that pahole made against what the compiler says."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmdbg.os.compiled_types import OFFSETS, base_btf, compiled, split_btf
from vmdbg.c.formatting import format_type
from vmdbg.c.types import Kind, NoSuchMemberError, NoSuchTypeError, declare
from vmdbg.os.linux.btf import Btf
from vmdbg.os.linux.type_lookup import Types
from vmdbg.os.seam import DamagedError


def test_offsets_and_size_are_the_compilers() -> None:
    thing = Types(base_btf()).find("struct thing")
    said = compiled()[2]
    assert thing.size == said["sizeof"]
    assert {path: thing.offset_of(path) for path in OFFSETS} == {path: said[path] for path in OFFSETS}


def test_bit_fields_have_a_place_and_a_width() -> None:
    thing = Types(base_btf()).find("struct thing")
    flag, level, low = (thing.field(name) for name in ("flag", "level", "low"))
    assert (flag.bits, level.bits, low.bits) == (3, 5, 7)
    assert level.bit_offset == flag.bit_offset + 3
    assert low.bit_offset == flag.bit_offset + 8


@pytest.mark.parametrize(
    ("spelling", "size", "shown"),
    [
        ("int", 4, "int"),
        ("unsigned long", 8, "long unsigned int"),
        ("long unsigned int", 8, "long unsigned int"),
        ("word", 8, "word"),
        ("struct point", 8, "struct point"),
        ("struct point *", 8, "struct point *"),
        ("struct point [3]", 24, "struct point [3]"),
        ("struct point *[2][3]", 48, "struct point *[2][3]"),
        ("const volatile struct point", 8, "struct point"),
        ("char **", 8, "char **"),
        ("void *", 8, "void *"),
        ("union number", 8, "union number"),
        ("enum colour", 4, "enum colour"),
    ],
)
def test_types_are_found_by_their_c_spelling(spelling: str, size: int, shown: str) -> None:
    found = Types(base_btf()).find(spelling)
    assert str(found) == shown
    assert found.size == size


def test_declarations_read_like_c() -> None:
    thing = Types(base_btf()).find("struct thing")
    declared = {name: declare(thing.field(name).type, name) for name in ("call", "grid", "label", "words", "name")}
    assert declared == {
        "call": "int (*call)(struct thing *, long unsigned int, ...)",
        "grid": "struct point *grid[6]",
        "label": "const char *label",
        "words": "word words[4]",
        "name": "char name[16]",
    }


def test_functions_have_prototypes() -> None:
    function = Types(base_btf()).function("compute")
    assert str(function) == "int compute(struct thing *thing, word count)"


def test_enumerators_keep_their_signs_and_64_bits() -> None:
    types = Types(base_btf())
    assert [(one.name, one.value) for one in types.find("enum colour").enumerators] == [
        ("RED", 0),
        ("GREEN", 5),
        ("NEGATIVE", -3),
    ]
    big = types.find("enum big")
    if big.strip().kind is Kind.ENUM64:  # pahole before 1.24 has none
        assert big.enumerators[0].value == 0x123456789ABCDEF


def test_definitions_show_offsets_and_sizes() -> None:
    shown = format_type(Types(base_btf()).find("struct point"))
    assert [line.split() for line in shown.splitlines()] == [
        ["struct", "point", "{"],
        ["int", "x;", "/*", "0", "4", "*/"],
        ["int", "y;", "/*", "4", "4", "*/"],
        ["};", "/*", "size:", "8", "*/"],
    ]


def test_split_btf_continues_its_base() -> None:
    types = Types(split_btf())
    extra = types.find("struct extra")
    assert extra.offset_of("only_here") == 16
    assert extra.field("thing").type.element.strip().size == compiled()[2]["sizeof"]
    assert types.find("struct point").btf_id < split_btf().first_id
    with pytest.raises(NoSuchTypeError):
        Types(base_btf()).find("struct extra")


def test_unknown_names_are_errors_of_the_user() -> None:
    types = Types(base_btf())
    for spelling in ("struct nothing", "nothing", "struct", "int int x;", "*", ""):
        with pytest.raises(NoSuchTypeError):
            types.find(spelling)
    with pytest.raises(NoSuchMemberError):
        types.find("struct thing").field("nothing")
    with pytest.raises(NoSuchMemberError):
        types.find("struct thing").field("name.nothing")


def test_an_index_from_a_cache_gives_the_same_types() -> None:
    fresh = base_btf()
    again = Btf(compiled()[0], index=fresh.index)
    assert [record[:7] for record in again] == [record[:7] for record in fresh]


def looped_typedef() -> bytes:
    """Type 1 is a typedef of itself."""
    strings = b"\0loop\0"
    types = struct.pack("<III", 1, Kind.TYPEDEF << 24, 1)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


def test_a_type_that_is_itself_is_damage_and_no_loop() -> None:
    found = Types(Btf(looped_typedef())).find("loop")
    with pytest.raises(DamagedError):
        found.strip()
    with pytest.raises(DamagedError):
        _ = found.size


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=16)), max_size=6),
    st.floats(0, 1),
)
def test_random_damage_gives_types_or_damaged(patches: list[tuple[float, bytes]], kept: float) -> None:
    data = bytearray(compiled()[0])
    for place, patch in patches:
        position = int(place * (len(data) - len(patch)))
        data[position : position + len(patch)] = patch
    try:
        types = Types(Btf(bytes(data[: 64 + int(kept * len(data))])))
        thing = types.find("struct thing")
        format_type(thing)
        for member in thing.members:
            _ = str(thing.at(member.type)), thing.at(member.type).size
    except (DamagedError, NoSuchTypeError):
        return
