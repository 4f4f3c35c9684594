"""The sixteen conditions of Jcc, SETcc and CMOVcc (SDM 1 appendix B)."""

from __future__ import annotations

CF = 1 << 0
PF = 1 << 2
ZF = 1 << 6
SF = 1 << 7
DF = 1 << 10
OF = 1 << 11

CONDITIONS = ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g")
"""Suffixes in the order of their encoding; the odd ones negate the one before."""


def condition_holds(suffix: str, rflags: int) -> bool:
    """Whether the condition holds for these flags. Raises ValueError for a suffix that is no condition."""
    number = CONDITIONS.index(suffix)
    less = bool(rflags & SF) != bool(rflags & OF)
    held = (
        bool(rflags & OF),
        bool(rflags & CF),
        bool(rflags & ZF),
        bool(rflags & (CF | ZF)),
        bool(rflags & SF),
        bool(rflags & PF),
        less,
        less or bool(rflags & ZF),
    )[number >> 1]
    return held != bool(number & 1)
