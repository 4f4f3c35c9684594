"""The digests that are known of a history, and whether what is replayed agrees with them."""

from __future__ import annotations

from collections.abc import Iterable

from vmdbg.machine.snapshot import Position
from vmdbg.timeline.state_digest import DIGEST_INTERVAL, DivergenceError, StateDigest
from vmdbg.units import Tick


def grid_tick(position: Position, interval: int) -> Tick:
    """The tick of a grid that the boundary at `position` was the first at or after."""
    return Tick(position.tick // interval * interval)


class Verification:
    """Digests by the tick of the grid that each is of; `final` is that of the last instant of a closed history.

    Invariant: none is of an instant that did not happen, for a fork drops those after it.
    """

    def __init__(self, digests: Iterable[StateDigest], closed_at: Position | None) -> None:
        self.digests: dict[Tick, StateDigest] = {}
        self.final: StateDigest | None = None
        for digest in digests:
            if digest.position == closed_at:
                self.final = digest
            else:
                self.digests[grid_tick(digest.position, DIGEST_INTERVAL)] = digest
        self.wanted = True
        """Whether known digests are compared with when they are passed again."""
        self.agreed = 0
        """Digests that a replay has been found to agree with."""
        self.other_build = ""
        """Which build of vmdbg the digests are of, in words, if they are not this one's."""
        self.made_by: tuple[str, str] | None = None
        """Its version and fingerprint."""

    def all(self) -> list[StateDigest]:
        """Every digest that is known."""
        return [*self.digests.values(), *([self.final] if self.final is not None else [])]

    def final_at(self, position: Position) -> StateDigest | None:
        """What is to be found at `position`, if that is the end of a history whose digest is known and wanted."""
        final = self.final if self.wanted else None
        return final if final is not None and final.position == position else None

    def last_before(self, position: Position) -> Position | None:
        """The instant of the last digest before `position` that is known."""
        return max((one.position for one in self.digests.values() if one.position < position), default=None)

    def compare(self, known: StateDigest, found: StateDigest) -> None:
        """Raises DivergenceError."""
        if known != found:
            raise DivergenceError(known, found, self.other_build)
        self.agreed += 1

    def drop_after(self, position: Position) -> None:
        """That future will not happen."""
        self.digests = {tick: digest for tick, digest in self.digests.items() if digest.position <= position}
        self.final = None
