from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmdbg.x86.builders import NX, PageTables, Ram, canonical
from vmdbg.units import Linear, Physical
from vmdbg.x86.page_walk import FaultReason, Permissions, walk
from vmdbg.x86.paging import (
    CR4_PSE,
    EFER_NXE,
    Paging,
    PagingMode,
    translate,
)

TREES = [PagingMode.BITS32, PagingMode.PAE, PagingMode.LEVEL4, PagingMode.LEVEL5]
SIZES = {
    PagingMode.BITS32: [1 << 12, 1 << 22],
    PagingMode.PAE: [1 << 12, 1 << 21],
    PagingMode.LEVEL4: [1 << 12, 1 << 21, 1 << 30],
    PagingMode.LEVEL5: [1 << 12, 1 << 21, 1 << 30],
}
MODE_AND_SIZE = [(mode, size) for mode in TREES for size in SIZES[mode]]


def tables(mode: PagingMode) -> PageTables:
    return PageTables(Ram(1 << 16), mode)


@given(st.sampled_from(MODE_AND_SIZE), st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 40) - 1), st.data())
def test_every_mapped_page_translates(
    mode_and_size: tuple[PagingMode, int], linear: int, physical: int, data: st.DataObject
) -> None:
    mode, size = mode_and_size
    linear = canonical(linear, mode)
    small_table_entry = mode is PagingMode.BITS32 and size == 1 << 12
    physical &= -size & (0xFFFF_FFFF if small_table_entry else -1)
    built = tables(mode)
    writable, user = data.draw(st.booleans()), data.draw(st.booleans())
    no_execute = mode is not PagingMode.BITS32 and data.draw(st.booleans())
    built.map(linear & -size, physical, size, 1 | writable << 1 | user << 2 | no_execute * NX)
    result = walk(built.memory, built.paging, linear)
    assert result.fault is None
    assert result.physical == physical + linear % size
    assert result.page_size == size
    assert result.permissions == Permissions(writable, user, not no_execute)
    assert translate(built.memory, built.paging, linear) == result.physical


@pytest.mark.parametrize("mode", TREES)
def test_absent_entry_names_its_level(mode: PagingMode) -> None:
    built = tables(mode)
    names = {
        PagingMode.BITS32: ["PDE", "PTE"],
        PagingMode.PAE: ["PDPTE", "PDE", "PTE"],
        PagingMode.LEVEL4: ["PML4E", "PDPTE", "PDE", "PTE"],
        PagingMode.LEVEL5: ["PML5E", "PML4E", "PDPTE", "PDE", "PTE"],
    }[mode]
    built.map(0x40_0000, 0x5000)
    for depth, name in enumerate(names):
        entry = walk(built.memory, built.paging, Linear(0x40_0000)).entries[depth]
        built.write_entry(entry.address, entry.raw & ~1)
        result = walk(built.memory, built.paging, Linear(0x40_0000))
        assert result.fault is not None
        assert (result.fault.reason, result.fault.level) == (FaultReason.NOT_PRESENT, name)
        assert [entry.name for entry in result.entries] == names[: depth + 1]
        assert translate(built.memory, built.paging, Linear(0x40_0000)) is None
        built.write_entry(entry.address, entry.raw)


RESERVED = [
    (PagingMode.BITS32, 1 << 22, "PDE", 1 << 21),
    (PagingMode.PAE, 1 << 12, "PDPTE", 1 << 1),
    (PagingMode.PAE, 1 << 12, "PDPTE", 1 << 5),
    (PagingMode.PAE, 1 << 12, "PTE", 1 << 52),
    (PagingMode.PAE, 1 << 21, "PDE", 1 << 13),
    (PagingMode.LEVEL4, 1 << 12, "PML4E", 1 << 7),
    (PagingMode.LEVEL4, 1 << 12, "PTE", 1 << 40),
    (PagingMode.LEVEL4, 1 << 21, "PDE", 1 << 20),
    (PagingMode.LEVEL4, 1 << 30, "PDPTE", 1 << 29),
    (PagingMode.LEVEL5, 1 << 12, "PML5E", 1 << 7),
]


@pytest.mark.parametrize(("mode", "size", "level", "bit"), RESERVED)
def test_reserved_bit_faults_at_its_level(mode: PagingMode, size: int, level: str, bit: int) -> None:
    built = tables(mode)
    built.map(0, 0, size)
    entry = next(e for e in walk(built.memory, built.paging, Linear(0)).entries if e.name == level)
    built.write_entry(entry.address, entry.raw | bit)
    result = walk(built.memory, built.paging, Linear(0))
    assert result.fault is not None
    assert (result.fault.reason, result.fault.level) == (FaultReason.RESERVED_BIT, level)
    assert translate(built.memory, built.paging, Linear(0)) is None


