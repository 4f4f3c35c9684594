"""The history counted for a strip."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmdbg.document.printable import printable
from vmdbg.document.strip import Run, Strip
from vmdbg.queries.survey import Kind, SurveyRow
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import TICKS_PER_SECOND, CpuId

IF_ANY = (Kind.DISK, Kind.NETWORK)
"""What many machines have not, or do not use."""
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")
"""Of terminals (ECMA-48 5.4, 5.6)."""


def without_escapes(words: str) -> str:
    """A line of a console without what drives terminals."""
    return printable(ESCAPES.sub("", words))


def strip_of(timeline: Timeline, row: SurveyRow) -> Strip:
    """All that was counted, with the lines of the console where the guest talks."""
    start, length = timeline.start.tick // row.length * row.length, row.length
    first, stretches = start // length, max(1, -(-(timeline.end.tick - start) // length))
    numbers = range(first, first + stretches)
    log = timeline.console.port(timeline.console.talking)
    lines = [(int(tick), without_escapes(words).strip()) for tick, words in log.lines()]
    cpus = sorted({cpu for cpu, _ in row.ran})
    counted = [(kind, [row.counts[kind][number] for number in numbers]) for kind in Kind]
    return Strip(
        start,
        length,
        stretches,
        [(tick, words) for tick, words in lines if words],
        [(f"CPU {cpu}", list(_runs(row, cpu, numbers))) for cpu in cpus],
        [(kind.value, counts) for kind, counts in counted if kind not in IF_ANY or any(counts)],
        TICKS_PER_SECOND,
    )


def _runs(row: SurveyRow, cpu: CpuId, numbers: range) -> Iterator[Run]:
    """Who ran most in each stretch; number 0 is nobody, an idle CPU."""
    begun: Run | None = None
    for at, number in enumerate(numbers):
        busy = [one for one in row.ran[cpu, number].most_common() if one[0][0]]
        share = min(1.0, sum(ticks for _, ticks in busy) / row.length)
        (pid, name), _ = busy[0] if busy else ((0, ""), 0)
        known = name or f"cr3 {pid:x}"
        if begun is not None and (begun.number, begun.name) == (pid, known) and abs(begun.share - share) < 0.1:
            begun = Run(begun.first, begun.count + 1, pid, known, begun.share)
            continue
        if begun is not None and begun.number:
            yield begun
        begun = Run(at, 1, pid, known, share)
    if begun is not None and begun.number:
        yield begun
