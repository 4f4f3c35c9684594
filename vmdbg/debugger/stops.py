"""Why the guest is stopped, for all front ends alike."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.debugger.points import Breakpoint, Watchpoint
from vmdbg.engine.exits import Delivery, EventKind, Stuck, TripleFault, VoidFetch, WatchHit
from vmdbg.errors import VmdbgError
from vmdbg.machine.outcome import DeviceEvent, HaltedForever, PoweredOff, ResetRequested, TestExited


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step, or a run to a tick or position, has come to its end."""


@dataclass(frozen=True, slots=True)
class BreakpointStop:
    """The instruction at the pc has these breakpoints, whose conditions hold. It has not run."""

    breakpoints: tuple[Breakpoint, ...]


@dataclass(frozen=True, slots=True)
class WatchpointStop:
    """The instruction before the pc touched these watchpoints; going backwards, the one at the pc will."""

    hits: tuple[tuple[Watchpoint, WatchHit], ...]


@dataclass(frozen=True, slots=True)
class ExceptionStop:
    """A caught exception was delivered; the pc is at its handler."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class EventStop:
    """The instruction at the pc is about to cause a caught event."""

    kind: EventKind
    subject: int
    value: int


@dataclass(frozen=True, slots=True)
class DeviceStop:
    """Devices have done that, which is caught, before this boundary."""

    events: tuple[DeviceEvent, ...]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody asked the guest to stop."""


Ending = PoweredOff | ResetRequested | TestExited | HaltedForever | TripleFault | VoidFetch | Stuck


@dataclass(frozen=True, slots=True)
class Ended:
    """The guest can go no further. It can still be looked at, and gone back in."""

    outcome: Ending


@dataclass(frozen=True, slots=True)
class HistoryStart:
    """Going backwards came to the first known instant."""


@dataclass(frozen=True, slots=True)
class HistoryEnd:
    """The recording ends here."""


@dataclass(frozen=True, slots=True)
class HostFailed:
    """The host could not give, or take, what a disk needs next. The guest stands before that; going on tries again."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunFailed:
    """What was asked for cannot be carried out: the replay diverged, say, or a recording is damaged there.

    The guest stands at an instant before that, with its history: all that does not lead there can still be asked for.
    """

    error: VmdbgError
    place: str = ""
    """Where the guest was brought back to, in words; "" if it stands where it came to."""

    @property
    def words(self) -> str:
        return f"{self.error}; {self.place}" if self.place else str(self.error)


Stop = (
    StepDone
    | BreakpointStop
    | WatchpointStop
    | ExceptionStop
    | EventStop
    | DeviceStop
    | Interrupted
    | Ended
    | HistoryStart
    | HistoryEnd
    | HostFailed
    | RunFailed
)
