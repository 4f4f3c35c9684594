"""When what was learnt of the guest is void."""

from __future__ import annotations

from vmdbg.debugger.guest import Guest

Moment = tuple[int, int, int, int]
Standing = tuple[int, int, int, int, int]


class Moments:
    """Counts the lines and stops of a session, for either may have changed what is known of a guest that stands."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self.stops = 0
        self.generation = 0
        """Lines and stops."""
        self.files = 0
        """Counts the files of symbols that were added, taken away or moved."""

    @property
    def now(self) -> Moment:
        """As long as it stays equal, so does all that can be seen of the guest, from the CPU that is looked at, and all
        that files tell of it."""
        engine = self._guest.engine
        return self.generation, engine.clock, engine.delivery_count, engine.selected

    @property
    def standing(self) -> Standing:
        """As now, whatever lines were typed: who writes, runs or goes elsewhere has the machine move."""
        engine = self._guest.engine
        return self._guest.machine.moves, self.files, engine.clock, engine.delivery_count, engine.selected

    def line(self) -> None:
        self.generation += 1

    def stop(self) -> None:
        self.generation += 1
        self.stops += 1
