"""CPUs running: their clock, their turns, their pins, and how a run is bounded."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vmdbg.engine.exits import Exit
from vmdbg.units import BOOT_CPU, CpuId, Tick

ENDLESS = (1 << 64) - 1
"""As the end of a turn, or its quantum: it ends when the CPU halts."""


class Awaited(enum.Enum):
    """Whose turn a run is to end at, if it is not that of one CPU."""

    NONE = "none"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class CpuSnapshot:
    """The CPUs between two instructions: clock, architectural state and TLB, as bytes that any process can restore.

    `deliveries` are the last of them, for people: the guest's future does not depend on them. `others` are state and
    TLB of the CPUs after the first.
    """

    clock: Tick
    state: bytes
    tlb: bytes
    deliveries: bytes = b""
    others: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class TurnState:
    """Whose turn it is, or was if it is `over` and no CPU could run; it ends at or past tick `end`, `exact` or not."""

    cpu: CpuId = BOOT_CPU
    end: int = ENDLESS
    over: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    tlb_fills: int
    page_walks: int
    tlb_flushes: int
    code_drops: int
    exceptions: int
    interrupts: int
    system_calls: int
    single_steps: int


class CpuControl(Protocol):
    """One CPU from outside, whichever runs or is selected: its pins, and whether it may run."""

    halted: bool
    """It stands after a HLT. Cleared when a turn of it begins."""
    waits_for_sipi: bool
    """It runs nothing until it is started (SDM 3A 8.4.3)."""

    def set_interrupt(self, level: bool) -> None:
        """INTR as the CPU sees it."""
        ...

    @property
    def interrupt(self) -> bool: ...

    def raise_nmi(self) -> None: ...

    def ignore_x87_errors(self) -> None:
        """IGNNE#: while the error of its x87 stands, with CR0.NE clear, instructions that wait go on."""
        ...

    def drop_nmi(self) -> None: ...

    @property
    def nmi_pending(self) -> bool: ...

    @property
    def can_run(self) -> bool:
        """Whether it would go on if it were given a turn: a halted one if an interrupt or NMI wakes it."""
        ...


class Processors(Protocol):
    """All CPUs, and whose turn it is. One that there is alone has one turn, and is not asked for others."""

    @property
    def cpus(self) -> Sequence[CpuControl]: ...

    @property
    def selected(self) -> CpuId:
        """Whose registers, TLB and linear memory are read and written. Each run and step ends with the one that ran."""
        ...

    def select(self, cpu: CpuId) -> None: ...

    @property
    def turn(self) -> TurnState: ...

    def set_turn(self, turn: TurnState) -> None:
        """As a snapshot has it."""
        ...

    def begin_turn(self, cpu: CpuId, quantum: int, *, exact: bool) -> None:
        """It is the turn of a CPU that can run, for so many ticks at least.

        If `exact` it ends at the first boundary then; else where control next does not go straight on: quicker.
        """
        ...

    def end_turn(self) -> None:
        """It is nobody's turn, until one begins."""
        ...

    @property
    def turn_over(self) -> bool:
        """As `turn` has it, and quicker."""
        ...

    def next_turn(self) -> bool:
        """Round robin, as the engine does it. False: no CPU can run."""
        ...

    def set_round_robin(self, quantum: int) -> None:
        """Runs go over from turn to turn by themselves, each of so many ticks; 0: each turn's end ends them."""
        ...

    def await_turn(self, awaited: CpuId | Awaited) -> None:
        """Runs end where such a turn begins: TurnOver."""
        ...

    @property
    def turns_begun(self) -> int:
        """How many have; not part of the guest's state."""
        ...


class Processor(Protocol):
    """CPUs running: their clock, and how a run is bounded."""

    @property
    def clock(self) -> Tick:
        """The tick of rip. While code runs, the bus is told the time instead."""
        ...

    def advance_clock(self, tick: Tick) -> None:
        """Idle time passes: the clock moves forward to `tick`."""
        ...

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> Exit:
        """Run the CPU whose turn it is to the first boundary at or after `limit`, or until something else ends the run.

        `over_breakpoint` passes a breakpoint, or an event that is caught, at the first instruction.
        A signal that Python handles ends it, and is handled then: between two instructions and in no device.
        Raises EngineError, or whatever the bus raised.
        """
        ...

    def step(self) -> Exit:
        """Run one instruction of the CPU whose turn it is, breakpoint or none; or deliver what is pending."""
        ...

    def lower_limit(self, tick: Tick) -> None:
        """End the run that is going on at `tick` if it would go further."""
        ...

    def request_stop(self) -> None:
        """End the run that is going on at the next block."""
        ...

    def attend_behind(self) -> None:
        """From an access: look for interrupts behind the instruction that makes it."""
        ...

    def stop_behind(self) -> None:
        """From an access: end the run that is going on behind the instruction that makes it."""
        ...

    def interrupt_run(self) -> None:
        """End the run that is going on, or the next one, after its next block. Any thread may call it."""
        ...

    @property
    def interrupt_due(self) -> bool:
        """Whether an interrupt or NMI is delivered before the selected CPU's next instruction."""
        ...

    def set_a20(self, enabled: bool) -> None: ...

    def snapshot(self) -> CpuSnapshot: ...

    def restore(self, snapshot: CpuSnapshot) -> None:
        """Take over CPUs: as many as there are. RAM is the caller's to restore, with restore_pages()."""
        ...

    def cpu_digest_bytes(self) -> bytes:
        """All that the guest could tell of its CPUs' registers, TLBs included."""
        ...

    def statistics(self) -> EngineStatistics: ...
