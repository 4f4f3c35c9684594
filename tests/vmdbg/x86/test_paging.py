from __future__ import annotations

import pytest

from tests.vmdbg.x86.builders import CONTROL, PageTables, Ram
from vmdbg.x86.paging import Paging, PagingMode, is_canonical, sign_extend


@pytest.mark.parametrize("mode", list(PagingMode))
def test_mode_follows_from_control_registers(mode: PagingMode) -> None:
    assert PageTables(Ram(1 << 16), mode).paging.mode is mode


def test_root_is_cut_as_the_mode_says() -> None:
    cr3 = (1 << 63) | 0x12_3456_7FFF
    expected = {
        PagingMode.BITS32: 0x3456_7000,
        PagingMode.PAE: 0x3456_7FE0,
        PagingMode.LEVEL4: 0x12_3456_7000,
        PagingMode.LEVEL5: 0x12_3456_7000,
    }
    for mode, root in expected.items():
        cr0, cr4, efer = CONTROL[mode]
        assert Paging(cr0, cr3, cr4, efer).root == root


@pytest.mark.parametrize(
    ("linear", "bits", "expected"),
    [
        (0, 48, True),
        (0x7FFF_FFFF_FFFF, 48, True),
        (0x8000_0000_0000, 48, False),
        (0xFFFF_7FFF_FFFF_FFFF, 48, False),
        (0xFFFF_8000_0000_0000, 48, True),
        (0x8000_0000_0000, 57, True),
        (1 << 56, 57, False),
    ],
)
def test_canonical_addresses(linear: int, bits: int, expected: bool) -> None:
    assert is_canonical(linear, bits) is expected


@pytest.mark.parametrize(
    ("linear", "bits", "extended"),
    [(1 << 47, 48, 0xFFFF_8000_0000_0000), (1 << 46, 48, 1 << 46), (1 << 56, 57, 0xFF00_0000_0000_0000)],
)
def test_sign_extension(linear: int, bits: int, extended: int) -> None:
    assert sign_extend(linear, bits) == extended
    assert is_canonical(extended, bits)
