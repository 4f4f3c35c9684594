"""SIGINT while a line is read. The key comes otherwise: a terminal that is read by the key makes no signal of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import FrameType

from prompt_toolkit.application import Application

from vmdbg.host.control_c import on_control_c
from vmdbg.repl.line_session import Typed


class LineInterrupt:
    """Ends the line wherever prompt_toolkit is with it, whose own handler fails before its loop runs and once it is
    closed: there comes what was pressed before the terminal was read by the key.
    """

    def __init__(self) -> None:
        self._came = False

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Around the reading of a line without prompt_toolkit's handler. Raises KeyboardInterrupt behind it."""
        self._came = False
        with on_control_c(self._note):
            yield
        if self._came:
            raise KeyboardInterrupt

    def _note(self, _frame: FrameType | None) -> None:
        self._came = True

    def ends(self, app: Application[Typed]) -> bool:
        """For the input hook: whether it has just ended the line."""
        if not self._came or not app.is_running or app.is_done:
            return False
        self._came = False
        app.exit(exception=KeyboardInterrupt(), style="class:aborting")
        return True
