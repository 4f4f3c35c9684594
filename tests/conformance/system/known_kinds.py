"""What is known where two CPUs differ: words that are other, and what an instruction does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.conformance.system.case import Case
from tests.conformance.system.follow import Step
from tests.conformance.system.layout import Result

GP, SS, PF, DB, UD, NM, DF = 13, 12, 14, 1, 6, 7, 8
EXT = 1
"""Of an error code."""


@dataclass(frozen=True, slots=True)
class Word:
    """`covers` a difference in a field or word of memory: its name, QEMU's value and the engine's."""

    reason: str
    applies: Callable[[Case, Sequence[Step]], bool]
    covers: Callable[[str, int, int], bool]


@dataclass(frozen=True, slots=True)
class Act:
    """What the engine does otherwise at an instruction; the last are what QEMU and the engine have in the end."""

    reason: str
    applies: Callable[[Step, Result, Result], bool]
