"""Pages of memory that may be like others, wherever these were: what moves in memory changes little on its way."""

from __future__ import annotations

import weakref
from collections import deque

from vmdbg.timeline.pages import Page

SAMPLE = 32
"""Bytes."""
SAMPLES = (11 * 64, 27 * 64, 43 * 64, 59 * 64)
"""Where in a page they are taken: seldom where something begins, which many pages do alike."""
MOST_SAMPLES = 1 << 17
MOST_HELD = 1 << 13
"""The last pages, whose contents stay at hand though memory needs them no longer: almost all that others are like."""
_ZEROS = bytes(SAMPLE)


class _Known(weakref.ref[Page]):
    __slots__ = ("data",)

    data: bytes | None


class AlikePages:
    """Pages, the last ones, by some of their bytes. It keeps none of them alive."""

    def __init__(self) -> None:
        self._by_sample: dict[bytes, _Known] = {}
        self._held = deque[_Known]()

    def exchange(self, page: Page, data: bytes) -> tuple[Page, bytes | None] | None:
        """One that has some bytes in common with the page, if any, and its contents, if they are at hand here.

        From now on the page, which has `data`, is known in its place.
        """
        known, itself = self._by_sample, self._hold(page, data)
        samples = [data[at : at + SAMPLE] for at in SAMPLES]
        found = next((one for sample in samples if (one := known.get(sample)) is not None), None)
        for sample in samples:
            if sample != _ZEROS:
                known[sample] = itself
        while len(known) > MOST_SAMPLES:
            del known[next(iter(known))]
        alike = found() if found is not None else None
        return (alike, found.data) if found is not None and alike is not None else None

    def _hold(self, page: Page, data: bytes) -> _Known:
        itself = _Known(page)
        itself.data = data
        self._held.append(itself)
        if len(self._held) > MOST_HELD:
            self._held.popleft().data = None
        return itself
