"""What the engine may do itself of a local APIC's work, so that no Python runs for it."""

from __future__ import annotations

from ctypes import Structure
from typing import Protocol

from vmdbg.units import Physical, Tick


class LocalApicHelper(Protocol):
    """What the engine may do itself of a local APIC's work, so that no Python runs for it."""

    def attach_local_apic(self, memory: Structure, page: Physical, latency: int) -> None:
        """The engine may do what the local APIC with these registers would, and tells the bus: local_apic_moved().

        That is the timer's deadline, acknowledges, EOI and the initial count. `latency`: ticks from an access to the
        first deadline that it can set. Raises EngineError if it does not know such registers.
        """
        ...

    def prepare_local_apic(self, due: Tick | None, *, observed: bool) -> None:
        """For the next run: when the timer's deadline is. `observed`: the bus wants acknowledges and accesses itself.

        The run does not end at `due`, unless that is for the bus to do.
        """
        ...

    def schedule_local_apic(self, due: Tick) -> None:
        """While code runs, the timer's deadline was set."""
        ...
