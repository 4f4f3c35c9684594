from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.x86.descriptors import (
    ATTRIBUTES,
    GRANULARITY,
    LONG,
    NOT_SYSTEM,
    Gate,
    Segment,
    Selector,
    SystemType,
    UnusedDescriptor,
    decode_descriptor,
    decode_gate,
    descriptor_length,
    segment_from_cache,
)

attributes = st.integers(0, ATTRIBUTES).map(lambda value: value & ATTRIBUTES)


def limits(value: int, granular: bool) -> int:
    return (value & 0xF_FFFF) << 12 | 0xFFF if granular else value & 0xF_FFFF


@given(st.integers(0, 0xFFFF_FFFF), st.integers(0, 0xF_FFFF), attributes)
def test_code_and_data_survive_a_round_trip(base: int, limit: int, bits: int) -> None:
    segment = Segment(base, limits(limit, bool(bits & GRANULARITY)), bits | NOT_SYSTEM)
    for long in (False, True):
        assert decode_descriptor(segment.encode(), long) == segment


@given(
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 0xF_FFFF),
    attributes,
    st.sampled_from([SystemType.LDT, SystemType.TSS, SystemType.TSS_BUSY]),
)
def test_system_segments_survive_a_round_trip(base: int, limit: int, bits: int, kind: SystemType) -> None:
    bits = bits & ~(NOT_SYSTEM | 0xF00) | kind.value << 8
    segment = Segment(base, limits(limit, bool(bits & GRANULARITY)), bits)
    assert decode_descriptor(segment.encode_long(), True) == segment
    narrow = Segment(base & 0xFFFF_FFFF, segment.limit, bits)
    assert decode_descriptor(narrow.encode(), False) == narrow


@given(
    st.sampled_from([SystemType.INTERRUPT_GATE, SystemType.TRAP_GATE]),
    st.integers(0, 0xFFFF),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 7),
)
def test_long_gates_survive_a_round_trip(
    kind: SystemType, selector: int, offset: int, dpl: int, present: bool, ist: int
) -> None:
    gate = Gate(kind, Selector(selector), offset, dpl, present, ist=ist)
    assert decode_gate(gate.encode(True), True) == gate


@given(
    st.sampled_from([t for t in SystemType if t.is_gate]),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF_FFFF),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 31),
)
def test_short_gates_survive_a_round_trip(
    kind: SystemType, selector: int, offset: int, dpl: int, present: bool, parameters: int
) -> None:
    if kind in (SystemType.CALL_GATE16, SystemType.INTERRUPT_GATE16, SystemType.TRAP_GATE16):
        offset &= 0xFFFF
    is_call = kind in (SystemType.CALL_GATE, SystemType.CALL_GATE16)
    gate = Gate(kind, Selector(selector), offset, dpl, present, parameters=parameters if is_call else 0)
    assert decode_gate(gate.encode(False), False) == gate
    assert decode_descriptor(gate.encode(False), False) == gate


@given(st.binary(min_size=16, max_size=16), st.booleans())
def test_any_bytes_decode(raw: bytes, long: bool) -> None:
    assert descriptor_length(raw, long) in (8, 16)
    assert isinstance(decode_descriptor(raw, long), (Segment, Gate, UnusedDescriptor))
    assert isinstance(decode_gate(raw, long), (Gate, UnusedDescriptor))


@pytest.mark.parametrize(
    ("raw", "long", "kind", "base", "limit"),
    [
        (0x00CF9A000000FFFF, False, "32-bit code, execute/read", 0, 0xFFFF_FFFF),
        (0x00CF92000000FFFF, False, "32-bit data, read/write", 0, 0xFFFF_FFFF),
        (0x00AF9B000000FFFF, True, "64-bit code, execute/read", 0, 0xFFFF_FFFF),
        (0x000F9E12345600FF, False, "16-bit code, execute/read, conforming", 0x123456, 0xF_00FF),
        (0x0000960000000FFF, False, "16-bit data, read/write, expand-down", 0, 0xFFF),
        (0x12008B3456780067, False, "TSS, busy", 0x12345678, 0x67),
    ],
)
def test_known_descriptors(raw: int, long: bool, kind: str, base: int, limit: int) -> None:
    found = decode_descriptor(raw.to_bytes(8, "little"), long)
    assert isinstance(found, Segment)
    assert (found.kind, found.base, found.limit) == (kind, base, limit)


def test_sixteen_bit_system_types_do_not_exist_in_long_mode() -> None:
    tss16 = Segment(0, 0x67, 0x8100).encode()
    assert isinstance(decode_descriptor(tss16, False), Segment)
    assert isinstance(decode_descriptor(tss16, True), UnusedDescriptor)


def test_cut_descriptor_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes was cut to 8"):
        decode_descriptor(Segment(0, 0x67, 0x8900).encode(), True)


def test_limit_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Segment(0, 0xFFFF_FFFF, 0x9A00).encode()


def test_cached_flags_lose_the_pieces_of_base_and_limit() -> None:
    segment = segment_from_cache(0x1234_0000, 0xFFFF_FFFF, 0x12CF_9B34)
    assert segment.attributes == 0x00C0_9B00
    assert segment.kind == "32-bit code, execute/read"
    assert not segment.attributes & LONG


@pytest.mark.parametrize(("value", "text"), [(0, "null"), (3, "null"), (0x10, "GDT[2] rpl 0"), (0x1F, "LDT[3] rpl 3")])
def test_selectors(value: int, text: str) -> None:
    assert str(Selector(value)) == text
