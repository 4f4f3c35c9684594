"""What a debugger sets in an engine to end runs."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.engine.exits import Access, EventKind
from vmdbg.units import Linear, Physical


@dataclass(frozen=True, slots=True)
class Breakpoints:
    """All breakpoints at once. Addresses may repeat and need not be mapped."""

    linear: tuple[Linear, ...] = ()
    physical: tuple[Physical, ...] = ()


@dataclass(frozen=True, slots=True)
class Watchpoint:
    """`size` bytes from `address`, linear in whatever address space, or physical through whatever mapping."""

    number: int
    address: int
    size: int
    accesses: frozenset[Access]
    physical: bool = False


@dataclass(frozen=True, slots=True)
class Catches:
    """What to stop for besides breakpoints. With MSR events and no `msrs`, all MSRs.

    vectors: exceptions and INT n. interrupts: the vectors of external interrupts, 2 for the NMI.
    """

    vectors: frozenset[int] = frozenset()
    events: frozenset[EventKind] = frozenset()
    msrs: frozenset[int] = frozenset()
    ports: frozenset[int] = frozenset()
    interrupts: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Stops:
    """All that a debugger has set in an engine."""

    breakpoints: Breakpoints = Breakpoints()
    watchpoints: tuple[Watchpoint, ...] = ()
    catches: Catches = Catches()
