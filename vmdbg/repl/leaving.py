"""How a prompt is left."""

from __future__ import annotations

import enum


class Leave(enum.Enum):
    """For good, for the guest's console with the guest running, or because the run ends anyway."""

    QUIT = "quit"
    CONSOLE = "console"
    OVER = "over"
