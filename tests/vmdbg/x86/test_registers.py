from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.x86.fields import RESERVED
from vmdbg.x86.registers import (
    BY_NAME,
    REGISTERS,
    SUB_REGISTERS,
    Group,
    Register,
    decode,
    find_register,
    set_flags,
)


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(REGISTERS)
    assert not SUB_REGISTERS.keys() & BY_NAME.keys()


@pytest.mark.parametrize("register", [r for r in REGISTERS if r.layout], ids=lambda r: r.name)
def test_fields_are_disjoint_and_inside_the_register(register: Register) -> None:
    seen = 0
    for field in register.layout:
        assert not field.mask & seen, field.name
        assert field.mask < 1 << register.bits
        seen |= field.mask


@pytest.mark.parametrize("group", list(Group))
def test_every_group_has_registers(group: Group) -> None:
    assert any(register.group is group for register in REGISTERS)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("$rip", "rip"),
        ("%RAX", "rax"),
        ("eflags", "rflags"),
        ("pc", "rip"),
        ("st(3)", "st3"),
        ("k_gs_base", "kernel_gs_base"),
    ],
)
def test_register_is_found_by_any_usual_name(text: str, name: str) -> None:
    found = find_register(text)
    assert found is not None
    assert found.name == name


def test_unknown_register() -> None:
    assert find_register("r16") is None
    with pytest.raises(KeyError):
        decode("r16", 0)


@given(st.sampled_from(sorted(BY_NAME)), st.integers(0, (1 << 64) - 1))
def test_decoding_loses_no_bit(name: str, value: int) -> None:
    fields = decode(name, value)
    if fields:
        assert sum(field.value << field.low for field in fields) == value


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rflags", 0x246, "IF ZF PF"),
        ("rflags", 0x3202, "IOPL=3 IF"),
        ("cr0", 0x8005_0033, "PG AM WP NE ET MP PE"),
        ("cr4", 0x3006F0, "SMAP SMEP OSXMMEXCPT OSFXSR PGE MCE PAE PSE"),
        ("efer", 0xD01, "NXE LMA LME SCE"),
        ("dr6", 0xFFFF_4FF1 | 1 << 16, "RTM BS BLD B0"),
        ("dr7", 0x000D_0402, "LEN0=4 bytes R/W0=write G0"),
        ("mxcsr", 0x1F80, "PM UM OM ZM DM IM"),
        ("fctrl", 0x37F, "PC=64 bits PM UM OM ZM DM IM"),
        ("fstat", 0x3800, "TOP=7"),
        ("pf_error_code", 0x7, "U/S W/R P"),
        ("selector_error_code", 0x1A, "INDEX=3 IDT"),
    ],
)
def test_values_in_words(name: str, value: int, text: str) -> None:
    assert set_flags(name, value) == text


def test_reserved_bits_are_named() -> None:
    assert [f.bits for f in decode("cr0", 1 << 40 | 1 << 6) if f.name == RESERVED] == ["6", "40"]


def test_field_bits_are_written_as_in_manuals() -> None:
    fields = {field.name: field.bits for field in decode("rflags", 0)}
    assert (fields["IOPL"], fields["IF"]) == ("13:12", "9")


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
def test_sub_registers_read_back_what_was_written(whole: int, value: int) -> None:
    for part in SUB_REGISTERS.values():
        written = part.insert(whole, value)
        assert part.extract(written) == value & (1 << part.bits) - 1
        if part.bits == 32:
            assert written >> 32 == 0
        else:
            mask = ((1 << part.bits) - 1) << part.low
            assert written & ~mask == whole & ~mask


def test_high_byte_registers() -> None:
    assert SUB_REGISTERS["ah"].extract(0x1234) == 0x12
    assert SUB_REGISTERS["sil"].parent == "rsi"
    assert SUB_REGISTERS["r9w"].bits == 16
