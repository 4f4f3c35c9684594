"""Breakpoints and watchpoints as users set them: with conditions, counts and owners."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from vmdbg.debugger.guest import Guest
from vmdbg.debugger.hits import Hits
from vmdbg.engine.exits import Access
from vmdbg.machine.snapshot import Position
from vmdbg.units import CpuId

Condition = Callable[[Guest], bool]
"""Whether to stop. Evaluated with the guest standing at the hit; must not change it."""


class Space(enum.Enum):
    """What an address counts in. LINEAR is whatever address space the CPU is in."""

    LINEAR = "linear"
    PHYSICAL = "physical"


@dataclass(slots=True, eq=False)
class Point:
    """What breakpoints and watchpoints share.

    `owner` names the front end, so that each sees its own; `hits` are the instants at which the condition is known
    to hold; `ignore` of them, the `passed`, do not stop; a `temporary` one goes when it stops; with a `cpu` it is for
    that CPU alone.
    """

    number: int
    address: int
    space: Space = Space.LINEAR
    owner: str = ""
    condition: Condition | None = None
    text: str = ""
    enabled: bool = True
    temporary: bool = False
    cpu: CpuId | None = None
    ignore: int = 0
    hits: Hits = field(default_factory=Hits)
    passed: Hits = field(default_factory=Hits)

    def holds(self, guest: Guest) -> bool:
        """Whether its condition does, where the guest stands, and it was a CPU that it is for."""
        if self.cpu is not None and guest.engine.selected != self.cpu:
            return False
        return self.condition is None or self.condition(guest)

    def counts(self, at: Position) -> bool:
        """Count a hit at that instant, come to from either side; whether it stops."""
        self.hits.add(at)
        if not self.ignore and not len(self.passed):
            return True
        if at not in self.passed and len(self.passed) < self.ignore:
            self.passed.add(at)
        return at not in self.passed

    def ignore_next(self, number: int) -> None:
        """So many hits from now on do not stop."""
        self.ignore, self.passed = number, Hits()


@dataclass(slots=True, eq=False)
class Breakpoint(Point):
    """Stops before the instruction at `address`. With an `action`, that is called instead of stopping.

    One that waits for a place of that name has no address yet (-1), or has come to have several, as a program has that
    runs more than once: `also` are those before.
    """

    action: Callable[[Guest], None] | None = None
    waits_for: str = ""
    also: tuple[int, ...] = ()

    @property
    def is_pending(self) -> bool:
        return self.address < 0


@dataclass(slots=True, eq=False)
class Watchpoint(Point):
    """Stops after an access to any of `size` bytes from `address`; with `on_change`, only if they changed."""

    size: int = 1
    accesses: frozenset[Access] = field(default_factory=lambda: frozenset({Access.WRITE}))
    on_change: bool = False
