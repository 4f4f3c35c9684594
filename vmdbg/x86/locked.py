"""Instructions that no other CPU sees half done: LOCK, and XCHG with memory, which locks without it (SDM 3A 9.1.2)."""

from __future__ import annotations

from vmdbg.x86.mode import Width

LOCK = 0xF0
_PREFIXES = frozenset((0x66, 0x67, LOCK, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65))
_REX = range(0x40, 0x50)
_REGISTERS = 0xC0
"""ModRM of two registers, from here on."""


def is_locked(code: bytes, width: Width) -> bool:
    """Of the instruction at the start of `code`."""
    at = 0
    while at < len(code) and (code[at] in _PREFIXES or (width is Width.BITS64 and code[at] in _REX)):
        at += 1
    exchanges = code[at : at + 1] in (b"\x86", b"\x87") and at + 1 < len(code) and code[at + 1] < _REGISTERS
    return LOCK in code[:at] or exchanges
