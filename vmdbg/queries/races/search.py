"""Looking for races."""

from __future__ import annotations

from vmdbg.queries.races.gathering import Gathering, Wanted
from vmdbg.queries.races.report import Judging, RaceReport, race_report


class RaceSearch(Gathering):
    """One search of a timeline."""

    def report(self, wanted: Wanted) -> RaceReport:
        gathered = self.gathered(wanted)
        judging = Judging(gathered.data, self.physical(wanted.synchronizing), wanted.function, wanted.mixed)
        return race_report(gathered.events, len(self._timeline.machine.engine.cpus), self._known, judging)
