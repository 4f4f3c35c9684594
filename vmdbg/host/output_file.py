"""Text that a run leaves behind, in a file or on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vmdbg.errors import UserError

STDOUT = "-"


def check_path(path: str, what: str) -> None:
    """Before a long run: whether `what` can be written to `path` after it. Raises UserError."""
    if path == STDOUT or (os.path.exists(path) and not os.path.isdir(path) and not os.path.isfile(path)):
        return
    try:
        is_new = not os.path.exists(path)
        open(path, "ab").close()
        if is_new:  # what is refused for another reason leaves nothing
            os.unlink(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise _cannot_write(path, what, error) from None


class NewFiles:
    """Those of `paths` that are not there yet: what is refused before anything has run leaves none behind."""

    def __init__(self, *paths: str | None) -> None:
        self._new = [path for path in paths if path is not None and not os.path.lexists(path)]

    @contextmanager
    def not_left(self) -> Iterator[None]:
        """Where what is done here is refused."""
        try:
            yield
        except BaseException:
            for path in self._new:
                with suppress(OSError, ValueError):
                    os.unlink(path)
            raise


def write_text(text: str, path: str, what: str) -> None:
    """To `path`, or to stdout for `-`. Raises UserError."""
    if path == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _cannot_write(path, what, error) from None


def _cannot_write(path: str, what: str, error: OSError | ValueError) -> UserError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UserError(f"cannot write {what} to {path}: {reason}")
