"""Machines in processes of their own, each of which ends with this one."""

from __future__ import annotations

import contextlib
import select
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, cast

from vmdbg.errors import EngineError, VmdbgError
from vmdbg.interruption import INTERRUPTION, StoppedError, WaitingThread
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

    def close(self) -> str:
        """What of it was not kept, in words."""
        ...


Make = Callable[..., Served]


def _serve(connection: Connection, halt: Connection, make: Make, arguments: tuple[object, ...]) -> None:
    """In the worker."""
    live_as_worker()
    WaitingThread(target=_halt_when_told, args=(halt,), name="halt", daemon=True).start()
    try:
        served = make(*arguments)
    except VmdbgError as error:
        _tell(connection, False, error)
        return
    _tell(connection, True, None)
    while True:
        name, words = _asked(connection)
        if name == "close":
            with INTERRUPTION.critical():
                not_kept = served.close()
            _tell(connection, True, not_kept)
            return
        try:
            found = getattr(served, name)(*words)
        except VmdbgError as error:
            _tell(connection, False, error)
        except StoppedError:
            _tell(connection, False, EngineError("it was halted"))
        else:
            _tell(connection, True, found)


def _asked(connection: Connection) -> tuple[str, tuple[object, ...]]:
    """A method's name and what it is given. Who asks may have been killed: then so is this process, without a word."""
    try:
        name, words = connection.recv()
    except (EOFError, OSError):
        raise SystemExit(1) from None
    return name, words


def _tell(connection: Connection, fine: bool, found: object) -> None:
    try:
        connection.send((fine, found))
    except OSError:
        raise SystemExit(1) from None


def _halt_when_told(halt: Connection) -> None:
    """Nothing but close() is to come."""
    _readable(None, halt)
    INTERRUPTION.ask(StoppedError(signal.SIGTERM))
    INTERRUPTION.hurry()


class Worker:
    """One process. As a Member, it runs beside the others."""

    def __init__(self, name: str, make: Make, *arguments: object) -> None:
        """Raises what making it raises, from ready()."""
        self.name = name
        self.busy = True
        self._is_ready = False
        context = FreshContext()
        self.connection, theirs = context.Pipe()
        halt, self._halt = context.Pipe(duplex=False)
        with signals_wait():
            process = context.Process(
                target=_serve, args=(theirs, halt, make, arguments), daemon=True, name=f"lab {name}"
            )
            process.start()
        self._process: BaseProcess = cast("BaseProcess", process)
        theirs.close()
        halt.close()

    def ready(self) -> None:
        """Once the machine is there. Raises VmdbgError."""
        self._answer()
        self._is_ready = True

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
        code = self._process.exitcode
        return EngineError(
            f"the process of {self.name} has ended" + (f" (exit code {code})" if code is not None else "")
        )

    def halt(self) -> None:
        """It runs no further, wherever it is: it can be closed."""
        self._halt.close()

    def close(self) -> str:
        """Let it close its files, and end it. What was not kept, in words."""
        return "".join(close_all([self]))

    def _closes(self) -> None:
        self.halt()
        with contextlib.suppress(OSError):
            self.connection.send(("close", ()))

    def _closed(self, until: float) -> str:
        """What it was busy with is answered first. Its files are whole then, and nothing else of it is wanted."""
        found: object = ""
        with contextlib.suppress(EOFError, OSError):
            for _ in range(1 + self.busy if self._is_ready else 0):  # it keeps nothing before
                if self.connection.poll(max(0.0, until - time.monotonic())):
                    _, found = self.connection.recv()
        self._process.kill()
        self._process.join()
        self.connection.close()
        return found if isinstance(found, str) else ""


def close_all(workers: Sequence[Worker]) -> list[str]:
    """At once: each takes the time that its files take. As Worker.close(), of each."""
    for worker in workers:
        worker._closes()
    until = time.monotonic() + CLOSING_SECONDS
    return [worker._closed(until) for worker in workers]


def wait_for(members: Sequence[Member]) -> None:
    """As conductor.Wait."""
    _readable(PATIENCE, *(member.connection for member in members if isinstance(member, Worker)))


def _readable(seconds: float | None, *connections: Connection) -> bool:
    """Whether one of them has something, or has ended. Connection.poll() takes ten times as long, for each stretch."""
    waiting = select.poll()
    for connection in connections:
        waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(seconds * 1000 if seconds is not None else None))
