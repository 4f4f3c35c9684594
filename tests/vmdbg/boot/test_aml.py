"""Encodings against the examples and grammar of the ACPI specification, chapters 6.4 and 20."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.boot import aml


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (1, "01"),
        (2, "0a02"),
        (0xFF, "0aff"),
        (0x100, "0b0001"),
        (0x12345678, "0c78563412"),
        (1 << 32, "0e0000000001000000"),
    ],
)
def test_integers_take_the_shortest_form(value: int, encoded: str) -> None:
    assert aml.integer(value).hex() == encoded


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_integers_beyond_64_bits_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        aml.integer(value)


def test_names_are_padded_and_checked() -> None:
    assert aml.name_seg("PIC") == b"PIC_"
    assert aml.name_seg("\\_SB") == b"\\_SB_"
    for wrong in ("", "pci0", "1ABC", "TOOLONG", "A B", "É"):
        with pytest.raises(ValueError, match="AML name"):
            aml.name_seg(wrong)


def test_eisa_identifiers_are_compressed() -> None:
    assert aml.eisa_id("PNP0A03").hex() == "0c41d00a03"
    assert aml.eisa_id("PNP0501").hex() == "0c41d00501"


def decode_package_length(data: bytes) -> tuple[int, int]:
    """The length and how many bytes it took (20.2.4)."""
    extra = data[0] >> 6
    if extra == 0:
        return data[0] & 0x3F, 1
    return data[0] & 0xF | int.from_bytes(data[1 : 1 + extra], "little") << 4, 1 + extra


@given(st.integers(0, (1 << 28) - 5))
def test_package_length_counts_itself(size: int) -> None:
    encoded = aml.package_length(size)
    assert decode_package_length(encoded) == (size + len(encoded), len(encoded))


@pytest.mark.parametrize(("size", "length"), [(62, 1), (63, 2), (0xFFD, 2), (0xFFE, 3), (0xFFFFC, 3), (0xFFFFD, 4)])
def test_package_length_is_as_short_as_it_can_be(size: int, length: int) -> None:
    assert len(aml.package_length(size)) == length


def test_package_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        aml.package_length(1 << 28)


def test_resource_descriptors() -> None:
    assert aml.io_ports(0x3F8, 8).hex() == "4701f803f8030108"
    assert aml.irq(4).hex() == "221000"
    assert aml.dma_channel(4).hex() == "2a1000"
    assert aml.bus_numbers(0, 0xFF).hex() == "880d00020c00" + "0000" + "0000" + "ff00" + "0000" + "0001"
    assert aml.resource_template().hex() == "1105" + "0a02" + "7900"
