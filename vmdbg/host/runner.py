"""Who decides whether the guest runs: the seam between the run loop and debuggers."""

from __future__ import annotations

from typing import Protocol

from vmdbg.engine.exits import LimitReached, StopRequested
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import Outcome
from vmdbg.units import Tick


class Runner(Protocol):
    """Drives the machine on behalf of a debugger, or of nobody. Files that it waits for it gives to the poller."""

    def poll(self) -> bool:
        """Do what is due between two slices. Whether the guest is to run."""
        ...

    def advance(self, limit: Tick) -> Outcome | None:
        """Run to `limit` at most. An outcome ends the whole run; None goes on, also when a debugger stopped it."""
        ...

    def interrupt(self) -> bool:
        """Break in for the user. False if there is no debugger to break into."""
        ...

    @property
    def finished(self) -> bool:
        """Whether a debugger has ended the run."""
        ...

    @property
    def failed(self) -> bool:
        """Whether what a debugger was told beforehand could not be done."""
        ...

    @property
    def ended(self) -> Outcome | None:
        """How the guest ended, if a debugger was told and kept the run from ending with it."""
        ...

    def close(self) -> None: ...


class PlainRunner:
    """No debugger: the guest runs."""

    finished = failed = False
    ended = None

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def poll(self) -> bool:
        return True

    def advance(self, limit: Tick) -> Outcome | None:
        outcome = self._machine.run(limit)
        return None if isinstance(outcome, LimitReached | StopRequested) else outcome

    def interrupt(self) -> bool:
        return False

    def close(self) -> None: ...
