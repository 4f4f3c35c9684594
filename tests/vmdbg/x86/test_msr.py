from __future__ import annotations

import pytest

from vmdbg.x86.fields import RESERVED
from vmdbg.x86.msr import BY_INDEX, BY_NAME, FIRMWARE_MSRS, MSRS, find_msr


def test_names_and_indices_are_unique() -> None:
    assert len(BY_INDEX) == len(BY_NAME) == len(MSRS)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("lstar", 0xC000_0082),
        ("MSR_LSTAR", 0xC000_0082),
        ("IA32_APIC_BASE", 0x1B),
        ("msr_ia32_misc_enable", 0x1A0),
        ("1bh", 0x1B),
        ("0xc0000080", 0xC000_0080),
        ("16", 0x10),
        ("mtrr_physmask7", 0x20F),
        ("MSR_FEAT_CTL", 0x3A),
    ],
)
def test_msr_is_found_by_any_usual_name(text: str, index: int) -> None:
    found = find_msr(text)
    assert found is not None
    assert found.index == index


@pytest.mark.parametrize("text", ["", "nonsense", "0x12345", "h", "-1"])
def test_unknown_msr_is_none(text: str) -> None:
    assert find_msr(text) is None


def test_reset_values_are_those_of_the_manual() -> None:
    assert BY_NAME["pat"].reset == 0x0007_0406_0007_0406
    assert BY_NAME["apic_base"].reset == 0xFEE0_0900


def test_fields_decode_with_the_names_of_their_values() -> None:
    fields = {field.name: field for field in BY_NAME["pat"].decode(0x0007_0406_0007_0406)}
    assert [fields[f"PA{n}"].value_name for n in range(4)] == ["WB", "WT", "UC-", "UC"]
    base = {field.name: field.value for field in BY_NAME["apic_base"].decode(0xFEE0_0900)}
    assert base == {"BSP": 1, "EXTD": 0, "EN": 1, "BASE": 0xFEE00}


def test_reserved_bits_are_reported() -> None:
    fields = BY_NAME["efer"].decode(1 << 20 | 1)
    assert [(field.name, field.bits) for field in fields if field.value] == [("SCE", "0"), (RESERVED, "20")]


def test_a_plain_number_has_no_fields() -> None:
    assert BY_NAME["lstar"].decode(5) == ()


def test_firmware_leaves_memory_write_back_and_video_uncached() -> None:
    values = dict(FIRMWARE_MSRS)
    assert next(f.value_name for f in BY_NAME["mtrr_def_type"].decode(values[0x2FF])) == "WB"
    assert values[0x259] == 0
    assert all(index in BY_INDEX for index in values)
