"""Where an argument is, held to running the code instruction by instruction."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vmdbg.x86.assembly import assemble
from vmdbg.engine.unicorn.bare import CODE, BareCpu
from vmdbg.x86.kept_argument import NOWHERE, kept_argument
from vmdbg.x86.mode import Width

ARGUMENT = 0x1122_3344_5566_7788
REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r12", "r15")
LOW = {"rax": "ah", "rbx": "bl", "rcx": "ecx", "rdx": "dx", "rsi": "sil", "rdi": "edi", "r8": "r8d", "r12": "r12b"}
LOST = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
CALLEE = "\n".join(("callee:", *(f"mov {name}, 7" for name in LOST), "ret"))
PROGRAMS = 60
LINES = 40


@pytest.fixture(scope="module")
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    yield made
    made.close()


def line(chance: random.Random, number: int) -> str:
    one, other = chance.choice(REGISTERS), chance.choice(REGISTERS)
    ahead = chance.randint(number + 1, min(number + 6, LINES))
    forms = [
        f"mov {one}, {other}", f"mov {one}, {other}", f"mov {other}, rdi", f"mov {one}, rbx",
        f"add {one}, 3", f"xchg {one}, {other}", f"push {one}\npop {other}", f"xor {LOW.get(one, one)}, 5",
        f"lea {one}, [{other} + 8]", f"test {one}, 16\njnz l{ahead}", f"jmp l{ahead}", f"cmovz {one}, {other}",
        "call callee", f"test {one}, {one}", f"mov [rsp - 64], {one}", f"bswap {one}", "cdq", "mul rbx",
    ]  # fmt: skip
    return f"l{number}: {chance.choice(forms)}"


def program(seed: int) -> str:
    """Jumps lead forward, so that it ends."""
    chance = random.Random(seed)
    lines = "\n".join(line(chance, number) for number in range(LINES))
    return f"{CALLEE}\n{lines}\nl{LINES}: ret\n"


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_register_that_is_said_to_have_it_has_it(seed: int, cpu: BareCpu, tmp_path: Path) -> None:
    code = assemble(program(seed), Width.BITS64, tmp_path)
    start = CODE + len(assemble(CALLEE, Width.BITS64, tmp_path))
    known = kept_argument(code[start - CODE :], start, "rdi")
    cpu.reset()
    cpu.load(code)
    cpu.engine.write_registers({"rip": start, "rdi": ARGUMENT, "rbx": seed, "rax": seed * 3, "r12": 16})
    visited = 0
    for _ in range(LINES * (4 + len(LOST))):
        if (at := cpu["rip"]) == CODE + len(code) - 1:
            break
        if at >= start:
            visited += 1
            assert all(cpu[name] == ARGUMENT for name in known[at]), (hex(at), known[at])
        cpu.engine.step()
    else:
        raise AssertionError("it does not end")
    assert visited > 3


def kept(source: str, directory: Path) -> list[set[str]]:
    """Before each instruction that is reached, in the order of the code."""
    found = kept_argument(assemble(source, Width.BITS64, directory), 0, "rdi")
    return [set(found[at]) for at in sorted(found)]


def test_it_is_followed_into_other_registers_and_lost_where_it_may_be(tmp_path: Path) -> None:
    assert kept("push rbx\nmov rbx, rdi\ncall 1f\nmov rsi, rbx\npop rbx\nret\n1:", tmp_path) == [
        {"rdi"}, {"rdi"}, {"rdi", "rbx"}, {"rbx"}, {"rbx", "rsi"}, {"rsi"},
    ]  # fmt: skip
    loop = "mov rbx, rdi\n1: mov eax, [rbx]\npause\ntest eax, eax\njne 1b\nxor edi, edi\njmp 1b"
    assert kept(loop, tmp_path) == [{"rdi"}, *[{"rbx"}] * 6], "rdi is lost on one way round"
    assert kept("mov dil, 1\nnop", tmp_path) == [{"rdi"}, set()]


def test_where_jumps_lead_who_knows_where_nothing_is_known(tmp_path: Path) -> None:
    assert kept_argument(assemble("nop\njmp rax", Width.BITS64, tmp_path), 0, "rdi") == NOWHERE
