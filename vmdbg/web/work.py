"""What is asked of the copy that surveys the history, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.machine.snapshot import Position
from vmdbg.queries.survey import SurveyRow
from vmdbg.units import CpuId, Tick
from vmdbg.web.answers import StepRow


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything from an instant on, in stretches of `length` ticks: told part by part."""

    length: int
    start: Position


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the history in short stretches; with `each`, what happened one by one."""

    start: Tick
    end: Tick
    length: int
    each: bool = False
    steps: bool = False
    """Every instruction, too."""


@dataclass(frozen=True, slots=True)
class Call:
    """Which lines have run since the call of the function in which a CPU stands there."""

    here: Position
    cpu: CpuId


Work = Overview | Window | Call


@dataclass(frozen=True, slots=True)
class Ran:
    """Lines of a file that did since the instant `begin`; `why` says why that is not known."""

    call: Call
    file: str = ""
    lines: tuple[int, ...] = ()
    begin: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The copy has ended, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """`until` where it is known. An overview that has come to the end has no row."""

    work: Work
    until: Tick
    row: SurveyRow | None
    steps: tuple[StepRow, ...] = ()
