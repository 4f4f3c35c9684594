"""MXCSR's exception flags and flush-to-zero, as libraries compute with them (SDM 1 10.2.3)."""

from __future__ import annotations

import ctypes
import platform
import struct

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Halted
from vmdbg.engine.unicorn.bare import CODE, DATA, BareCpu
from vmdbg.units import Tick

INVALID, DENORMAL, ZERO_DIVIDE, OVERFLOW, UNDERFLOW, PRECISION = 1, 2, 4, 8, 16, 32
FZ, DAZ = 0x8000, 0x40
ONE, THREE, HUGE, TINY, INFINITY = 1.0, 3.0, 1e308, 1e-300, float("inf")
LEAST = 5e-324
UPWARD = {"x86_64": 0x800, "aarch64": 0x400000}
"""FE_UPWARD of the C library."""
STORE = f"\nstmxcsr [{DATA:#x}]"


def mxcsr(source: str, a: float = ONE, b: float = THREE, before: int = 0x1F80) -> int:
    """MXCSR as STMXCSR stores it after the source, with a and b in xmm0 and xmm1."""
    cpu = BareCpu()
    (first,), (second,) = (struct.unpack("<Q", struct.pack("<d", value)) for value in (a, b))
    cpu.engine.write_registers({"xmm0": first, "xmm1": second, "mxcsr": before})
    assert cpu.run(assemble(source + STORE, origin=CODE)) == Halted()
    stored = cpu.read(DATA, 4)
    assert cpu["mxcsr"] == stored
    return stored


@pytest.mark.parametrize(
    ("source", "a", "b", "flags"),
    [
        ("addsd xmm0, xmm1", ONE, THREE, 0),
        ("divsd xmm0, xmm1", ONE, THREE, PRECISION),
        ("divsd xmm0, xmm1", ONE, 0.0, ZERO_DIVIDE),
        ("divsd xmm0, xmm1", 0.0, 0.0, INVALID),
        ("mulsd xmm0, xmm1", HUGE, HUGE, OVERFLOW | PRECISION),
        ("mulsd xmm0, xmm1", TINY, TINY, UNDERFLOW | PRECISION),
        ("sqrtsd xmm0, xmm0", -ONE, ONE, INVALID),
        ("cvttsd2si eax, xmm0", HUGE, ONE, INVALID),
        ("comisd xmm0, xmm1", ONE, float("nan"), INVALID),
        ("ucomisd xmm0, xmm1", ONE, float("nan"), 0),
        ("addsd xmm0, xmm1", ONE, LEAST, DENORMAL | PRECISION),
        ("addsd xmm0, xmm1", float("nan"), LEAST, 0),
        ("divsd xmm0, xmm1", LEAST, 0.0, ZERO_DIVIDE),
        ("sqrtsd xmm0, xmm1", ONE, -LEAST, INVALID),
        ("minsd xmm0, xmm1", ONE, LEAST, DENORMAL),
        ("cmpltsd xmm0, xmm1", ONE, LEAST, DENORMAL),
        ("ucomisd xmm0, xmm1", ONE, LEAST, DENORMAL),
        ("cvtsd2ss xmm0, xmm1", ONE, LEAST, DENORMAL | UNDERFLOW | PRECISION),
        ("cvtsd2si eax, xmm1", ONE, LEAST, PRECISION),
        ("roundsd xmm0, xmm0, 4", 1.5, ONE, PRECISION),
        ("roundsd xmm0, xmm0, 12", 1.5, ONE, 0),
    ],
)  # fmt: skip
def test_an_operation_leaves_its_flags(source: str, a: float, b: float, flags: int) -> None:
    assert mxcsr(source, a, b) == 0x1F80 | flags


def test_a_denormal_taken_as_zero_is_none() -> None:
    assert mxcsr("mulsd xmm0, xmm1", ONE, LEAST, 0x1F80 | DAZ) == 0x1F80 | DAZ
    assert mxcsr("addsd xmm0, xmm1", ONE, LEAST, 0x1F80 | DAZ) == 0x1F80 | DAZ


def test_flags_stay_until_they_are_cleared() -> None:
    assert mxcsr("divsd xmm0, xmm1\naddsd xmm1, xmm1") == 0x1F80 | PRECISION
    clear = f"\nmov dword [{DATA + 8:#x}], 1f80h\nldmxcsr [{DATA + 8:#x}]\naddsd xmm1, xmm1"
    assert mxcsr("divsd xmm0, xmm1" + clear) == 0x1F80
    assert mxcsr("nop", before=0x1F80 | OVERFLOW) == 0x1F80 | OVERFLOW


def test_fxsave_has_them_and_fxrstor_brings_others() -> None:
    save, restore = f"\nfxsave [{DATA + 512:#x}]", f"\nfxrstor [{DATA + 512:#x}]"
    assert mxcsr("divsd xmm0, xmm1" + save + "\nmulsd xmm1, xmm1" + restore) == 0x1F80 | PRECISION
    assert mxcsr(save + "\ndivsd xmm0, xmm1" + restore) == 0x1F80


def test_the_values_after_reset() -> None:
    cpu = BareCpu()
    assert (cpu["mxcsr"], cpu["fctrl"]) == (0x1F80, 0x40)


def test_flush_to_zero() -> None:
    cpu = BareCpu()
    (tiny,) = struct.unpack("<Q", struct.pack("<d", 3e-308))
    (half,) = struct.unpack("<Q", struct.pack("<d", 0.5))
    cpu.engine.write_registers({"xmm0": tiny, "xmm1": half, "mxcsr": 0x1F80 | FZ})
    cpu.run(assemble("mulsd xmm0, xmm1", origin=CODE))
    assert cpu["xmm0"] == 0
    assert cpu["mxcsr"] == 0x1F80 | FZ | UNDERFLOW | PRECISION


