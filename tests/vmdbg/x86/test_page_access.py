from __future__ import annotations

from dataclasses import replace

import pytest

from tests.vmdbg.x86.builders import NX, PageTables, Ram
from vmdbg.units import Linear
from vmdbg.x86.page_access import Access, AccessFault, check_access
from vmdbg.x86.page_walk import walk
from vmdbg.x86.paging import CR0_WP, CR4_PKE, CR4_SMAP, CR4_SMEP, PagingMode

R, W, X = Access.READ, Access.WRITE, Access.FETCH

# page bits, WP, SMEP, SMAP, AC, CPL, access, error code or None where allowed (SDM 3A 4.6.1, 4.7)
CASES = [
    (0b111, 0, 0, 0, 0, 3, R, None),
    (0b111, 0, 0, 0, 0, 3, W, None),
    (0b111, 0, 0, 0, 0, 3, X, None),
    (0b101, 0, 0, 0, 0, 3, W, 0b00111),
    (0b011, 0, 0, 0, 0, 3, R, 0b00101),
    (0b011, 0, 0, 0, 0, 3, W, 0b00111),
    (0b011, 0, 0, 0, 0, 3, X, 0b10101),
    (0b111 | NX, 0, 0, 0, 0, 3, X, 0b10101),
    (0b111 | NX, 0, 0, 0, 0, 3, R, None),
    (0b110, 0, 0, 0, 0, 3, W, 0b00110),
    (0b110, 0, 0, 0, 0, 0, X, 0b10000),
    (0b001, 0, 0, 0, 0, 0, W, None),
    (0b001, 1, 0, 0, 0, 0, W, 0b00011),
    (0b101, 1, 0, 0, 0, 0, W, 0b00011),
    (0b111, 1, 1, 0, 0, 0, X, 0b10001),
    (0b111, 1, 0, 0, 0, 0, X, None),
    (0b111, 1, 0, 1, 0, 0, R, 0b00001),
    (0b111, 1, 0, 1, 0, 0, W, 0b00011),
    (0b111, 1, 0, 1, 1, 0, W, None),
    (0b101, 1, 0, 1, 1, 0, W, 0b00011),
    (0b111, 1, 0, 1, 0, 3, R, None),
    (0b011 | NX, 1, 0, 0, 0, 0, X, 0b10001),
    (0b111 | 1 << 45, 0, 0, 0, 0, 3, W, 0b01111),
]


@pytest.mark.parametrize(("bits", "wp", "smep", "smap", "ac", "cpl", "access", "error_code"), CASES)
def test_access_is_judged_as_the_manual_says(
    bits: int, wp: int, smep: int, smap: int, ac: int, cpl: int, access: Access, error_code: int | None
) -> None:
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    built.map(0, 0x3000, bits=bits)
    paging = replace(
        built.paging,
        cr0=built.paging.cr0 | CR0_WP * wp,
        cr4=built.paging.cr4 | CR4_SMEP * smep | CR4_SMAP * smap,
    )
    fault = check_access(walk(built.memory, paging, Linear(0)), paging, access, cpl, alignment_check=bool(ac))
    assert (fault.error_code if fault else None) == error_code
    assert fault is None or (fault.vector == 14 and fault.reason)


# page bits, PKRU of key 3, WP, CPL, access, error code (SDM 3A 4.6.2, 4.7)
BY_KEY = [
    (0b111, 0, 1, 3, W, None),
    (0b111, 1, 1, 3, R, 0b100101),
    (0b111, 1, 1, 3, W, 0b100111),
    (0b111, 1, 0, 0, R, 0b100001),
    (0b111, 1, 1, 3, X, None),
    (0b111, 2, 1, 3, R, None),
    (0b111, 2, 1, 3, W, 0b100111),
    (0b111, 2, 0, 3, W, 0b100111),
    (0b111, 2, 0, 0, W, None),
    (0b111, 2, 1, 0, W, 0b100011),
    (0b101, 2, 1, 3, W, 0b100111),
    (0b101, 0, 1, 3, W, 0b000111),
    (0b011, 3, 1, 0, W, None),
    (0b011, 3, 1, 3, R, 0b000101),
    (0b110, 3, 1, 3, R, 0b000100),
]


@pytest.mark.parametrize(("bits", "rights", "wp", "cpl", "access", "error_code"), BY_KEY)
def test_keys_are_judged_as_the_manual_says(
    bits: int, rights: int, wp: int, cpl: int, access: Access, error_code: int | None
) -> None:
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    built.map(0, 0x3000, bits=bits | 3 << 59)
    bare = built.paging
    paging = replace(bare, cr0=bare.cr0 | CR0_WP * wp, cr4=bare.cr4 | CR4_PKE, pkru=rights << 6)
    fault = check_access(walk(built.memory, paging, Linear(0)), paging, access, cpl)
    assert (fault.error_code if fault else None) == error_code
    off = replace(paging, cr4=bare.cr4)
    without = check_access(walk(built.memory, off, Linear(0)), off, access, cpl)
    assert without is None or not without.error_code & 0b100000


def test_fetch_bit_needs_no_execute_or_smep() -> None:
    built = PageTables(Ram(1 << 16), PagingMode.BITS32)
    fault = check_access(walk(built.memory, built.paging, Linear(0)), built.paging, X, 3)
    assert fault is not None
    assert fault.error_code == 0b00100


def test_non_canonical_is_general_protection() -> None:
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    fault = check_access(walk(built.memory, built.paging, Linear(1 << 63)), built.paging, R, 0)
    assert fault == AccessFault(13, 0, "the address is not canonical")


def test_implicit_access_is_supervisor_at_any_cpl_and_ignores_ac() -> None:
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    built.map(0, 0x3000, bits=0b011)
    built.map(0x1000, 0x3000, bits=0b111)
    paging = replace(built.paging, cr4=built.paging.cr4 | CR4_SMAP)
    assert check_access(walk(built.memory, paging, Linear(0)), paging, R, 3, implicit=True) is None
    fault = check_access(walk(built.memory, paging, Linear(0x1000)), paging, R, 3, alignment_check=True, implicit=True)
    assert fault is not None
    assert fault.error_code == 0b00001


def test_everything_is_allowed_without_paging() -> None:
    paging = PageTables(Ram(1 << 16), PagingMode.NONE).paging
    assert check_access(walk(Ram(0), paging, Linear(0)), paging, W, 3) is None
