"""Which locks a CPU has (Eraser, Savage et al. 1997): its own, and those of the task that it runs."""

from __future__ import annotations

from collections import defaultdict

from vmdbg.queries.races.events import Acquire, Lock, Owner, Release

Held = frozenset[tuple[Lock, bool]]
"""Locks, and whether each is shared."""
NOTHING: Held = frozenset()


class LockSets:
    """Of some CPUs. A lock that is taken twice is had until it is given back twice."""

    def __init__(self, cpus: int) -> None:
        self._own: list[dict[tuple[Lock, bool], int]] = [{} for _ in range(cpus)]
        self._of_owner: defaultdict[Owner, dict[tuple[Lock, bool], int]] = defaultdict(dict)
        self._runs: list[Owner] = [None] * cpus
        self._known: list[Held | None] = [NOTHING] * cpus

    def held(self, cpu: int) -> Held:
        known = self._known[cpu]
        if known is None:
            owner = self._runs[cpu]
            others = self._of_owner[owner] if owner is not None else {}
            known = self._known[cpu] = frozenset((*self._own[cpu], *others))
        return known

    def acquire(self, event: Acquire) -> None:
        counts, key = self._counts(event), (event.lock, event.shared)
        counts[key] = counts.get(key, 0) + 1
        self._forget(event)

    def release(self, event: Release) -> None:
        """One that nobody was seen to take was taken before this began."""
        counts, key = self._counts(event), (event.lock, event.shared)
        left = counts.pop(key, 0) - 1
        if left > 0:
            counts[key] = left
        self._forget(event)

    def switch(self, cpu: int, owner: Owner) -> None:
        self._runs[cpu] = owner
        self._known[cpu] = None

    def _counts(self, event: Acquire | Release) -> dict[tuple[Lock, bool], int]:
        return self._own[event.cpu] if event.owner is None else self._of_owner[event.owner]

    def _forget(self, event: Acquire | Release) -> None:
        """An owner's set may be that of any CPU which runs it: who releases a lock need not be who has it."""
        for cpu, owner in enumerate(self._runs):
            if cpu == event.cpu or owner == event.owner:
                self._known[cpu] = None


def protect(first: Held, second: Held) -> bool:
    """Whether two with these locks cannot be at it at once: one in common that is not shared by both."""
    exclusive = {lock for lock, shared in first if not shared}
    if any(lock in exclusive for lock, _ in second):
        return True
    theirs = {lock for lock, shared in second if not shared}
    return any(lock in theirs for lock, _ in first)
