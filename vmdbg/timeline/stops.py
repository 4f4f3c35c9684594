"""What debuggers have set in the engine, taken off and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vmdbg.engine.stop_control import StopControl
from vmdbg.engine.stops import Stops


def arm(engine: StopControl, stops: Stops) -> None:
    """Set exactly these stops."""
    now = engine.stops
    if now.breakpoints != stops.breakpoints:
        engine.set_breakpoints(stops.breakpoints)
    if now.watchpoints != stops.watchpoints:
        engine.set_watchpoints(stops.watchpoints)
    if now.catches != stops.catches:
        engine.set_catches(stops.catches)


@contextmanager
def undisturbed(engine: StopControl) -> Iterator[Stops]:
    """Nothing stops the engine meanwhile; afterwards all is set as before. Yields what was set."""
    stops = engine.stops
    arm(engine, Stops())
    try:
        yield stops
    finally:
        arm(engine, stops)


def at_breakpoint(engine: StopControl) -> bool:
    """Whether an instruction comes next, and has a breakpoint."""
    return engine.at_breakpoint