@pytest.mark.parametrize("bit", [52, 58, 62])
def test_ignored_bits_of_long_mode_entries_do_not_fault(bit: int) -> None:
    built = tables(PagingMode.LEVEL4)
    built.map(0, 0x3000, bits=0b111 | 1 << bit)
    assert walk(built.memory, built.paging, Linear(0)).physical == 0x3000


def test_no_execute_bit_is_reserved_without_nxe() -> None:
    built = tables(PagingMode.LEVEL4)
    built.map(0, 0x3000, bits=0b111 | NX)
    paging = replace(built.paging, efer=built.paging.efer & ~EFER_NXE)
    result = walk(built.memory, paging, Linear(0))
    assert result.fault is not None
    assert result.fault.reason is FaultReason.RESERVED_BIT


def test_large_bit_is_ignored_without_pse() -> None:
    built = tables(PagingMode.BITS32)
    address = built.map(0, 0x3000)
    pde = built.entry_address(built.root, 0, 22)
    built.write_entry(pde, built.read_entry(pde) | 1 << 7)
    paging = replace(built.paging, cr4=built.paging.cr4 & ~CR4_PSE)
    result = walk(built.memory, paging, Linear(0x123))
    assert result.physical == 0x3123
    assert result.entries[-1].address == address


def test_permissions_are_those_all_levels_grant() -> None:
    built = tables(PagingMode.LEVEL4)
    built.map(0, 0x3000)
    top = walk(built.memory, built.paging, Linear(0)).entries[0]
    built.write_entry(top.address, top.raw & ~0b110 | NX)
    assert walk(built.memory, built.paging, Linear(0)).permissions == Permissions(False, False, False)


def test_walk_never_changes_memory() -> None:
    built = tables(PagingMode.LEVEL4)
    built.map(0, 0x3000)
    before = bytes(built.memory.data)
    result = walk(built.memory, built.paging, Linear(0))
    assert not result.accessed
    assert not result.dirty
    assert bytes(built.memory.data) == before


def test_entry_flags_use_the_manuals_names() -> None:
    built = tables(PagingMode.LEVEL4)
    built.map(0, 0, 1 << 21, bits=0x1FB | 1 << 12 | NX)
    large = walk(built.memory, built.paging, Linear(0)).entries[-1]
    assert large.flags == ("P", "R/W", "PWT", "PCD", "A", "D", "PS", "G", "XD", "PAT")
    built.map(1 << 30, 0x3000, bits=0x87)
    small = walk(built.memory, built.paging, Linear(1 << 30)).entries[-1]
    assert small.flags == ("P", "R/W", "U/S", "PAT")


def test_pat_index_combines_three_bits() -> None:
    assert Permissions(pat=True, cache_disable=False, write_through=True).pat_index == 5


def test_table_outside_memory_is_a_fault_not_an_error() -> None:
    paging = replace(tables(PagingMode.LEVEL4).paging, cr3=1 << 30)
    result = walk(Ram(4096), paging, Linear(0))
    assert result.fault is not None
    assert str(result.fault) == "PML4E: the table is outside memory"
    assert translate(Ram(4096), paging, Linear(0)) is None


def test_non_canonical_address_is_refused() -> None:
    built = tables(PagingMode.LEVEL4)
    result = walk(built.memory, built.paging, Linear(1 << 47))
    assert result.fault is not None
    assert result.fault.reason is FaultReason.NON_CANONICAL
    assert translate(built.memory, built.paging, Linear(1 << 47)) is None


def test_without_paging_linear_is_physical_within_four_gib() -> None:
    paging = Paging(0, 0, 0, 0)
    assert walk(Ram(0), paging, Linear(0x1_2345_6789)).physical == 0x2345_6789
    assert translate(Ram(0), paging, Linear(0x1_2345_6789)) == Physical(0x2345_6789)


def test_pse36_reaches_beyond_four_gib() -> None:
    built = tables(PagingMode.BITS32)
    built.map(0x80_0000, 0xAB_0040_0000, 1 << 22)
    assert translate(built.memory, built.paging, Linear(0x80_1234)) == 0xAB_0040_1234
