"""What the engine may do itself of the work of timers and interrupt controllers, so that no Python runs for it."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import Structure
from typing import NamedTuple, Protocol

from vmdbg.units import CpuId, Physical, Tick


class Deadline(Protocol):
    """Of one timer: of equals the one of lower `sequence` comes first."""

    @property
    def due(self) -> int: ...

    @property
    def sequence(self) -> int: ...


class Rescheduled(NamedTuple):
    """A timer's deadline after work of the engine's: set as number `number` of all that were set, 0 if it was not."""

    number: int
    due: int | None


class InterruptHelper(Protocol):
    """What the engine may do itself of the work of timers and interrupt controllers: whatever is plain of it.

    That is, of the local APIC, the timer's deadline, acknowledges, EOI and the initial count; of the 8259A pair,
    acknowledges, EOI, masks and reads; of the 8254, the edges of a periodic OUT0. It tells the bus: interrupts_moved().
    The memory that it is given stays the devices', which go on using it between runs and at whatever is not plain.
    """

    def attach_local_apic(self, cpu: CpuId, memory: Structure, page: Physical, latency: int) -> None:
        """`latency`: ticks from an access to the first deadline that it can set.

        Raises EngineError if it does not know such registers.
        """
        ...

    def attach_pic_and_pit(self, pic: Structure, pit: Structure, io_apic: Structure | None) -> None:
        """OUT0 drives IR0 of the first 8259A and, if there is one, INTIN2 of the I/O APIC; its INT LINT0, or INTR, of
        the first CPU.

        Raises EngineError if it does not know such registers.
        """
        ...

    def prepare_interrupts(self, timers: Sequence[Deadline | None], out0: Deadline | None, *, observed: bool) -> None:
        """For the next run: the deadlines, of the local APICs' timers one a CPU.

        `observed`: the bus wants acknowledges and accesses itself. The run does not end at them,
        unless they are for the bus to do.
        """
        ...

    def schedule_timer(self, cpu: CpuId, due: Tick) -> None:
        """While code runs, the deadline of that CPU's local APIC's timer was set."""
        ...

    def schedule_out0(self, due: Tick) -> None:
        """While code runs, the deadline of the 8254's OUT0 was set."""
        ...
