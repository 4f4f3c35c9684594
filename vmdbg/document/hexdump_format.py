"""Lines of a hexadecimal dump."""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.document.document import Span, Style, Text

WIDTH = 16


def dump_lines(start: int, data: bytes, digits: int = 0) -> Iterator[Text]:
    """Sixteen bytes a line: address, bytes, characters. Lines that repeat the one before become one `*`."""
    digits = digits or (16 if start + len(data) > 1 << 32 else 8)
    before = b""
    skipped = False
    for offset in range(0, len(data), WIDTH):
        row = data[offset : offset + WIDTH]
        last = offset + WIDTH >= len(data)
        if row == before and not last:
            if not skipped:
                yield Text((Span("*", Style.DIM),))
            skipped = True
            continue
        before, skipped = row, False
        yield _line(start + offset, row, digits)


def _line(address: int, row: bytes, digits: int) -> Text:
    halves = row[:8].hex(" "), row[8:].hex(" ")
    cells = f"  {halves[0]:<23}  {halves[1]:<23}  "
    characters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
    return Text(
        (Span(f"{address:0{digits}x}", Style.ADDRESS), Span(cells, Style.NUMBER), Span(characters, Style.STRING))
    )
