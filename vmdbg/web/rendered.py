"""Documents of commands as values that a page shows."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import assert_never

from vmdbg.document.document import Block, Document, Pairs, Picture, Section, Table, Text
from vmdbg.document.printable import printable
from vmdbg.document.terminal_graphics import png
from vmdbg.web import answers

MOST_ROWS = 3000
"""Of one answer, lines included: what is more is counted."""
LONGEST_LINE = 4000


class _Room:
    """How much more one answer may have."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.cut = 0

    def fitting(self, number: int) -> int:
        taken = min(number, self._rows)
        self._rows -= taken
        self.cut += number - taken
        return taken


def rendered(document: Document, notices: Sequence[str] = ()) -> answers.Answered:
    room = _Room(MOST_ROWS)
    return answers.Answered(_blocks(document.blocks, room), list(notices), room.cut)


def spans(text: Text) -> answers.Spans:
    return [(printable(span.text)[:LONGEST_LINE], span.style.value) for span in text.spans if span.text]


def _blocks(blocks: Sequence[Block], room: _Room) -> list[answers.Block]:
    return [_block(block, room) for block in blocks[: room.fitting(len(blocks))]]


def _block(block: Block, room: _Room) -> answers.Block:
    match block:
        case Text():
            return answers.TextBlock(spans(block))
        case Table(columns, rows, titles):
            shown = [[spans(cell) for cell in row] for row in rows[: room.fitting(len(rows))]]
            right = [number for number, column in enumerate(columns) if column.right]
            keys = [column.key for column in columns]
            return answers.TableBlock(keys, [column.title if titles else "" for column in columns], right, shown)
        case Pairs(rows):
            pairs = rows[: room.fitting(len(rows))]
            return answers.PairsBlock([(printable(name), spans(value)) for name, value in pairs])
        case Section(_, title, inner):
            return answers.SectionBlock(spans(title), _blocks(inner, room))
        case Picture():
            return answers.PictureBlock(base64.b64encode(png(block)).decode(), printable(block.words))
        case _:
            assert_never(block)
