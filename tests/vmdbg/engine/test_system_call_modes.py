"""SYSCALL, SYSRET and SYSEXIT: in which modes an Intel CPU has them, and where they may lead (SDM 2B)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from vmdbg.engine.processor import CpuSnapshot
from vmdbg.engine.unicorn.bare import CODE, GDT, STACK, BareCpu
from vmdbg.x86.cpu_models import find_model

UD, GP, PF = 6, 13, 14
SYSCALL, SYSRET, SYSRETQ, SYSEXITQ = b"\x0f\x05", b"\x0f\x07", b"\x48\x0f\x07", b"\x48\x0f\x35"
CODE32, CODE16, CODE64 = 0xCF9B00, 0x8F9B00, 0xAF9B00
MODES = {
    "real": {"cr0": 0x10, "cr4": 0, "efer": 1, "cs_flags": 0x9B00},
    "virtual-8086": {"cr0": 0x11, "cr4": 0, "efer": 1, "rflags": 0x23002, "cs_flags": 0xF300, "ss_flags": 0xF300},
    "protected, of 16 bits": {"cr0": 0x11, "cr4": 0, "efer": 1, "cs_flags": CODE16},
    "protected, of 32 bits": {"cr0": 0x11, "cr4": 0, "efer": 1, "cs_flags": CODE32},
    "compatibility": {"cs_flags": CODE32},
}
SYSCALL_BIT = 1 << 11
CALLED, RETURNED = 0x7100, 0x7200
LAST_LOW, FIRST_HIGH = 0x7FFF_FFFF_FFFF, 0xFFFF_8000_0000_0000


@pytest.fixture(scope="module", params=["GenuineIntel", "AuthenticAMD"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(vendor: str) -> Iterator[tuple[BareCpu, CpuSnapshot]]:
    cpu = BareCpu(replace(find_model("x86-64-v3"), vendor=vendor.encode()))
    yield cpu, cpu.engine.snapshot()
    cpu.close()


@pytest.fixture
def cpu(made: tuple[BareCpu, CpuSnapshot]) -> BareCpu:
    cpu, start = made
    cpu.engine.restore(start)
    star = (0x13 << 48 | 0x8 << 32) | CALLED
    cpu.engine.write_registers({"star": star, "lstar": CALLED, "cstar": CALLED, "rcx": RETURNED, "r11": 2})
    return cpu


def _step(cpu: BareCpu, code: bytes) -> list[tuple[int, int, int]]:
    cpu.write(CODE, code.ljust(16, b"\xf4"))
    before = cpu.engine.delivery_count
    cpu.engine.step()
    new = cpu.engine.delivery_count - before
    return [(one.vector, one.error_code, one.rip) for one in cpu.engine.deliveries()[-new:]] if new else []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", [SYSCALL, SYSRET], ids=["syscall", "sysret"])
def test_outside_64_bit_mode_they_are_amd_s(cpu: BareCpu, vendor: str, mode: str, code: bytes) -> None:
    cpu.engine.write_registers(MODES[mode])
    found = _step(cpu, code)[:1]
    if vendor == "GenuineIntel":
        assert found == [(UD, 0, CODE)]
    elif code == SYSCALL:
        assert (found, cpu["rip"]) == ([], CALLED)
    else:
        assert found != [(UD, 0, CODE)]


def test_in_64_bit_mode_all_have_them(cpu: BareCpu) -> None:
    assert (_step(cpu, SYSCALL), cpu["rip"], cpu["rcx"]) == ([], CALLED, CODE + 2)
    cpu.engine.write_registers({"rip": CODE})
    assert (_step(cpu, SYSRETQ), cpu["rip"], cpu["cs"] & 3) == ([], CODE + 2, 3)


@pytest.mark.parametrize("mode", [*MODES, "64-bit"])
def test_cpuid_tells_of_them_where_they_are(cpu: BareCpu, vendor: str, mode: str) -> None:
    """An Intel CPU in 64-bit mode alone (SDM 2A, CPUID)."""
    cpu.engine.write_registers(MODES.get(mode, {}) | {"rax": 0x80000001})
    assert _step(cpu, b"\x0f\xa2") == []
    assert bool(cpu["rdx"] & SYSCALL_BIT) == (vendor == "AuthenticAMD" or mode == "64-bit")
    assert cpu["rdx"] >> 29 & 1


@pytest.mark.parametrize("target", [LAST_LOW, LAST_LOW + 1, FIRST_HIGH - 1, FIRST_HIGH, 1 << 63])
@pytest.mark.parametrize("code", [SYSRETQ, SYSRET], ids=["of 64 bits", "of 32"])
def test_sysret_to_where_no_address_is_faults_in_ring_0(cpu: BareCpu, vendor: str, target: int, code: bytes) -> None:
    """Of Intel's; AMD's makes it, and the first fetch faults in ring 3."""
    cpu.engine.write_registers({"rcx": target, "rsp": STACK - 0x100})
    refused = code == SYSRETQ and LAST_LOW < target < FIRST_HIGH and vendor == "GenuineIntel"
    assert _step(cpu, code) == ([(GP, 0, CODE)] if refused else [])
    assert cpu["cs"] & 3 == (0 if refused else 3)
    if not refused:
        assert cpu["rip"] == (target if code == SYSRETQ else target & 0xFFFFFFFF)


@pytest.mark.parametrize("register", ["rcx", "rdx"])
@pytest.mark.parametrize("target", [LAST_LOW, LAST_LOW + 1, FIRST_HIGH - 1, FIRST_HIGH])
def test_sysexit_to_where_no_address_is_faults_in_ring_0(cpu: BareCpu, vendor: str, register: str, target: int) -> None:
    cpu.engine.write_registers({"sysenter_cs": 8, "rcx": STACK, "rdx": RETURNED, register: target})
    refused = LAST_LOW < target < FIRST_HIGH and vendor == "GenuineIntel"
    assert _step(cpu, SYSEXITQ)[:1] == ([(GP, 0, CODE)] if refused else [])


@pytest.mark.parametrize("value", [0x7D, 1 << 32, 0xFFFFFFFF])
def test_tsc_aux_has_32_bits(cpu: BareCpu, value: int) -> None:
    """Others are reserved (SDM 4, IA32_TSC_AUX)."""
    cpu.engine.write_registers({"rcx": 0xC0000103, "rax": value & 0xFFFFFFFF, "rdx": value >> 32})
    assert _step(cpu, b"\x0f\x30") == ([(GP, 0, CODE)] if value >> 32 else [])


@pytest.mark.parametrize("number", range(16))
@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("opcode", [0x20, 0x22], ids=["from", "to"])
def test_control_registers_that_are_none_are_no_instructions(cpu: BareCpu, number: int, ring: int, opcode: int) -> None:
    """In any ring (SDM 2B, MOV to control registers)."""
    code = bytes([0x44 if number > 7 else 0x40, 0x0F, opcode, 0xC0 | (number & 7) << 3])
    if ring:
        cpu.write(GDT + 0x18, struct.pack("<Q", 0x00AFFB000000FFFF))
        cpu.engine.write_registers({"cs": 0x1B, "cs_flags": CODE64 | 3 << 13, "ss": 0x23, "ss_flags": 0xCFF300})
    before = cpu["rip"]
    value = cpu[f"cr{number}"] if number in (0, 3, 4) else 0
    cpu.engine.write_registers({"rax": value})
    vectors = _step(cpu, code)[:1]
    if number not in (0, 2, 3, 4, 8):
        assert [one[0] for one in vectors] == [UD]
    elif ring:
        assert [one[0] for one in vectors] == [GP]
    else:
        assert (vectors, cpu["rip"]) == ([], before + 4)


@pytest.mark.parametrize("number", range(16))
@pytest.mark.parametrize("opcode", [0x21, 0x23], ids=["from", "to"])
def test_debug_registers_that_are_none_are_no_instructions(cpu: BareCpu, number: int, opcode: int) -> None:
    code = bytes([0x44 if number > 7 else 0x40, 0x0F, opcode, 0xC0 | (number & 7) << 3])
    cpu.engine.write_registers({"cs": 0x1B, "cs_flags": CODE64 | 3 << 13, "ss": 0x23, "ss_flags": 0xCFF300})
    assert [one[0] for one in _step(cpu, code)][:1] == [UD if number > 7 else GP]
