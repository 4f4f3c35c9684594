"""The machine at one instant, as values that any process can restore.

A snapshot holds no breakpoints and nothing else of a debugger's. RAM is kept beside it: see `vmdbg.timeline`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vmdbg.engine.processor import CpuSnapshot, TurnState
from vmdbg.machine.schedule import ScheduleState
from vmdbg.units import Tick


class Position(NamedTuple):
    """An instant: `phase` counts what happened at the tick without retiring an instruction.

    That is, deliveries of interrupts and exceptions, and inputs. Printed and parsed as `tick` or `tick+phase`. A tuple
    and no dataclass: each step compares several, which costs a fifth of what methods in Python do.
    """

    tick: Tick
    phase: int = 0

    def __str__(self) -> str:
        return f"{self.tick}+{self.phase}" if self.phase else str(self.tick)


@dataclass(frozen=True, slots=True)
class PinsState:
    """What besides its registers is of one CPU: whether it sleeps, and its pins."""

    halted: bool = False
    waits_for_sipi: bool = False
    intr: bool = False
    intr_visible: bool = False
    nmi: bool = False
    nmi_pending: bool = False


@dataclass(frozen=True, slots=True)
class SeveralState:
    """What there is of several CPUs and not of one: the others' pins, whose turn it is, what the schedule remembers."""

    others: tuple[PinsState, ...]
    first_waits_for_sipi: bool
    turn: TurnState
    schedule: ScheduleState
    changed: str = ""
    """The schedule, if it is not the machine's own any more."""


@dataclass(frozen=True, slots=True)
class MachineState:
    """All of a machine but its RAM. `devices` are the chips' states as JSON, by name.

    From `halted` to `nmi_pending` it is of the first CPU. `unanswered` is what was counted of accesses in vain, for
    people.
    """

    cpu: CpuSnapshot
    devices: dict[str, bytes]
    scheduler: bytes
    halted: bool
    intr: bool
    intr_visible: bool
    nmi: bool
    nmi_pending: bool
    phase: int
    unanswered: bytes = b""
    several: SeveralState | None = None
