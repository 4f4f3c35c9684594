"""Registers in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def bit_names(value: int, names: Sequence[str]) -> str:
    """The set bits of a register by name, highest first, or a dash. `names` starts at bit 0; an empty name is
    reserved.
    """
    return " ".join(name for bit, name in reversed(list(enumerate(names))) if name and value >> bit & 1) or "-"


def named_bits(value: int, names: Mapping[int, str]) -> str:
    """The set bits of a register by name, in the order of `names`, which has few of them by number, or a dash."""
    return " ".join(name for bit, name in names.items() if value >> bit & 1) or "-"
