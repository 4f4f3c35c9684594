"""Pages that have come into a file that is being written: memory need not keep them."""

from __future__ import annotations

import io
import os
import weakref
from itertools import zip_longest

from vmdbg.recording.blocks import Block, Kind
from vmdbg.recording.content import ContentReader
from vmdbg.recording.page_file import PageFile
from vmdbg.recording.page_packing import PageBlock
from vmdbg.recording.recorded_media import SectorFile

_BY_THEMSELVES = frozenset({Kind.PAGES, Kind.DIFFERENCES})
"""Blocks of pages that need none of other kinds."""


class WrittenPages:
    """The thread that writes notes what it has written; whoever runs the machine has the pages from `source`.

    They can be had for as long as somebody refers to one: the file may be closed, or removed, meanwhile.
    """

    def __init__(self, descriptor: int) -> None:
        """`descriptor` of the file, which can be read, too. Raises OSError."""
        file = io.FileIO(os.dup(descriptor))
        self.source = PageFile(file, SectorFile(file), ContentReader())
        weakref.finalize(self.source, file.close)

    def note(self, block: Block, written: PageBlock) -> None:
        """`written` is in the file as `block`."""
        if written.kind not in _BY_THEMSELVES:
            return
        self.source.add(block)
        for page, base in zip_longest(written.pages, written.bases):
            if base is None or base.source is self.source:
                page.came_into(self.source)
