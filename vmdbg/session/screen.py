"""What a monitor at the machine shows, for whoever has a session (vmdbg/machine/screen.py)."""

from __future__ import annotations

from devices.display.frame import Frame
from vmdbg.machine.screen import (
    COLUMNS,
    LINES,
    display_of,
    frame_of,
    lines_of,
    text_cells,
    text_of,
    text_screen_of,
)

__all__ = ["COLUMNS", "LINES", "Frame", "display_of", "frame_of", "lines_of", "text_cells", "text_of", "text_screen_of"]
