"""What a client believes of the guest, where other front ends move it too (vmdbg.host.arbiter, 2 and 5)."""

from __future__ import annotations

from collections.abc import Callable

from gdbstub.errors import TargetError
from gdbstub.stops import Signal, Signalled
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.guest import Epoch

MISSED = Signalled(
    Signal.SIGTRAP,
    text="another debugger has moved or changed the guest meanwhile: here is where it stands; nothing was run",
)
"""Instead of what a client asks to be run from where the guest no longer is."""
RUNNING = "the guest is running: another debugger has let it go; `continue` waits for it to stop, Ctrl-C then stops it"


class Standing:
    """Of one client. `waits` says that it has let the guest run and is to be told of the stop."""

    def __init__(self, debugger: Debugger, owner: str, waits: Callable[[], bool]) -> None:
        self._debugger = debugger
        self._owner = owner
        self._waits = waits
        self._known: Epoch = debugger.epoch

    def note(self) -> None:
        """The client knows how the guest stands."""
        self._known = self._debugger.epoch

    @property
    def is_known(self) -> bool:
        """Whether the guest stands as the client was last told, or as it made it itself."""
        return self._debugger.epoch == self._known

    def need(self) -> None:
        """Raises TargetError where values would be those of a moment, since somebody else lets the guest run."""
        if self._debugger.running and self._debugger.run_by != self._owner and not self._waits():
            raise TargetError(RUNNING)

    @property
    def joins(self) -> bool:
        """Whether what the client wants to have run is to wait for the stop of somebody else's run."""
        return self._debugger.running and self._debugger.run_by != self._owner
