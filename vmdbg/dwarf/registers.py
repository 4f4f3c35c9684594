"""Registers by their numbers in DWARF. Sources: x86-64 psABI, table 3.36; i386 psABI, table 2.14."""

from __future__ import annotations

_64 = ("rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16)), "rip")
_32 = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "rip")
NUMBERS_64: dict[int, str] = {
    **dict(enumerate(_64)),
    **{17 + n: f"xmm{n}" for n in range(16)},
    49: "rflags", 50: "es", 51: "cs", 52: "ss", 53: "ds", 54: "fs", 55: "gs", 58: "fs_base", 59: "gs_base",
}  # fmt: skip
NUMBERS_32: dict[int, str] = {
    **dict(enumerate(_32)),
    9: "rflags", **{21 + n: f"xmm{n}" for n in range(8)},
    40: "es", 41: "cs", 42: "ss", 43: "ds", 44: "fs", 45: "gs",
}  # fmt: skip
PRESERVED_64 = frozenset({"rbx", "rbp", "r12", "r13", "r14", "r15"})
"""What a function gives back to its caller as it was, unless its frame information says otherwise."""
PRESERVED_32 = frozenset({"rbx", "rbp", "rsi", "rdi"})
SYSTEM = ("fs_base", "gs_base", "cs", "ss", "ds", "es", "fs", "gs")
"""Which a call does not touch."""
_KEPT_64, _KEPT_32 = (*sorted(PRESERVED_64), *SYSTEM), (*sorted(PRESERVED_32), *SYSTEM)
_SET_64, _SET_32 = frozenset(NUMBERS_64.values()), frozenset(NUMBERS_32.values())
XMM_BYTES = 16


def register_names(address_size: int) -> dict[int, str]:
    """By number; a 32-bit register has the name of the 64-bit one that it is the lower half of."""
    return NUMBERS_64 if address_size == 8 else NUMBERS_32


def register_bytes(name: str, address_size: int) -> int:
    """How large a register is in DWARF."""
    return XMM_BYTES if name.startswith("xmm") else address_size


def kept_by_calls(address_size: int) -> tuple[str, ...]:
    """What a caller's registers are by the inner frame's, where its frame information says nothing of them."""
    return _KEPT_64 if address_size == 8 else _KEPT_32


def register_set(address_size: int) -> frozenset[str]:
    """All that frame information can speak of."""
    return _SET_64 if address_size == 8 else _SET_32
