"""Looking for races."""

from __future__ import annotations

from dataclasses import replace

from vmdbg.queries.races.gathering import Gathering, Wanted
from vmdbg.queries.races.report import Judging, RaceReport, race_report


class RaceSearch(Gathering):
    """One search of a timeline."""

    def report(self, wanted: Wanted) -> RaceReport:
        gathered = self.gathered(wanted)
        judging = Judging(gathered.data, self.physical(wanted.synchronizing), wanted.function, wanted.mixed)
        report = race_report(gathered.events, len(self._timeline.machine.engine.cpus), self._known, judging)
        return replace(report, between=gathered.between, busy=tuple((one.address, one.size) for one in gathered.busy))
