from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmdbg.x86.builders import CONTROL, PageTables, Ram
from vmdbg.units import PAGE_SIZE, Linear, Physical
from vmdbg.x86.linear_memory import LinearMemory, UnmappedLinearError
from vmdbg.x86.paging import Paging, PagingMode, translate
from vmdbg.x86.physical_memory import UnmappedPhysicalError


def scattered() -> tuple[Ram, LinearMemory]:
    """Linear pages 16, 17 and 19 in frames 9, 12 and 10; 18 is absent."""
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    for page, frame in ((16, 9), (17, 12), (19, 10)):
        built.map(page << 12, frame << 12, bits=0b001)
    return built.memory, LinearMemory(built.memory, built.paging)


@given(st.integers(0x1_0000, 0x1_1FFF), st.binary(max_size=5000))
def test_what_is_written_is_read_back_or_nothing_is_written(address: int, data: bytes) -> None:
    memory, linear = scattered()
    before = bytes(memory.data)
    if address + len(data) <= 0x1_2000:
        linear.write(Linear(address), data)
        assert linear.read(Linear(address), len(data)) == data
    else:
        with pytest.raises(UnmappedLinearError, match="0x12000: PTE: not present"):
            linear.write(Linear(address), data)
        assert bytes(memory.data) == before


def test_pages_are_read_in_linear_order() -> None:
    memory, linear = scattered()
    memory.data[9 * PAGE_SIZE + 4094 : 10 * PAGE_SIZE] = b"ab"
    memory.data[12 * PAGE_SIZE : 12 * PAGE_SIZE + 2] = b"cd"
    assert linear.read(Linear(0x1_0FFE), 4) == b"abcd"


def test_prefix_ends_at_the_first_hole() -> None:
    _, linear = scattered()
    assert len(linear.read_prefix(Linear(0x1_0800), 0x4000)) == 0x1800
    assert linear.read_prefix(Linear(0x1_2000), 16) == b""


@given(st.integers(0, 0x1_5000), st.integers(0, 0x5000))
def test_suffix_begins_behind_the_last_hole(end: int, size: int) -> None:
    memory, linear = scattered()
    memory.data[:] = bytes(n * 7 % 251 for n in range(len(memory.data)))
    start = end
    while start > max(0, end - size) and linear.translate(Linear(start - 1)) is not None:
        start -= 1
    assert linear.read_suffix(end, size) == linear.read(Linear(start), end - start)


def test_error_tells_the_reason_of_the_walk() -> None:
    _, linear = scattered()
    with pytest.raises(UnmappedLinearError, match="not canonical"):
        linear.read(Linear(1 << 62), 1)
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    built.map(0, 1 << 30)
    with pytest.raises(UnmappedLinearError, match="physical 0x40000000, where no memory answers"):
        LinearMemory(built.memory, built.paging).read(Linear(0), 1)


def test_refused_write_in_a_later_page_restores_the_first() -> None:
    class Rom(Ram):
        def write(self, address: Physical, data: bytes) -> None:
            if address >= PAGE_SIZE:
                raise UnmappedPhysicalError(address, len(data))
            super().write(address, data)

    memory = Rom(2 * PAGE_SIZE)
    with pytest.raises(UnmappedLinearError, match="cannot be written"):
        LinearMemory(memory, Paging(0, 0, 0, 0)).write(Linear(0xFFE), b"abcd")
    assert not any(memory.data)


def test_addresses_wrap_at_four_gib_outside_long_mode() -> None:
    memory = Ram(16)
    memory.data[:2] = b"hi"
    assert LinearMemory(memory, Paging(0, 0, 0, 0)).read(Linear(1 << 32), 2) == b"hi"


ADDRESSES = st.one_of(st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 24), st.integers(-(1 << 24), -1))


@given(
    st.sampled_from(tuple(CONTROL)), st.binary(min_size=64, max_size=64), st.lists(ADDRESSES, min_size=2, max_size=9)
)
def test_what_is_remembered_of_tables_changes_no_translation(
    mode: PagingMode, entries: bytes, addresses: list[int]
) -> None:
    """Of any entries, tables in themselves and ones that run out of memory among them."""
    memory = Ram(3 * PAGE_SIZE + 40)
    size = 4 if mode is PagingMode.BITS32 else 8
    words = [int.from_bytes(entries[n : n + size], "little") & 0x3FFF | 1 for n in range(0, 64, size)]
    for place in range(0, len(memory.data), size):
        memory.data[place : place + size] = words[place * 7 // size % len(words)].to_bytes(size, "little")
    cr0, cr4, efer = CONTROL[mode]
    paging = Paging(cr0=cr0, cr3=PAGE_SIZE, cr4=cr4, efer=efer)
    linear = LinearMemory(memory, paging)
    mask = (1 << 64) - 1 if mode.is_long else 0xFFFF_FFFF
    for address in addresses:
        assert linear.translate(Linear(address)) == translate(memory, paging, Linear(address & mask))


def test_a_table_that_is_written_through_it_counts_at_once() -> None:
    built = PageTables(Ram(1 << 16), PagingMode.LEVEL4)
    entry = built.map(16 << 12, 9 << 12)
    built.map(17 << 12, entry & -PAGE_SIZE)
    linear = LinearMemory(built.memory, built.paging)
    assert linear.translate(Linear(16 << 12)) == 9 << 12
    linear.write(Linear(17 << 12 | entry & PAGE_SIZE - 1), (12 << 12 | 1).to_bytes(8, "little"))
    assert linear.translate(Linear(16 << 12)) == 12 << 12
