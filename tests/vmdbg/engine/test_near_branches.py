"""Near branches of 64-bit code: where they may not lead, and 66 before them (SDM 2A, CALL, JMP; 2B, RET)."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Delivery, Halted
from vmdbg.engine.unicorn.bare import CODE, DATA, STACK, BareCpu
from vmdbg.units import Tick
from vmdbg.x86.cpu_models import find_model

DB, GP = 1, 13
TF = 0x100
BAD = 1 << 47
LANDING = CODE + 0x200
BRANCHES = {
    "ret": "ret",
    "rep ret": "rep ret",
    "ret of 16 bits": "db 66h\nret",
    "ret and pop": "ret 18h",
    "jmp by register": "jmp rax",
    "jmp by r9": "jmp r9",
    "jmp by memory": "jmp [rbx]",
    "jmp by the stack": "jmp [rsp]",
    "call by register": "call rax",
    "call by memory": "call [rbx + rsi]",
    "call by the stack": "call [rsp]",
}


@pytest.fixture(scope="module")
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu()
    yield bare
    bare.close()


@pytest.fixture(scope="module")
def amd() -> Iterator[BareCpu]:
    bare = BareCpu(dataclasses.replace(find_model("base"), vendor=b"AuthenticAMD"))
    yield bare
    bare.close()


def _prepare(cpu: BareCpu, source: str, target: int, **registers: int) -> bytes:
    cpu.reset()
    cpu.write(LANDING, b"\xf4")
    cpu.write(DATA, struct.pack("<Q", target))
    cpu.write(STACK - 0x100, struct.pack("<Q", target))
    there = {"rax": target, "r9": target, "rbx": DATA, "rsi": 0, "rsp": STACK - 0x100, "rflags": 0xAD7}
    cpu.engine.write_registers(there | registers)
    code = assemble(source, origin=CODE)
    cpu.load(code)
    return code


def _run(cpu: BareCpu, steps: bool) -> Delivery | None:
    start = cpu.engine.clock
    if steps:
        while cpu.engine.deliveries()[-1:] == [] or cpu.engine.deliveries()[-1].tick < start:
            if cpu.engine.step() == Halted():
                break
    cpu.engine.run(Tick(cpu.engine.clock + 1000))
    last = cpu.engine.deliveries()[-1:]
    return last[0] if last and last[0].tick >= start else None


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("before", ["", "add ecx, edx\nnop\n", "cmp rax, rbx\n"])
@pytest.mark.parametrize("target", [BAD, 0x4141414141414141, (1 << 64) - BAD - 1])
@pytest.mark.parametrize("branch", BRANCHES)
def test_one_to_no_address_faults_where_it_is(cpu: BareCpu, branch: str, target: int, before: str, steps: bool) -> None:
    _prepare(cpu, before + BRANCHES[branch], target)
    at = CODE + len(assemble(before, origin=CODE)) if before else CODE
    start, expected = cpu.engine.clock, None
    for again in range(2):  # found translated, and not
        _prepare(cpu, before + BRANCHES[branch], target)
        start = cpu.engine.clock
        fault = _run(cpu, steps)
        assert fault is not None
        found = (
            fault.vector,
            fault.error_code,
            fault.rip,
            fault.rsp,
            fault.tick - start,
            cpu.read(STACK - 0x128 & ~15, 8),
        )
        assert found[:5] == (GP, 0, at, STACK - 0x100, at - CODE), again
        expected = expected or found
        assert found == expected


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("steps", [False, True])
def test_its_trap_does_not_come_before(cpu: BareCpu, branch: str, steps: bool) -> None:
    """With TF the fault comes, and no #DB of what has not ended."""
    _prepare(cpu, BRANCHES[branch], BAD, rflags=2 | TF)
    fault = _run(cpu, steps)
    assert fault is not None
    assert (fault.vector, fault.rip, fault.rsp) == (GP, CODE, STACK - 0x100)
    assert cpu["dr6"] == 0xFFFF0FF0


