"""Machines in processes of their own, each of which ends with this one."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, cast

from vmdbg.errors import EngineError, VmdbgError
from vmdbg.lab.conductor import Member
from vmdbg.lab.plan import Instant
from vmdbg.lab.station import Coming, Report
from vmdbg.queries.fresh import FreshContext
from vmdbg.queries.lifetime import live_as_worker, signals_wait

PATIENCE = 0.05
"""Seconds between two looks whether somebody wants an end."""
CLOSING_SECONDS = 5.0


class Served(Protocol):
    """What a worker keeps: whatever it is, methods are called by name."""

    def run(self, until: Instant, coming: list[Coming]) -> Report: ...

    def close(self) -> None: ...


Make = Callable[..., Served]


def _serve(connection: Connection, make: Make, arguments: tuple[object, ...]) -> None:
    """In the worker."""
    live_as_worker()
    try:
        served = make(*arguments)
    except VmdbgError as error:
        connection.send((False, error))
        return
    connection.send((True, None))
    while True:
        name, words = connection.recv()
        try:
            found = getattr(served, name)(*words)
        except VmdbgError as error:
            connection.send((False, error))
        else:
            connection.send((True, found))
        if name == "close":
            return


class Worker:
    """One process. As a Member, it runs beside the others."""

    def __init__(self, name: str, make: Make, *arguments: object) -> None:
        """Raises what making it raises, from ready()."""
        self.name = name
        self.busy = True
        context = FreshContext()
        self.connection, theirs = context.Pipe()
        with signals_wait():
            process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True, name=f"lab {name}")
            process.start()
        self._process: BaseProcess = cast("BaseProcess", process)
        theirs.close()

    def ready(self) -> None:
        """Once the machine is there. Raises VmdbgError."""
        self._answer()

    def start(self, until: Instant, coming: list[Coming]) -> None:
        self._ask("run", until, coming)

    def finish(self) -> Report | None:
        if not self.busy or not _readable(0, self.connection):
            return None
        report = self._answer()
        assert isinstance(report, Report)
        return report

    def recall(self, at: Instant) -> list[Coming]:
        """It was told of what comes before where it stands, and it stands no further than anybody acts."""
        del at
        return []

    def call(self, name: str, *words: object) -> Any:
        """What a method of what it keeps returns: the caller knows which. While it stands."""
        self._ask(name, *words)
        return self._answer()

    def _ask(self, name: str, *words: object) -> None:
        self.busy = True
        try:
            self.connection.send((name, words))
        except OSError:
            raise self._lost() from None

    def _answer(self) -> object:
        try:
            while not _readable(PATIENCE, self.connection):
                pass
            fine, found = self.connection.recv()
        except (EOFError, OSError):
            raise self._lost() from None
        self.busy = False
        if not fine:
            raise found
        return found

    def _lost(self) -> EngineError:
        self._process.join(1.0)
        return EngineError(f"the process of {self.name} has ended (exit code {self._process.exitcode})")

    def close(self) -> None:
        """Let it close its files, and end it."""
        try:
            if self.busy and self._process.is_alive() and self.connection.poll(CLOSING_SECONDS):
                self.connection.recv()
            self.connection.send(("close", ()))
            self.connection.poll(CLOSING_SECONDS)
        except (EOFError, OSError):
            pass
        self._process.join(0.5)
        self._process.kill()
        self._process.join()
        self.connection.close()


def wait_for(members: Sequence[Member]) -> None:
    """As conductor.Wait."""
    _readable(PATIENCE, *(member.connection for member in members if isinstance(member, Worker)))


def _readable(seconds: float, *connections: Connection) -> bool:
    """Whether one of them has something, or has ended. Connection.poll() takes ten times as long, for each stretch."""
    waiting = select.poll()
    for connection in connections:
        waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
