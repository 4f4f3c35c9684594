"""Registers in words."""

from __future__ import annotations

from collections.abc import Sequence


def bit_names(value: int, names: Sequence[str]) -> str:
    """The set bits of a register by name, highest first, or a dash. `names` starts at bit 0; an empty name is
    reserved.
    """
    return " ".join(name for bit, name in reversed(list(enumerate(names))) if name and value >> bit & 1) or "-"
