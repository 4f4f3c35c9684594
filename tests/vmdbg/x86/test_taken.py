from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from vmdbg.x86.conditions import CF, CONDITIONS, OF, PF, SF, ZF, condition_holds
from vmdbg.x86.disassembly import disassembler
from vmdbg.x86.instruction import Instruction
from vmdbg.x86.mode import Width
from vmdbg.x86.taken import branch_taken, effective_address


def decode(code: str, width: Width = Width.BITS64, offset: int = 0x1000) -> Instruction:
    return disassembler(width).decode(bytes.fromhex(code), offset)


@pytest.mark.parametrize(
    ("suffix", "relation"),
    [
        ("b", lambda a, b: a & 0xFF < b & 0xFF),
        ("be", lambda a, b: a & 0xFF <= b & 0xFF),
        ("e", lambda a, b: a == b),
        ("l", lambda a, b: a < b),
        ("le", lambda a, b: a <= b),
        ("g", lambda a, b: a > b),
        ("ge", lambda a, b: a >= b),
        ("a", lambda a, b: a & 0xFF > b & 0xFF),
        ("ae", lambda a, b: a & 0xFF >= b & 0xFF),
        ("ne", lambda a, b: a != b),
    ],
)
def test_conditions_mean_what_a_comparison_of_bytes_means(suffix: str, relation: Callable[[int, int], bool]) -> None:
    values = (-128, -127, -1, 0, 1, 5, 126, 127)
    for a, b in itertools.product(values, values):
        difference = (a - b) & 0xFF
        flags = CF * (a & 0xFF < b & 0xFF) | ZF * (difference == 0) | SF * (difference >> 7)
        flags |= OF * (not -128 <= a - b <= 127)
        assert condition_holds(suffix, flags) is relation(a, b)


@pytest.mark.parametrize(("suffix", "flag"), [("o", OF), ("s", SF), ("p", PF)])
def test_single_flag_conditions(suffix: str, flag: int) -> None:
    assert condition_holds(suffix, flag)
    assert not condition_holds(suffix, ~flag)
    assert condition_holds("n" + suffix, ~flag)


@pytest.mark.parametrize("number", range(16))
def test_jump_encoding_follows_the_table(number: int) -> None:
    assert decode(f"{0x70 + number:02x} 00").condition == CONDITIONS[number]


@pytest.mark.parametrize(
    ("code", "width", "rflags", "count", "taken"),
    [
        ("74 00", Width.BITS64, ZF, 0, True),
        ("74 00", Width.BITS64, 0, 0, False),
        ("e3 00", Width.BITS64, 0, 1 << 32, False),
        ("67 e3 00", Width.BITS64, 0, 1 << 32, True),
        ("e3 00", Width.BITS16, 0, 1 << 16, True),
        ("67 e3 00", Width.BITS16, 0, 1 << 16, False),
        ("e2 00", Width.BITS64, 0, 1, False),
        ("e2 00", Width.BITS64, 0, 0, True),
        ("67 e2 00", Width.BITS64, 0, (1 << 32) + 1, False),
        ("67 e2 00", Width.BITS32, 0, (1 << 16) + 1, False),
        ("e2 00", Width.BITS16, 0, (1 << 16) + 1, False),
        ("e1 00", Width.BITS64, ZF, 5, True),
        ("e1 00", Width.BITS64, 0, 5, False),
        ("e0 00", Width.BITS64, 0, 5, True),
        ("e0 00", Width.BITS64, 0, 1, False),
        ("ce", Width.BITS32, OF, 0, True),
        ("eb 00", Width.BITS64, 0, 0, None),
        ("0f 44 c1", Width.BITS64, ZF, 0, None),
    ],
)
def test_branch_taken(code: str, width: Width, rflags: int, count: int, taken: bool | None) -> None:
    assert branch_taken(decode(code, width), rflags, count) is taken


REGISTERS = {
    "rax": 0x1000, "rcx": 3, "eax": 0xFFFF_FFFF, "bx": 0xFFF0, "si": 0x20, "ebp": 0x100, "rdi": 0x5000,
    "es_base": 0x70, "ds_base": 0x1_0000, "ss_base": 0x2_0000, "gs_base": 1 << 40, "fs_base": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "width", "address"),
    [
        ("8b 44 c8 f8", Width.BITS64, 0x1000 + 24 - 8),
        ("65 8b 00", Width.BITS64, (1 << 40) + 0x1000),
        ("8b 05 10000000", Width.BITS64, 0x1000 + 6 + 0x10),
        ("67 8b 40 02", Width.BITS64, 1),
        ("8b 40 10", Width.BITS32, 0xF + 0x1_0000),
        ("8b 45 00", Width.BITS32, 0x2_0100),
        ("8b 00", Width.BITS16, 0x10 + 0x1_0000),
        ("aa", Width.BITS64, 0x5000),
        ("65 48 a1 2800000000000000", Width.BITS64, (1 << 40) + 0x28),
        ("8b 04 25 00f0ffff", Width.BITS64, 0xFFFF_FFFF_FFFF_F000),
    ],
)
def test_effective_address(code: str, width: Width, address: int) -> None:
    instruction = decode(code, width)
    assert effective_address(instruction, instruction.memory[0], REGISTERS.__getitem__) == address


@pytest.mark.parametrize(
    ("code", "values", "place"),
    [
        ("48 0f ab 07", {"rdi": 0x1000, "rax": 130}, 0x1010),
        ("48 0f ab 07", {"rdi": 0x1000, "rax": (1 << 64) - 1}, 0xFF8),
        ("0f a3 07", {"rdi": 0x1000, "eax": (1 << 32) - 33}, 0xFF8),
        ("66 0f b3 07", {"rdi": 0x1000, "ax": 0x21}, 0x1004),
        ("0f ba 2f 45", {"rdi": 0x1000}, 0x1000),
        ("d7", {"rbx": 0x2000, "al": 0x80}, 0x2080),
        ("65 67 d7", {"ebx": 0x2000, "al": 0x80, "gs_base": 0x10_0000_0000}, 0x10_0000_2080),
        ("66 0f f7 c1", {"rdi": 0x3000}, 0x3000),
    ],
)
def test_operands_that_registers_name_without_being_spelled(code: str, values: dict[str, int], place: int) -> None:
    """Bits that are counted from there (SDM 2A 3.1.1.9), XLAT and MASKMOVDQU."""
    instruction = decode(code)
    (operand,) = instruction.memory
    assert effective_address(instruction, operand, values.__getitem__) == place


def test_a_gather_has_no_one_place() -> None:
    assert decode("c4 e2 e9 92 14 08").memory == ()
