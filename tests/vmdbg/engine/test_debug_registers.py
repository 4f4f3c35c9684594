"""What DR6 and DR7 keep of what is written to them (SDM 3B 18.2.3, 18.2.4), by the guest and from outside."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.unicorn.bare import CODE, BareCpu

GP, UD, DE = 13, 6, 8
ALWAYS = {"dr6": 0xFFFF0FF0, "dr7": 0x400}
ZERO = {"dr6": {12}, "dr7": {11, 12, 14, 15}}
GENERAL_DETECT = 1 << 13
ALIAS = {"dr6": "dr4", "dr7": "dr5"}


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu()
    yield bare
    bare.close()


def _kept(register: str, value: int) -> int:
    bits = (bit for bit in range(32) if value >> bit & 1 and bit not in ZERO[register])
    return sum(1 << bit for bit in bits) | ALWAYS[register]


def _values(register: str) -> list[int]:
    rng = random.Random(register)
    values = [0, *(1 << bit for bit in range(32)), 0xFFFFFFFF, *(rng.getrandbits(32) for _ in range(20))]
    return [value & ~GENERAL_DETECT if register == "dr7" else value for value in values]


@pytest.mark.parametrize("register", ALWAYS)
@pytest.mark.parametrize("by_alias", [False, True])
def test_bits_that_are_always_0_or_1_are_not_written(cpu: BareCpu, register: str, by_alias: bool) -> None:
    name = ALIAS[register] if by_alias else register
    code = assemble(f"mov {name}, rax\nmov rbx, {name}", origin=CODE)
    for value in _values(register):
        cpu.reset()
        cpu.engine.write_registers({"rax": value, "cr4": cpu["cr4"] & ~DE})
        cpu.run(code)
        assert cpu[register] == cpu["rbx"] == _kept(register, value), f"{value:#x}"
    assert not cpu.engine.deliveries()


@pytest.mark.parametrize("register", [*ALWAYS, *ALIAS.values()])
@pytest.mark.parametrize("bit", [32, 47, 63])
def test_upper_halves_are_refused(cpu: BareCpu, register: str, bit: int) -> None:
    cpu.engine.write_registers({"rax": 1 << bit | 0xFFFF0FF0})
    before = cpu["dr6"], cpu["dr7"]
    cpu.run(assemble(f"mov {register}, rax", origin=CODE))
    (fault,) = cpu.engine.deliveries()
    is_alias = register in ALIAS.values()
    assert (fault.vector, fault.error_code) == ((GP, 0) if not is_alias or not cpu["cr4"] & DE else (UD, 0))
    assert (cpu["dr6"], cpu["dr7"]) == before


@pytest.mark.parametrize("register", ALWAYS)
def test_what_writes_them_from_outside_is_held_to_the_same(cpu: BareCpu, register: str) -> None:
    for value in _values(register):
        cpu.engine.write_registers({register: value})
        assert cpu[register] == _kept(register, value)
        saved = cpu.engine.snapshot()
        cpu.reset()
        cpu.engine.restore(saved)
        assert cpu[register] == _kept(register, value)
        cpu.reset()
