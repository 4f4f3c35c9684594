"""Where the x87 last was in the areas of FXSAVE and XSAVE, with offsets of 32 bits and selectors or of 64 bits."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Halted
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA, DATA64, BareCpu

AREA, ENVIRONMENT, OPERAND = DATA + 0x400, DATA + 0x100, DATA + 0x40
OSXSAVE = 1 << 18
BEFORE = f"mov eax, -1\nmov edx, eax\nfninit\nfld qword [{OPERAND:#x}]\n"
LOAD_AT = len(assemble(BEFORE, origin=CODE)) - len(assemble(f"fld qword [{OPERAND:#x}]", origin=CODE))
LOAD_OPCODE = 0x504
FAR = 0x1234_5678_9ABC
SAVES = ("fxsave", "fxsave64", "xsave", "xsave64", "xsaveopt", "xsaveopt64")


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu("x86-64-v3")
    yield bare
    bare.close()


def _run(cpu: BareCpu, source: str) -> None:
    cpu.reset()
    cpu.engine.write_registers({"cr4": cpu["cr4"] | OSXSAVE, "xcr0": 3})
    assert cpu.run(assemble(source, origin=CODE)) == Halted()
    assert not cpu.engine.deliveries()


def _words(cpu: BareCpu) -> tuple[int, ...]:
    return struct.unpack("<HQQ", cpu.read(AREA + 6, 18).to_bytes(18, "little"))


@pytest.mark.parametrize("save", SAVES)
def test_it_is_stored_though_no_exception_is_pending(cpu: BareCpu, save: str) -> None:
    _run(cpu, f"{BEFORE}{save} [{AREA:#x}]")
    fip, fdp = CODE + LOAD_AT, OPERAND
    if not save.endswith("64"):
        fip, fdp = fip | CODE64 << 32, fdp | DATA64 << 32
    assert _words(cpu) == (LOAD_OPCODE, fip, fdp)


@pytest.mark.parametrize("save", SAVES)
def test_it_comes_back(cpu: BareCpu, save: str) -> None:
    restore = save.replace("saveopt", "rstor").replace("save", "rstor")
    _run(cpu, f"{BEFORE}{save} [{AREA:#x}]\nfninit\n{restore} [{AREA:#x}]\nfnstenv [{ENVIRONMENT:#x}]")
    fip, fcs, fop, fdp, fds = struct.unpack("<IHHIH", cpu.read(ENVIRONMENT + 12, 14).to_bytes(14, "little"))
    selectors = (0, 0) if save.endswith("64") else (CODE64, DATA64)
    assert (fip, fop, fdp, fcs, fds) == (CODE + LOAD_AT, LOAD_OPCODE, OPERAND, *selectors)


@pytest.mark.parametrize("wide", [False, True])
def test_what_is_restored_is_stored_as_far_as_the_format_goes(cpu: BareCpu, wide: bool) -> None:
    stored = struct.pack("<HQQ", 0xFFFF, FAR << 8, FAR)
    cpu.write(AREA, bytes(512))
    cpu.write(AREA + 6, stored)
    suffix = "64" if wide else ""
    _run(cpu, f"fxrstor{suffix} [{AREA:#x}]\nfxsave{suffix} [{AREA:#x}]")
    kept = (1 << 64) - 1 if wide else (1 << 48) - 1
    assert _words(cpu) == (0x7FF, FAR << 8 & kept, FAR & kept)
    _run(cpu, f"fxrstor64 [{AREA:#x}]\nfxsave [{AREA:#x}]")
    assert _words(cpu) == (0x7FF, FAR << 8 & 0xFFFFFFFF, FAR & 0xFFFFFFFF)


def test_it_makes_the_x87_one_in_use(cpu: BareCpu) -> None:
    for source, used in ((f"{BEFORE}fninit", 0), (f"{BEFORE}fninit\nfnop", 1)):
        _run(cpu, f"{source}\nmov eax, -1\nmov edx, eax\nxsave [{AREA:#x}]")
        assert cpu.read(AREA + 512, 8) & 1 == used
