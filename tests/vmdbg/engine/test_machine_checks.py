"""Machine-check registers: what there is, and what writing to it does (SDM 3B 15.3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vmdbg.engine.native import _native
from vmdbg.engine.unicorn.bare import BareCpu
from vmdbg.engine.unicorn.registers import MACHINE_CHECK

GP = 13
CAP, STATUS, CTL, BANKS, END = 0x179, 0x17A, 0x17B, 0x400, 0x480
COUNT = 4
ONES = (1 << 64) - 1
READ, WRITE = "0f32", "0f30"


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu("base,+mca")
    yield bare
    bare.close()


def _vector(cpu: BareCpu, code: str, msr: int, value: int = 0) -> int | None:
    cpu.reset()
    cpu.engine.write_registers({"rcx": msr, "rax": value & 0xFFFFFFFF, "rdx": value >> 32})
    start = cpu.engine.clock
    cpu.run(bytes.fromhex(code))
    last = cpu.engine.deliveries()[-1:]
    return last[0].vector if last and last[0].tick >= start else None


def _value(cpu: BareCpu, msr: int) -> int:
    assert _vector(cpu, READ, msr) is None
    return cpu["rdx"] << 32 | cpu["rax"]


def test_there_are_as_many_banks_as_are_told(cpu: BareCpu) -> None:
    assert _value(cpu, CAP) == COUNT == _native.lib.MACHINE_CHECK_BANKS
    assert [name for name in MACHINE_CHECK if name.startswith(("mc0", "mc3"))] == ["mc0_ctl", "mc3_ctl"]
    for msr in range(BANKS, END):
        there = msr < BANKS + 4 * COUNT
        assert _vector(cpu, READ, msr) == (None if there else GP)
        assert _vector(cpu, WRITE, msr) == (None if there else GP)
    for code in (READ, WRITE):
        assert _vector(cpu, code, CTL) == GP
    assert _vector(cpu, WRITE, CAP, COUNT) == GP


@pytest.mark.parametrize("bank", range(COUNT))
def test_a_bank_keeps_its_control_and_takes_only_zeros_elsewhere(cpu: BareCpu, bank: int) -> None:
    control = BANKS + 4 * bank
    for value in (ONES, 1 << 63 | bank, 0):
        assert _vector(cpu, WRITE, control, value) is None
        assert _value(cpu, control) == cpu[f"mc{bank}_ctl"] == value
    for msr in range(control + 1, control + 4):
        assert _vector(cpu, WRITE, msr, 0) is None
        assert [_vector(cpu, WRITE, msr, value) for value in (1, 1 << 63, ONES)] == [GP] * 3
        assert _value(cpu, msr) == 0


def test_the_status_has_three_bits(cpu: BareCpu) -> None:
    assert _vector(cpu, WRITE, STATUS, 7) is None
    assert _value(cpu, STATUS) == 7
    assert [_vector(cpu, WRITE, STATUS, value) for value in (8, 1 << 63)] == [GP] * 2
    assert _value(cpu, STATUS) == cpu["mcg_status"] == 7


def test_they_are_in_snapshots_and_digests(cpu: BareCpu) -> None:
    digests = {cpu.engine.cpu_digest_bytes()}
    saved = cpu.engine.snapshot()
    for register in ("mcg_status", "mc0_ctl", "mc3_ctl"):
        cpu.engine.write_registers({register: 5})
        digests.add(cpu.engine.cpu_digest_bytes())
        cpu.engine.restore(saved)
        assert cpu[register] == 0
    assert len(digests) == 4


def test_what_is_only_read_is_not_written(cpu: BareCpu) -> None:
    cpu.engine.write_registers({"mcg_cap": 9})
    assert cpu["mcg_cap"] == COUNT


def test_models_without_them_have_none() -> None:
    older = BareCpu()
    assert {_vector(older, code, msr) for code in (READ, WRITE) for msr in (CAP, STATUS, CTL, BANKS, END - 1)} == {GP}
    assert not set(MACHINE_CHECK) & set(older.engine.register_names)
    older.close()
