"""Deadlines of all devices as named events that can be listed, saved and compared.

Only what the guest can see belongs here: a debugger's stops would shift the sequence numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from devices.seam import Rows


class Event(NamedTuple):
    """One deadline, `due` in nanoseconds of guest time; the first to be scheduled of equals comes first.

    A tuple, which compares as events come and is quick to make while the guest runs.
    """

    due: int
    sequence: int
    owner: str
    name: str


class Move(NamedTuple):
    """What became of a deadline elsewhere: it was set as number `number` of all that were, 0 if it was not; when it is
    due now, None if it came and was not set again."""

    owner: str
    name: str
    number: int
    due: int | None


@dataclass(slots=True)
class SchedulerState:
    """The pending events in the order in which they come, and the number the next one will get."""

    sequence: int = 0
    events: list[Event] = field(default_factory=list)


class Scheduler:
    """The pending deadlines; one for each pair of owner and name.

    `on_scheduled` is called with every deadline that is set, so that a running engine can lower its limit at once.
    `not_before` is the earliest that a deadline scheduled now can come: whoever runs the CPU keeps it ahead of an
    access, so that none falls into code already running.
    """

    name = "scheduler"
    State: ClassVar[type[SchedulerState]] = SchedulerState

    def __init__(self, on_scheduled: Callable[[Event], None] | None = None) -> None:
        self.on_scheduled = on_scheduled
        self.not_before = 0
        self._sequence = 0
        self._events: dict[tuple[str, str], Event] = {}
        self.first: Event | None = None
        """The deadline that comes first."""
        self.changes = 0
        """Counts what was done to the deadlines: as long as it stays equal, so do they."""

    def timer(self, owner: str) -> OwnedTimer:
        """The seam.Timer of one device."""
        return OwnedTimer(self, owner)

    def schedule(self, owner: str, name: str, due: int) -> None:
        """Set the deadline of (owner, name), moving it if it is pending."""
        before = self.first
        due = max(due, self.not_before)
        event = Event(due, self._sequence, owner, name)
        self._sequence += 1
        self.changes += 1
        self._events[owner, name] = event
        if before is None or due < before.due:
            self.first = event
        elif before.owner == owner and before.name == name:
            self.first = min(self._events.values())
        if self.on_scheduled is not None:
            self.on_scheduled(event)

    def cancel(self, owner: str, name: str) -> None:
        """Drop the deadline of (owner, name); does nothing if there is none."""
        event = self._events.pop((owner, name), None)
        self.changes += 1
        if event is not None and event is self.first:
            self.first = min(self._events.values(), default=None)

    def next_due(self) -> int | None:
        """When the first deadline comes, None if nothing is pending."""
        return None if self.first is None else self.first.due

    def pop_due(self, now: int) -> Event | None:
        """Take out the first event that is due at `now` or before, None if there is none."""
        first = self.first
        if first is None or first.due > now:
            return None
        self.changes += 1
        del self._events[first.owner, first.name]
        self.first = min(self._events.values(), default=None)
        return first

    def pending(self, key: tuple[str, str]) -> Event | None:
        """The deadline of that owner and name, None if there is none."""
        return self._events.get(key)

    def put_back(self, event: Event) -> None:
        """An event that pop_due() gave has not come after all: it is again what it was, and nobody is told."""
        self.changes += 1
        self._events[event.owner, event.name] = event
        self.first = min(self._events.values())

    def next_due_besides(self, others: Set[tuple[str, str]]) -> int | None:
        """When the first deadline comes that is none of `others`, by owner and name; None if there is no such."""
        first = self.first
        if first is None or (first.owner, first.name) not in others:
            return None if first is None else first.due
        return min((event.due for key, event in self._events.items() if key not in others), default=None)

    def moved(self, times: int, *moves: Move) -> None:
        """Elsewhere these deadlines came, or were set, and were set `times` times in all."""
        for owner, name, number, due in moves:
            if due is None:
                self.cancel(owner, name)
            elif number:
                self._events[owner, name] = Event(due, self._sequence + number - 1, owner, name)
        self._sequence += times
        self.changes += 1
        self.first = min(self._events.values(), default=None)

    def events(self) -> list[Event]:
        """All pending events in the order in which they come."""
        return sorted(self._events.values())

    def save(self) -> SchedulerState:
        return SchedulerState(self._sequence, self.events())

    def restore(self, state: SchedulerState) -> None:
        """Take over a saved state. `on_scheduled` is not called: whoever restores sets the limit afresh."""
        self._sequence = state.sequence
        self.changes += 1
        self._events = {(event.owner, event.name): event for event in state.events}
        self.first = min(self._events.values(), default=None)

    def describe(self, now: int) -> Rows:
        return [(f"{event.owner} {event.name}", f"due at {event.due} ns") for event in self.events()]


@dataclass(frozen=True, slots=True)
class OwnedTimer:
    """The scheduler as one device sees it: the deadlines that carry its name."""

    scheduler: Scheduler
    owner: str

    def schedule(self, name: str, due: int) -> None:
        self.scheduler.schedule(self.owner, name, due)

    def cancel(self, name: str) -> None:
        self.scheduler.cancel(self.owner, name)