def test_they_are_part_of_a_snapshot_whenever_it_is_taken() -> None:
    cpu = BareCpu()
    (one,), (three,) = (struct.unpack("<Q", struct.pack("<d", value)) for value in (ONE, THREE))
    cpu.engine.write_registers({"xmm0": one, "xmm1": three, "mxcsr": 0x1F80})
    cpu.load(assemble("divsd xmm0, xmm1\nnop" + STORE, origin=CODE))
    cpu.engine.step()
    taken = cpu.engine.snapshot()
    cpu.engine.write_registers({"mxcsr": 0x1FBF})
    cpu.engine.restore(taken)
    assert cpu.engine.run(Tick(cpu.engine.clock + 100)) == Halted()
    assert cpu.read(DATA, 4) == 0x1F80 | PRECISION


def _unmasked(source: str, a: float, b: float, before: int, cr4: int = 0x620, model: str = "base") -> BareCpu:
    """A CPU that has run the source with `before` in MXCSR, to its end or a handler's."""
    cpu = BareCpu(model)
    (first,), (second,) = (struct.unpack("<Q", struct.pack("<d", value)) for value in (a, b))
    cpu.write(DATA, struct.pack("<I", before))
    cpu.engine.write_registers({"xmm0": first, "xmm1": second, "rax": 77, "cr4": cr4, "xcr0": 7})
    assert cpu.run(assemble(f"ldmxcsr [{DATA:#x}]\nhere: {source}", origin=CODE)) == Halted()
    return cpu


@pytest.mark.parametrize(
    ("source", "a", "b", "flag"),
    [
        ("divsd xmm0, xmm1", ONE, 0.0, ZERO_DIVIDE),
        ("sqrtsd xmm0, xmm1", ONE, -ONE, INVALID),
        ("mulsd xmm0, xmm1", HUGE, HUGE, OVERFLOW),
        ("mulsd xmm0, xmm1", 2.0**-1000, 2.0**-60, UNDERFLOW),  # which is exact
        ("divsd xmm0, xmm1", ONE, THREE, PRECISION),
        ("cvttsd2si rax, xmm1", ONE, HUGE, INVALID),
        ("comisd xmm0, xmm1", ONE, float("nan"), INVALID),
        ("addsd xmm0, xmm1", ONE, LEAST, DENORMAL),
        ("comisd xmm0, xmm1", ONE, LEAST, DENORMAL),
    ],
)
def test_an_exception_that_is_not_masked_is_raised_and_changes_no_register(
    source: str, a: float, b: float, flag: int
) -> None:
    cpu = _unmasked(source, a, b, 0x1F80 & ~(flag << 7))
    (delivery,) = cpu.engine.deliveries()
    at = CODE + len(assemble(f"ldmxcsr [{DATA:#x}]", origin=CODE))
    assert (delivery.vector, delivery.rip) == (19, at)
    assert struct.unpack("<d", cpu["xmm0"].to_bytes(16, "little")[:8]) == (a,)
    assert (cpu["rax"], cpu["mxcsr"] & 0x3F & ~PRECISION) == (77, flag & ~PRECISION)
    cpu.close()


def test_without_an_operating_system_that_knows_of_it_it_is_an_invalid_opcode() -> None:
    cpu = _unmasked("divsd xmm0, xmm1", ONE, 0.0, 0x1D80, cr4=0x220)
    assert [one.vector for one in cpu.engine.deliveries()] == [6]
    cpu.close()


def test_a_masked_one_beside_it_only_leaves_its_flag() -> None:
    cpu = _unmasked("divsd xmm0, xmm1", ONE, THREE, 0x1D80)
    assert not cpu.engine.deliveries()
    assert cpu["mxcsr"] == 0x1D80 | PRECISION
    cpu.close()


def test_vectors_raise_it_as_well() -> None:
    cpu = _unmasked("vdivpd ymm0, ymm0, ymm1", ONE, 0.0, 0x1D80, 0x40620, "x86-64-v3")
    assert [one.vector for one in cpu.engine.deliveries()] == [19]
    cpu.close()


def test_what_is_not_masked_is_kept_by_a_snapshot() -> None:
    cpu = _unmasked("nop", ONE, 0.0, 0x1D80)
    saved = cpu.engine.snapshot()
    cpu.close()
    other = BareCpu()
    other.engine.restore(saved)
    other.write(CODE, assemble("divsd xmm0, xmm1\nhlt", origin=CODE))
    other.engine.write_register("rip", CODE)
    other.engine.run(Tick(other.engine.clock + 100))
    assert other.engine.delivery().vector == 19
    other.close()


@pytest.mark.skipif(platform.machine() not in UPWARD, reason="how a host is told to round up is not known")
def test_how_the_host_rounds_is_nothing_to_the_guest() -> None:
    """Nor what a run makes of that to the host."""
    math = ctypes.CDLL(None)
    cpu = BareCpu()
    (one,), (three,) = (struct.unpack("<Q", struct.pack("<d", value)) for value in (ONE, THREE))
    cpu.engine.write_registers({"xmm0": one, "xmm1": three, "mxcsr": 0x1F80})
    before = math.fegetround()
    math.fesetround(UPWARD[platform.machine()])
    try:
        cpu.run(assemble("divsd xmm0, xmm1", origin=CODE))
        rounding = math.fegetround()
    finally:
        math.fesetround(before)
    assert struct.unpack("<d", struct.pack("<Q", cpu["xmm0"] & (1 << 64) - 1)) == (ONE / THREE,)
    assert rounding == UPWARD[platform.machine()]
    cpu.close()
