"""What front ends have in common whose clients ask and wait for the answer: editors and pages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Protocol

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop


class Loop(Protocol):
    """What of the run loop one needs who has the thread (vmdbg.host.run_loop)."""

    def serve(self) -> None: ...

    def slice(self) -> None: ...

    def over(self) -> bool: ...

    @property
    def idle_seconds(self) -> float: ...

    def wait(self, seconds: float, *files: int) -> None: ...


class Turns(Protocol):
    """vmdbg.host.arbiter."""

    def turn(self) -> AbstractContextManager[None]: ...


class ClientFrontEnd(ABC):
    """Of vmdbg.host.front_end.FrontEnd what does not depend on who is served."""

    def __init__(self, debugger: Debugger, loop: Loop, turns: Turns) -> None:
        self._debugger = debugger
        self._loop = loop
        self._turns = turns
        self._busy = False
        """A request is worked on: what the loop serves meanwhile is for others."""

    @property
    @abstractmethod
    def owner(self) -> str: ...

    @property
    @abstractmethod
    def _is_attended(self) -> bool:
        """Whether a client is there."""

    @abstractmethod
    def _serve(self) -> bool:
        """Do what was asked. Whether anything was."""

    @abstractmethod
    def _hear(self) -> bool:
        """Take what comes while a request lets the guest run. Whether somebody still wants it."""

    def poll(self) -> bool:
        if self._busy:
            return False
        self._busy = True
        try:
            return self._serve()
        finally:
            self._busy = False

    def linger(self) -> bool:
        return False

    def _wait(self, debugger: Debugger) -> Stop:
        """For a command that lets the guest run: all others are served meanwhile, and a client may stop it."""
        with self._turns.turn():
            while debugger.running:
                if not self._hear() or self._loop.over():
                    debugger.interrupt(self.owner)
                self._loop.serve()
                self._loop.wait(self._loop.idle_seconds)
                self._loop.slice()
        return debugger.last_stop

    def wants_turn(self, *, alone: bool) -> bool:
        del alone
        return False

    def take_turn(self) -> None:
        raise AssertionError("it never wants one")

    def break_in(self) -> bool:
        if not self._is_attended:
            return False
        self._debugger.interrupt()
        return True

    def stands_unseen(self, words: str) -> None:
        """A client that comes is told where the guest stands, and why."""
        del words
