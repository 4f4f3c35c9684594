"""Text for the console of the client's user (O packets)."""

from __future__ import annotations

from gdbstub.session.context import Context

CONSOLE_CHUNK = 8192
"""Characters in one O packet."""


def console(context: Context, text: str) -> None:
    """Show `text` now. The protocol allows it only while a monitor command or a resumption is under way."""
    for start in range(0, len(text), CONSOLE_CHUNK):
        part = text[start : start + CONSOLE_CHUNK].encode("utf-8", "replace")
        context.framing.send(b"O" + part.hex().encode())
