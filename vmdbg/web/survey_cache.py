"""Counts of recordings on disk, so that a timeline that was drawn once is there at once the next time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import xxhash

from vmdbg.file_cache import FileCache
from vmdbg.queries.survey import Kind, SurveyRow
from vmdbg.units import CpuId
from vmdbg.version import VERSION
from vmdbg.web.survey_store import SurveyStore

FORMAT = 2


class _Kept(msgspec.Struct, frozen=True):
    """`ran` has for a CPU and a stretch each task's number, name and ticks."""

    length: int
    until: int
    counts: dict[str, dict[int, int]]
    ran: list[tuple[int, int, list[tuple[int, str, int]]]]


_DECODER = msgspec.msgpack.Decoder(_Kept)


class SurveyCache:
    """Of one recording, as its file is now. Trouble with it never stops anyone."""

    def __init__(self, recording: Path, directory: Path | None = None) -> None:
        self._files = FileCache("surveys", directory)
        self._recording = recording

    def _name(self) -> str | None:
        try:
            found = self._recording.stat()
        except OSError:
            return None
        what = f"{FORMAT} {VERSION} {self._recording.resolve()} {found.st_size} {found.st_mtime_ns}"
        return xxhash.xxh3_128_hexdigest(what.encode("utf-8", "surrogateescape"))

    def load(self) -> SurveyStore | None:
        name = self._name()
        data = self._files.load(name) if name is not None else None
        if data is None:
            return None
        try:
            kept = _DECODER.decode(data)
            row = SurveyRow(kept.length)
            for kind, counts in kept.counts.items():
                row.counts[Kind(kind)].update(counts)
        except ValueError:
            return None
        for cpu, number, runners in kept.ran:
            for pid, task, ticks in runners:
                row.ran[CpuId(cpu), number][pid, task] += ticks
        store = SurveyStore(kept.length)
        store.add(row, kept.until)
        return store

    def save(self, store: SurveyStore) -> None:
        name, row = self._name(), store.row
        if name is None:
            return
        counts = {kind.value: dict(found) for kind, found in row.counts.items()}
        ran = [
            (int(cpu), number, [(pid, task, ticks) for (pid, task), ticks in runners.items()])
            for (cpu, number), runners in row.ran.items()
        ]
        self._files.save(name, msgspec.msgpack.encode(_Kept(store.length, store.until, counts, ran)))
