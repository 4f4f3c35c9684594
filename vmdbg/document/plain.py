"""Documents as plain text: no colour, no tabs, no blanks at line ends. What gdb's `monitor` shows."""

from __future__ import annotations

import json

from vmdbg.document.document import Document
from vmdbg.document.layout import lay_out


def render_plain(document: Document) -> str:
    """The document's lines, each with a line feed; nothing for an empty document."""
    return "".join(f"{line.plain.rstrip()}\n" for line in lay_out(document))


def render_json(document: Document) -> str:
    """The document's data as one line of JSON."""
    return json.dumps(document.data, ensure_ascii=False) + "\n"
