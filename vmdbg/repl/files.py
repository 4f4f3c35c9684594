"""Where vmdbg keeps what a user's sessions leave behind (XDG Base Directory Specification)."""

from __future__ import annotations

import os
from pathlib import Path


def state_directory() -> Path:
    """It need not be there yet."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "vmdbg"


def history_file() -> Path | None:
    """The file of lines typed; None if its directory cannot be made."""
    directory = state_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return directory / "history"
