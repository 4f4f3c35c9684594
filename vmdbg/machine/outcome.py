"""How a run of the machine ends."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.engine.exits import (
    BreakpointHit,
    EventCaught,
    ExceptionDelivered,
    LimitReached,
    Stepped,
    StopRequested,
    Stuck,
    TripleFault,
    VoidFetch,
    WatchpointHit,
)


@dataclass(frozen=True, slots=True)
class PoweredOff:
    """The guest entered ACPI S5."""


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """The guest reset the machine through the keyboard controller, port 92h, CF9h or ACPI."""


@dataclass(frozen=True, slots=True)
class TestExited:
    """The guest wrote the test-exit port: `code` as isa-debug-exit gives it, (value << 1) | 1."""

    __test__ = False
    code: int


@dataclass(frozen=True, slots=True)
class HaltedForever:
    """HLT, and nothing is left that could wake the CPU."""

    interrupts_enabled: bool


Outcome = (
    LimitReached
    | Stepped
    | BreakpointHit
    | WatchpointHit
    | ExceptionDelivered
    | EventCaught
    | TripleFault
    | VoidFetch
    | StopRequested
    | Stuck
    | PoweredOff
    | ResetRequested
    | TestExited
    | HaltedForever
)
