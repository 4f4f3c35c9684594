import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.boot import entry
from vmdbg.boot.image import CpuMode, Segment
from vmdbg.boot.layout import Layout

MIB = 1 << 20


def _read(segments: tuple[Segment, ...], address: int, size: int) -> bytes:
    segment = next(item for item in segments if item.address <= address < item.end)
    start = address - segment.address
    return bytes(segment.data[start : start + size])


def _walk(segments: tuple[Segment, ...], cr3: int, linear: int) -> int:
    table = cr3
    for shift in (39, 30):
        (table,) = struct.unpack("<Q", _read(segments, table + 8 * (linear >> shift & 511), 8))
        assert table & 3 == 3
        table &= ~0xFFF
    (leaf,) = struct.unpack("<Q", _read(segments, table + 8 * (linear >> 21 & 511), 8))
    assert leaf & 0x83 == 0x83
    return int(leaf & ~0x1FFFFF | linear & 0x1FFFFF)


@given(st.integers(0, (1 << 32) - 1))
def test_long_mode_maps_the_first_4_gib_onto_themselves(linear: int) -> None:
    layout = Layout(16 * MIB)
    cpu = entry.long_mode(layout, 0x100000, {})
    assert _walk(layout.finish(), cpu.cr3, linear) == linear


def test_long_mode_is_active_with_interrupts_off() -> None:
    cpu = entry.long_mode(Layout(16 * MIB), 0x100000, {"rsi": 5})
    assert cpu.mode is CpuMode.LONG64
    assert cpu.cr0 & 0x8000_0001 == 0x8000_0001
    assert cpu.cr4 & 0x20
    assert cpu.efer == 0x500
    assert not cpu.rflags & 0x200
    assert (cpu.rip, cpu.general["rsi"], cpu.rsp % 16) == (0x100000, 5, 0)


@pytest.mark.parametrize(
    ("begin", "code"), [(entry.long_mode, 0x00AF9B000000FFFF), (entry.protected_mode, 0x00CF9B000000FFFF)]
)
def test_the_gdt_holds_the_descriptors_that_the_segment_registers_cache(begin, code) -> None:  # type: ignore[no-untyped-def]
    layout = Layout(16 * MIB)
    cpu = begin(layout, 0x100000, {})
    table = _read(layout.finish(), cpu.gdt.base, cpu.gdt.limit + 1)
    entries = struct.unpack(f"<{len(table) // 8}Q", table)
    assert entries[cpu.cs.selector // 8] == code
    assert entries[cpu.ds.selector // 8] == 0x00CF93000000FFFF
    assert entries[cpu.tr.selector // 8] == 0x00008B0000000067


def test_a_byte_granular_descriptor_spreads_base_and_limit() -> None:
    assert entry.descriptor(0x12345678, 0xABCDE, 0x4093) == 0x124A93345678BCDE


def test_the_reset_vector_is_16_bytes_below_4_gib() -> None:
    cpu = entry.reset_vector({})
    assert (cpu.cs.base + cpu.rip, cpu.cs.selector, cpu.rip) == (0xFFFFFFF0, 0xF000, 0xFFF0)
    assert cpu.cr0 == 0x60000010
