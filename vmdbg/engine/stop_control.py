"""What ends a run for a debugger."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from vmdbg.engine.exits import ExceptionDelivered
from vmdbg.engine.stops import Breakpoints, Catches, Stops, Watchpoint


class StopControl(Protocol):
    """What ends a run for a debugger."""

    @property
    def repeating(self) -> bool:
        """Whether the instruction at rip is a string instruction under REP that has run and goes on."""
        ...

    @property
    def at_breakpoint(self) -> bool:
        """Whether a run that began here would end at once at a breakpoint: not where a repeated instruction goes on."""
        ...

    def set_breakpoint_filter(self, passes: Callable[[], bool] | None) -> None:
        """Called at each breakpoint that a run meets: if it is True the run goes on as if there were none."""
        ...

    def set_delivery_filter(self, passes: Callable[[ExceptionDelivered], bool] | None) -> None:
        """Called at deliveries that are caught: if it is True the run goes on as if that one were not.

        Not called where a run ends anyway, at its limit, nor where watched accesses came with the delivery.
        """
        ...

    def set_breakpoints(self, breakpoints: Breakpoints) -> None: ...

    def set_watchpoints(self, watchpoints: Iterable[Watchpoint]) -> None: ...

    def set_catches(self, catches: Catches) -> None: ...

    @property
    def stops(self) -> Stops:
        """What the three above were last given."""
        ...

    @property
    def catches_ipis(self) -> bool:
        """Whether interrupts between CPUs are among what is caught: it is for the bus to send them then."""
        ...
