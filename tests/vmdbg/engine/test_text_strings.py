"""PCMPxSTRx against a model that follows SDM 2A 4.1 step by step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.guests.build import assemble
from vmdbg.engine.unicorn.bare import CODE, BareCpu

CF, ZF, SF, OF = 1, 0x40, 0x80, 0x800
ARITHMETIC = 0x8D5
operands = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.lists(st.sampled_from(b"\0\1abz\x80\xff"), min_size=16, max_size=16).map(bytes),
)
lengths = st.one_of(
    st.integers(-20, 20),
    st.sampled_from([1 << 31, (1 << 31) - 1, 1 << 63, (1 << 63) - 1, (1 << 64) - 1, 0xFFFFFFFF, 1 << 32]),
).map(lambda value: value % (1 << 64))


@pytest.fixture(scope="module")
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    yield made
    made.close()


def elements(data: bytes, control: int) -> list[int]:
    size = 2 if control & 1 else 1
    return [int.from_bytes(data[i : i + size], "little", signed=bool(control & 2)) for i in range(0, 16, size)]


def explicit(register: int, bits: int, most: int) -> int:
    value = register % (1 << bits)
    return min(abs(value - (1 << bits) if value >> (bits - 1) else value), most)


def implicit(data: list[int]) -> int:
    return data.index(0) if 0 in data else len(data)


def compared(a: list[int], b: list[int], i: int, j: int, aggregation: int, lengths: tuple[int, int]) -> bool:
    """BoolRes[j, i] with the overrides for what lies beyond an end (SDM 2A 4.1.6)."""
    valid_a, valid_b = i < lengths[0], j < lengths[1]
    if valid_a and valid_b:
        if aggregation == 1:
            return b[j] >= a[i] if i % 2 == 0 else b[j] <= a[i]
        return a[i] == b[j]
    if aggregation in (0, 1):
        return False
    if aggregation == 2:
        return valid_a == valid_b
    return not valid_a


def intermediate(a: list[int], b: list[int], control: int, lengths: tuple[int, int]) -> list[bool]:
    most, aggregation = len(a), control >> 2 & 3

    def res(j: int, i: int) -> bool:
        return compared(a, b, i, j, aggregation, lengths)

    match aggregation:
        case 0:
            return [any(res(j, i) for i in range(most)) for j in range(most)]
        case 1:
            return [any(res(j, i) and res(j, i + 1) for i in range(0, most, 2)) for j in range(most)]
        case 2:
            return [res(i, i) for i in range(most)]
        case _:
            return [all(res(j + i, i) for i in range(most - j)) for j in range(most)]


def model(a: list[int], b: list[int], control: int, lengths: tuple[int, int]) -> tuple[int, int]:
    """IntRes2 and the flags."""
    found = intermediate(a, b, control, lengths)
    if control >> 4 & 3 == 1:
        found = [not bit for bit in found]
    elif control >> 4 & 3 == 3:
        found = [bit != (j < lengths[1]) for j, bit in enumerate(found)]
    result = sum(bit << j for j, bit in enumerate(found))
    flags = (CF if result else 0) | (ZF if lengths[1] < len(b) else 0) | (SF if lengths[0] < len(a) else 0)
    return result, flags | (OF if result & 1 else 0)


def index(result: int, control: int, most: int) -> int:
    if not result:
        return most
    return result.bit_length() - 1 if control & 0x40 else (result & -result).bit_length() - 1


def mask(result: int, control: int, most: int) -> int:
    if not control & 0x40:
        return result
    width = 128 // most
    return sum(((1 << width) - 1) << i * width for i in range(most) if result >> i & 1)


def ran(cpu: BareCpu, code: bytes, a: bytes, b: bytes, rax: int = 0, rdx: int = 0) -> None:
    cpu.reset()
    xmm0, xmm1 = int.from_bytes(a, "little"), int.from_bytes(b, "little")
    cpu.engine.write_registers({"xmm0": xmm0, "xmm1": xmm1, "rax": rax, "rdx": rdx, "rflags": 0x8D7})
    cpu.run(code)


CODES = {name: assemble(f"{name} xmm0, xmm1, 0", origin=CODE)[:-1] for name in ("pcmpistri", "pcmpistrm")}
CODES |= {name: b"\x66\x0f\x3a" + opcode + b"\xc1" for name, opcode in (("pcmpestri", b"\x61"), ("pcmpestrm", b"\x60"))}


@settings(max_examples=300, deadline=None)
@given(a=operands, b=operands, control=st.integers(0, 0x7F), rax=lengths, rdx=lengths, wide=st.booleans())
def test_explicit_lengths(cpu: BareCpu, a: bytes, b: bytes, control: int, rax: int, rdx: int, wide: bool) -> None:
    first, second = elements(a, control), elements(b, control)
    bits, most = 64 if wide else 32, len(first)
    result, flags = model(first, second, control, (explicit(rax, bits, most), explicit(rdx, bits, most)))
    for name in ("pcmpestri", "pcmpestrm"):
        code = CODES[name] + bytes([control])
        ran(cpu, code[:1] + b"\x48" + code[1:] if wide else code, a, b, rax, rdx)
        assert cpu["rflags"] & ARITHMETIC == flags
        found, expected = ("rcx", index) if name.endswith("i") else ("xmm0", mask)
        assert cpu[found] == expected(result, control, most)


@settings(max_examples=300, deadline=None)
@given(a=operands, b=operands, control=st.integers(0, 0x7F))
def test_lengths_that_a_zero_ends(cpu: BareCpu, a: bytes, b: bytes, control: int) -> None:
    first, second = elements(a, control), elements(b, control)
    result, flags = model(first, second, control, (implicit(first), implicit(second)))
    for name in ("pcmpistri", "pcmpistrm"):
        ran(cpu, CODES[name] + bytes([control]), a, b)
        assert cpu["rflags"] & ARITHMETIC == flags
        found, expected = ("rcx", index) if name.endswith("i") else ("xmm0", mask)
        assert cpu[found] == expected(result, control, len(first))


def test_a_length_whose_absolute_value_has_no_place_is_a_whole_operand(cpu: BareCpu) -> None:
    ran(cpu, CODES["pcmpestri"] + b"\x08", bytes(16), bytes(16), 1 << 31, 1 << 31)
    assert (cpu["rcx"], cpu["rflags"] & ARITHMETIC) == (0, CF | OF)
