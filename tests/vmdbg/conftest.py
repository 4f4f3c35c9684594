"""Sessions on the sample kernel, stopped where a teller of the bank pays in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY, sample_kernel
from tests.vmdbg.gdb.guests import assembled_guest, sample_guest
from tests.vmdbg.os.conftest import own
from tests.vmdbg.os.own_machine import OwnGuest
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.engine.stops import Catches
from vmdbg.errors import UserError
from vmdbg.host import slirp_library
from vmdbg.machine.snapshot import Position
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session

__all__ = ["own"]

EVERYTHING = ~Effect.NONE
FUNCTION = "deposit"


@pytest.fixture(scope="session")
def shared() -> Iterator[tuple[Session, Position]]:
    """One machine for all tests that leave the history as it is, and the instant at which they begin."""
    with sample_guest() as guest:
        session = open_session(guest.debugger)
        session.run(f"tbreak {FUNCTION}")
        session.run("continue")
        session.run("delete all")
        position = session.debugger.position
        session.run("goto +9_000_000")
        session.debugger.timeline.close()
        session.debugger.timeline.seek(position)
        yield session, position


def open_session(debugger: object) -> Session:
    session = Session(debugger, catalog.commands(), allowed=EVERYTHING)  # type: ignore[arg-type]  # a Debugger
    session.sources.add(sample_kernel())
    session.sources.texts.add_directory(REPOSITORY)
    return session


@pytest.fixture
def session(shared: tuple[Session, Position]) -> Iterator[Session]:
    """Stopped at the first instruction of `deposit`, in a history that ends nine million ticks later."""
    made, position = shared
    yield made
    points = made.debugger.points
    for point in [*points.breakpoints.values(), *points.watchpoints.values()]:
        points.remove(point)
    points.set_catches(Catches())
    made.scope.variables.clear()
    made.aliases.clear()
    made._parts.clear()
    made.debugger.slice_listeners.clear()  # parts that are dropped watch no more
    made.frames.select(0)
    made.skips.patterns.clear()
    made.execution.on_point.clear()
    made.debugger.timeline.bookmarks.clear()
    made.debugger.timeline.seek(position)


@pytest.fixture
def live() -> Iterator[Session]:
    """A sample kernel of the test's own, at its first instruction."""
    with sample_guest() as guest:
        yield open_session(guest.debugger)


@pytest.fixture
def real_mode() -> Iterator[Session]:
    """A boot sector at its first instruction."""
    with assembled_guest("real_hello") as guest:
        yield Session(guest.debugger, catalog.commands(), allowed=EVERYTHING)


@pytest.fixture
def linux(own: OwnGuest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Linux when its user space is up, on a machine that all tests of Linux share."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own.timeline.seek(Position(own.ready))
    made = Session(Debugger(own.timeline), catalog.commands(), allowed=EVERYTHING)
    yield made
    points = made.debugger.points
    for point in list(points.breakpoints.values()):
        points.remove(point)


@pytest.fixture
def slirp() -> None:
    """libslirp is installed."""
    try:
        slirp_library.load()
    except UserError as error:
        pytest.skip(str(error))
