"""What stands before the opcode of an instruction."""

from __future__ import annotations

from tests.conformance.instructions import Instruction
from tests.conformance.vex import GENERAL

CS = 0x2E
LEGACY = frozenset((0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x26, CS, 0x36, 0x3E, 0x64, 0x65))
_TWO_BYTES, _THREE_BYTES = 0xC5, 0xC4


def prefixes(code: bytes) -> bytes:
    """Legacy ones and, in 64-bit code, REX."""
    return code[: next(at for at, byte in enumerate(code) if byte not in LEGACY and byte & 0xF0 != 0x40)]


def has_rex_w(code: bytes) -> bool:
    return prefixes(code)[-1:] != b"" and prefixes(code)[-1] & 0xF8 == 0x48


def vex_last(instruction: Instruction) -> int | None:
    """The last byte of a VEX prefix: vvvv, L and pp (SDM 2A figure 2-9)."""
    code, name = instruction.code[len(prefixes(instruction.code)) :], instruction.mnemonic
    if not name.startswith("v") and name not in GENERAL:
        return None
    return {_TWO_BYTES: code[1], _THREE_BYTES: code[2]}.get(code[0])


def is_mmx(instruction: Instruction) -> bool:
    """Whether a register of MMX is an operand."""
    return any(word.startswith("mm") for word in instruction.operands.replace(",", " ").split())
