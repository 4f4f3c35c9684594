"""Documents as HTML for notebooks. Whatever the guest has written is text there, never HTML."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape

from vmdbg.document.document import Block, Document, Pairs, Picture, Section, Span, Style, Table, Text
from vmdbg.document.printable import printable

LOOKS = {
    Style.HEADING: "font-weight:bold",
    Style.LABEL: "color:#0b7285",
    Style.ADDRESS: "color:#1864ab",
    Style.SYMBOL: "color:#2b8a3e",
    Style.MNEMONIC: "font-weight:bold",
    Style.STRING: "color:#a15c00",
    Style.CHANGED: "color:#c92a2a;font-weight:bold",
    Style.CURRENT: "color:#a15c00;font-weight:bold",
    Style.GOOD: "color:#2b8a3e;font-weight:bold",
    Style.BAD: "color:#c92a2a;font-weight:bold",
    Style.DIM: "opacity:.6",
    Style.CODE: "color:#c92a2a",
    Style.STACK: "color:#862e9c",
    Style.HEAP: "color:#1864ab",
}
_MONO = "font-family:monospace;white-space:pre;text-align:left;line-height:1.3"


def render_html(document: Document) -> str:
    """A piece of HTML without scripts, sheets or links."""
    return f'<div style="{_MONO}">{"".join(_blocks(document.blocks))}</div>'


def _blocks(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Text(spans):
                yield f"<div>{_spans(spans)}</div>"
            case Table():
                yield _table([column.title for column in block.columns] if block.titles else [], block)
            case Pairs(rows):
                cells = (((Span(name, Style.LABEL),), value.spans) for name, value in rows)
                yield f"<table>{''.join(_row(row) for row in cells)}</table>"
            case Picture():
                yield _picture(block)
            case Section(_, title, inner):
                yield f'<div style="{LOOKS[Style.HEADING]};margin-top:.5em">{_spans(title.spans)}</div>'
                yield f'<div style="margin-left:1em">{"".join(_blocks(inner))}</div>'


def _table(titles: Sequence[str], block: Table) -> str:
    head = "".join(f'<th style="text-align:left">{_words(title)}</th>' for title in titles)
    sides = ["right" if column.right else "left" for column in block.columns]
    rows = "".join(_row([cell.spans for cell in row], sides) for row in block.rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{rows}</table>"


def _row(cells: Sequence[Sequence[Span]], sides: Sequence[str] = ("left", "left")) -> str:
    shown = (
        f'<td style="{_MONO};text-align:{side};padding:0 .8em 0 0">{_spans(cell)}</td>'
        for cell, side in zip(cells, sides, strict=False)
    )
    return f"<tr>{''.join(shown)}</tr>"


def _spans(spans: Sequence[Span]) -> str:
    return "".join(_span(span) for span in spans)


def _span(span: Span) -> str:
    look = LOOKS.get(span.style)
    words = _words(span.text)
    return f'<span style="{look}">{words}</span>' if look else words


def _words(words: str) -> str:
    return escape(printable(words))


def _picture(block: Picture) -> str:
    from vmdbg.document.terminal_graphics import png

    data = base64.b64encode(png(block)).decode()
    return f'<img alt="{_words(block.words)}" src="data:image/png;base64,{data}">'
