"""Where the prompt keeps things (XDG Base Directory Specification)."""

from __future__ import annotations

import os
from pathlib import Path


def history_file() -> Path | None:
    """The file of lines typed; None if its directory cannot be made."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    directory = Path(base) / "vmdbg"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return directory / "history"
