"""The machine at one instant, as values that any process can restore.

A snapshot holds no breakpoints and nothing else of a debugger's. RAM is kept beside it: see `vmdbg.timeline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import msgspec

from devices.scheduler import SchedulerState
from vmdbg.engine.processor import CpuSnapshot, TurnState
from vmdbg.errors import RecordingError
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


_State = TypeVar("_State")


def encode_state(state: object) -> bytes:
    """A chip's state as canonical JSON: equal states give equal bytes."""
    return msgspec.json.encode(state, order="deterministic")


def decode_state(data: bytes, type_: type[_State], name: str) -> _State:
    """Raises RecordingError if the bytes are no state of that chip."""
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.MsgspecError, ValueError) as error:
        raise RecordingError(f"the saved state of {name} is damaged or of another version: {error}") from error


def encode_unanswered(counts: Sequence[tuple[dict[int, int], dict[int, int]]]) -> bytes:
    """Of each bus, as it gives them: sorted."""
    return msgspec.json.encode(counts)


def decode_unanswered(data: bytes) -> list[list[dict[int, int]]]:
    """Nothing where nothing was saved. Raises RecordingError."""
    if not data:
        return []
    return decode_state(data, list[list[dict[int, int]]], "what nobody answered")


def encode_scheduler(state: SchedulerState) -> bytes:
    return msgspec.json.encode(state)


def decode_scheduler(data: bytes) -> SchedulerState:
    return decode_state(data, SchedulerState, "the scheduler")
