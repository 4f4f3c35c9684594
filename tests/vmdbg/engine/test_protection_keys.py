"""Protection keys: what they refuse while everything about them changes, and their instructions."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.vmdbg.engine.key_programs import MODEL, draw, prepare, written_down
from vmdbg.engine.exits import Halted
from vmdbg.engine.unicorn.bare import BareCpu
from vmdbg.x86.paging import CR4_PKE

UD, GP = 6, 13
OSXSAVE, AREA, PKU, OSPKE = 1 << 18, 0xA000, 1 << 3, 1 << 4
WRPKRU, RDPKRU, CPUID = "0f01ef", "0f01ee", "0fa2"


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu(MODEL)
    yield bare
    bare.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_page_is_refused_exactly_while_its_key_is(cpu: BareCpu, seed: int) -> None:
    prepare(cpu)
    program = draw(random.Random(seed), cpu)
    assert cpu.run(program.code) == Halted()
    assert written_down(cpu) == program.faults
    assert len(program.faults) > 5


def _vector(cpu: BareCpu, code: str, **registers: int) -> int | None:
    cpu.reset()
    cpu.engine.write_registers({"cr4": 0x620 | OSXSAVE | CR4_PKE, "xcr0": 0x207, "rdi": AREA} | registers)
    start = cpu.engine.clock
    cpu.run(bytes.fromhex(code))
    last = cpu.engine.deliveries()[-1:]
    return last[0].vector if last and last[0].tick >= start else None


def test_pkru_is_written_and_read(cpu: BareCpu) -> None:
    high = 0xFFFFFFFF << 32
    registers = {"rax": high | 0x12345670, "rcx": high, "rdx": high}
    assert _vector(cpu, WRPKRU + "b8ffffffff" + "ba05000000" + RDPKRU, **registers) is None
    assert (cpu["pkru"], cpu["rax"], cpu["rdx"]) == (0x12345670, 0x12345670, 0)


@pytest.mark.parametrize("code", [WRPKRU, RDPKRU])
def test_what_they_refuse(cpu: BareCpu, code: str) -> None:
    assert _vector(cpu, code, cr4=0x620) == UD
    assert _vector(cpu, code, rcx=1) == GP
    assert [_vector(cpu, prefix + code) for prefix in ("66", "f3", "f2", "f0")] == [UD] * 4
    assert _vector(cpu, WRPKRU, rdx=1) == GP


def test_cpuid_says_whether_they_are_on(cpu: BareCpu) -> None:
    for cr4, expected in ((0x620, PKU), (0x620 | CR4_PKE, PKU | OSPKE)):
        _vector(cpu, CPUID, cr4=cr4, rax=7)
        assert cpu["rcx"] & (PKU | OSPKE) == expected


def test_models_without_them_have_nothing_of_them() -> None:
    older = BareCpu("base")
    assert _vector(older, "0f20e0480fbae8160f22e0", cr4=0x620, xcr0=1) == GP  # bts rax, 22; mov cr4, rax
    assert _vector(older, WRPKRU, cr4=0x620, xcr0=1) == UD
    assert "pkru" not in older.engine.register_names
    older.close()


def test_pkru_is_saved_and_comes_back(cpu: BareCpu) -> None:
    cpu.write(AREA, bytes(4096))
    everything = "b8ffffffff31d2"
    assert _vector(cpu, everything + "0fae27", pkru=0x5554) is None  # xsave
    assert (cpu.read(AREA + 2688, 8), cpu.read(AREA + 512, 8) >> 9) == (0x5554, 1)
    assert _vector(cpu, everything + "0fae2f", pkru=8) is None  # xrstor
    assert cpu["pkru"] == 0x5554
    cpu.write(AREA + 512, bytes(8))
    assert _vector(cpu, everything + "0fae2f", pkru=8) is None
    assert cpu["pkru"] == 0
    cpu.write(AREA, b"\xaa" * 4096)
    cpu.write(AREA + 512, bytes(64))
    assert _vector(cpu, everything + "0fae37", pkru=0) is None  # xsaveopt leaves out what is as after a reset
    assert cpu.read(AREA + 2688, 1) == 0xAA
