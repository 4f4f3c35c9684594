"""Paths of this host as users type them."""

from __future__ import annotations

from pathlib import Path

from vmdbg.errors import UserError


def host_path(words: str) -> Path:
    """With `~` expanded. Raises UserError for what no file can be called."""
    try:
        path = Path(words).expanduser()
        path.lstat()
    except FileNotFoundError:
        return path
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{words[:60]!r} is no path: {error}") from error
    return path
