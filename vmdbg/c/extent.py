"""Where an object of C lies, and what it can stand for where an address is wanted."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Sort(enum.Enum):
    """What a value with a type can mean where an address is wanted: OBJECT is an array, a struct or a function."""

    NUMBER = enum.auto()
    POINTER = enum.auto()
    OBJECT = enum.auto()


@dataclass(frozen=True, slots=True)
class Extent:
    """Where an object lies and how many bytes it has; `address` is None for what was computed.

    A bit-field has the size of the unit that it is in, and fewer `bits`; 0 for all others.
    """

    sort: Sort
    address: int | None
    size: int
    bits: int = 0
