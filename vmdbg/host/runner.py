"""Who lets the guest run: the seam between the run loop and what it drives.

A machine alone, one whose history is kept, or one that front ends share (vmdbg.host.arbiter).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vmdbg.machine.console import Listener
from vmdbg.machine.inputs import Input
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import Outcome
from vmdbg.timeline.outcomes import EndOfHistory, says_nothing
from vmdbg.units import Tick

if TYPE_CHECKING:
    from vmdbg.timeline.timeline import Timeline


class Runner(Protocol):
    """Drives the machine on behalf of front ends, or of nobody."""

    def push(self, data: Input) -> None:
        """Take an input that comes now. Raises UserError where that is impossible."""
        ...

    def hear(self, listener: Listener) -> None:
        """Call `listener` with each byte of output the first time it is said."""
        ...

    def poll(self) -> bool:
        """Do what is due between two slices. Whether the guest is to run."""
        ...

    def serve(self) -> bool:
        """Hear front ends, and tell them what there is to tell; nobody else gets the thread. Whether any had a wish."""
        ...

    def advance(self, limit: Tick) -> Outcome | None:
        """Run to `limit` at most. An outcome ends the whole run; None goes on, also when a front end stopped it."""
        ...

    def break_in(self) -> bool:
        """Stop the guest for the user at its console. False if no front end can take it."""
        ...

    @property
    def live(self) -> bool:
        """Whether what comes next has not happened yet."""
        ...

    @property
    def hurried(self) -> bool:
        """Whether the guest is to stop as soon as it can, and nothing is to be waited for."""
        ...

    @property
    def finished(self) -> bool:
        """Whether a front end has ended the run."""
        ...

    @property
    def ended(self) -> Outcome | None:
        """How the guest ended, if a front end was told and kept the run from ending with it."""
        ...

    def close(self) -> None: ...


class PlainRunner:
    """Nobody looks, and nothing is kept."""

    finished = hurried = False
    live = True
    ended = None

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def push(self, data: Input) -> None:
        self._machine.push(data)

    def hear(self, listener: Listener) -> None:
        for console in self._machine.consoles:
            console.listeners.append(listener)

    def poll(self) -> bool:
        return True

    def serve(self) -> bool:
        return False

    def advance(self, limit: Tick) -> Outcome | None:
        outcome = self._machine.run(limit)
        return None if says_nothing(outcome) else outcome

    def break_in(self) -> bool:
        return False

    def close(self) -> None: ...


class KeptRunner:
    """Nobody looks, but what happens is kept."""

    finished = hurried = False
    ended = None

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def push(self, data: Input) -> None:
        self._timeline.push(data)

    def hear(self, listener: Listener) -> None:
        self._timeline.console.listeners.append(listener)

    def poll(self) -> bool:
        return True

    def serve(self) -> bool:
        return False

    def advance(self, limit: Tick) -> Outcome | None:
        outcome = self._timeline.run(limit)
        return None if says_nothing(outcome) or isinstance(outcome, EndOfHistory) else outcome

    def break_in(self) -> bool:
        return False

    @property
    def live(self) -> bool:
        return self._timeline.live

    def close(self) -> None: ...
