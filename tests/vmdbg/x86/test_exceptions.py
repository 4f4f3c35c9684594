from __future__ import annotations

import pytest

from vmdbg.x86.exceptions import (
    EXCEPTIONS,
    ExceptionClass,
    decode_error_code,
    describe_error_code,
    find_vector,
    vector_name,
)


def test_vectors_that_push_an_error_code() -> None:
    assert {v for v, info in EXCEPTIONS.items() if info.has_error_code} == {8, 10, 11, 12, 13, 14, 17, 21}


def test_classes() -> None:
    assert EXCEPTIONS[14].exception_class is ExceptionClass.FAULT
    assert EXCEPTIONS[3].exception_class is ExceptionClass.TRAP
    assert EXCEPTIONS[8].exception_class is ExceptionClass.ABORT


@pytest.mark.parametrize(
    ("text", "vector"),
    [("#PF", 14), ("pf", 14), ("page fault", 14), ("page-fault", 14), ("0x80", 128), ("NMI", 2), ("13", 13)],
)
def test_find_vector(text: str, vector: int) -> None:
    assert find_vector(text) == vector


@pytest.mark.parametrize("text", ["", "#", "256", "-1", "page"])
def test_what_is_no_vector(text: str) -> None:
    assert find_vector(text) is None


def test_vector_name() -> None:
    assert (vector_name(6), vector_name(0x80), vector_name(15)) == ("#UD", "0x80", "0x0f")


@pytest.mark.parametrize(
    ("vector", "code", "text"),
    [
        (14, 0b00110, "user write: not present"),
        (14, 0b00011, "supervisor write: protection violation"),
        (14, 0b10101, "user fetch: protection violation"),
        (14, 0b01001, "supervisor read: reserved bit set"),
        (14, 0b100101, "user read: protection violation, protection key"),
        (13, 0, "no selector"),
        (13, 0x18, "GDT selector 0x18"),
        (13, 0x1D, "LDT selector 0x18, external"),
        (13, 0x80 * 8 + 2, "IDT vector 0x80"),
        (11, 14 * 8 + 3, "IDT vector #PF, external"),
        (8, 0, ""),
    ],
)
def test_error_codes_in_words(vector: int, code: int, text: str) -> None:
    assert describe_error_code(vector, code) == text


def test_error_codes_bit_by_bit() -> None:
    fields = {field.name: field.value_name for field in decode_error_code(14, 0b110)}
    assert (fields["P"], fields["W/R"], fields["U/S"]) == ("not present", "write", "user")
    assert decode_error_code(8, 0) == ()
