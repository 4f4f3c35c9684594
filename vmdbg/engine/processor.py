"""The CPU running: its clock, its pins, and how a run is bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vmdbg.engine.exits import Exit
from vmdbg.units import Tick


@dataclass(frozen=True, slots=True)
class CpuSnapshot:
    """The CPU between two instructions: clock, architectural state and TLB, as bytes that any process can restore.

    `deliveries` are the last of them, for people: the guest's future does not depend on them.
    """

    clock: Tick
    state: bytes
    tlb: bytes
    deliveries: bytes = b""


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


class Processor(Protocol):
    """The CPU running: its clock, its pins, and how a run is bounded."""

    @property
    def clock(self) -> Tick:
        """The tick of rip. While code runs, the bus is told the time instead."""
        ...

    def advance_clock(self, tick: Tick) -> None:
        """Idle time passes: the clock moves forward to `tick`."""
        ...

    def run(self, limit: Tick, *, over_breakpoint: bool = False) -> Exit:
        """Run to the first boundary at or after `limit`, or until something else ends the run.

        `over_breakpoint` passes a breakpoint, or an event that is caught, at the first instruction.
        A signal that Python handles ends it, and is handled then: between two instructions and in no device.
        Raises EngineError, or whatever the bus raised.
        """
        ...

    def step(self) -> Exit:
        """Run one instruction, whether or not it has a breakpoint; or deliver what is pending."""
        ...

    def lower_limit(self, tick: Tick) -> None:
        """End the run that is going on at `tick` if it would go further."""
        ...

    def request_stop(self) -> None:
        """End the run that is going on at the next block."""
        ...

    def interrupt_run(self) -> None:
        """End the run that is going on, or the next one, after its next block. Any thread may call it."""
        ...

    def set_interrupt(self, level: bool) -> None:
        """INTR as the CPU sees it."""
        ...

    @property
    def interrupt(self) -> bool: ...

    def raise_nmi(self) -> None: ...

    @property
    def nmi_pending(self) -> bool: ...

    @property
    def interrupt_due(self) -> bool:
        """Whether an interrupt or NMI is delivered before the next instruction."""
        ...

    def set_a20(self, enabled: bool) -> None: ...

    def snapshot(self) -> CpuSnapshot: ...

    def restore(self, snapshot: CpuSnapshot) -> None:
        """Take over a CPU. RAM is the caller's to restore, with restore_pages()."""
        ...

    def cpu_digest_bytes(self) -> bytes:
        """All that the guest could tell of its CPU, TLB included."""
        ...

    def statistics(self) -> EngineStatistics: ...
