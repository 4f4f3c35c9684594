"""What WRMSR takes of each MSR, and which of them a model has (SDM 2B, WRMSR; 3A 12.11; 4 tables 2-2 and 2-4)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from vmdbg.engine.unicorn.bare import CODE, BareCpu
from vmdbg.x86.cpu_models import find_model

GP = 13
READ, WRITE = bytes.fromhex("0f32"), bytes.fromhex("0f30")
ONES = (1 << 64) - 1
MTRR_TYPES, PAT_TYPES = {0, 1, 4, 5, 6}, {0, 1, 4, 5, 6, 7}
FIXED = (0x250, 0x258, 0x259, *range(0x268, 0x270))
MISC_ENABLE_BITS = {0, 3, 7, 10, 11, 12, 13, 16, 18, 20, 22, 23, 34}
READ_ONLY = (0x17, 0x34, 0xFE, 0x198)
NEEDS = {
    0x3A: "vmx",
    0x3B: "tsc_adjust",
    0xFE: "mtrr",
    0x174: "sep",
    0x175: "sep",
    0x176: "sep",
    **dict.fromkeys((*range(0x200, 0x210), *FIXED, 0x2FF), "mtrr"),
    0x277: "pat",
    0xD90: "mpx",
    0xC0000081: "syscall",
    **dict.fromkeys((0xC0000082, 0xC0000083, 0xC0000084, 0xC0000100, 0xC0000101, 0xC0000102), "lm"),
    0xC0000103: "rdtscp",
    0xC0010117: "svm",
}
Takes = Callable[[int, int], bool]
"""A value, and how many bits physical addresses have."""


def _canonical(value: int, _: int) -> bool:
    return value >> 47 in (0, 0x1FFFF)


def _all_of(types: set[int]) -> Takes:
    return lambda value, _: set(value.to_bytes(8, "little")) <= types


def _base(value: int, physical: int) -> bool:
    return value & 0xFF in MTRR_TYPES and not value >> 8 & 15 and not value >> physical


def _mask(value: int, physical: int) -> bool:
    return not value & 0x7FF and not value >> physical


def _default_type(value: int, _: int) -> bool:
    return value & 0xFF in MTRR_TYPES and not value & ~0xCFF


def _misc_enable(value: int, _: int) -> bool:
    return {bit for bit in range(64) if value >> bit & 1} <= MISC_ENABLE_BITS


def _half(value: int, _: int) -> bool:
    return not value >> 32


RULES: dict[int, Takes] = {
    **dict.fromkeys((0x175, 0x176, 0xC0000082, 0xC0000083, 0xC0000100, 0xC0000101, 0xC0000102), _canonical),
    **dict.fromkeys(FIXED, _all_of(MTRR_TYPES)),
    **dict.fromkeys(range(0x200, 0x210, 2), _base),
    **dict.fromkeys(range(0x201, 0x210, 2), _mask),
    **dict.fromkeys(READ_ONLY, lambda value, _: False),
    0x174: lambda value, _: True,
    0x1A0: _misc_enable,
    0x277: _all_of(PAT_TYPES),
    0x2FF: _default_type,
    0xC0000081: lambda value, _: True,
    0xC0000084: _half,
    0xC0000103: _half,
}


@pytest.fixture(scope="module", params=["base", "i686", "pentium", "x86-64-v2,-mtrr,-pat"])
def cpu(request: pytest.FixtureRequest) -> Iterator[BareCpu]:
    bare = BareCpu(request.param)
    yield bare
    bare.close()


@pytest.fixture(scope="module")
def whole() -> Iterator[BareCpu]:
    bare = BareCpu()
    yield bare
    bare.close()


def _faults(cpu: BareCpu, code: bytes, msr: int, value: int = 0) -> bool:
    cpu.reset()
    cpu.engine.write_registers({"rcx": msr, "rax": value & 0xFFFFFFFF, "rdx": value >> 32})
    start = cpu.engine.clock
    cpu.run(code)
    last = cpu.engine.deliveries()[-1:]
    if not last or last[0].tick < start:
        return False
    assert (last[0].vector, last[0].error_code) == (GP, 0)
    return True


def _value(cpu: BareCpu, msr: int) -> int:
    assert not _faults(cpu, READ, msr)
    return cpu["rdx"] << 32 | cpu["rax"]


def _values(rng: random.Random, before: int) -> list[int]:
    bits = [before ^ 1 << bit for bit in range(64)]
    types = [int.from_bytes(rng.choices(sorted(PAT_TYPES) * 5 + [2, 3, 8, 255], k=8), "little") for _ in range(24)]
    pages = [rng.getrandbits(52) & ~0xFFF | rng.choice((0, 1, 2, 6, 7, 0x106, 0x800, 0x806)) for _ in range(24)]
    return [
        0,
        ONES,
        0xC06,
        0x606,
        *bits,
        *types,
        *pages,
        *(rng.getrandbits(rng.choice((8, 12, 35, 64))) for _ in range(24)),
    ]


@pytest.mark.parametrize("msr", RULES, ids=hex)
def test_an_msr_keeps_what_it_may_have_and_faults_else(whole: BareCpu, msr: int) -> None:
    physical = find_model("base").physical_bits
    before = _value(whole, msr)
    outcomes = set()
    for value in _values(random.Random(msr), before):
        takes = RULES[msr](value, physical)
        outcomes.add(takes)
        assert _faults(whole, WRITE, msr, value) is not takes, f"{value:#x}"
        before = value if takes else before
        assert _value(whole, msr) == (before & 0xFFFFFFFF if msr == 0x174 else before), f"{value:#x}"
    assert outcomes == ({False} if msr in READ_ONLY else {True} if msr in (0x174, 0xC0000081) else {False, True})


def test_an_msr_of_a_feature_that_the_model_lacks_is_none(cpu: BareCpu, request: pytest.FixtureRequest) -> None:
    features = find_model(request.node.callspec.params["cpu"]).features
    for msr, feature in NEEDS.items():
        lacks = feature not in features
        assert _faults(cpu, READ, msr) is lacks, f"{msr:#x}"
        if msr not in READ_ONLY:
            value = 0 if lacks else _value(cpu, msr)
            assert _faults(cpu, WRITE, msr, value) is lacks, f"{msr:#x}"


def test_efer_is_there_with_the_first_feature_that_it_controls() -> None:
    for model, there in (("pentium2", False), ("i686", False), ("i686,+nx", True), ("x86-64", True)):
        bare = BareCpu(model)
        assert _faults(bare, READ, 0xC0000080) is not there
        bare.close()


@pytest.mark.parametrize(("model", "vector"), [("486", 6), ("pentium", 6), ("i586", GP), ("base", GP)])
def test_rdpmc_came_with_mmx_and_finds_no_counter(model: str, vector: int) -> None:
    bare = BareCpu(model)
    bare.run(bytes.fromhex("0f33"))
    assert [(one.vector, one.rip) for one in bare.engine.deliveries()] == [(vector, CODE)]
    bare.close()
