"""Places as users name them."""

from __future__ import annotations

import pytest

from vmdbg.debugger.points import Space
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim, Place
from vmdbg.session.session import Session


@pytest.mark.parametrize("text", ["deposit", "cs:deposit", "$cs:$rip", "bank.c:62", "samples/kernel/bank.c:62", "rip"])
def test_one_place_by_many_names(session: Session, text: str) -> None:
    place = session.place(text)
    assert (place.address, place.is_physical) == (session.debugger.pc, False)


def test_physical(session: Session) -> None:
    assert session.place("phys:0x1000").is_physical
    assert session.place("0x1000", physical=True) == session.place("physical:0x1000")


def test_segments_by_selector(session: Session) -> None:
    assert session.place("10:1234").address == 0x1234
    with pytest.raises(UserError, match="names no descriptor"):
        session.place("0:0x1234")
    with pytest.raises(UserError, match="is no selector"):
        session.place("0x12345:0")


def test_lines_without_code(session: Session) -> None:
    with pytest.raises(UserError, match="no code is known for line 9999"):
        session.place("bank.c:9999")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1000:10", 0x10010),
        ("f000:e05b", 0xFE05B),
        ("0:7c00", 0x7C00),
        ("0x1000:0x10", 0x10010),
        ("b800:a0", 0xB80A0),
        ("07C0:0000", 0x7C00),
        ("ffff:10", 0x100000),
        ("7c00h:10h", 0x7C010),
        ("0b10:0b10", 0xB100 + 0xB10),
        ("cs:7c00", 0x7C00),
        ("ds:sp+10", 0x7C10),
        ("cs:ip", 0x7C00),
        ("0:u16(0x7dfe)", 0xAA55),
    ],
)
def test_numbers_in_segment_and_offset_are_hexadecimal(real_mode: Session, text: str, address: int) -> None:
    assert real_mode.place(text).address == address
    assert real_mode.evaluate(f"{address}") == real_mode.linear(text)


def test_an_offset_that_no_segment_has_is_refused(real_mode: Session) -> None:
    with pytest.raises(UserError, match="0x10000 is no offset in a segment of real mode"):
        real_mode.place("1000:10000")
    with pytest.raises(UserError, match="0x10000 is no selector"):
        real_mode.place("10000:0")


def test_a_symbol_that_looks_like_a_number_can_be_written_as_a_symbol(session: Session) -> None:
    session.scope.variables["add"] = 0x40
    assert session.place("cs:add").address == 0xADD
    assert session.place("cs:(add)").address == session.place("cs:$add").address == 0x40


@pytest.mark.parametrize("text", ["0x10000000000000000", "-0x8000000000000001", "1 == 1", "'text'", "1.5", "[1]"])
def test_what_no_address_can_be_is_refused(session: Session, text: str) -> None:
    for aim in Aim:
        with pytest.raises(UserError, match=r"is no (address|integer)"):
            session.place(text, aim=aim)


def test_negative_addresses_count_from_the_end(session: Session) -> None:
    assert session.place("-8").address == (1 << 64) - 8


def test_the_star_is_gdbs_where_code_is_meant_and_cs_elsewhere(session: Session) -> None:
    stack = session.integer("rsp")
    assert session.place("*rip", aim=Aim.CODE).address == session.debugger.pc
    assert session.place("*(long *)$rsp").address == session.integer("mem[rsp]")
    assert session.place("*(int *)$rsp", aim=Aim.OBJECT) == Place(Space.LINEAR, stack, 4)
    assert session.place("((short *)rsp)[2]", aim=Aim.OBJECT) == Place(Space.LINEAR, stack + 4, 2)
    assert session.place("mem[rsp, 3]", aim=Aim.OBJECT) == Place(Space.LINEAR, stack, 3)
    assert session.place("phys[4:12]", aim=Aim.OBJECT) == Place(Space.PHYSICAL, 4, 8)
    assert session.place("u16(rsp)", aim=Aim.OBJECT) == Place(Space.LINEAR, stack, 2)


def test_a_pointer_is_where_it_lies_or_where_it_points(session: Session) -> None:
    stack = session.integer("rsp")
    assert session.place("((char **)rsp)[0]", aim=Aim.OBJECT) == Place(Space.LINEAR, stack, 8)
    assert session.place("((char **)rsp)[0]").address == session.integer("mem[rsp]")
    assert session.place("(char *)rsp", aim=Aim.OBJECT).address == session.place("(char *)rsp").address == stack


def test_a_number_too_narrow_for_an_address_is_refused(session: Session) -> None:
    with pytest.raises(UserError, match=r"number of 4 bytes and no address; it lies at &\(\*\(int \*\)rsp\)"):
        session.place("*(int *)rsp")
    assert session.place("int(*(int *)rsp)").address == session.integer("i32(rsp)") % (1 << 64)
