"""What a model lacks is refused: #UD, and #GP for bits of CR4 and EFER."""

from __future__ import annotations

import pytest

from vmdbg.engine.exits import Halted
from vmdbg.engine.unicorn.bare import BareCpu

UD, GP = 6, 13
INSTRUCTIONS = {
    "tsc": "0f31",
    "msr": "b9102700000f32",
    "cx8": "0fc70f",
    "mmx": "0ffec1",
    "sse": "0f58c1",
    "sse2": "660f58c1",
    "sse3": "f20f7cc1",
    "ssse3": "660f3800c1",
    "sse4_1": "660f3810c1",
    "sse4_2": "f20f38f0c1",
    "aes": "660f38dcc1",
    "pclmulqdq": "660f3a44c100",
    "popcnt": "f30fb8c1",
    "movbe": "0f38f007",
    "adx": "660f38f6c1",
    "cmov": "0f44c1",
    "rdtscp": "0f01f9",
    "clflush": "0fae3f",
    "fxsr": "0fae07",
    "fsgsbase": "f30faec0",
}
"""Of each feature one; rdi points to memory."""


def _vector(cpu: str, code: str) -> int | None:
    bare = BareCpu(cpu)
    try:
        bare.reset()
        bare.engine.write_registers({"cr4": bare["cr4"] | 1 << 16, "rdi": 0xA000})
        start = bare.engine.clock
        ended = bare.run(bytes.fromhex(code))
        assert isinstance(ended, Halted)
        last = bare.engine.deliveries()[-1:]
        return last[0].vector if last and last[0].tick >= start else None
    finally:
        bare.close()


@pytest.mark.parametrize("feature", INSTRUCTIONS)
def test_an_instruction_is_refused_without_its_feature(feature: str) -> None:
    assert _vector(f"base,-{feature}", INSTRUCTIONS[feature]) == UD
    assert _vector("base", INSTRUCTIONS[feature]) != UD


@pytest.mark.parametrize(
    ("feature", "bit"), {"tsc": 2, "de": 3, "pse": 4, "pge": 7, "fxsr": 9, "sse": 10, "smap": 21}.items()
)
def test_a_bit_of_cr4_is_its_features(feature: str, bit: int) -> None:
    code = f"0f20e00fbae8{bit:02x}0f22e0"
    assert _vector(f"base,-{feature}", code) == GP
    assert _vector("base", code) is None


@pytest.mark.parametrize("bit", {"VME": 0, "PVI": 1, "MCE": 6, "PCE": 8}.values())
@pytest.mark.parametrize(("cpu", "refused"), {"486": True, "pentium": True, "i586": True, "pentium2": False}.items())
def test_old_cpus_have_no_bit_of_cr4_that_cpuid_does_not_tell_of(cpu: str, bit: int, refused: bool) -> None:
    bare = BareCpu(cpu)
    bare.engine.write_registers({"cr0": 0x11, "cr4": 0, "efer": 0, "cs_flags": 0xCF9B00})
    bare.run(bytes.fromhex(f"0f20e00fbae8{bit:02x}0f22e0"))
    assert [one.vector for one in bare.engine.deliveries()][:1] == ([GP] if refused else [])
    bare.close()


@pytest.mark.parametrize(("feature", "bit"), {"syscall": 0, "nx": 11}.items())
def test_a_bit_of_efer_is_its_features(feature: str, bit: int) -> None:
    assert _vector(f"base,-{feature}", f"b9800000c00f320fbaf0{bit:02x}0fbae8{bit:02x}0f30") == GP
    assert _vector("base", f"b9800000c00f320fbae8{bit:02x}0f30") is None


def test_leading_zeros_are_a_bit_scan_without_their_feature() -> None:
    for cpu, expected in (("base", 0), ("base,-abm", 31)):
        bare = BareCpu(cpu)
        bare.reset()
        bare.run(bytes.fromhex("b9fffffffff30fbdc1"))
        assert bare["rax"] == expected
        bare.close()
