"""LTR, LAR and LSL refuse descriptors of the system that IA-32e mode has not (SDM 3A table 3-2; 2A, LAR, LSL, LTR)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from vmdbg.engine.unicorn.bare import CODE, GDT, BareCpu

GP, ZF, SELECTOR, IN_LDT = 13, 0x40, 0x18, 0x4
FREE_TASK_16, BUSY_TASK_16, CALL_GATE_16, TASK_GATE = 1, 3, 4, 5
LDT_TYPE, FREE_TASK, BUSY_TASK, CALL_GATE = 2, 9, 11, 12
LAR, LSL, LTR = b"\x0f\x02\xc8", b"\x0f\x03\xc8", b"\x0f\x00\xd8"
"""Of EAX, to ECX."""
FOR_LAR = {
    "legacy": {1, 2, 3, 4, 5, 9, 11, 12},
    "compatibility": {LDT_TYPE, FREE_TASK, BUSY_TASK, CALL_GATE},
    "64 bits": {LDT_TYPE, FREE_TASK, BUSY_TASK, CALL_GATE},
}
FOR_LSL = {
    "legacy": {1, 2, 3, 9, 11},
    "compatibility": {LDT_TYPE, FREE_TASK, BUSY_TASK},
    "64 bits": {LDT_TYPE, FREE_TASK, BUSY_TASK},
}
FOR_LTR = {"legacy": {FREE_TASK_16, FREE_TASK}, "compatibility": {FREE_TASK}, "64 bits": {FREE_TASK}}
MODES = {
    "legacy": {"cr0": 0x11, "cr4": 0, "efer": 0, "cs_flags": 0xCF9B00},
    "compatibility": {"cs_flags": 0xCF9B00},
    "64 bits": {},
}


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    cpu = BareCpu()
    yield cpu
    cpu.close()


def _prepare(cpu: BareCpu, mode: str, kind: int, code: bytes, table: int) -> None:
    descriptor = 0x67 | kind << 40 | 0x80 << 40
    cpu.write(GDT + SELECTOR, struct.pack("<2Q", descriptor, 0))
    cpu.engine.write_registers(MODES[mode] | {"gdtr_limit": 0x27, "rax": SELECTOR | table, "rcx": 0x1234})
    if table:
        cpu.engine.write_registers({"ldtr": 0x50, "ldtr_base": GDT, "ldtr_limit": 0x27, "gdtr_limit": 0x17})
    cpu.load(code)
    cpu.engine.step()


@pytest.mark.parametrize("table", [0, IN_LDT])
@pytest.mark.parametrize("kind", range(16))
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("code", "valid"), [(LAR, FOR_LAR), (LSL, FOR_LSL)], ids=["lar", "lsl"])
def test_what_can_be_asked_for(
    cpu: BareCpu, code: bytes, valid: dict[str, set[int]], mode: str, kind: int, table: int
) -> None:
    _prepare(cpu, mode, kind, code, table)
    value = 0x8000 | kind << 8 if code == LAR else 0x67
    expected = (ZF, value) if kind in valid[mode] else (0, 0x1234)
    assert (cpu["rflags"] & ZF, cpu["rcx"]) == expected
    assert not cpu.engine.delivery_count


@pytest.mark.parametrize("kind", range(16))
@pytest.mark.parametrize("mode", MODES)
def test_which_task_states_are_taken(cpu: BareCpu, mode: str, kind: int) -> None:
    _prepare(cpu, mode, kind, LTR, 0)
    found = [(one.vector, one.error_code, one.rip) for one in cpu.engine.deliveries()[:1]]
    assert found == ([] if kind in FOR_LTR[mode] else [(GP, SELECTOR, CODE)])
    assert cpu["tr"] == (SELECTOR if kind in FOR_LTR[mode] else 0)
