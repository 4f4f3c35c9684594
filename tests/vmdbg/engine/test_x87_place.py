"""Where the x87 last was: pointers to its instruction and operand, and the opcode (SDM 1 8.1.8 and 8.1.9).

What programs find out their own address by, with FNSTENV.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Halted
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA, DATA64, HANDLERS, BareCpu
from vmdbg.units import Tick

ENVIRONMENT = DATA + 0x100
OPERAND = DATA + 0x40
ABSENT = 0x7000_0000
BEFORE = f"fninit\nfld qword [{OPERAND:#x}]\nfldpi\n"
PI_AT = len(assemble(BEFORE, origin=CODE)) - 2
PI_OPCODE = 0x1EB


class Place(NamedTuple):
    """As FNSTENV stores it in 32-bit format."""

    fip: int
    fcs: int
    fop: int
    fdp: int
    fds: int


def place_after(source: str, cpu: BareCpu | None = None) -> Place:
    cpu = cpu or BareCpu()
    assert cpu.run(assemble(f"{BEFORE}{source}\nfnstenv [{ENVIRONMENT:#x}]", origin=CODE)) == Halted()
    fip, fcs, fop, fdp, fds = struct.unpack("<IHHIH", cpu.read(ENVIRONMENT + 12, 14).to_bytes(14, "little"))
    return Place(fip, fcs, fop, fdp, fds)


@pytest.mark.parametrize(
    ("source", "opcode"),
    [
        ("fld1", 0x1E8),
        ("fldz", 0x1EE),
        ("fnop", 0x1D0),
        ("fxam", 0x1E5),
        ("fxch", 0x1C9),
        ("ffree st2", 0x5C2),
        ("fincstp", 0x1F7),
        ("faddp", 0x6C1),
        ("fcmovb st0, st1", 0x2C1),
        ("fcomi st0, st1", 0x3F1),
        ("db 2eh, 66h, 0d9h, 0e8h", 0x1E8),
    ],
)
def test_an_instruction_of_registers_leaves_where_it_was_and_the_operand_before(source: str, opcode: int) -> None:
    assert place_after(source) == Place(CODE + PI_AT + 2, CODE64, opcode, OPERAND, DATA64)


@pytest.mark.parametrize(
    ("source", "opcode"),
    [
        ("fld dword [{}]", 0x104),
        ("fst qword [{}]", 0x514),
        ("fstp tword [{}]", 0x33C),
        ("fild word [{}]", 0x704),
        ("fmul qword [{}]", 0x40C),
        ("fbstp [{}]", 0x734),
    ],
)
def test_an_operand_in_memory_is_told_of_too(source: str, opcode: int) -> None:
    operand = DATA + 0x80
    assert place_after(source.format(f"{operand:#x}")) == Place(CODE + PI_AT + 2, CODE64, opcode, operand, DATA64)


def test_the_operand_is_its_offset_however_it_is_addressed() -> None:
    by_registers = f"mov ebx, {DATA:#x}\nmov ecx, 8\nfld qword [rbx + 4 * rcx + 24]"
    assert place_after(by_registers).fdp == DATA + 56
    assert place_after(f"mov ebp, {DATA:#x}\nfld qword [rbp + 8]").fdp == DATA + 8


@pytest.mark.parametrize(
    "source",
    [
        "db 0dbh, 0e0h",
        "db 0dbh, 0e1h",
        "db 0dbh, 0e4h",
        "fnclex",
        "wait",
        "fnstsw ax",
        f"fnstsw [{DATA:#x}]",
        f"fnstcw [{DATA:#x}]",
        f"fnstcw [{DATA:#x}]\nfldcw [{DATA:#x}]",
        f"fnstenv [{DATA:#x}]",
        f"fnsave [{DATA + 0x200:#x}]\nfrstor [{DATA + 0x200:#x}]",
    ],
)
def test_control_instructions_leave_it(source: str) -> None:
    assert place_after(source) == Place(CODE + PI_AT, CODE64, PI_OPCODE, OPERAND, DATA64)


def test_fninit_and_fnsave_forget_it_and_fldenv_brings_another() -> None:
    nowhere = Place(0, 0, 0, 0, 0)
    assert place_after("fninit") == nowhere
    assert place_after(f"fnsave [{DATA + 0x200:#x}]") == nowhere
    kept = f"fnstenv [{DATA:#x}]\nfld1\nfldenv [{DATA:#x}]"
    assert place_after(kept) == Place(CODE + PI_AT, CODE64, PI_OPCODE, OPERAND, DATA64)


def test_one_that_faults_has_not_been_there() -> None:
    cpu = BareCpu()
    cpu.write(HANDLERS + 14, assemble(f"fnstenv [{ENVIRONMENT:#x}]", origin=HANDLERS + 14) + b"\xf4")
    assert cpu.run(assemble(f"{BEFORE}mov ebx, {ABSENT:#x}\nfld qword [rbx]", origin=CODE)) == Halted()
    assert cpu.read(ENVIRONMENT + 12, 4) == CODE + PI_AT
    assert cpu["fioff"] == CODE + PI_AT


def test_the_handler_of_an_exception_learns_who_raised_it() -> None:
    """Which the next instruction that waits finds pending."""
    cpu = BareCpu()
    cpu.write(HANDLERS + 16, assemble(f"fnstenv [{ENVIRONMENT:#x}]", origin=HANDLERS + 16) + b"\xf4")
    unmasked = f"mov word [{DATA:#x}], 37bh\nfldcw [{DATA:#x}]\nfldz\n"
    source = f"{BEFORE}{unmasked}fdivp\nnop\nfld1"
    assert cpu.run(assemble(source, origin=CODE)) == Halted()
    divided_at = CODE + len(assemble(BEFORE + unmasked, origin=CODE))
    assert (cpu.read(ENVIRONMENT + 12, 4), cpu.read(ENVIRONMENT + 18, 2) & 0x7FF) == (divided_at, 0x6F9)


def test_real_mode_stores_linear_addresses() -> None:
    cpu = BareCpu()
    segments = dict.fromkeys(("ds", "ds_base", "ss", "ss_base"), 0) | {"cs": CODE >> 4, "cs_base": CODE}
    flat = {f"{name}_limit": 0xFFFF for name in ("cs", "ds", "ss")}
    modes = {"cr0": 0x10, "efer": 0, "cr4": 0, "cs_flags": 0x9B00, "ds_flags": 0x9300, "ss_flags": 0x9300}
    source = f"fninit\nfld qword [{OPERAND:#x}]\nfnstenv [{ENVIRONMENT:#x}]\nhlt"
    cpu.write(CODE, assemble(source, bits=16))
    cpu.engine.write_registers(modes | segments | flat | {"rip": 0, "rsp": 0x800})
    assert cpu.engine.run(Tick(100)) == Halted()
    ip, opcode, operand, high = struct.unpack("<4H", cpu.read(ENVIRONMENT + 6, 8).to_bytes(8, "little"))
    assert (ip, opcode, operand, high) == (CODE + 2, 0x506, OPERAND, 0)


def test_it_is_the_same_in_steps_and_however_code_was_translated() -> None:
    source = f"{BEFORE}mov ecx, 3\nagain: fld1\nfaddp\nfst qword [{DATA:#x} + 8 * rcx]\nloop again\nnop"
    code = assemble(source, origin=CODE)
    ran, stepped = BareCpu(), BareCpu()
    assert ran.run(code) == Halted()
    stepped.write(CODE, code + b"\xf4")
    for _ in range(100):
        if isinstance(stepped.engine.step(), Halted):
            break
    assert ran["fooff"] == DATA + 8
    assert stepped.engine.cpu_digest_bytes() == ran.engine.cpu_digest_bytes()
