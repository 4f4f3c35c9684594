"""Frames as network devices sent and got them, and those that were lost."""

from __future__ import annotations

from dataclasses import dataclass

from devices.network.packet_filter import PacketFilter, parse_filter
from devices.network.summary import summary
from devices.network.wire import Fate, Passage
from vmdbg.engine.stops import Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.queries.rows import PacketRow
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


@dataclass(frozen=True, slots=True)
class PacketQuery:
    """Those that a filter, as parse_filter() takes it, lets through."""

    words: str = ""

    def begin(self, timeline: Timeline) -> PacketScan:
        return PacketScan(timeline, parse_filter(self.words))


class PacketScan(RowScan):
    """Frames come without any stop: nothing but going there tells of them."""

    def __init__(self, timeline: Timeline, wanted: PacketFilter) -> None:
        super().__init__(timeline)
        self._wanted = wanted
        timeline.machine.pc.device_events.packet_listeners.append(self._on_passage)

    @property
    def stops(self) -> Stops:
        return Stops()

    def take(self, outcome: Outcome) -> None:
        """There is nothing to stop at."""

    def _on_passage(self, passage: Passage) -> None:
        if self._wanted.holds(passage):
            self.add(packet_row(passage))


def packet_row(passage: Passage) -> PacketRow:
    found = summary(passage.frame)
    return PacketRow(
        Position(Tick(passage.now)),
        passage.net,
        str(passage.direction),
        found.source,
        found.target,
        found.protocol,
        len(passage.frame),
        found.info,
        "" if passage.fate is Fate.CARRIED else str(passage.fate),
        passage.frame,
    )
