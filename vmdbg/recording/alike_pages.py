"""Pages of memory that may be like others, wherever these were: what moves in memory changes little on its way."""

from __future__ import annotations

import weakref

from vmdbg.timeline.pages import Page

SAMPLE = 32
"""Bytes."""
SAMPLES = (27 * 64, 59 * 64)
"""Where in a page they are taken: seldom where something begins, which many pages do alike."""
MOST_SAMPLES = 1 << 16
_ZEROS = bytes(SAMPLE)


class AlikePages:
    """Pages, the last ones, by some of their bytes. It keeps none of them alive."""

    def __init__(self) -> None:
        self._by_sample: dict[bytes, weakref.ref[Page]] = {}

    def exchange(self, page: Page) -> Page | None:
        """One that has some bytes in common with the page, if any; from now on the page is known in its place."""
        data, known, itself = page.data, self._by_sample, weakref.ref(page)
        samples = [data[at : at + SAMPLE] for at in SAMPLES]
        found = next((one for sample in samples if (one := known.get(sample)) is not None), None)
        for sample in samples:
            if sample != _ZEROS:
                known[sample] = itself
        while len(known) > MOST_SAMPLES:
            del known[next(iter(known))]
        return found() if found is not None else None