@pytest.mark.parametrize("branch", BRANCHES)
def test_amds_fault_where_they_come_to(amd: BareCpu, branch: str) -> None:
    if branch == "ret of 16 bits":
        pytest.skip("which pops 16 bits there")
    _prepare(amd, BRANCHES[branch], BAD)
    fault = _run(amd, False)
    assert fault is not None
    assert (fault.vector, fault.rip) == (GP, BAD)


@pytest.mark.parametrize("branch", BRANCHES)
def test_one_that_leads_somewhere_goes_there(cpu: BareCpu, branch: str) -> None:
    _prepare(cpu, BRANCHES[branch], LANDING)
    assert _run(cpu, False) is None
    moved = {"ret and pop": 32}.get(branch, 8 if "ret" in branch else -8 if "call" in branch else 0)
    assert (cpu["rip"], cpu["rsp"]) == (LANDING + 1, STACK - 0x100 + moved)


@pytest.mark.parametrize("again", [0, 1])
def test_a_condition_that_does_not_hold_goes_on(cpu: BareCpu, again: int) -> None:
    _prepare(cpu, "jz .there\njrcxz .there\nmov edi, 5\n.there:", LANDING, rflags=2, rcx=1, rdi=again)
    assert _run(cpu, False) is None
    assert cpu["rdi"] == 5


RELATIVE = {
    "call": ("e8", -8),
    "jmp": ("e9", 0),
    "jz": ("0f84", 0),
    "jg": ("0f8f", 0),
}
"""Of 32 bits; ZF is set."""


@pytest.mark.parametrize("prefixes", ["66", "6666", "662e", "6667"])
@pytest.mark.parametrize("branch", RELATIVE)
def test_66_does_not_make_one_of_16_bits(cpu: BareCpu, branch: str, prefixes: str) -> None:
    opcode, moved = RELATIVE[branch]
    head = bytes.fromhex(prefixes + opcode)
    end = CODE + len(head) + 4
    _prepare(cpu, "nop", 0, rflags=0x42)
    cpu.load(head + struct.pack("<i", LANDING - end))
    assert _run(cpu, False) is None
    taken = branch != "jg"
    assert cpu["rip"] == (LANDING + 1 if taken else end + 1)
    assert cpu["rsp"] == STACK - 0x100 + moved
    if moved:
        assert cpu.read(STACK - 0x108, 8) == end


@pytest.mark.parametrize("code", ["66eb05", "667405", "66e305", "66e205", "6648eb05"])
def test_66_before_a_short_one_changes_nothing(cpu: BareCpu, code: str) -> None:
    _prepare(cpu, "nop", 0, rflags=0x42, rcx=2 if "e2" in code else 0)
    branch = bytes.fromhex(code)
    cpu.load(branch + b"\xf4\x90\x90\x90\x90")
    cpu.write(CODE + len(branch) + 5, b"\xf4")
    assert _run(cpu, False) is None
    assert cpu["rip"] == CODE + len(branch) + 6


@pytest.mark.parametrize(
    "code", ["66ffd0", "66ffe0", "6641ffd1", "6641ffe1", "66ff13", "66ff23", "66c3", "66c21800", "6466ff23"]
)
def test_66_does_not_narrow_an_indirect_one(cpu: BareCpu, code: str) -> None:
    """The target is above 64 KiB, where another is mapped in its place by the tables that are there."""
    target = LANDING | 0xF_0000
    _prepare(cpu, "nop", target)
    branch = bytes.fromhex(code)
    cpu.load(branch)
    cpu.run(branch)
    fault = cpu.engine.deliveries()[-1]
    assert (fault.vector, fault.cr2, fault.rip) == (14, target, target)


def test_66_narrows_an_amds(amd: BareCpu) -> None:
    _prepare(amd, "nop", LANDING | 0xF_0000)
    amd.load(bytes.fromhex("66ffe0"))
    assert _run(amd, False) is None
    assert amd["rip"] == LANDING + 1
