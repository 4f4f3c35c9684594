"""Text for the console of the client's user (O packets)."""

from __future__ import annotations

from gdbstub.session.context import Context

CONSOLE_CHUNK = 8192
"""Characters in one O packet."""
MAX_UNREAD = 4 << 20
"""Bytes waiting for the client above which text is dropped."""


def console(context: Context, text: str) -> None:
    """Show `text` now. The protocol allows it only while a monitor command or a resumption is under way.

    A client that does not read loses text that there is no room for, and is told how much.
    """
    if context.framing.pending_output > MAX_UNREAD:
        context.lost += 1
        return
    if context.lost:
        text, context.lost = f"[{context.lost} pieces of text were lost: they came too fast]\n{text}", 0
    for start in range(0, len(text), CONSOLE_CHUNK):
        part = text[start : start + CONSOLE_CHUNK].encode("utf-8", "replace")
        context.framing.send(b"O" + part.hex().encode())
