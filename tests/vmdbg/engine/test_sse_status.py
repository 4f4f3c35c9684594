"""MXCSR's exception flags and flush-to-zero, as libraries compute with them (SDM 1 10.2.3)."""

from __future__ import annotations

import struct

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Halted
from vmdbg.engine.unicorn.bare import CODE, DATA, BareCpu
from vmdbg.units import Tick

INVALID, ZERO_DIVIDE, OVERFLOW, UNDERFLOW, PRECISION = 1, 4, 8, 16, 32
FZ = 0x8000
ONE, THREE, HUGE, TINY, INFINITY = 1.0, 3.0, 1e308, 1e-308, float("inf")
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
        ("roundsd xmm0, xmm0, 4", 1.5, ONE, PRECISION),
        ("roundsd xmm0, xmm0, 12", 1.5, ONE, 0),
    ],
)  # fmt: skip
def test_an_operation_leaves_its_flags(source: str, a: float, b: float, flags: int) -> None:
    assert mxcsr(source, a, b) == 0x1F80 | flags


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
