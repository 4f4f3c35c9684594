"""The numbers by which a client asks for what it was shown: they count while the guest stands where it did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dapstub.errors import TargetError
from vmdbg.debugger.guest import Epoch
from vmdbg.session.session import Session
from vmdbg.units import CpuId

MOST = 1 << 20
"""Of one stop."""
STALE = "the guest has moved since: ask for the stack again"


@dataclass(frozen=True, slots=True)
class FrameKey:
    """A frame of a CPU's stack, as `bt` numbers it; with `task`, of the one of that PID, which is on no CPU."""

    cpu: CpuId
    number: int
    task: int | None = None


@runtime_checkable
class Held(Protocol):
    """An object of the guest's."""

    @property
    def is_live(self) -> bool:
        """Whether it is read anew whenever it is looked at."""
        ...


class References:
    """Of frames, and of whatever has variables in it. Numbers begin at 1 and never come again in a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._epoch: Epoch | None = None
        self._next = 1
        self._known: dict[int, object] = {}

    def _settle(self) -> None:
        epoch = self._session.debugger.epoch
        if epoch != self._epoch:
            self._epoch = epoch
            self._known.clear()

    def forget(self) -> None:
        """What was shown may be otherwise now."""
        self._epoch = None

    @property
    def are_outdated(self) -> bool:
        """Whether something has changed, by whomever, since the client was shown anything."""
        return self._epoch is not None and self._epoch != self._session.debugger.epoch

    @contextmanager
    def kept(self, *, memory_alone: bool = False) -> Iterator[None]:
        """Inside, values are changed and nothing moves: clients go on with what they were shown, but for objects that
        were in registers then; with `memory_alone` those are as they were.
        """
        self._settle()
        yield
        self._epoch = self._session.debugger.epoch
        if not memory_alone:
            gone = [number for number, one in self._known.items() if isinstance(one, Held) and not one.is_live]
            for number in gone:
                del self._known[number]

    def add(self, what: object) -> int:
        """Raises TargetError for too many."""
        self._settle()
        if len(self._known) >= MOST:
            raise TargetError(f"more than {MOST} things were shown here: move on, or come back")
        number = self._next
        self._next += 1
        self._known[number] = what
        return number

    def of(self, number: int) -> object:
        """Raises TargetError for a number of another stop, or of none."""
        self._settle()
        found = self._known.get(number)
        if found is None:
            raise TargetError(STALE if 0 < number < self._next else f"nothing has the reference {number}")
        return found

    def frame(self, number: int) -> FrameKey:
        """Raises TargetError."""
        found = self.of(number)
        if not isinstance(found, FrameKey):
            raise TargetError(f"{number} is no frame")
        return found
