"""One guest with its history: run it, look at it, go anywhere in its time."""

from __future__ import annotations

from types import TracebackType

from vmdbg.api.console import AtConsole
from vmdbg.api.files import Keeping
from vmdbg.api.points import Stopping


class Guest(AtConsole, Stopping, Keeping):
    """A guest. Use it as a context manager, or close() it. Positions print as ticks, and `tick+phase`.

    What stops the guest comes back as a stop (vmdbg.debugger.stops): BreakpointStop, WatchpointStop, Ended and so on.
    """

    def __enter__(self) -> Guest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End recording and free the machine; nothing else may be called afterwards. The second time does nothing."""
        if self._writer is not None:
            self._writer.close()  # and is kept: it may have failed first here
        if self.recording is not None:
            self.recording.close()
            self.recording = None
        if not self._closed:
            self._closed = True
            try:
                self._files.close()
            finally:
                self.debugger.close()
                self.debugger.machine.media.close()
                self.timeline.let_go()
