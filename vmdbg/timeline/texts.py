"""Where a text on a console ends, exactly.

Of output that was read from a file only the tick of each line's beginning is noted: what lies in that line is found by
listening to the guest once more.
"""

from __future__ import annotations

from vmdbg.machine.snapshot import Position
from vmdbg.timeline.console_log import TextEnd
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


def talking_port(timeline: Timeline) -> int:
    """COM1, or if that is silent the virtio console or the debug console."""
    return timeline.console.talking


def go_to_end(timeline: Timeline, port: int, end: TextEnd, on_progress: Progress | None = None) -> Position:
    """Go to the first instant at which the last byte of a text has been written, while nothing is armed."""
    timeline.go(max(timeline.start, Position(end.noted)), on_progress)
    written = end.noted if end.count == 1 else _listen(timeline, port, end.count)
    timeline.go(min(timeline.end, Position(Tick(written + 1))))
    return timeline.position


def _listen(timeline: Timeline, port: int, count: int) -> Tick:
    """When `count` more bytes have been written, or the history ends."""
    ticks: list[int] = []

    def listen(_port: int, data: bytes, tick: int) -> None:
        ticks.extend([tick] * len(data))

    machine = timeline.machine
    console = next(one for one in machine.consoles if one.port == port)
    console.listeners.append(listen)
    try:
        while len(ticks) < count and timeline.position < timeline.end:
            timeline.advance(min(timeline.end, Position(Tick(timeline.position.tick + 1_000_000))))
    finally:
        console.listeners.remove(listen)
    return Tick(ticks[count - 1]) if len(ticks) >= count else timeline.end.tick


def next_text(timeline: Timeline, port: int, text: bytes) -> Position | None:
    """Where the first occurrence ends that ends after now. Leaves the timeline somewhere."""
    here = timeline.position
    for end in timeline.console.ports[port].ends_from(text, here.tick):
        position = go_to_end(timeline, port, end)
        if position > here:
            return position
    return None


def last_text(timeline: Timeline, port: int, text: bytes) -> Position | None:
    """Where the last occurrence ended that ended before now. Leaves the timeline somewhere."""
    here = timeline.position
    for end in timeline.console.ports[port].ends_before(text, here.tick):
        position = go_to_end(timeline, port, end)
        if position < here:
            return position
    return None
