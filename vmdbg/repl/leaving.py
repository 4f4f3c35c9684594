"""How a prompt is left."""

from __future__ import annotations

import enum


class Leave(enum.Enum):
    """For good, or for the guest's console with the guest running."""

    QUIT = "quit"
    CONSOLE = "console"
