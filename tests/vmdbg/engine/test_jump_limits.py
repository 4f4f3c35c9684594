"""Jumps beyond the limit of CS (SDM 2, Jcc, JMP, CALL, LOOP, RET), which fault where they are, having done nothing."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.unicorn.bare import CODE, DATA, BareCpu
from vmdbg.units import Tick

GP, SS, TARGET = 13, 12, CODE + 0x60
CF, PF, ZF, SF, OF = 1, 4, 0x40, 0x80, 0x800
HELD = {
    "o": lambda f: bool(f & OF),
    "b": lambda f: bool(f & CF),
    "z": lambda f: bool(f & ZF),
    "be": lambda f: bool(f & (CF | ZF)),
    "s": lambda f: bool(f & SF),
    "p": lambda f: bool(f & PF),
    "l": lambda f: bool(f & SF) != bool(f & OF),
    "le": lambda f: bool(f & ZF) or bool(f & SF) != bool(f & OF),
}
NEGATED = {"o": "no", "b": "nb", "z": "nz", "be": "nbe", "s": "ns", "p": "np", "l": "nl", "le": "nle"}


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    made.engine.write_registers({"cr0": 0x11, "cr4": 0x600, "efer": 0, "cs_flags": 0xCF9B00, "rbx": DATA, "rsp": DATA})
    yield made
    made.close()


def _compared(a: int, b: int) -> int:
    """The flags of CMP of two bytes."""
    result = a - b & 0xFF
    overflows = (a ^ b) & (a ^ result) & 0x80
    flags = (CF if a < b else 0) | (ZF if not result else 0) | (result & SF) | (OF if overflows else 0)
    return flags | (0 if result.bit_count() & 1 else PF)


def _faults(cpu: BareCpu, source: str, *, beyond: bool) -> list[tuple[int, int, int]]:
    cpu.load(assemble(source, origin=CODE, bits=32))
    cpu.engine.write_registers(
        {"cs_limit": TARGET - 1 if beyond else 0xFFFFF, "cs_base": 0, "cs_flags": 0xCF9B00, "cr0": 0x11}
    )
    cpu.write(TARGET, b"\xf4")
    before = cpu.engine.delivery_count
    cpu.engine.run(Tick(cpu.engine.clock + 40))
    known = cpu.engine.delivery_count - before
    return [(one.vector, one.error_code, one.rip) for one in cpu.engine.deliveries()[-known:]][:1] if known else []


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("near", ["short", "near"])
def test_a_jump_on_a_condition_faults_if_it_would_be_taken(cpu: BareCpu, name: str, near: str) -> None:
    """In a block whose flags nobody has asked for before."""
    rng = random.Random(f"{name}{near}")
    for condition, wanted in ((name, True), (NEGATED[name], False)):
        for _ in range(12):
            a, b = rng.choice((0, 0x7F, 0x80, 0xFF, rng.getrandbits(8))), rng.choice((0, 1, 0x80, rng.getrandbits(8)))
            cpu.engine.write_registers({"rax": a, "rdx": b})
            found = _faults(cpu, f"cmp al, dl\nj{condition} {near} {TARGET}\nhlt", beyond=True)
            assert found == ([(GP, 0, CODE + 2)] if HELD[name](_compared(a, b)) == wanted else [])
            assert _faults(cpu, f"cmp al, dl\nj{condition} {near} {TARGET}\nhlt", beyond=False) == []


@pytest.mark.parametrize("count", [0, 1, 2, 0x10000, 0x10001])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("size", ["cx", "ecx"])
def test_loops_fault_if_they_would_be_taken(cpu: BareCpu, count: int, zero: bool, size: str) -> None:
    bits = 16 if size == "cx" else 32
    left = (count - 1) % (1 << bits)
    taken = {
        f"loop {TARGET}, {size}": left != 0,
        f"loope {TARGET}, {size}": left != 0 and zero,
        f"loopne {TARGET}, {size}": left != 0 and not zero,
        f"j{size}z {TARGET}": count % (1 << bits) == 0,
    }
    for instruction, is_taken in taken.items():
        cpu.engine.write_registers({"rcx": count, "rax": 0 if zero else 1})
        found = _faults(cpu, f"test al, al\n{instruction}\nhlt", beyond=True)
        assert found == ([(GP, 0, CODE + 2)] if is_taken else []), instruction
        if is_taken:
            assert cpu["rcx"] == count


@pytest.mark.parametrize(
    "jump", ["jmp [ebx+8]", "call [ebx+8]", "jmp word [ebx+8]", "call word [ebx+8]", "ret", "ret 8", "o16 ret"]
)
def test_targets_in_memory(cpu: BareCpu, jump: str) -> None:
    cpu.write(DATA, struct.pack("<3I", TARGET, 0, TARGET))
    for beyond in (True, False):
        cpu.engine.write_registers({"rbx": DATA, "rsp": DATA})
        assert _faults(cpu, jump, beyond=beyond) == ([(GP, 0, CODE)] if beyond else [])
        if beyond:
            assert cpu.engine.deliveries()[0].rsp == DATA


def test_where_no_target_can_be_read_the_instruction_faults_as_it_does(cpu: BareCpu) -> None:
    cpu.engine.write_registers({"rsp": DATA, "ss_limit": DATA + 2, "ss_flags": 0x409300})
    assert _faults(cpu, "ret", beyond=True) == [(SS, 0, CODE)]


@pytest.mark.parametrize(
    "jump",
    ["jmp 0x700:dword {}", "call 0x700:dword {}", "jmp far dword [bx]", "call far dword [bx]", "o32 retf", "o32 iret"],
)
@pytest.mark.parametrize("virtual", [False, True])
@pytest.mark.parametrize("target", [0xFFFF, 0x10000, 0x30000180])
def test_far_offsets_beyond_64_kib(cpu: BareCpu, jump: str, virtual: bool, target: int) -> None:
    cpu.write(DATA, struct.pack("<IHHI", target, 0x700, 0, 2))
    if "iret" in jump:
        cpu.write(DATA, struct.pack("<III", target, 0x700, 0x23002 if virtual else 2))
    cpu.load(assemble(jump.format(target), origin=CODE, bits=16))
    cpu.engine.write_registers(
        {"cr0": 0x11 if virtual else 0x10, "rflags": 0x23002 if virtual else 2, "rbx": DATA, "rsp": DATA}
    )
    for name in ("cs", "ss", "ds", "es"):
        flags = 0xF300 if virtual else 0x9300
        cpu.engine.write_registers({name: 0, f"{name}_base": 0, f"{name}_limit": 0xFFFF, f"{name}_flags": flags})
    cpu.engine.step()
    found = [(one.vector, one.rip) for one in cpu.engine.deliveries()][:1]
    assert found == ([(GP, CODE)] if target > 0xFFFF else [])
